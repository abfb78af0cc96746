"""What a block is worth: the loss without it is the one that transformers itself gives when its output projection is zero.

The model is a small GPT-2, trained here for some seconds on text that Python ships, so that attention and MLP both matter.
"""

import codecs
import contextlib
import copy
import io
import json
import os
import subprocess
import sys

import pytest

from numel.cli import main

pytest.importorskip("torch", reason="torch is not installed: nothing runs")
pytest.importorskip("transformers", reason="transformers is not installed: nothing is built")

import torch
import transformers

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own affairs

CONTEXT = 64


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def prose():
    """The Zen of Python, which every Python holds, in ROT13."""
    with contextlib.redirect_stdout(io.StringIO()):
        import this
    return codecs.decode(this.s, "rot13")


@pytest.fixture(scope="module")
def tokenizer():
    """One token for each byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = {char: k for k, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(alphabet, []))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made)


@pytest.fixture(scope="module")
def model(prose, tokenizer):
    torch.manual_seed(1)
    ids = torch.tensor(tokenizer(prose)["input_ids"])
    config = transformers.GPT2Config(
        n_layer=2, n_embd=48, n_head=4, n_positions=CONTEXT, vocab_size=256, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=0.05,
    )  # fmt: skip
    module = transformers.GPT2LMHeadModel(config).train()
    optimizer = torch.optim.AdamW(module.parameters(), 4e-3)
    for _ in range(250):
        starts = torch.randint(0, len(ids) - CONTEXT, (8,))
        batch = torch.stack([ids[k : k + CONTEXT] for k in starts])
        optimizer.zero_grad()
        module(batch, labels=batch).loss.backward()
        optimizer.step()
    return module.eval()


@pytest.fixture(scope="module")
def folder(model, tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def text(prose, tmp_path_factory):
    """As many tokens as the model sees at once, and a longer one."""
    path = tmp_path_factory.mktemp("text")
    (path / "short.txt").write_text(prose[300 : 300 + CONTEXT])
    (path / "long.txt").write_text(prose[300 : 300 + 3 * CONTEXT + 10])
    return path


def run(capsys, *words):
    capsys.readouterr()  # what a test's own saving has said
    code = main(["ablate", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def asked(capsys, *words):
    code, out, err = run(capsys, *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)["models"][0]


def loss_of(module, tokenizer, path):
    """transformers' own loss of a text that fits into the context."""
    ids = torch.tensor([tokenizer(path.read_text())["input_ids"]])
    with torch.no_grad():
        return float(module(ids, labels=ids).loss)


def silenced(module, *projections):
    """A copy whose output projections give zero."""
    changed = copy.deepcopy(module)
    for path in projections:
        projection = changed.get_submodule(path)
        for tensor in projection.parameters():
            tensor.data.zero_()
    return changed


PROJECTIONS = {"attention": "transformer.h.{}.attn.c_proj", "mlp": "transformer.h.{}.mlp.c_proj"}


def test_each_loss_is_that_of_a_model_whose_projections_are_zero(capsys, folder, text, model, tokenizer):
    path = text / "short.txt"
    found = asked(capsys, folder, "--text", path)
    assert found["loss"] == pytest.approx(loss_of(model, tokenizer, path), rel=1e-5)
    assert (found["n_tokens"], found["n_predicted"]) == (CONTEXT, CONTEXT - 1)
    for row in found["layers"]:
        other = silenced(model, PROJECTIONS[row["component"]].format(row["layer"]))
        assert row["loss"] == pytest.approx(loss_of(other, tokenizer, path), rel=1e-5)
        assert row["difference"] == row["loss"] - found["loss"]
    for row in found["kinds"]:
        other = silenced(model, *(PROJECTIONS[row["component"]].format(k) for k in range(2)))
        assert row["loss"] == pytest.approx(loss_of(other, tokenizer, path), rel=1e-5)
        assert row["difference"] > 1  # trained: both kinds matter
    assert len(found["layers"]) == 4


