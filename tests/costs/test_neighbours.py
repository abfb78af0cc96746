"""DiNAT costs what its authors say, and the neighbours that stand in for natten's kernels are those of the paper."""

from __future__ import annotations

import pytest

import numel
from numel.costs.estimate import estimate, usual_context
from numel.costs.setting import Setting

# SHI-Labs/Neighborhood-Attention-Transformer@0aa12d7, classification/DiNAT.md, "FLOPs": multiply-adds in 10⁹, of fvcore, which
# counts norms, too: five for each number. Sizes and distances are those of classification/dinat.py@05de322.
MINI = {"embed_dim": 64, "depths": [3, 4, 6, 5], "num_heads": [2, 4, 8, 16], "mlp_ratio": 3.0}
TINY = MINI | {"depths": [3, 4, 18, 5]}
SMALL = TINY | {"embed_dim": 96, "num_heads": [3, 6, 12, 24], "mlp_ratio": 2.0}
BASE = SMALL | {"embed_dim": 128, "num_heads": [4, 8, 16, 32]}
LARGE = BASE | {"embed_dim": 192}
LARGE_384 = LARGE | {"image_size": 384}


def farther(far, n):
    """Neighbours, and in every second layer of three stages those so far apart."""
    return [[1, far[0], 1], [1, far[1]] * 2, [1, far[2]] * (n // 2), [1] * 5]


def multiply_adds(sizes, width, far):
    """In 10⁹."""
    fields = sizes | {"kernel_size": width, "dilations": farther(far, sizes["depths"][2]), "num_labels": 1000}
    table = numel.inspect(fields | {"model_type": "dinat", "architectures": ["DinatForImageClassification"]}).table
    return estimate(table, Setting(context=usual_context(table))).total("flops") / 2e9


@pytest.mark.parametrize(("sizes", "published"), [(MINI, 2.7), (TINY, 4.3), (SMALL, 7.8), (BASE, 13.7)])
def test_the_published_multiply_adds(sizes, published):
    assert round(multiply_adds(sizes, 7, (8, 4, 2)), 1) == published


@pytest.mark.parametrize(
    ("sizes", "width", "far", "published"),
    [(LARGE, 7, (8, 4, 2), 30.6), (LARGE_384, 7, (13, 6, 3), 89.7), (LARGE_384, 11, (8, 4, 2), 92.4)],
)
def test_those_of_the_large_one_where_norms_show(sizes, width, far, published):
    assert 0 < published - multiply_adds(sizes, width, far) < 0.005 * published


@pytest.mark.parametrize(("side", "width", "gap"), [(5, 3, 1), (16, 3, 5), (14, 7, 2), (23, 5, 3)])
def test_the_neighbours_of_a_place_are_the_nearest_of_its_gap(side, width, gap):
    """Hassani & Shi 2022, section 3.2: as many at the edge as elsewhere, of the places that share its remainder."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from flop_pictures import nearest

    for place, found in enumerate(nearest(side, width, gap).tolist()):
        of_its_gap = range(place % gap, side, gap)
        assert found == sorted(sorted(of_its_gap, key=lambda other: abs(other - place))[:width])
