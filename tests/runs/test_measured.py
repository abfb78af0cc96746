"""Real forward passes: each millisecond belongs to the component that spent it, and torch's count stands beside ours."""

import json
import re
import subprocess
import sys
import time

import pytest

import numel
from numel.cli import main
from numel.core.report import charts

pytest.importorskip("torch", reason="torch is not installed: nothing runs")
pytest.importorskip("transformers", reason="transformers is not installed: nothing is built")

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from numel.running import Opener
from numel.runs.regions import regions

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own affairs

SMALL = ("--set", "n_layer=2", "--set", "n_embd=32", "--set", "n_head=2", "--set", "vocab_size=97")
NAP = 0.012


class Sleeping(torch.nn.Module):
    """A function without parameters that takes its time."""

    def forward(self, hidden):
        time.sleep(NAP)
        return hidden


def tiny(cls="GPT2", **fields):
    config = getattr(transformers, f"{cls}Config")(**fields)
    return getattr(transformers, {"GPT2": "GPT2LMHeadModel"}.get(cls, f"{cls}ForCausalLM"))(config).eval()


def tiny_gpt2():
    return tiny(n_layer=2, n_embd=32, n_head=2, vocab_size=97, n_positions=16)


def times_of(module, **options):
    shown = numel.inspect(module).report("cost", measure=True, passes=3, threads=1, context=8, **options)
    found = shown.data["models"][0]["measured"]
    return {each["component"]: each["time_s"] for each in found["components"]}, found, shown


def run(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def slow(module, seconds):
    """A module whose own function takes its time."""
    compute = module.forward
    module.forward = lambda *given: (time.sleep(seconds), compute(*given))[1]


def nap_in(module, where):
    """A sleep where functions without parameters stand: once per layer, or once."""
    blocks = module.transformer.h
    if where == "attention":
        for block in blocks:
            block.attn.resid_dropout = Sleeping()
    elif where == "mlp":
        for block in blocks:
            block.mlp.act = Sleeping()
    elif where == "head":
        slow(module.lm_head, NAP)
    else:
        module.transformer.drop = Sleeping()
    return NAP * (len(blocks) if where in ("attention", "mlp") else 1)


@pytest.mark.parametrize("where", ["attention", "mlp", "head", "other"])
def test_a_nap_between_the_parameters_is_that_of_the_module_around_it(where):
    module = tiny_gpt2()
    slept = nap_in(module, where)
    times, _, _ = times_of(module)
    assert slept <= times[where] < 3 * slept
    assert all(seconds < slept / 2 for name, seconds in times.items() if name != where)


def test_a_norm_inside_an_attention_is_a_norm_and_fused_functions_are_attention():
    module = tiny("Qwen3", hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                  intermediate_size=48, vocab_size=97)  # fmt: skip
    attention = module.model.layers[0].self_attn
    slow(attention.q_norm, NAP)
    slow(attention.o_proj, 2 * NAP)
    times, _, _ = times_of(module)
    assert NAP <= times["norm"] < 1.9 * NAP
    assert 2 * NAP <= times["attention"] < 2.9 * NAP


def test_the_work_of_a_mixture_is_the_mixtures():
    module = tiny("Mixtral", hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
                  intermediate_size=48, vocab_size=97, num_local_experts=4, num_experts_per_tok=2)  # fmt: skip
    running = Opener(numel.inspect(module).table, module).run(None, "F32")
    changes = regions(running)
    found = {name: changes[inner].value for name, inner in module.named_modules() if inner in changes}
    assert found["model.layers.0.mlp"] == found["model.layers.1.mlp"] == "moe"
    assert found["model.layers.0.self_attn"] == "attention"
    _, counted, shown = times_of(module)
    assert counted["flop_counter_mode_eager"] == shown.data["models"][0]["flops"]  # torch does not see grouped products
    assert "model.layers.0" not in found  # a block holds several: what is between them is other


def test_a_block_of_a_norm_and_a_mixer_is_neither():
    """What Mamba's block does between them, the residual sum, is other."""
    module = tiny("Mamba", hidden_size=32, num_hidden_layers=1, vocab_size=97, state_size=4)
    changes = regions(Opener(numel.inspect(module).table, module).run(None, "F32"))
    found = {name: changes[inner].value for name, inner in module.named_modules() if inner in changes}
    assert found["backbone.layers.0.mixer"] == "ssm"
    assert "backbone.layers.0" not in found


def test_the_times_sum_to_the_pass_and_nothing_stays_in_the_model():
    module = tiny_gpt2()
    times, found, _ = times_of(module)
    assert found["inspected_time_s"] == pytest.approx(sum(times.values()), rel=0.5)
    assert sum(each["time_share"] for each in found["components"]) == pytest.approx(1)
    assert found["time_lower_s"] <= found["time_s"] <= found["time_upper_s"]
    assert not any(inner._forward_hooks or inner._forward_pre_hooks for inner in module.modules())
    assert module.config._attn_implementation == "sdpa"


def test_flops_are_those_of_torch_where_attention_is_eager():
    module = tiny_gpt2()
    _, found, shown = times_of(module)
    eager = tiny_gpt2()
    eager.set_attn_implementation("eager")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        eager(torch.ones((1, 8), dtype=torch.long))
    assert found["flop_counter_mode_eager"] == counter.get_total_flops() == shown.data["models"][0]["flops"]
    # a processor's fused attention is not counted: 2 products of 8 × 8 × 32 in each of 2 layers
    assert counter.get_total_flops() - found["flop_counter_mode"] == 2 * 2 * (2 * 8 * 8 * 32)


def test_one_more_token_runs_with_the_cache_of_those_before():
    module = tiny_gpt2()
    seen = []
    module.register_forward_hook(
        lambda _m, _a, given, out: seen.append((given["input_ids"].shape[1], out.past_key_values.get_seq_length())),
        with_kwargs=True,
    )
    _, found, shown = times_of(module, phase="decode")
    assert seen[0] == (7, 7)
    assert set(seen[1:]) == {(1, 8)}  # every pass has the cache of seven tokens before, not that of the pass before
    eager = tiny_gpt2()
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        cache = eager(torch.ones((1, 7), dtype=torch.long), use_cache=True).past_key_values
        with FlopCounterMode(display=False) as counter:
            eager(torch.ones((1, 1), dtype=torch.long), past_key_values=cache)
    assert found["flop_counter_mode_eager"] == counter.get_total_flops() == shown.data["models"][0]["flops"]


def test_on_a_gpu_the_times_are_those_between_events_of_its_stream(monkeypatch):
    """No GPU is needed: the events are counted here, one every two milliseconds, and asked only after all has run."""
    from numel.runs import clock

    made, synchronised = [], []

    class Event:
        def __init__(self, *, enable_timing):
            assert enable_timing

        def record(self, stream):
            made.append(self)
            self.at = 2.0 * len(made)

        def elapsed_time(self, later):
            assert synchronised
            return later.at - self.at

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronised.append)
    watch = clock._Clock(torch.device("cuda"))
    assert watch.seconds([watch.read() for _ in range(4)]) == pytest.approx([0.002] * 3)
    assert synchronised == [torch.device("cuda")]