def test_parameters_are_those_of_the_block_and_the_difference_is_told_for_a_million(capsys, folder, text, model):
    found = asked(capsys, folder, "--text", text / "short.txt")
    for row in found["layers"]:
        block = model.transformer.h[row["layer"]]
        owner = block.attn if row["component"] == "attention" else block.mlp
        numel = sum(p.numel() for p in owner.parameters())
        assert row["numel"] == numel
        assert row["difference_per_million"] == pytest.approx(row["difference"] / numel * 1_000_000)
    assert [row["numel"] for row in found["kinds"]] == [
        2 * sum(p.numel() for p in owner.parameters()) for owner in (block.attn, block.mlp)
    ]


def test_the_mean_of_an_output_stands_in_its_place(capsys, folder, text, model, tokenizer):
    path = text / "short.txt"
    ids = torch.tensor([tokenizer(path.read_text())["input_ids"]])
    found = asked(capsys, folder, "--text", path, "--replace", "mean")
    for row in found["layers"]:
        other = copy.deepcopy(model)
        block = other.transformer.h[row["layer"]]
        owner = block.attn if row["component"] == "attention" else block.mlp  # the whole block, not its projection
        seen = []
        hook = owner.register_forward_hook(
            lambda _m, _i, out, seen=seen: seen.append(out[0] if isinstance(out, tuple) else out)
        )
        with torch.no_grad():
            other(ids)
        hook.remove()
        mean = seen[0].reshape(-1, 48).mean(0)
        owner.register_forward_hook(
            lambda _m, _i, out, mean=mean: (
                (mean.expand_as(out[0]), *out[1:]) if isinstance(out, tuple) else mean.expand_as(out)
            )
        )
        assert row["loss"] == pytest.approx(loss_of(other, tokenizer, path), rel=1e-5)


def test_a_long_text_is_read_in_windows_that_overlap_by_one_token(capsys, folder, text, model, tokenizer):
    path = text / "long.txt"
    ids = tokenizer(path.read_text())["input_ids"]
    total, at = 0.0, 0
    while at < len(ids) - 1:
        window = torch.tensor([ids[at : at + CONTEXT]])
        with torch.no_grad():
            total += float(model(window, labels=window).loss) * (window.shape[1] - 1)
        at += CONTEXT - 1
    found = asked(capsys, folder, "--text", path, "--by", "kind")
    assert found["loss"] == pytest.approx(total / (len(ids) - 1), rel=1e-5)
    assert found["layers"] == []
    assert found["n_predicted"] == len(ids) - 1


