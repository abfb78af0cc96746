"""What a path with a model yields: weights, the configuration beside them, and the truth about everything else."""

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile

import pytest

from numel.errors import CorruptFileError, NoModelError, NumelError, SourceError, SourceNotFoundError, UnsupportedError
from numel.formats import FORMATS
from numel.formats.checkpoint import read
from numel.sources.local import find

CONFIG = '{"model_type": "gpt2", "n_layer": 1}'


def weights(path, header='{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', n_data=4):
    raw = header.encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(n_data))
    return path


def test_a_file_takes_the_configuration_beside_it(tmp_path):
    weights(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(CONFIG)
    for path in (tmp_path, tmp_path / "model.safetensors"):
        found = read(find(path))
        assert found.config.model_type == "gpt2"
        assert found.name == tmp_path.name
        assert len(found.tensors) == 1
        assert found.warnings == ()
        assert found.tensors[0].shard == "model.safetensors"


def test_another_file_beside_a_configuration_is_another_model(tmp_path):
    weights(tmp_path / "lora.safetensors")
    (tmp_path / "config.json").write_text(CONFIG)
    found = read(find(tmp_path / "lora.safetensors"))
    assert found.config is None
    assert found.name == "lora"


@pytest.mark.parametrize("text", ["{", "{}", "<html>", '{"a":NaN}', "", "\0" * 50])
def test_a_broken_configuration_beside_weights_is_a_warning(text, tmp_path):
    weights(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(text)
    found = read(find(tmp_path))
    assert found.config is None
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("config.json is not used: ")


def test_a_pipe_as_configuration_is_a_warning(tmp_path):
    weights(tmp_path / "model.safetensors")
    os.mkfifo(tmp_path / "config.json")
    assert "is a named pipe" in read(find(tmp_path)).warnings[0]


def test_a_folder_with_a_configuration_alone_says_that_there_are_no_weights(tmp_path):
    (tmp_path / "config.json").write_text(CONFIG)
    found = read(find(tmp_path))
    assert found.source.kind == "config"
    assert found.tensors == ()
    assert found.config.model_type == "gpt2"
    assert any("no weights" in text for text in found.warnings)
    alone = read(find(tmp_path / "config.json"))
    assert alone.source.kind == "config"
    assert alone.name == tmp_path.name
    assert alone.warnings == ()


def test_weights_that_cannot_be_read_leave_the_configuration(tmp_path):
    (tmp_path / "config.json").write_text(CONFIG)
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04" + bytes(100))
    found = read(find(tmp_path))
    assert found.source.kind == "config"
    assert "zip archive" in found.warnings[-1]
    with pytest.raises(UnsupportedError, match="zip archive"):
        read(find(tmp_path / "pytorch_model.bin"))


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    return buffer.getvalue()


FOREIGN = {
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 5\n", "git lfs pull", 4),
    "HTML page": (b"<!DOCTYPE html>\n<html><head><title>Log in</title>", "HTML page", 4),
    "HTML page, small letters and space": (b"\n  <html>" + bytes(50), "HTML page", 4),
    "XML page": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML page", 4),
    "refusal": (b"Entry not found", "server's refusal", 4),
    "404": (b"404: Not Found", "server's refusal", 4),
    "GGUF of version 1": (b"GGUF\x01\0\0\0" + bytes(100), "GGUF file", 4),
    "zip": (zipped(), "zip archive", 4),
    "pickle": (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.", "Python pickle", 4),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5", 4),
    "NumPy": (b"\x93NUMPY\x01\0" + bytes(100), "NumPy array", 4),
    "gzip": (gzip.compress(b"x" * 100), "gzip", 4),
    "tar": (bytes(257) + b"ustar" + bytes(400), "tar archive", 4),
    "zeros": (bytes(1000), "zeros where it should begin", 4),
    "JSON": (b'{"model_type": "gpt2"}', "JSON text", 4),
    "empty": (b"", "empty", 4),
    "text": (b"hello, this is no model at all", "", 4),
    "noise": (bytes(range(255, 0, -1)) * 4, "", 4),
}


@pytest.mark.parametrize("name", ["model.safetensors", "model.bin", "model", "model.gguf"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_under_a_wrong_name_is_called_what_it_is(kind, name, tmp_path):
    raw, fragment, exit_code = FOREIGN[kind]
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(NumelError) as caught:
        read(find(tmp_path / name))
    assert fragment in str(caught.value)
    assert caught.value.exit_code == exit_code
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("name", ["model.bin", "model.gguf", "weights", "x.SAFETENSORS"])
def test_safetensors_is_recognised_under_any_name(name, tmp_path):
    assert len(read(find(weights(tmp_path / name))).tensors) == 1


@pytest.mark.parametrize("name", ["model.safetensors", "model.bin", "weights"])
def test_gguf_is_recognised_under_any_name(name, tmp_path):
    (tmp_path / name).write_bytes(b"GGUF\x03\0\0\0" + bytes(16))
    assert read(find(tmp_path / name)).source.format == "gguf"


def test_the_index_of_pickles_is_no_index_of_ours(tmp_path):
    (tmp_path / "pytorch_model.bin.index.json").write_text('{"weight_map":{"a":"pytorch_model-00001-of-00001.bin"}}')
    (tmp_path / "pytorch_model-00001-of-00002.bin").write_bytes(zipped())
    (tmp_path / "pytorch_model-00002-of-00002.bin").write_bytes(zipped())
    with pytest.raises(UnsupportedError, match="zip archive"):
        read(find(tmp_path))
    (tmp_path / "config.json").write_text(CONFIG)
    assert read(find(tmp_path)).config.model_type == "gpt2"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: None, SourceNotFoundError),
        (os.mkfifo, SourceError),
        (lambda path: path.symlink_to(path), SourceError),
        (lambda path: path.symlink_to("nowhere"), SourceNotFoundError),
        (lambda path: path.mkdir(), NoModelError),
    ],
    ids=["nothing", "pipe", "loop of links", "dangling link", "empty folder"],
)
def test_what_cannot_be_a_file_is_refused_at_once(make, error, tmp_path):
    path = tmp_path / "model.safetensors"
    make(path)
    with pytest.raises(NumelError) as caught:
        read(find(path))
    assert type(caught.value) is error
    assert caught.value.exit_code == 3


def test_a_cut_file_is_an_error_and_no_crash(tmp_path):
    path = weights(tmp_path / "model.safetensors", n_data=4)
    found = find(path)
    with found.open("model.safetensors") as source:
        os.truncate(path, 10)
        with pytest.raises(CorruptFileError, match="cut short while it was read"):
            source.read(0, 20)


def test_every_format_has_a_suffix_and_a_mark():
    for row in FORMATS.values():
        assert row.suffixes
        assert row.magic[1]
        assert callable(row.load())


def test_reading_imports_neither_torch_nor_numpy_nor_msgspec(tmp_path):
    weights(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(CONFIG)
    code = (
        "import sys; from numel.sources.local import find; from numel.formats.checkpoint import read;"
        "read(find(sys.argv[1])); print([m for m in ('torch', 'numpy', 'msgspec', 'safetensors', 'dataclasses', 'pathlib')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_values_are_not_read(tmp_path, monkeypatch):
    n = 50_000_000
    weights(tmp_path / "model.safetensors", json.dumps({"a": {"dtype": "U8", "shape": [n], "data_offsets": [0, n]}}), 0)
    os.truncate(tmp_path / "model.safetensors", (tmp_path / "model.safetensors").stat().st_size + n)
    asked = []
    monkeypatch.setattr(
        "numel.sources.local._pread", lambda fd, n, offset, real=os.pread: asked.append(n) or real(fd, n, offset)
    )
    assert read(find(tmp_path)).tensors[0].numel == n
    assert sum(asked) < 1000
