"""A config.json: which objects are one, and what is wrong with the others."""

import json

import pytest

from numel.errors import ConfigError, CorruptFileError, NumelError
from numel.formats import hf_config
from numel.sources.local import LocalFile


def read(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with LocalFile(path) as source:
        return hf_config.read(source)


def test_the_fields_are_as_they_are_written(tmp_path):
    config = read(tmp_path / "config.json", '{"model_type": "gpt2", "n_layer": 12, "unheard_of": [1, {"a": null}]}')
    assert config.fields == {"model_type": "gpt2", "n_layer": 12, "unheard_of": [1, {"a": None}]}
    assert config.model_type == "gpt2"
    assert config.path == str(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("text", "model_type", "architecture"),
    [
        ('{"model_type":"new_thing"}', "new_thing", None),
        ('{"architectures":["NewModel"]}', None, "NewModel"),
        ('{"model_type":"../x"}', "../x", None),
    ],
)
def test_an_unknown_architecture_is_no_matter_of_the_format(text, model_type, architecture, tmp_path):
    config = read(tmp_path / "config.json", text)
    assert (config.model_type, config.architecture) == (model_type, architecture)


def test_nothing_that_it_names_is_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('ran', 'w')")
    read(tmp_path / "config.json", '{"model_type":"x","auto_map":{"AutoConfig":"evil.Config","AutoModel":"evil--x.M"}}')
    assert not (tmp_path / "ran").exists()


REFUSED = {
    "": (CorruptFileError, "empty"),
    "[]": (ConfigError, "holds no object"),
    "12": (ConfigError, "holds no object"),
    '"gpt2"': (ConfigError, "holds no object"),
    "{}": (ConfigError, "neither model_type nor architectures"),
    '{"learning_rate": 1}': (ConfigError, "neither model_type nor architectures"),
    '{"weight_map": {}}': (ConfigError, "index of a sharded model"),
    '{"model_type": 5}': (ConfigError, "model_type must be a text"),
    '{"model_type": "x", "architectures": "GPT2"}': (ConfigError, "architectures must be a list"),
    '{"model_type": "x", "architectures": [1]}': (ConfigError, "architectures must be a list"),
    '{"model_type": "x"': (CorruptFileError, "not valid JSON"),
    '{"model_type": "x", "a": NaN}': (CorruptFileError, "NaN is not a number"),
    '{"model_type": "x", "a": Infinity}': (CorruptFileError, "Infinity is not a number"),
    '{"model_type": "x", "time_step_limit": [Infinity, 1]}': (CorruptFileError, "Infinity is not a number"),
    '{"model_type": "x", "model_type": "y"}': (CorruptFileError, "appears twice"),
    '{"model_type": "x", "a": ' + "9" * 4400 + "}": (CorruptFileError, "40 digits"),
    '{"model_type": "x", "a": ' + "[" * 3000 + "}": (CorruptFileError, "64 levels"),
    '{"model_type": "\\ud800"}': (CorruptFileError, "lone surrogate"),
    "\ufeff{}": (CorruptFileError, "byte order mark"),
    "version https://git-lfs.github.com/spec/v1\n": (CorruptFileError, "Git LFS pointer"),
    "<!doctype html>": (CorruptFileError, "HTML page"),
    "Entry not found": (CorruptFileError, "server's refusal"),
    "model_type: gpt2": (CorruptFileError, "not valid JSON"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:40]))
def test_what_is_no_configuration_is_refused_in_one_line(text, tmp_path):
    kind, fragment = REFUSED[text]
    with pytest.raises(NumelError) as caught:
        read(tmp_path / "config.json", text)
    assert type(caught.value) is kind
    assert fragment in str(caught.value)
    assert len(str(caught.value)) <= 400
    assert "\n" not in str(caught.value)


def test_a_large_one_is_not_read(tmp_path):
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(10_000_001)
    with LocalFile(tmp_path / "config.json") as source, pytest.raises(ConfigError, match="cannot be meant"):
        hf_config.read(source)


def test_the_open_limit_of_mamba_2_is_read_as_null(tmp_path):
    """transformers 4 writes json.dumps's Infinity into the config.json of every Mamba 2."""
    text = json.dumps({"model_type": "mamba2", "time_step_limit": [0.0, float("inf")]}, indent=2)
    assert "Infinity" in text
    assert read(tmp_path / "config.json", text).fields["time_step_limit"] == [0.0, None]


def test_a_dict_given_in_python_is_checked_as_well():
    assert hf_config.parse({"architectures": ["GPT2LMHeadModel"]}).architecture == "GPT2LMHeadModel"
    with pytest.raises(ConfigError, match="names of a configuration's fields are texts"):
        hf_config.parse({"model_type": "x", 5: 1})


def test_a_dict_is_copied():
    given = {"model_type": "gpt2"}
    config = hf_config.parse(given)
    given["model_type"] = "llama"
    assert config.model_type == "gpt2"