@pytest.fixture
def trained(folder, text):
    return folder, "--text", text / "short.txt"


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 256}
OTHERS = {
    # its attention adds the residual itself, so that silencing all of its output would cut the stream
    "Bloom": ({"hidden_size": 32, "n_layer": 2, "n_head": 2, "vocab_size": 256},
              {"attention": "transformer.h.{}.self_attention.dense", "mlp": "transformer.h.{}.mlp.dense_4h_to_h"}),
    # its MLP is two matrices of the block and no module
    "OPT": ({**SMALL, "ffn_dim": 48, "max_position_embeddings": 128, "word_embed_proj_dim": 32},
            {"attention": "model.decoder.layers.{}.self_attn.out_proj", "mlp": "model.decoder.layers.{}.fc2"}),
    "Mamba": ({"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 256, "state_size": 4},
              {"ssm": "backbone.layers.{}.mixer.out_proj"}),
    # a mixture has no projection of its own: its experts are zero together
    "Mixtral": ({**SMALL, "num_key_value_heads": 1, "intermediate_size": 48, "num_local_experts": 4},
                {"attention": "model.layers.{}.self_attn.o_proj", "moe": "model.layers.{}.mlp.experts"}),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_architectures_are_silenced_where_they_add_to_the_stream(capsys, tmp_path, text, tokenizer, name):
    fields, projections = OTHERS[name]
    torch.manual_seed(3)
    module = getattr(transformers, f"{name}ForCausalLM")(getattr(transformers, f"{name}Config")(**fields)).eval()
    for tensor in module.parameters():  # as drawn, the blocks add next to nothing
        tensor.data.normal_(0, 0.3)
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    path = text / "short.txt"
    found = asked(capsys, tmp_path, "--text", path)
    assert {row["component"] for row in found["layers"]} == set(projections)
    for row in found["layers"]:
        other = silenced(module, projections[row["component"]].format(row["layer"]))
        assert row["loss"] == pytest.approx(loss_of(other, tokenizer, path), rel=1e-4)
        assert abs(row["difference"]) > 1e-4


@pytest.fixture
def stopping(monkeypatch):
    """Presses Ctrl-C in the middle of a run, after so many losses."""
    from numel.runs.knockout import Judge

    loss = Judge.loss

    def press(after):
        computed = []

        def counted(self, without, *rest):
            if len(computed) == after:
                raise KeyboardInterrupt
            computed.append([block.path for block in without])
            return loss(self, without, *rest)

        monkeypatch.setattr(Judge, "loss", counted)
        return computed

    return press


@pytest.mark.parametrize("replace", ["zero", "mean"])
def test_an_interrupted_run_goes_on_from_its_journal(capsys, tmp_path, trained, stopping, replace):
    journal = tmp_path / "ablate.journal"
    words = (*trained, "--replace", replace)
    whole = asked(capsys, *words)
    stopping(4)
    code, out, err = run(capsys, *words, "--journal", journal)
    assert (code, out) == (130, "")
    assert err.endswith("stopped; what is counted so far is kept (the same command goes on from there)\n")
    with journal.open("a") as lines:
        lines.write('{"key": "torn')
    computed = stopping(99)
    found = asked(capsys, *words, "--journal", journal)
    assert (len(computed), found["n_from_journal"]) == (3, 4)
    assert found["loss"] == whole["loss"]
    assert (found["kinds"], found["layers"]) == (whole["kinds"], whole["layers"])


def test_a_journal_answers_only_for_the_same_model_text_and_replacement(capsys, tmp_path, folder, text, stopping):
    words = (folder, "--by", "kind", "--journal", tmp_path / "kept")
    computed = stopping(99)
    for others, n in (((), 3), ((), 0), (("--replace", "mean"), 2), (("--context", "32"), 3), (("--dtype", "bf16"), 3)):
        del computed[:]
        asked(capsys, *words, "--text", text / "short.txt", *others)
        assert len(computed) == n
    del computed[:]
    asked(capsys, *words, "--text", text / "long.txt")
    assert len(computed) == 3
    os.utime(folder / "model.safetensors")
    del computed[:]
    asked(capsys, *words, "--text", text / "short.txt")
    assert len(computed) == 3


def test_a_file_that_is_no_journal_is_left_alone(capsys, tmp_path, folder, text):
    (tmp_path / "notes").write_text("mine\n")
    code, out, err = run(capsys, folder, "--text", text / "short.txt", "--journal", tmp_path / "notes")
    assert (code, out) == (2, "")
    assert err.endswith("notes: is not a journal of numel (move it away)\n")
    assert (tmp_path / "notes").read_text() == "mine\n"


def test_the_table_and_the_map_show_every_block(capsys, tmp_path, folder, text):
    words = (folder, "--text", text / "short.txt", "--save", tmp_path / "map.svg")
    code, out, _ = run(capsys, *words, "--format", "markdown")
    assert code == 0
    rows = [line for line in out.splitlines() if line.startswith(("| 0 |", "| 1 |")) and line.count("|") == 7]
    assert [row.split(" | ")[1] for row in rows] == ["attention", "mlp"] * 2
    drawn = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert all(word in drawn for word in ("attention", "mlp", "layer"))


@pytest.fixture
def broken(folder, tmp_path):
    """A copy of the folder in which something is missing or wrong."""

    def make(*without, **fields):
        for file in folder.iterdir():
            if not file.name.startswith(without or ("\0",)):
                (tmp_path / file.name).write_bytes(file.read_bytes())
        config = json.loads((tmp_path / "config.json").read_text()) | fields
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "numel: a loss needs a text to predict (give --text FILE)"),
        (["--text", "absent.txt"], "numel: absent.txt: there is no such file or folder"),
        (["--text", "{}/empty"], "empty: the text is empty (give a text of two tokens or more)"),
        (
            ["--text", "{}/one"],
            "one: the text has fewer than two tokens: nothing is predicted (give a text of two tokens or more)",
        ),
        (["--text", "{}/latin"], "latin: at byte 1: is not UTF-8 text (give a text)"),
        (["--text", "{}/two", "--by", "head"], "numel: --by head: not one of layer, kind"),
        (["--text", "{}/two", "--replace", "one"], "numel: --replace one: not one of zero, mean"),
        (
            ["--text", "{}/two", "--context", "65"],
            ": --context 65 is beyond the model's 64 positions (--context 64 is the",
        ),
        (
            ["--text", "{}/two", "--context", "1"],
            "numel: --context 1: a token is predicted from another, so it must be",
        ),
        (["--text", "{}/two", "--device", "tpu"], "numel: --device tpu: a model runs on cpu or cuda"),
        (["--text", "{}/two", "--dtype", "int8"], "numel: a model runs in F32, BF16 or F16, and not in I8"),
    ],
)
def test_bad_words_get_one_line(capsys, tmp_path, folder, words, said):
    for name, content in (("empty", b" \n"), ("one", b"x"), ("two", b"xy"), ("latin", b"x\xe9")):
        (tmp_path / name).write_bytes(content)
    code, out, err = run(capsys, folder, *(word.format(tmp_path) for word in words))
    assert (code in (2, 3, 4), out, err.count("\n")) == (True, "", 1)
    assert said in err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((("tokenizer",), {}), "the folder holds no tokenizer (save it there: tokenizer.save_pretrained(folder))"),
        (((), {"architectures": ["GPT2ForSequenceClassification"]}), "is not a causal language model of transformers"),
        ((("model",), {}), "the question needs a folder with trained weights, a config.json and a tokenizer"),
        (((), {"n_embd": 52}), "transformers"),
    ],
)
def test_a_folder_that_cannot_answer_gets_one_line(capsys, broken, text, wrong, said):
    code, out, err = run(capsys, broken(*wrong[0], **wrong[1]), "--text", text / "short.txt")
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert said in err


