"""Live modules and state dicts: the names that a checkpoint would have, tied weights once, no value read."""

import re
import sys
import types

import pytest

import numel
from numel.errors import UnsupportedError, UsageError
from numel.sources.module import read

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def config():
    transformers = pytest.importorskip("transformers")
    return transformers.GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=100, n_positions=16)


def gpt2(config, device):
    import transformers

    with torch.device(device):
        model = transformers.GPT2LMHeadModel(config)
    model.tie_weights()
    return model


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_gpt2_has_its_head_tied(config, device):
    model = gpt2(config, device)
    found = read(model)
    assert found.aliases == {"lm_head.weight": "transformer.wte.weight"}
    assert sum(t.numel for t in found.tensors) == sum(p.numel() for p in model.parameters())
    assert [t.name for t in found.tensors] == [name for name, _ in model.named_parameters()]
    assert found.config.model_type == "gpt2"
    assert (found.name, found.source) == ("gpt2", ("module", "torch", "GPT2LMHeadModel"))
    assert {t.dtype.name for t in found.tensors} == {"F32"}


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_its_state_dict_says_the_same(config, device):
    model = gpt2(config, device)
    found = read(model.state_dict())
    assert found.aliases == {"lm_head.weight": "transformer.wte.weight"}
    assert found.tensors == read(model).tensors
    assert found.source.kind == "state_dict"
    assert found.config is None


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.register_buffer("mask", torch.ones(4, 4, dtype=torch.bool))
        self.register_buffer("scratch", torch.ones(9), persistent=False)
        self.register_parameter("nothing", None)
        self.again = self.first
        self.scale = torch.nn.Parameter(torch.tensor(1.0))


def test_names_and_shapes_are_those_of_the_state_dict():
    net = Net()
    found = read(net)
    everything = {t.name for t in found.tensors} | found.aliases.keys()
    assert everything == net.state_dict().keys()
    assert {t.name: t.shape for t in found.tensors}["scale"] == ()


def test_buffers_that_are_saved_are_buffers_and_the_others_are_not_there():
    found = read(Net())
    assert found.buffers == {"mask", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
    assert "scratch" not in {t.name for t in found.tensors}
    assert {t.name: t.dtype.name for t in found.tensors}["mask"] == "BOOL"
    assert {t.name: t.dtype.name for t in found.tensors}["norm.num_batches_tracked"] == "I64"


def test_a_module_that_stands_twice_is_stored_once():
    assert read(Net()).aliases == {"again.weight": "first.weight", "again.bias": "first.bias"}


def test_parameters_that_share_their_memory_are_tied():
    net = torch.nn.ModuleList([torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False)])
    net[1].weight.data = net[0].weight.data
    assert read(net).aliases == {"1.weight": "0.weight"}


def test_different_views_of_one_memory_are_different_tensors():
    whole = torch.zeros(4, 4)
    found = read(
        {"whole": whole, "half": whole[:2], "other half": whole[2:], "turned": whole.T, "same": whole.view(4, 4)}
    )
    assert [t.name for t in found.tensors] == ["whole", "half", "other half", "turned"]
    assert found.aliases == {"same": "whole"}


def test_empty_tensors_and_tensors_without_memory_are_not_tied():
    found = read(
        {
            "a": torch.empty(0),
            "b": torch.empty(0),
            "c": torch.empty(2, device="meta"),
            "d": torch.empty(2, device="meta"),
        }
    )
    assert len(found.tensors) == 4


def test_gigantic_modules_on_meta_cost_nothing():
    found = read(torch.nn.Linear(100_000, 1_000_000, device="meta", dtype=torch.bfloat16))
    assert found.tensors[0].numel == 10**11
    assert found.tensors[0].dtype.name == "BF16"


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(torch.float8_e4m3fn, "F8_E4M3"), (torch.uint16, "U16"), (torch.complex64, "C64"), (torch.float64, "F64")],
)
def test_dtypes_have_their_names_in_files(dtype, name):
    assert read({"x": torch.empty(2, dtype=dtype, device="meta")}).tensors[0].dtype.name == name


