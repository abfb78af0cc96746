"""GGUF headers: what llama.cpp's own library writes is read as it was meant, and nothing else is believed."""

import struct
from math import prod

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import numel
from numel.classify import place
from numel.core.ggml_dtypes import GGML_DTYPES
from numel.errors import CorruptFileError, NumelError, UnsupportedError
from numel.formats.gguf import read
from numel.sources.local import LocalFile

gguf = pytest.importorskip("gguf")
Type = gguf.GGMLQuantizationType


def write(path, architecture, tensors, keys=None):
    """A GGUF file whose header the gguf package wrote, with a hole for the values."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in (keys or {}).items():
        (writer.add_array if isinstance(value, list) else writer.add_uint32)(key, value)
    end = 0
    for name, (shape, kind) in tensors.items():
        block, nbytes = gguf.GGML_QUANT_SIZES[kind]
        stored = prod(shape) // block * nbytes
        raw = gguf.quant_shape_to_byte_shape(shape, kind) if block > 1 else shape
        writer.add_tensor_info(
            name, raw, gguf.gguf_writer.np.dtype("uint8" if block > 1 else "float32"), stored, raw_dtype=kind
        )
        end += -(-stored // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.truncate(-(-size // 32) * 32 + end)
    return path


@pytest.mark.parametrize("number", sorted(GGML_DTYPES))
def test_the_types_are_those_of_ggml(number):
    numel_each, nbytes = gguf.GGML_QUANT_SIZES[Type(number)]
    dtype = GGML_DTYPES[number]
    assert (dtype.name, dtype.block_numel, dtype.block_nbytes) == (Type(number).name, numel_each, nbytes)


def test_no_type_of_ggml_is_missing():
    assert set(GGML_DTYPES) == {int(kind) for kind in gguf.GGML_QUANT_SIZES}


LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "tie_word_embeddings": False,
}  # fmt: skip
MIXTRAL = {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_hidden_layers": 2, "vocab_size": 320}


def as_gguf(config, arch, kind):
    """The tensors of a configuration under the names that the gguf package gives them, matrices in `kind`."""
    model = numel.inspect(config)
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    tensors = {}
    for row in model.parameters:
        name, shape = row.tensor.name, row.tensor.shape
        if row.expert is not None:  # llama.cpp stacks the experts of a layer
            name, shape = name.replace(f"experts.{row.expert}.", "experts."), (8, *shape)
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        tensors[found] = (shape, kind if len(shape) > 1 else Type.F32)
    return model, tensors


def test_llama_3_in_four_bits_has_as_many_parameters_as_llama_3(tmp_path):
    """8,030,261,248: the hub's total of Meta-Llama-3-8B in BF16."""
    original, tensors = as_gguf(LLAMA, gguf.MODEL_ARCH.LLAMA, Type.Q4_K)
    path = write(tmp_path / "llama.gguf", "llama", tensors, {"tokenizer.ggml.tokens": ["a", "bc" * 200_000, ""] * 500})
    model = numel.inspect(path)
    assert model.total == original.total == 8_030_261_248
    assert not model.table.warnings
    assert {row.tensor.name: row.tensor.shape for row in model.parameters} == {n: s for n, (s, _) in tensors.items()}
    sums = [{row["component"]: row["numel"] for row in found.by("component")} for found in (model, original)]
    assert sums[0] == sums[1]
    matrices = 8_030_261_248 - 65 * 4096
    data = model.report().data["models"][0]
    assert data["quantisation"]["numel"] == matrices
    assert data["quantisation"]["bits_per_weight"] == 144 * 8 / 256
    assert data["nbytes"] == matrices * 144 // 256 + 4 * 65 * 4096
    assert (model.counts.active, model.counts.active_without_input_embedding) == (8_030_261_248, 7_504_924_672)


