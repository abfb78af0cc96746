"""Files that safetensors and transformers wrote: every tensor as their own reader has it."""

import json

import pytest

from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.formats.checkpoint import read
from numel.sources.local import LocalFile, find

theirs = pytest.importorskip("safetensors")


def compare(found, folder):
    """Names, shapes, dtypes, bytes and where they lie, against safe_open and the values themselves."""
    files = sorted({tensor.shard for tensor in found.tensors})
    by_name = {tensor.name: tensor for tensor in found.tensors}
    n_theirs = 0
    for file in files:
        raw = (folder / file).read_bytes()
        for name, tensor in theirs.deserialize(raw):
            ours = by_name[name]
            assert (list(ours.shape), ours.dtype.name, ours.shard) == (tensor["shape"], tensor["dtype"], file)
            assert raw[ours.offset : ours.offset + ours.nbytes] == bytes(tensor["data"])
            n_theirs += 1
    assert n_theirs == len(by_name) == len(found.tensors)


TORCH = {
    "BOOL": "bool",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    **{f"{kind}{bits}": f"{word}{bits}" for kind, word in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)},
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F4": "float4_e2m1fn_x2",
}


@pytest.mark.parametrize("dtype", sorted(TORCH))
def test_every_dtype_that_safetensors_writes_is_read(dtype, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    nbytes = SAFETENSORS_DTYPES[dtype].nbytes(24)
    x = (torch.arange(nbytes, dtype=torch.uint8) % 2).view(getattr(torch, TORCH[dtype]))
    save_file({"x": x, "y": x.clone()}, tmp_path / "model.safetensors", {"format": "pt"})
    found = read(find(tmp_path))
    compare(found, tmp_path)
    assert [(t.shape, t.dtype) for t in found.tensors] == [((24,), SAFETENSORS_DTYPES[dtype])] * 2
    assert found.metadata == {"format": "pt"}
    assert found.warnings == ()


@pytest.fixture(scope="module")
def gpt2():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=3, n_embd=32, n_head=2, vocab_size=100, n_positions=16)
    return transformers.GPT2LMHeadModel(config)


def test_a_saved_gpt2_is_read_tensor_by_tensor(gpt2, tmp_path):
    gpt2.save_pretrained(tmp_path)
    found = read(find(tmp_path))
    compare(found, tmp_path)
    assert sum(t.numel for t in found.tensors) == sum(p.numel() for p in gpt2.parameters())
    assert found.config.model_type == "gpt2"
    assert found.source.format == "safetensors"


def test_a_sharded_gpt2_is_read_tensor_by_tensor(gpt2, tmp_path):
    gpt2.save_pretrained(tmp_path, max_shard_size="60KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    found = read(find(tmp_path))
    compare(found, tmp_path)
    assert sum(t.numel for t in found.tensors) == sum(p.numel() for p in gpt2.parameters())
    assert found.warnings == ()
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert {t.name: t.shard for t in found.tensors} == index["weight_map"]


def test_saved_with_other_libraries_spacing(tmp_path):
    """The README's own recipe: json.dumps as it comes, and spaces up to a multiple of eight."""
    header = {
        "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [16, 24]},
    }
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    (tmp_path / "model.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(24))
    found = read(find(tmp_path))
    compare(found, tmp_path)
    start = 8 + len(raw)
    assert {t.name: (t.shape, t.dtype.name, t.offset) for t in found.tensors} == {
        "w": ((2, 2), "F32", start),
        "b": ((2,), "F32", start + 16),
    }
    assert found.warnings == ()


def test_the_pieces_of_a_file_are_where_the_header_says(gpt2, tmp_path):
    gpt2.save_pretrained(tmp_path)
    tensor = next(t for t in read(find(tmp_path)).tensors if t.name.endswith("ln_f.weight"))
    with LocalFile(tmp_path / tensor.shard) as source:
        raw = source.read(tensor.offset, tensor.nbytes)
    assert raw == gpt2.transformer.ln_f.weight.detach().numpy().tobytes()
