"""What a path holds, and how a file is read: no hang, no crash, nothing outside."""

import os
import socket

import pytest

from numel.errors import CorruptFileError, NoModelError, NumelError, SourceError, SourceNotFoundError
from numel.sources import local
from numel.sources.local import LocalFile, find


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_file_gives_the_bytes_that_are_asked_for(tmp_path):
    (tmp_path / "f").write_bytes(b"0123456789")
    with LocalFile(tmp_path / "f") as file:
        assert (file.size, file.name) == (10, str(tmp_path / "f"))
        assert file.read(3, 4) == b"3456"
        assert file.read(0, 10) == b"0123456789"
        assert file.read(10, 0) == b""


@pytest.mark.parametrize(("offset", "nbytes"), [(0, 11), (10, 1), (11, 0), (-1, 1), (0, -1), (2**63, 1), (0, 2**70)])
def test_what_lies_outside_of_a_file_is_an_error(offset, nbytes, tmp_path):
    (tmp_path / "f").write_bytes(b"0123456789")
    with LocalFile(tmp_path / "f") as file, pytest.raises(CorruptFileError, match="ends at byte 10"):
        file.read(offset, nbytes)


def test_short_reads_are_continued(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"0123456789")
    monkeypatch.setattr(local, "_pread", lambda fd, n, offset, real=os.pread: real(fd, min(n, 3), offset))
    with LocalFile(tmp_path / "f") as file:
        assert file.read(1, 8) == b"12345678"


def test_a_file_that_shrinks_is_an_error(tmp_path):
    (tmp_path / "f").write_bytes(b"0123456789")
    with LocalFile(tmp_path / "f") as file:
        os.truncate(tmp_path / "f", 5)
        assert file.read(0, 5) == b"01234"
        with pytest.raises(CorruptFileError, match="cut short while it was read"):
            file.read(0, 10)


def test_an_error_of_the_disk_is_ours(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"0123456789")

    def broken(fd, n, offset):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(local, "_pread", broken)
    with LocalFile(tmp_path / "f") as file, pytest.raises(SourceError, match="input/output error"):
        file.read(0, 10)


def test_reading_without_pread(tmp_path):
    (tmp_path / "f").write_bytes(b"0123456789")
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    assert local._seek_and_read(fd, 3, 4) == b"456"
    os.close(fd)


def test_a_closed_file_is_closed_once(tmp_path):
    touch(tmp_path, "f")
    file = LocalFile(tmp_path / "f")
    file.close()
    file.close()
    with pytest.raises(SourceError):
        LocalFile(tmp_path)


