"""The two towers that timm builds, FastVLM's and Gemma 3n's, cost what torch counted when they ran.

timm is no part of the environment of these tests (torchvision, which it asks for, brings another torch), so the numbers
stand here: timm 1.0.31, transformers 5.23 around it, torch 2.13.0 on the meta device, FlopCounterMode, attention as products, two pictures at a time;
numbers written are the results of what was counted, scores apart. `python tools/timm_reference.py` counts them again.
"""

from __future__ import annotations

import pytest

import numel
from numel.costs.estimate import estimate, usual_context
from numel.costs.setting import Setting
from numel.costs.working import working

BATCH = 2
FASTVLM = {  # that of 0.5B, 1.5B and 7B alike
    "model_type": "fast_vlm_vision", "architecture": "fastvit_mci3", "model_args": {"inference_mode": True},
}  # fmt: skip
GEMMA3N = {"model_type": "gemma3n_vision", "architecture": "mobilenetv5_300m_enc"}


@pytest.mark.parametrize(
    ("tower", "size", "flops", "written"),
    [
        (FASTVLM, [1024, 1024], 973415645184, 1422662016),  # the size of its pictures
        (FASTVLM, [512, 512], 238223622144, 355670400),
        (FASTVLM, [250, 331], 78884027520, 116649984),
        (FASTVLM, [64, 97], 6495504384, 9369984),
        (GEMMA3N, [768, 768], 1742965899264, 1036689408),  # the size of its pictures
        (GEMMA3N, [512, 512], 727339761664, 460750848),
        (GEMMA3N, [250, 331], 233013478400, 151807744),
        (GEMMA3N, [64, 97], 19334070272, 12549120),
    ],
)
def test_a_tower_costs_what_torch_counted(tower, size, flops, written):
    table = numel.inspect(tower | {"image_size": size}).table
    found = estimate(table, Setting("prefill", usual_context(table), BATCH))
    assert (found.total("flops"), found.total("written")) == (flops, written)


@pytest.mark.parametrize(("tower", "side"), [(FASTVLM, 1024), (GEMMA3N, 768)])
def test_a_picture_is_of_the_usual_size_where_none_is_stated(tower, side):
    """FastVLM's as transformers' convert_fastvlm_weights_to_hf.py prepares them; Gemma 3n's as timm's `mobilenetv5_300m.gemma3n`."""
    table = numel.inspect(tower).table
    assert working(table).size == (side, side)
    assert working(table).is_size_assumed