def test_a_dtype_that_no_file_has_is_named():
    with pytest.raises(UnsupportedError, match=r"x is of torch.complex128"):
        read({"x": torch.empty(2, dtype=torch.complex128)})


def test_a_lazy_module_has_no_shapes_yet():
    with pytest.raises(UnsupportedError, match="weight is not initialised"):
        read(torch.nn.LazyLinear(3))


def test_what_is_no_tensor_is_left_out_and_said():
    found = read({"w": torch.zeros(2), "step": 5, "note": "x"})
    assert [t.name for t in found.tensors] == ["w"]
    assert found.warnings == ("no tensor, and left out: step and 1 more",)


def test_a_checkpoint_of_a_training_run_points_to_the_model_inside():
    with pytest.raises(UsageError, match="perhaps its"):
        read({"epoch": 3, "model": {"w": torch.zeros(2)}})


@pytest.mark.parametrize("live", [5, "gpt2", object(), [1], None])
def test_anything_else_is_refused(live):
    with pytest.raises(UsageError, match="neither a torch module nor a state dict"):
        read(live)


def test_numpy_arrays_are_tensors_as_well():
    numpy = pytest.importorskip("numpy")
    found = read({"a": numpy.zeros((2, 3), numpy.float16), "b": numpy.zeros((), numpy.int64)})
    assert [(t.shape, t.dtype.name) for t in found.tensors] == [((2, 3), "F16"), ((), "I64")]


def test_wrappers_do_not_show_in_the_names():
    class OptimizedModule(torch.nn.Module):  # torch.compile's, whose import takes seconds
        pass

    compiled = OptimizedModule()
    compiled._orig_mod = torch.nn.DataParallel(torch.nn.Linear(2, 2))
    found = read(compiled)
    assert [t.name for t in found.tensors] == ["weight", "bias"]
    assert found.name == "Linear"


def test_torch_is_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "numel.sources.module")
    monkeypatch.setitem(sys.modules, "torch", None)
    import numel.sources.module

    tensor = types.SimpleNamespace(shape=(2,), dtype="torch.float32")
    assert numel.sources.module.read({"a": tensor, "b": tensor}).aliases == {"b": "a"}


def test_a_lazy_module_is_told_what_to_do():
    lazy = torch.nn.Sequential(torch.nn.LazyLinear(3), torch.nn.Linear(3, 2))
    for source in (lazy, lazy.state_dict()):
        with pytest.raises(UnsupportedError, match=r"0\.weight is not initialised.*run once"):
            numel.inspect(source)


@pytest.mark.parametrize("key", ["model_state_dict", "state_dict", "model"])
def test_a_training_checkpoint_names_the_state_dict_inside(key):
    checkpoint = {"epoch": 3, key: torch.nn.Linear(2, 3).state_dict(), "loss": torch.zeros(())}
    with pytest.raises(UsageError, match=re.escape(f"give its ['{key}']")):
        numel.inspect(checkpoint)


def test_a_state_dict_with_something_else_in_it_names_that():
    with pytest.raises(UsageError, match="step is not a tensor"):
        numel.inspect({"w.weight": torch.zeros(2, 3), "step": 3})


def test_where_a_name_says_nothing_the_class_of_its_module_does():
    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mix, self.out = torch.nn.Conv1d(4, 4, 3), torch.nn.Linear(4, 4)

    class TinyFeedForward(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = torch.nn.Linear(4, 8)

    net = torch.nn.ModuleDict({"one": Block(), "two": TinyFeedForward()})
    rows = numel.inspect(net).parameters
    assert [(row.tensor.name, row.component.value) for row in rows if row.role == "weight"] == [
        ("one.mix.weight", "conv"),
        ("one.out.weight", "unclassified"),
        ("two.wide.weight", "mlp"),
    ]
    state = numel.inspect(net.state_dict()).parameters
    assert {row.component.value for row in state} == {"unclassified"}
