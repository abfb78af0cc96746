"""The values of a live module are those of the file that it is saved as: the same histograms, to the last bit."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import numel
from numel.errors import CorruptFileError, MissingValuesError, UnsupportedError
from numel.opening import open_live, open_values
from numel.sources.live import LiveTensor
from numel.statistics import scan


class Block(torch.nn.Module):
    """A module with what is awkward: tied, transposed, of many types, and a buffer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc1 = torch.nn.Linear(48, 96)
        self.fc2 = torch.nn.Linear(96, 48, bias=False).to(torch.bfloat16)
        self.norm = torch.nn.LayerNorm(48).half()
        self.embed = torch.nn.Embedding(300, 48)
        self.head = torch.nn.Linear(48, 300, bias=False)
        self.head.weight = self.embed.weight
        self.turned = torch.nn.Parameter(torch.randn(30, 20).T)
        self.wide = torch.nn.Parameter(torch.randn(5, 7, dtype=torch.float64))
        self.register_buffer("steps", torch.arange(4))


def digests(model, open_shard):
    tensors = [row.tensor for row in model.parameters if row.excluded is None]
    return {tensor.name: histogram.digest() for tensor, histogram in scan(tensors, open_shard)}


def saved(folder, state):
    save_file({name: value.clone().contiguous() for name, value in state.items()}, folder / "model.safetensors")
    return numel.inspect(folder / "model.safetensors")


@pytest.mark.parametrize("as_state", [True, False])
def test_a_live_model_has_the_digests_of_its_file(tmp_path, as_state):
    module = Block()
    source = module.state_dict() if as_state else module
    live, file = (
        numel.inspect(source),
        saved(tmp_path, {k: v for k, v in module.state_dict().items() if k != "head.weight"}),
    )
    ours, theirs = digests(live, open_live(source)), digests(file, open_values("m", file.table.source))
    ours.pop("steps", None)  # a header alone does not know that it is a buffer, nor does a state dict
    theirs.pop("steps", None)
    assert ours == theirs
    assert len(ours) == 8


def test_float8_too(tmp_path):
    state = {
        "a.weight": torch.randn(64, 32).to(torch.float8_e4m3fn),
        "b.weight": torch.randn(8, 8).to(torch.float8_e5m2),
    }
    live, file = numel.inspect(state), saved(tmp_path, state)
    assert digests(live, open_live(state)) == digests(file, open_values("m", file.table.source))


def test_values_are_a_table_and_a_frame():
    module = Block()
    rows = numel.inspect(module).values("tensor", exact=True, spectrum="exact").to_dicts()
    by_name = {row["tensor"]: row for row in rows}
    for name, value in module.named_parameters():
        values, row = value.detach().double().numpy(), by_name[name]
        assert row["mean"] == pytest.approx(values.mean(), rel=1e-9, abs=1e-12)
        assert row["q0.5"] == np.median(values)
        assert row["nan"] == 0
    assert by_name["turned"]["spectral_norm"] == pytest.approx(
        torch.linalg.matrix_norm(module.turned, 2).item(), rel=1e-5
    )
    table = numel.inspect({"fc1.weight": np.arange(12.0).reshape(3, 4)}).values()
    assert "parameters" in repr(table)
    assert "<table" in table._repr_html_()
    assert len(table) == 1


def test_two_models_stand_beside_each_other(tmp_path):
    state = {"fc1.weight": torch.ones(4, 4)}
    both = numel.compare(state, saved(tmp_path, state)).values().to_dicts()
    assert both[0] | {"model": ""} == both[1] | {"model": ""}


def test_numpy_arrays_in_any_order():
    array = np.random.default_rng(0).standard_normal((40, 30))
    state = {"a.weight": np.asfortranarray(array), "b.weight": array[::2, ::3], "c.weight": np.float32(2.5).reshape(())}
    rows = {row["tensor"]: row for row in numel.inspect(state).values("tensor").to_dicts()}
    assert rows["a.weight"]["l2"] == pytest.approx(np.linalg.norm(array), rel=1e-14)
    assert rows["b.weight"]["max"] == array[::2, ::3].max()
    assert rows["c.weight"]["mean"] == 2.5


def test_meta_tensors_have_no_values():
    with torch.device("meta"):
        module = torch.nn.Linear(3, 3)
    with pytest.raises(MissingValuesError, match="the values of bias are not known, only its shape"):
        numel.inspect(module).values()


def test_what_gives_no_bytes_is_one_line():
    sparse = torch.eye(4).to_sparse()
    with pytest.raises(UnsupportedError, match=r"the values of w\.weight cannot be read"):
        numel.inspect({"w.weight": sparse}).values()


def test_a_change_meanwhile_is_seen():
    weight = torch.randn(500, 1000)
    opened = []

    def open_shard(name):
        opened.append(LiveTensor(name, weight))
        weight.add_(1)
        return opened[-1]

    with pytest.raises(CorruptFileError, match="changed while it was read"):
        list(scan([row.tensor for row in numel.inspect({"a.weight": weight}).parameters], open_shard))
