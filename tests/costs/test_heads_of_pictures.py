"""Every class of a model of pictures against torch: what stands behind its layers classifies, cuts out or draws anew.

`test_against_torch.py` compares the bare models; here are those with heads, at one drawn configuration each.
"""

from __future__ import annotations

import contextlib
import json
import re
from random import Random
from zlib import crc32

import pytest

import numel
from numel.cli import main
from numel.costs.estimate import estimate, usual_context
from numel.costs.families import family_called, known_types
from numel.costs.setting import Setting
from numel.costs.working import working

pytest.importorskip("torch", reason="torch is not installed: there is no FlopCounterMode to compare with")
pytest.importorskip("transformers", reason="transformers is not installed: there is nothing to count")

from config_variants import valid
from flop_inputs import AGREEING
from flop_pictures import HEADS, WITHOUT
from flop_reference import count_flops
from transformers_reference import head_classes, knows

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own affairs

N, BATCH = 11, 2
_HEAD = re.compile(r"For[A-Z]|WithProjection$|Backbone$")


def types():
    """Those that see pictures and nothing else, and one that reads words beside them."""
    return [*(name for name in known_types() if knows(name) and family_called(name).pictures), "vilt"]


def drawn(model_type, name, cls):
    """A configuration with which transformers runs the class; the FLOPs that it takes there, and what it writes."""
    seed = crc32(name.encode()) % 2**19
    for attempt in range(20):
        fields = valid(model_type, Random(seed + attempt)) | AGREEING.get(model_type, {}) | HEADS.get(name, {})
        with contextlib.suppress(Exception):  # whatever transformers says, it does not run
            counted = count_flops(model_type, cls, fields, N, BATCH)
            return fields, (counted.prefill, counted.written)
    raise LookupError(name)


def estimated(model_type, name, fields):
    """What the same takes by our account."""
    table = numel.inspect({**fields, "model_type": model_type, "architectures": [name]}, form="memory").table
    n = usual_context(table) if working(table).has_one_length else N
    found = estimate(table, Setting("prefill", n, BATCH))
    return found.total("flops"), found.total("written")


@pytest.mark.parametrize("model_type", types())
def test_every_head_is_what_torch_counts(model_type):
    for name, cls in head_classes(model_type).items():
        if _HEAD.search(name) and name not in WITHOUT:
            fields, counted = drawn(model_type, name, cls)
            assert estimated(model_type, name, fields) == counted, name


def test_the_size_that_is_taken_is_said_and_another_may_be(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "resnet", "architectures": ["ResNetForImageClassification"]}', encoding="utf-8")
    assert main(["cost", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["assumptions"]
    assert any("a picture of 224 × 224 pixels; its configuration states no size" in sentence for sentence in said)
    assert main(["cost", str(path), "--set", "image_size=32", "--context", "5"]) == 2
    assert "256 tokens each" in capsys.readouterr().err  # (32 / 2)²
    assert main(["cost", str(path), "--set", "image_size=0"]) == 2
    assert "no picture of 0 × 0 pixels" in capsys.readouterr().err