def test_a_model_that_sees_the_future_is_no_causal_one(capsys, tmp_path, text, tokenizer):
    config = transformers.BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
                                     vocab_size=256)  # fmt: skip
    module = transformers.BertLMHeadModel(config)
    for tensor in module.parameters():
        tensor.data.normal_(0, 0.3)
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    code, out, err = run(capsys, tmp_path, "--text", text / "short.txt")
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert "its prediction of a token depends on later tokens: no causal language model" in err


def test_a_model_without_blocks_is_refused(capsys, tmp_path, text, tokenizer):
    module = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=0, n_embd=32, n_head=2, vocab_size=256))
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    code, out, err = run(capsys, tmp_path, "--text", text / "short.txt")
    assert (code, out, err.count("\n")) == (4, "", 1)


def test_a_tokenizer_of_another_model_is_seen(capsys, tmp_path, text, tokenizer):
    transformers.GPT2LMHeadModel(
        transformers.GPT2Config(n_layer=1, n_embd=32, n_head=2, vocab_size=40)
    ).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    code, _, err = run(capsys, tmp_path, "--text", text / "short.txt")
    assert (code, err.count("\n")) == (4, 1)
    assert "(the tokenizer belongs to another model)" in err


def test_a_model_that_finds_no_room_is_not_loaded(capsys, folder, text, monkeypatch):
    monkeypatch.setattr("numel.sources.runnable.free_nbytes", lambda device: 100_000)
    code, out, err = run(capsys, folder, "--text", text / "short.txt")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "a pass needs 0 MiB on cpu, and 0 MiB are free" in err


def test_code_beside_a_model_is_never_run(capsys, broken, text):
    path = broken(auto_map={"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"})
    (path / "evil.py").write_text(f"open({str(path / 'ran')!r}, 'w')\n")
    run(capsys, path, "--text", text / "short.txt")
    assert not (path / "ran").exists()


def test_without_torch_one_line_names_the_extra(folder, text):
    code = (
        "import sys; sys.modules['torch'] = None\nfrom numel.cli import main\n"
        f"sys.exit(main(['ablate', {str(folder)!r}, '--text', {str(text / 'short.txt')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "numel: running a model needs torch: pip install 'numel[transformers]'\n"