def test_experts_per_token_come_from_the_metadata(tmp_path):
    original, tensors = as_gguf(MIXTRAL, gguf.MODEL_ARCH.LLAMA, Type.Q8_0)
    keys = {"llama.expert_count": 8, "llama.expert_used_count": 2}
    model = numel.inspect(write(tmp_path / "mixtral.gguf", "llama", tensors, keys))
    assert model.total == original.total
    assert model.active == original.active < model.total


def test_every_name_that_llama_cpp_gives_a_language_models_tensor_has_its_place():
    """The names of gguf-py's TENSOR_NAMES; pictures and sound have files of their own (v., a., mm., posnet, resampler)."""
    others = ("v.", "a.", "mm.", "posnet", "resampler", "convnext")
    names = [name.format(bid=0, xid=0) for name in gguf.TENSOR_NAMES.values() if not name.startswith(others)]
    tensors = {f"{name}.weight" for name in names if not name.startswith("rope")}
    assert len(tensors) > 150
    assert {name for name in tensors if place(name).component == "unclassified"} == set()


def test_a_file_without_output_matrix_uses_the_embeddings(tmp_path):
    tensors = {"token_embd.weight": ((50, 32), Type.F16), "blk.0.attn_q.weight": ((32, 32), Type.F16)}
    model = numel.inspect(write(tmp_path / "tied.gguf", "llama", tensors))
    assert model.table.aliases == {"output.weight": "token_embd.weight"}
    assert model.counts.active_without_input_embedding == model.total
    assert numel.inspect(write(tmp_path / "bert.gguf", "nomic-bert", tensors)).table.aliases == {}


def test_angles_and_layers_for_multi_token_prediction_do_not_count(tmp_path):
    tensors = {
        "token_embd.weight": ((50, 32), Type.F16), "rope_freqs.weight": ((16,), Type.F32),
        "blk.0.attn_q.weight": ((32, 32), Type.F16), "blk.1.attn_q.weight": ((32, 32), Type.F16),
        "blk.1.nextn.eh_proj.weight": ((32, 64), Type.F16),
    }  # fmt: skip
    model = numel.inspect(write(tmp_path / "m.gguf", "glm4moe", tensors))
    assert model.total == 50 * 32 + 32 * 32
    assert {row.tensor.name: row.excluded for row in model.parameters if row.excluded} == {
        "rope_freqs.weight": "buffer", "blk.1.attn_q.weight": "mtp", "blk.1.nextn.eh_proj.weight": "mtp",
    }  # fmt: skip


def test_files_that_hold_a_model_together_are_read_together(tmp_path):
    for number, name in enumerate(("token_embd.weight", "output.weight"), 1):
        keys = {"split.count": 2, "split.no": number - 1}
        write(tmp_path / f"m-0000{number}-of-00002.gguf", "llama", {name: ((64, 32), Type.Q8_0)}, keys)
    whole = numel.inspect(tmp_path)
    assert whole.total == 2 * 64 * 32
    assert whole.table.aliases == {}
    part = numel.inspect(tmp_path / "m-00001-of-00002.gguf")
    assert any("the file is one of 2" in warning for warning in part.table.warnings)


# ── By hand: what the library would not write ─────────────────────────────────────────────────────────────────────


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(name="w", dims=(32, 2), kind=0, offset=0):
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


ENTRY = entry()


def made(entries=(ENTRY,), keys=(), *, version=3, magic=b"GGUF", data=256, n_tensors=None, n_keys=None, align=32):
    counts = struct.pack(
        "<QQ", len(entries) if n_tensors is None else n_tensors, len(keys) if n_keys is None else n_keys
    )
    head = magic + struct.pack("<I", version) + counts + b"".join(keys) + b"".join(entries)
    return head + bytes(-len(head) % align + data)


def opened(tmp_path, raw):
    path = tmp_path / "m.gguf"
    path.write_bytes(raw)
    with LocalFile(path) as file:
        return read(file)


