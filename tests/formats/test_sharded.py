"""An index and its files: what must agree, what may differ, and which file names lead nowhere."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numel.errors import CorruptFileError, NumelError, UnsupportedError
from numel.formats import sharded, usual_index
from numel.formats.checkpoint import read
from numel.formats.usual_index import UsualIndex
from numel.sources.local import find

ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


def shard(path, *names, numel=1):
    header, end = {}, 0
    for name in names:
        header[name] = {"dtype": "F32", "shape": [numel], "data_offsets": [end, end + 4 * numel]}
        end += 4 * numel
    raw = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(end))


@pytest.fixture
def folder(tmp_path):
    """Two files with a and b, c; no index yet."""
    shard(tmp_path / ONE, "a", "b")
    shard(tmp_path / TWO, "c")
    return tmp_path


GOOD = {"a": ONE, "b": ONE, "c": TWO}


def index(folder, weight_map, metadata={"total_size": 12}, **style):  # noqa: B006
    text = json.dumps({"metadata": metadata, "weight_map": weight_map}, **style)
    (folder / INDEX).write_text(text if isinstance(weight_map, dict) else weight_map, encoding="utf-8")


def refusal(folder):
    with pytest.raises(NumelError) as caught:
        read(find(folder))
    assert len(str(caught.value)) <= 400
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4
    return str(caught.value)


@pytest.mark.parametrize(
    "style", [{}, {"indent": 2}, {"indent": 2, "sort_keys": True}, {"separators": (",", ":")}, {"indent": "\t"}]
)
def test_the_tensors_of_all_files_are_found(folder, style):
    index(folder, GOOD, **style)
    found = read(find(folder))
    assert [(t.name, t.shard) for t in found.tensors] == [("a", ONE), ("b", ONE), ("c", TWO)]
    assert found.warnings == ()
    assert found.source == ("folder", "safetensors", str(folder))
    assert found.name == folder.name


def test_the_index_itself_names_the_model_as_well(folder):
    index(folder, GOOD)
    found = read(find(folder / INDEX))
    assert len(found.tensors) == 3
    assert found.source.kind == "file"
    assert found.name == folder.name


def test_the_order_of_the_index_does_not_matter(folder):
    index(folder, {"c": TWO, "b": ONE, "a": ONE})
    assert [t.name for t in read(find(folder)).tensors] == ["a", "b", "c"]


def test_files_need_no_numbers(folder):
    (folder / ONE).rename(folder / "first.safetensors")
    (folder / TWO).rename(folder / "second.safetensors")
    index(folder, {"a": "first.safetensors", "b": "first.safetensors", "c": "second.safetensors"})
    assert len(read(find(folder)).tensors) == 3


def test_files_may_lie_in_folders_inside(folder):
    (folder / "deep").mkdir()
    (folder / TWO).rename(folder / "deep" / TWO)
    index(folder, {**GOOD, "c": f"deep/{TWO}"})
    assert {t.name: t.shard for t in read(find(folder)).tensors}["c"] == f"deep/{TWO}"


def test_a_link_out_of_the_folder_is_the_hubs_own_cache(folder, tmp_path_factory):
    blobs = tmp_path_factory.mktemp("blobs")
    (folder / TWO).rename(blobs / "abc")
    (folder / TWO).symlink_to(blobs / "abc")
    index(folder, GOOD)
    assert len(read(find(folder)).tensors) == 3


def test_the_quick_way_is_taken_for_what_json_dumps_writes(folder, monkeypatch):
    monkeypatch.setattr(sharded.Shards, "add_listed", None)
    for style in ({}, {"indent": 2}, {"separators": (",", ":")}):
        index(folder, GOOD, **style)
        assert len(read(find(folder)).tensors) == 3


ACCEPTED_WITH_WARNING = {
    "total_size absent": (GOOD, {}, "no total_size; the tensors have 12 bytes"),
    "no metadata": (GOOD, None, "no total_size"),
    "total_size another": (GOOD, {"total_size": 99}, "total_size of 99 bytes, and the tensors have 12"),
    "total_size a float": (GOOD, {"total_size": 12.0}, "12.0, which is not an integer"),
    "total_size a text": (GOOD, {"total_size": "12"}, "12, which is not an integer"),
    "total_size true": (GOOD, {"total_size": True}, "True, which is not an integer"),
    "total_size negative": (GOOD, {"total_size": -12}, "total_size of -12 bytes"),
    "tensor not listed": (
        {"a": ONE, "c": TWO},
        {"total_size": 12},
        "not in the index, but in its files and counted: b",
    ),
    "file not listed": ({"a": ONE, "b": ONE}, {"total_size": 8}, f"not in the index, and not read: {TWO}"),
}


@pytest.mark.parametrize("case", ACCEPTED_WITH_WARNING)
def test_what_readers_in_use_let_pass_is_said(case, folder):
    weight_map, metadata, warning = ACCEPTED_WITH_WARNING[case]
    index(folder, weight_map, metadata)
    found = read(find(folder))
    assert any(warning in text for text in found.warnings), found.warnings


def test_numbers_that_speak_of_another_count_are_said(folder):
    index(folder, {"a": ONE, "b": ONE}, {"total_size": 8})
    assert any("speak of 2 files, and there are 1" in text for text in read(find(folder)).warnings)


def test_the_warnings_of_a_file_are_those_of_the_model(folder):
    raw = b' {"c":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (folder / TWO).write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(4))
    index(folder, GOOD)
    assert read(find(folder)).warnings == (f"{TWO}: the header begins with white space instead of {{",)


REFUSED = {
    "a list": ("[]", "is not a JSON object with an object weight_map"),
    "no weight_map": ("{}", "is not a JSON object with an object weight_map"),
    "weight_map a list": ('{"weight_map":[]}', "is not a JSON object with an object weight_map"),
    "weight_map empty": ({}, "lists no tensors"),
    "tensor twice": (f'{{"weight_map":{{"a":"{ONE}","b":"{ONE}","a":"{ONE}","c":"{TWO}"}}}}', "key a appears twice"),
    "tensor twice, another left out": (
        f'{{"weight_map":{{"a":"{ONE}","a":"{ONE}","c":"{TWO}"}}}}',
        "key a appears twice",
    ),
    "weight_map twice": (f'{{"weight_map":{json.dumps(GOOD)},"weight_map":{json.dumps(GOOD)}}}', "appears twice"),
    "file an object": ({**GOOD, "a": {"file": ONE}}, "the file of a must be given as a text"),
    "file a number": ({**GOOD, "a": 1}, "must be given as a text"),
    "file null": ({**GOOD, "a": None}, "must be given as a text"),
    "file missing": (
        {**GOOD, "d": "model-00003-of-00003.safetensors"},
        "needs the file model-00003-of-00003.safetensors",
    ),
    "tensor in no file": ({**GOOD, "d": TWO}, "puts tensor d into " + TWO + ", and that does not hold it"),
    "tensor in another file": ({**GOOD, "a": TWO}, "it lies in " + ONE),
    "not JSON": ("{", "not valid JSON"),
    "cut short": (json.dumps({"weight_map": GOOD})[:-9], "not valid JSON"),
    "comma at the end": (json.dumps({"weight_map": GOOD})[:-2] + ",}}", "not valid JSON"),
    "NaN": ('{"metadata":{"total_size":NaN},"weight_map":' + json.dumps(GOOD) + "}", "NaN is not a number"),
    "long number": (
        '{"metadata":{"total_size":' + "1" * 5000 + '},"weight_map":' + json.dumps(GOOD) + "}",
        "40 digits",
    ),
    "deep": ('{"weight_map":' + '{"a":' * 90_000, "levels deep"),
    "lone surrogate": ('{"weight_map":{"\\ud800":"' + ONE + '"}}', "lone surrogate"),
    "byte order mark": ("\ufeff" + json.dumps({"weight_map": GOOD}), "byte order mark"),
    "HTML": ("<!DOCTYPE html><html>", "an HTML page"),
    "LFS pointer": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer"),
    "empty": ("", "empty"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_index_that_is_wrong_is_refused_and_says_why(case, folder):
    text, fragment = REFUSED[case]
    index(folder, text)
    assert fragment in refusal(folder)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../model.safetensors",
            "/etc/model.safetensors",
            "a/../b.safetensors",
            "./a.safetensors",
            "a//b.safetensors",
        ),
        *("a\\b.safetensors", "C:a.safetensors", "https://x/a.safetensors", "a%2e.safetensors", "a?b.safetensors"),
        *("a#.safetensors", "a\n.safetensors", "a\x9b.safetensors", "x" * 250 + ".safetensors", "", ".", "..", "a/"),
        *("../../../org/other/resolve/main/model.safetensors", "\x00.safetensors", "~/\x1b[0m.safetensors"),
    ],
)
def test_no_name_leads_out_of_the_folder(name, folder, monkeypatch):
    index(folder, {**GOOD, "d": name})
    opened = []
    monkeypatch.setattr(os, "open", lambda path, *rest, real=os.open: opened.append(str(path)) or real(path, *rest))
    message = refusal(folder)
    assert "weight_map names" in message
    assert not message.isprintable() or "\x1b" not in message
    assert all(os.path.dirname(path) == str(folder) for path in opened)


@pytest.mark.parametrize("name", ["pytorch_model-00001-of-00002.bin", "model.gguf", "safetensors"])
def test_other_formats_are_named(name, folder):
    index(folder, {**GOOD, "d": name})
    with pytest.raises(UnsupportedError, match=r"not a \.safetensors file"):
        read(find(folder))


def test_a_tensor_in_two_files_is_refused(folder):
    shard(folder / TWO, "c", "a")
    index(folder, GOOD)
    assert f"tensor a lies in two files: {ONE} and {TWO}" in refusal(folder)


def test_a_tensor_in_two_files_and_twice_in_the_index_is_refused(folder):
    shard(folder / TWO, "c", "a")
    index(folder, f'{{"weight_map":{{"a":"{ONE}","b":"{ONE}","a":"{TWO}","c":"{TWO}"}}}}')
    assert "twice" in refusal(folder) or "two files" in refusal(folder)


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling link", "cut short"])
def test_a_file_that_is_none_is_refused(kind, folder):
    index(folder, GOOD)
    (folder / TWO).unlink()
    if kind == "pipe":
        os.mkfifo(folder / TWO)
    elif kind == "folder":
        (folder / TWO).mkdir()
    elif kind == "dangling link":
        (folder / TWO).symlink_to("nowhere")
    else:
        (folder / TWO).write_bytes((folder / ONE).read_bytes()[:-2])
    assert TWO in refusal(folder)


def test_a_loose_file_that_is_none_harms_nobody(folder):
    index(folder, GOOD)
    os.mkfifo(folder / "model-00003-of-00002.safetensors")
    (folder / "consolidated.safetensors").write_bytes(b"")
    found = read(find(folder))
    assert len(found.tensors) == 3
    assert any("consolidated" in text for text in found.warnings)


def test_a_large_index_is_not_read(folder):
    index(folder, GOOD)
    with (folder / INDEX).open("r+b") as file:
        file.truncate(sharded.MAX_INDEX_NBYTES + 1)
    with pytest.raises(UnsupportedError, match="cannot be meant"):
        read(find(folder))


def test_many_tensors_in_many_chunks(tmp_path):
    weight_map = {}
    for i in range(1, 9):
        file = f"model-{i:05}-of-00008.safetensors"
        names = [f"model.layers.{j}.mlp.experts.{i}.down_proj.weight" for j in range(700)]
        shard(tmp_path / file, *names)
        weight_map |= dict.fromkeys(names, file)
    index(tmp_path, dict(sorted(weight_map.items())), {"total_size": 4 * len(weight_map)}, indent=2)
    found = read(find(tmp_path))
    assert len(found.tensors) == 5600
    assert found.warnings == ()
    weight_map["model.layers.9.mlp.experts.5.down_proj.weight"] = "model-00006-of-00008.safetensors"
    index(tmp_path, weight_map, indent=2)
    assert "it lies in model-00005-of-00008" in refusal(tmp_path)


class InMemory:
    def __init__(self, raw):
        self.name, self.raw, self.size = "index", raw, len(raw)

    def read(self, offset, nbytes):
        return self.raw[offset : offset + nbytes]


texts = st.text(st.sampled_from('ab."{},:\\\n é'), max_size=6)


@given(
    st.dictionaries(texts, texts, min_size=1, max_size=5), st.dictionaries(texts, texts, max_size=5), st.integers(0, 3)
)
@settings(max_examples=1000, deadline=None)
def test_the_quick_way_says_yes_only_to_the_same_map(listed, other, same):
    held = (listed, other, dict(list(listed.items())[:-1]), {**listed, **other})[same]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usual_index, "_CHUNK_NBYTES", 7)
        says_yes = _quick_way_says_yes(listed, held)
    assert not says_yes or listed == held
    plain = not any(
        "\\" in text or '"' in text or "\n" in text or "}" in text for pair in listed.items() for text in pair
    )
    assert says_yes or listed != held or not plain


def _quick_way_says_yes(listed, held):
    quick = UsualIndex(InMemory(json.dumps({"weight_map": listed}, ensure_ascii=False).encode()))
    for file in set(held.values()) if quick.document is not None else ():
        quick.expect([name for name in held if held[name] == file], file)
    return quick.document is not None and quick.is_as_expected()


@given(
    st.integers(0, 40),
    st.sampled_from(['"', ",", ":", "}", "{", " ", "x", '"a": "f"', ', "a": "f"', "\\", "\x01", "[1]"]),
)
@settings(max_examples=500, deadline=None)
def test_the_quick_way_says_yes_only_to_json(position, token):
    text = '{"weight_map": {"a": "f", "b": "g"}}'
    changed = text[:position] + token + text[position:]
    quick = UsualIndex(InMemory(changed.encode()))
    if quick.document is None:
        return
    quick.expect(["a"], "f")
    quick.expect(["b"], "g")
    if quick.is_as_expected():
        pairs = []
        assert json.loads(changed, object_pairs_hook=lambda p: pairs.append(p) or dict(p))["weight_map"] == {
            "a": "f",
            "b": "g",
        }
        assert pairs[0] == [("a", "f"), ("b", "g")]


def test_loose_numbered_files_are_one_model(folder):
    found = read(find(folder))
    assert [t.name for t in found.tensors] == ["a", "b", "c"]
    assert any("no index" in text for text in found.warnings)


def test_loose_files_of_which_one_is_missing_are_refused(folder):
    (folder / ONE).unlink()
    (folder / "model-00003-of-00003.safetensors").touch()
    (folder / TWO).rename(folder / "model-00002-of-00003.safetensors")
    with pytest.raises(CorruptFileError, match="holds 2 of the 3 files"):
        find(folder)