def test_no_descriptor_is_left_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "nothing"):
        with pytest.raises(SourceError):
            LocalFile(tmp_path / name)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("name", "error", "fragment"),
    [
        ("nothing", SourceNotFoundError, "there is no such file or folder"),
        ("file/inside", SourceNotFoundError, "a part of the path is a file"),
        ("x" * 300, SourceNotFoundError, "the name is too long"),
        ("nul\0", SourceNotFoundError, "there is no such file or folder"),
        ("pipe", SourceError, "is a named pipe, not a file"),
        ("socket", SourceError, "is a socket, not a file"),
        ("loop", SourceError, "leads back to itself"),
        ("dangling", SourceNotFoundError, "a link to a file that is not there"),
        ("/dev/null", SourceError, "is a device, not a file"),
        ("/dev/zero", SourceError, "is a device, not a file"),
        ("new\nline", SourceNotFoundError, "new\\u{a}line"),
    ],
)
def test_what_is_no_file_is_said_at_once(name, error, fragment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path may have 107 bytes
    touch(tmp_path, "file")
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    os.symlink("gone", "dangling")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for opened in (find, LocalFile):
            with pytest.raises(NumelError) as caught:
                opened(name)
            assert type(caught.value) is error
            assert fragment in str(caught.value)
            assert len(str(caught.value)) <= 400


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(tmp_path):
    touch(tmp_path, "model.safetensors")
    (tmp_path / "model.safetensors").chmod(0)
    with pytest.raises(SourceError, match="permission denied"):
        find(tmp_path / "model.safetensors").open("model.safetensors")


FOLDERS = {
    "one file": (["model.safetensors", "config.json"], ("model.safetensors",), None, 0),
    "one file of another name": (["diffusion.safetensors"], ("diffusion.safetensors",), None, 0),
    "an index": (
        ["model.safetensors.index.json", "model-00001-of-00001.safetensors", "config.json"],
        (),
        "model.safetensors.index.json",
        0,
    ),
    "a single file beside an index": (
        ["model.safetensors", "model.safetensors.index.json", "model-00001-of-00001.safetensors"],
        ("model.safetensors",),
        None,
        1,
    ),
    "a variant's index": (["model.fp16.safetensors.index.json"], (), "model.fp16.safetensors.index.json", 0),
    "two indices": (
        ["a.safetensors.index.json", "model.safetensors.index.json"],
        (),
        "model.safetensors.index.json",
        1,
    ),
    "a variant beside": (["model.safetensors", "model.fp16.safetensors"], ("model.safetensors",), None, 1),
    "other kinds beside": (
        ["model.safetensors", "pytorch_model.bin", "tf_model.h5", "tokenizer.json", "training_args.bin"],
        ("model.safetensors",),
        None,
        0,
    ),
    "a pickle": (["pytorch_model.bin", "training_args.bin", "optimizer.pt"], ("pytorch_model.bin",), None, 0),
    "hidden files": (["._model.safetensors", ".model.safetensors", "a.safetensors"], ("a.safetensors",), None, 0),
    "numbered": (
        ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"],
        ("m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"),
        None,
        1,
    ),
    "numbered and another": (
        ["m-00001-of-00001.safetensors", "consolidated.safetensors"],
        ("m-00001-of-00001.safetensors",),
        None,
        2,
    ),
    "GGUF": (["llama.Q4_K_M.gguf", "README.md"], ("llama.Q4_K_M.gguf",), None, 0),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_which_file_of_a_folder_is_read(case, tmp_path):
    names, weights, index, n_warnings = FOLDERS[case]
    touch(tmp_path, *names)
    found = find(tmp_path)
    assert (found.weights, found.shard_index) == (weights, index)
    assert found.config == ("config.json" if "config.json" in names else None)
    assert (found.kind, found.location, found.name) == ("folder", str(tmp_path), tmp_path.name)
    assert len(found.warnings) == n_warnings, found.warnings


def test_a_folder_of_several_models_asks_for_one(tmp_path):
    touch(tmp_path, "a.safetensors", "b.safetensors", "c.safetensors", "d.safetensors")
    with pytest.raises(
        NoModelError, match=r"name one of them: a\.safetensors, b\.safetensors, c\.safetensors and 1 more"
    ):
        find(tmp_path)


def test_a_folder_without_a_model_points_to_those_inside(tmp_path):
    touch(tmp_path, "README.md", "unet/config.json", "vae/x.safetensors", "scheduler/scheduler_config.json")
    with pytest.raises(NoModelError, match="perhaps unet, vae"):
        find(tmp_path)


def test_an_empty_folder_says_what_a_model_is(tmp_path):
    with pytest.raises(NoModelError, match=r"a model is a config\.json or a file of weights"):
        find(tmp_path)


def test_a_repository_in_the_hubs_cache_has_its_own_name(tmp_path):
    snapshot = tmp_path / "models--openai-community--gpt2" / "snapshots" / "607a30d783df"
    touch(snapshot, "model.safetensors")
    assert find(snapshot).name == "openai-community/gpt2"
    with pytest.raises(NoModelError, match="perhaps snapshots/607a30d783df"):
        find(tmp_path / "models--openai-community--gpt2")


def test_names_of_files_and_folders(tmp_path, monkeypatch):
    folder = tmp_path / "my-model"
    touch(folder, "config.json", "model.safetensors", "lora.safetensors", "gpt2.json", "model.safetensors.index.json")
    monkeypatch.chdir(folder)
    for path in (".", folder, f"{folder}/", "config.json", "model.safetensors", "model.safetensors.index.json"):
        assert find(path).name == "my-model", path
    assert find("lora.safetensors").name == "lora"
    assert find("gpt2.json").name == "gpt2"
    assert find("gpt2.json").config == "gpt2.json"


def test_one_of_many_files_says_that_it_is(tmp_path):
    touch(tmp_path, "model-00002-of-00003.safetensors")
    found = find(tmp_path / "model-00002-of-00003.safetensors")
    assert "is one of 3 files" in found.warnings[0]


def test_names_that_are_no_utf8(tmp_path):
    raw = os.fsencode(tmp_path) + b"/\xff.safetensors"
    with open(raw, "wb"):
        pass
    assert find(raw).open(find(raw).weights[0]).size == 0
    with pytest.raises(SourceNotFoundError, match=r"u\{dcff\}"):
        find(raw + b"x")


def test_nothing_is_opened_to_find_a_model(tmp_path, monkeypatch):
    touch(tmp_path, "model.safetensors", "config.json")
    monkeypatch.setattr(os, "open", None)
    assert find(tmp_path).weights == ("model.safetensors",)
