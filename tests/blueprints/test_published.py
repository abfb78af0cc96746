"""Published models: each configuration gives the count that its publisher or its checkpoint's header states.

`data/published.jsonl` has one model a line: its config, the class that is counted, the `total` of its parameters and
where that number comes from. `stored` is the number of elements in the hub's safetensors files, `stored_with` what
they hold beside the model's own tensors: masks and angles of old formats, blocks that are not run, twice-stored heads.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from numel.blueprints.evaluate import evaluate
from numel.blueprints.library import load
from numel.core.config import ModelConfig

PUBLISHED = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "published.jsonl").read_text("utf-8").splitlines()
]


def found(row):
    return evaluate(load(row["config"]["model_type"]), ModelConfig(row["config"]))


@pytest.mark.parametrize("row", PUBLISHED, ids=[row["id"] for row in PUBLISHED])
def test_the_published_count_is_met(row):
    result = found(row)
    assert result.architecture == row["class"]
    assert not result.warnings
    assert sum(t.numel for t in result.tensors if t.name not in result.buffers) == row["total"]


@pytest.mark.parametrize(
    "row", [row for row in PUBLISHED if "stored" in row], ids=[row["id"] for row in PUBLISHED if "stored" in row]
)
def test_what_the_files_hold_beside_the_model_is_explained(row):
    result, beside = found(row), row["stored_with"]
    held = sum(t.numel for t in result.tensors)
    held += sum(f.numel for f in result.extra) if "extra" in beside else 0
    held += sum(f.numel for f in result.formulas if f.tied_to) if "tied" in beside else 0
    held += sum(f.numel for f in result.legacy if f.template in beside)
    assert held == row["stored"]


def test_there_are_models_of_many_kinds():
    assert len({row["config"]["model_type"] for row in PUBLISHED}) >= 80
    assert len(PUBLISHED) >= 180
