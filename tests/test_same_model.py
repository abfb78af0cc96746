"""One model through every source: a name, a config, a header, a folder, a live module, a state dict."""

import json
import math
import types

import pytest

import numel
from numel.api import rendered
from numel.sources.preset import find
from numel.translate import Translator

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def meta_module(name):
    """The published model as transformers builds it, without memory."""
    config = transformers.AutoConfig.for_model(**find(name).facts["config"])
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config)


def write_header(path, module):
    """A safetensors file as `save_pretrained` lays it out (tied tensors once), its values a hole in the file."""
    tied = set(getattr(module, "_tied_weights_keys", None) or ())
    write_tensors(path, {name: list(tensor.shape) for name, tensor in module.state_dict().items() if name not in tied})


def write_tensors(path, shapes):
    """A safetensors file of float32 tensors, its values a hole in the file."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        nbytes = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + nbytes]}
        end += nbytes
    raw = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + end)


@pytest.fixture(scope="module", params=["gpt2", "gpt2-xl"])
def sources(request, tmp_path_factory):
    name = request.param
    folder = tmp_path_factory.mktemp("models") / name
    folder.mkdir()
    module = meta_module(name)
    (folder / "config.json").write_text(json.dumps(find(name).facts["config"]))
    write_header(folder / "model.safetensors", module)
    alone = folder.parent / f"{name}.json"
    alone.write_text(json.dumps(find(name).facts["config"]))
    return {
        "preset": name,
        "config": str(alone),
        "dict": dict(find(name).facts["config"]),
        "folder": str(folder),
        "header": str(folder / "model.safetensors"),
        "module": module,
    }


def rows(model):
    return {
        (r.tensor.name, r.tensor.shape, r.tensor.dtype.name, r.component, r.part, r.role, r.tower, r.layer, r.numel)
        for r in model.parameters
    }


def test_every_source_gives_the_same_table(sources):
    expected = numel.inspect(sources["preset"])
    for kind, source in sources.items():
        found = numel.inspect(source)
        assert rows(found) == rows(expected), kind
        assert found.counts == expected.counts, kind


@pytest.mark.parametrize("by", ["component", "part", "layer", "tensor", "dtype", "role"])
def test_json_differs_only_in_the_source(sources, by):
    """All that is known is given to each: a state dict has no name, and a header no configuration."""
    config = sources["dict"]
    answers = {}
    for kind, source in {**sources, "state dict": sources["module"].state_dict()}.items():
        joined = {"config": config} if kind in ("header", "state dict") else {}
        model = numel.inspect(source, name=sources["preset"], **joined)
        answer = json.loads(rendered(model.report(by=by), "json"))
        assert set(answer["models"][0].pop("source")) == {"kind", "format", "location"}
        if by == "tensor":  # each source has an order of its own: a file's is by name
            answer["models"][0]["groups"].sort(key=lambda group: group["tensor"])
        answers[kind] = answer
    assert len(answers) == 7
    for kind, answer in answers.items():
        assert answer == answers["preset"], kind


def test_a_state_dict_alone_gives_the_same_rows(sources):
    """The tied lm_head is told by its memory, so no row of its own; what says so is a warning's matter."""
    alone, expected = numel.inspect(sources["module"].state_dict()), numel.inspect(sources["preset"])
    assert rows(alone) == rows(expected)
    assert alone.total == expected.total
    assert dict(alone.table.aliases) == {"lm_head.weight": "transformer.wte.weight"}


def test_what_nobody_says_of_a_bare_file_is_said(sources, tmp_path):
    """Without a configuration a copy of the token embedding looks like an untied head, and a mask like a weight."""
    shapes = {"transformer.wte.weight": [50257, 768], "lm_head.weight": [50257, 768], "h.0.attn.odd": [4, 4]}
    path = tmp_path / "model.safetensors"
    write_tensors(path, shapes)
    report = numel.inspect(path).report()
    said = [Translator().text(text) for text in (*report.assumptions, *report.warnings)]
    assert any("lm_head.weight and transformer.wte.weight have the same shape and may be tied" in s for s in said)
    assert any("no configuration says which tensors are buffers" in s for s in said)
    for source in (sources["preset"], sources["folder"], sources["module"]):
        report = numel.inspect(source).report()
        said = [Translator().text(text) for text in (*report.assumptions, *report.warnings)]
        assert not any("may be tied" in s or "are buffers" in s for s in said)


def test_a_live_model_is_called_what_it_was_loaded_as(sources):
    module = sources["module"]
    assert numel.inspect(module).name == "gpt2"  # its model type: it was loaded from nowhere
    named = types.SimpleNamespace(name_or_path="me/my-gpt2", to_dict=lambda: {"model_type": "gpt2"})
    bare = torch.nn.Linear(2, 3)
    assert numel.inspect(bare).name == "Linear"
    bare.config = named
    assert numel.inspect(bare).name == "me/my-gpt2"
    bare.config = types.SimpleNamespace(name_or_path="/home/me/models/small/", to_dict=dict)
    assert numel.inspect(bare).name == "small"


def test_an_old_checkpoint_is_explained_line_by_line(tmp_path):
    """The first published files hold the causal masks as tensors: the hub's 137,022,720 for gpt2."""
    module = meta_module("gpt2")
    shapes = {n.removeprefix("transformer."): list(p.shape) for n, p in module.named_parameters()}
    shapes |= {f"h.{i}.attn.bias": [1, 1, 1024, 1024] for i in range(12)}
    path = tmp_path / "model.safetensors"
    write_tensors(path, shapes)
    model = numel.inspect(path)
    assert model.stored == 137_022_720
    assert model.total == 124_439_808
    (line,) = model.report().data["models"][0]["stored_difference"]
    assert line["numel"] == 12_582_912
    assert line["formula"] == "12 × 1024²"


def test_torch_is_not_imported_for_a_module():
    """numel looks at what is there; for an architecture without blueprint it asks for transformers, and what runs needs torch."""
    import ast
    from pathlib import Path

    package = Path(numel.__file__).parent
    asking = {package / "sources" / "built.py", package / "sources" / "runnable.py", *(package / "runs").glob("*.py")}
    for path in set(package.rglob("*.py")) - asking:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(name.split(".")[0] in ("torch", "transformers") for name in names), path


def test_layers_that_the_config_does_not_describe_are_said_and_not_explained(tmp_path):
    fields = {"model_type": "gpt2", "n_layer": 3, "n_embd": 8, "n_head": 2, "vocab_size": 11, "n_positions": 4}
    module = transformers.GPT2LMHeadModel(transformers.GPT2Config(**fields))
    write_header(tmp_path / "model.safetensors", module)
    (tmp_path / "config.json").write_text(json.dumps({**fields, "n_layer": 2}))
    model = numel.inspect(tmp_path)
    assert model.total == sum(p.numel() for p in module.parameters())
    assert model.table.formulas == ()
    assert "12 tensors that the config does not describe" in model.table.warnings[-1]