def test_a_preset_runs_with_random_weights_and_says_so(capsys):
    code, out, err = run(
        capsys, "cost", "gpt2", *SMALL, "--measure", "--passes", "3", "--context", "8", "--threads", "1"
    )
    assert (code, err) == (0, "")
    assert "random weights" in out
    assert re.search(r"^other .*0%.*0%.*0%", out, re.MULTILINE)
    assert "measured time, prefill" in out


def test_a_folder_runs_with_its_own_weights(capsys, tmp_path):
    tiny_gpt2().save_pretrained(tmp_path)
    code, out, _ = run(capsys, "cost", str(tmp_path), "--measure", "--passes", "3", "--context", "8", "--json")
    found = json.loads(out)["models"][0]["measured"]
    assert (code, found["random_weights"], found["dtype"], found["device"]) == (0, False, "float32", "cpu")
    assert [each["component"] for each in found["components"]] == [
        "embedding",
        "attention",
        "mlp",
        "norm",
        "head",
        "other",
    ]


def test_csv_has_a_row_for_each_component_and_the_lens_a_bar_of_time(capsys, tmp_path):
    words = ("cost", "gpt2", *SMALL, "--measure", "--passes", "3", "--context", "8")
    code, out, _ = run(capsys, *words, "--csv", "--save", str(tmp_path / "lens.svg"))
    rows = [line.split(",") for line in out.splitlines()]
    assert code == 0
    assert rows[0][-4:] == ["time_s", "time_lower_s", "time_upper_s", "time_share"]
    assert sum(float(row[-1]) for row in rows[1:]) == pytest.approx(1)
    assert "measured time, prefill" in (tmp_path / "lens.svg").read_text(encoding="utf-8")
    lens = next(c for c in charts(times_of(tiny_gpt2())[2]) if c.key == "cost-lens")
    assert lens.categories[-1] == "measured time, prefill"
    assert sum(series.values[-1] for series in lens.series) == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--phase", "train"], "numel: --measure runs forward passes: --phase train is only estimated "),
        (
            ["--phase", "decode", "--context", "1"],
            "numel: GPT2LMHeadModel: decoding is measured with a decoder's cache ",
        ),
        (["--device", "h200"], "numel: --device h200: a model runs on cpu or cuda "),
        (["--device", "cuda:7777"], "numel: --device cuda:7777: torch "),
        (["--passes", "2"], "numel: --passes 2: a median and quartiles take 3 or more"),
        (["--threads", "0"], "numel: --threads 0: it must be between 1 and 1,024"),
        (["--dtype", "fp8"], "numel: a model runs in F32, BF16 or F16, and not in F8_E4M3 (give --dtype bf16)"),
        (["--batch", "100000000"], "numel: gpt2 with n_layer=2, n_embd=32, n_head=2, vocab_size=97: a pass needs "),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(capsys, words, said):
    code, out, err = run(capsys, "cost", "gpt2", *SMALL, "--measure", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(said)


def test_what_a_model_raises_while_it_runs_is_one_line():
    module = tiny_gpt2()
    module.transformer.drop.forward = lambda _: 1 / 0
    with pytest.raises(numel.NumelError, match="it does not run: division by zero"):
        times_of(module)


def test_a_state_dict_does_not_run():
    with pytest.raises(numel.NumelError, match="a state dict does not run"):
        numel.inspect(tiny_gpt2().state_dict(), config={"model_type": "gpt2"}).report("cost", measure=True)


def test_without_torch_one_line_names_the_extra():
    code = (
        "import sys; sys.modules['torch'] = None\nfrom numel.cli import main\n"
        "sys.exit(main(['cost', 'gpt2', '--measure']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "numel: running a model needs torch: pip install 'numel[transformers]'\n"