U32 = struct.Struct("<I")
KEY = text("a.b") + U32.pack(4) + U32.pack(7)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"GGUF", "ends within its header"),
        (b"GGU", "not a GGUF file"),
        (made(n_tensors=1 << 60), "cannot stand in"),
        (made(n_keys=1 << 60), "cannot stand in"),
        (made(keys=[KEY, KEY]), "appears twice"),
        (made(keys=[text("") + U32.pack(4) + U32.pack(7)]), "empty key"),
        (made(keys=[struct.pack("<Q", 1 << 62)]), "are left"),
        (made(keys=[text(b"\xff") + U32.pack(4) + U32.pack(7)]), "not UTF-8"),
        (made(keys=[text("k") + U32.pack(13) + bytes(8)]), "type 13"),
        (made(keys=[text("k") + U32.pack(7) + b"\x02"]), "true or false"),
        (made(keys=[text("k") + U32.pack(9) + struct.pack("<IQ", 4, 1 << 61)]), "cannot stand in"),
        (
            made(keys=[text("k") + U32.pack(9) + struct.pack("<IQ", 8, 2) + text("a") + struct.pack("<Q", 1 << 40)]),
            "longer",
        ),
        (made(keys=[text("general.alignment") + U32.pack(4) + U32.pack(24)]), "power of two"),
        (made(keys=[text("general.alignment") + U32.pack(4) + U32.pack(0)]), "power of two"),
        (made([entry(), entry(offset=256)], data=512), "appears twice"),
        (made([entry(name="")]), "1 to 64 bytes"),
        (made([entry(name="a\0b")]), "1 to 64 bytes"),
        (made([entry(name="a" * 65)]), "64 are allowed"),
        (made([entry(dims=(2, 2, 2, 2, 2))]), "5 dimensions"),
        (made([entry(dims=(1 << 32, 1 << 32))]), "2^63"),
        (made([entry(dims=(33,), kind=8)]), "does not fill blocks of 32"),
        (made([entry(offset=32)]), "its place is 0"),
        (made(data=255), "is cut short"),
    ],
)
def test_what_breaks_the_format_is_refused_in_one_line(tmp_path, raw, said):
    with pytest.raises(CorruptFileError) as caught:
        opened(tmp_path, raw)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (made(version=1), "version 1"),
        (made(version=3 << 24), "big-endian"),
        (made(version=9), "version 9"),
        (made([entry(kind=4)]), "type 4"),
        (made([entry(kind=42)]), "type 42"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, raw, said):
    with pytest.raises(UnsupportedError, match=said):
        opened(tmp_path, raw)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (made(keys=[text("Upper.Case") + U32.pack(4) + U32.pack(7)]), "small letters"),
        (
            made(keys=[text("k") + U32.pack(9) + struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 4, 1) + U32.pack(1)]),
            "arrays in an array",
        ),
        (made(data=400), "belong to no tensor"),
        (made([], data=0), "no tensors"),
        (made(keys=[text("general.alignment") + U32.pack(4) + U32.pack(4)], align=4), "multiple of 8"),
    ],
)
def test_what_is_odd_is_a_warning(tmp_path, raw, said):
    (warning,) = opened(tmp_path, raw).warnings
    assert said in warning


def test_version_2_and_scalars_and_empty_tensors_are_read(tmp_path):
    found = opened(tmp_path, made([entry("s", ()), entry("e", (0,), offset=32)], version=2, data=32))
    assert [(tensor.shape, tensor.numel) for tensor in found.tensors] == [((), 1), ((0,), 0)]


def test_padding_behind_the_last_tensor_may_be_missing(tmp_path):
    assert opened(tmp_path, made([entry(dims=(3,))], data=12)).warnings == ()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(at=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 600))
def test_no_byte_makes_it_fail_in_another_way(tmp_path, at, value, cut):
    raw = bytearray(
        made([entry(), entry("v", (64,), 8, 256)], [KEY, text("general.name") + U32.pack(8) + text("n")], data=512)
    )
    raw[at % len(raw)] = value
    try:
        opened(tmp_path, bytes(raw[: len(raw) - cut]))
    except NumelError as error:
        assert "\n" not in str(error)  # noqa: PT017
