"""What changed between two checkpoints: against numpy in float64, on files that torch and safetensors write."""

import csv
import json
from fractions import Fraction
from io import StringIO

import numpy as np
import pytest

import numel
from numel.cli import main

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def saved(folder, **tensors):
    from safetensors.torch import save_file

    folder.mkdir()
    tensors = {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in tensors.items()}
    save_file(tensors, folder / "model.safetensors")
    return str(folder)


def diff(capsys, *words):
    assert main(["diff", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def norm(values):
    return np.sqrt((values.astype(np.float64) ** 2).sum())


def random(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype) * dtype(0.02)


@pytest.fixture(scope="module")
def gpt2s(tmp_path_factory):
    """A small GPT-2, a copy with one tensor changed, and a copy trained for some steps with two matrices frozen."""
    folder = tmp_path_factory.mktemp("gpt2s")
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_layer=2, n_embd=64, n_head=4, vocab_size=211, n_positions=32)
    model = transformers.GPT2LMHeadModel(config)
    model.save_pretrained(folder / "base")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.transformer.h[1].mlp.c_fc.weight[3, 5] += 0.5
    model.save_pretrained(folder / "one")
    model.load_state_dict(before)
    frozen = ("transformer.wpe.weight", "transformer.h.0.attn.c_attn.weight")
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name not in frozen
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for step in range(20):
        tokens = (torch.arange(32) * (step % 5 + 1) % 211).repeat(4, 1)
        model(tokens, labels=tokens).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(folder / "tuned")
    after = {name: value.detach().numpy() for name, value in model.state_dict().items() if name != "lm_head.weight"}
    return folder, {name: before[name].numpy() for name in after}, after, frozen


def test_a_model_against_itself_is_unchanged(gpt2s, capsys):
    base = str(gpt2s[0] / "base")
    found = diff(capsys, base, base, "--rank")
    assert found["total"]["n_unchanged"] == found["total"]["n_tensors"] == 28
    assert (found["total"]["relative"], found["total"]["n_changed"]) == (0.0, 0)
    assert main(["diff", base, base]) == 0
    assert "the same values in all of 28 tensors" in capsys.readouterr().out


def test_one_changed_tensor_is_the_only_one_found(gpt2s, capsys):
    folder, before, _, _ = gpt2s
    found = diff(capsys, str(folder / "base"), str(folder / "one"), "--by", "tensor", "--sort", "relative", "--rank")
    changed = [tensor for tensor in found["tensors"] if not tensor["unchanged"]]
    assert [tensor["tensor"] for tensor in changed] == ["transformer.h.1.mlp.c_fc.weight"]
    weight = before["transformer.h.1.mlp.c_fc.weight"].astype(np.float64)
    step = float(np.float32(weight[3, 5]) + np.float32(0.5)) - weight[3, 5]
    (tensor,) = changed
    assert (tensor["n_changed"], tensor["new_outliers"], tensor["rank"]["rank"]) == (1, 1, 1)
    assert tensor["change_l2"] == tensor["largest"] == step
    assert tensor["relative"] == pytest.approx(step / norm(weight), rel=1e-14)
    assert tensor["rank"]["stable_rank"] == pytest.approx(1, rel=1e-12)
    assert found["groups"][0]["tensor"] == "transformer.h.1.mlp.c_fc.weight"


def test_a_fine_tuned_copy_changed_where_it_was_trained(gpt2s, capsys):
    folder, before, after, frozen = gpt2s
    found = diff(capsys, str(folder / "base"), str(folder / "tuned"))
    tensors = {tensor["tensor"]: tensor for tensor in found["tensors"]}
    assert {name for name, tensor in tensors.items() if tensor["unchanged"]} == set(frozen)
    assert main(["diff", str(folder / "base"), str(folder / "tuned")]) == 0
    assert f"unchanged, 2: {frozen[1]}, {frozen[0]}\n" in capsys.readouterr().out  # as they lie in the file
    for name, tensor in tensors.items():
        x, y = before[name].astype(np.float64).ravel(), after[name].astype(np.float64).ravel()
        assert tensor["n_changed"] == (x != y).sum()
        assert tensor["change_l2"] == pytest.approx(norm(y - x), rel=1e-13)
        if x.any():
            assert tensor["relative"] == pytest.approx(norm(y - x) / norm(x), rel=1e-13)
            assert tensor["cosine"] == pytest.approx(x @ y / norm(x) / norm(y), rel=1e-13)
        else:
            assert (tensor["relative"], tensor["cosine"]) == (None, None)  # of a bias that was zero: no share, no angle
        far = 6 * x.std()
        beyond = (np.abs(y - x.mean()) > far) & (np.abs(x - x.mean()) <= far) if far else np.zeros(1)
        assert tensor["new_outliers"] == beyond.sum()
    mlp = [name for name in before if ".mlp." in name]
    group = next(group for group in found["groups"] if group["component"] == "mlp")
    change = np.concatenate([(after[n].astype(np.float64) - before[n]).ravel() for n in mlp])
    assert group["change_l2"] == pytest.approx(norm(change), rel=1e-13)
    assert group["relative"] == pytest.approx(
        norm(change) / norm(np.concatenate([before[n].ravel() for n in mlp])), rel=1e-13
    )


def test_the_library_compares_as_the_command_does(gpt2s, capsys):
    words = [str(gpt2s[0] / "base"), str(gpt2s[0] / "tuned")]
    asked = numel.compare(*words).report("diff").data["total"]
    assert asked == diff(capsys, *words)["total"]


def test_layers_parts_and_csv(gpt2s, capsys):
    words = [str(gpt2s[0] / "base"), str(gpt2s[0] / "tuned")]
    layers = diff(capsys, *words, "--by", "layer")["groups"]
    assert [group["layer"] for group in layers] == [0, 1, None]
    assert sum(group["numel"] for group in layers) == numel.inspect(words[0]).total
    assert main(["diff", *words, "--by", "part", "--match", "*.mlp.*", "--csv"]) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert {(row["component"], row["part"]) for row in rows} == {("mlp", "up"), ("mlp", "down")}
    assert all(0 < float(row["angle"]) < 1.6 for row in rows)


def test_the_map_is_drawn(gpt2s, tmp_path, capsys):
    words = ["diff", str(gpt2s[0] / "base"), str(gpt2s[0] / "tuned")]
    assert main([*words, "--save", str(tmp_path / "map.svg")]) == 0
    drawn = (tmp_path / "map.svg").read_text()
    for text in ("of the matrices, from base to tuned", "mlp · down", "layer"):
        assert text in drawn
    assert main([*words, "--lang", "vi", "--html"]) == 0
    assert "mạng truyền xuôi" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(96, 64), (64, 96), (700, 40)])
def test_a_merged_update_of_rank_three_has_rank_three(dtype, shape, tmp_path, capsys):
    base = torch.from_numpy(random(1, *shape)).to(dtype)
    update = random(2, shape[0], 3, dtype=np.float64) @ random(3, 3, shape[1], dtype=np.float64) * 40
    merged = (base.double() + torch.from_numpy(update)).to(dtype)
    words = [saved(tmp_path / "base", w=base), saved(tmp_path / "merged", w=merged)]
    (tensor,) = diff(capsys, *words, "--rank")["tensors"]
    singular = np.linalg.svd((merged.double() - base.double()).numpy(), compute_uv=False)
    assert tensor["rank"]["rank"] == 3
    assert tensor["rank"]["largest"] == pytest.approx(singular[0], rel=1e-12)
    assert tensor["rank"]["stable_rank"] == pytest.approx((singular**2).sum() / singular[0] ** 2, rel=1e-12)


def test_threads_and_pieces_change_no_bit(tmp_path):
    from numel.classify import classify
    from numel.opening import open_inventory, open_values
    from numel.statistics.difference import Pair, differences

    base = random(4, 1500, 1024)
    folders = [saved(tmp_path / "a", w=base), saved(tmp_path / "b", w=base + random(5, 1500, 1024) * np.float32(0.01))]
    tables = [classify(open_inventory(folder)) for folder in folders]
    pair = Pair(*(table.rows[0].tensor for table in tables))
    opened = tuple(open_values(table.name, table.source) for table in tables)
    ways = [{"threads": 1}, {"threads": 2}, {"threads": 1, "piece_nbytes": 1 << 20}, {"threads": 3, "piece_nbytes": 1}]
    assert len({found for way in ways for _, found in differences([pair], opened, **way)}) == 1


@pytest.mark.parametrize(("middle", "step"), [(0.0, 1e-2), (1.0, 1e-6), (1000.0, 1e-4)])
def test_the_sums_are_those_of_exact_arithmetic(middle, step, tmp_path, capsys):
    """Fractions know no rounding; 1 − cos by ⟨x, y⟩ would have none of its digits left in the last two."""
    base = middle + random(1, 40, 25, dtype=np.float64)
    other = base + random(2, 40, 25, dtype=np.float64) * step
    (found,) = diff(capsys, saved(tmp_path / "a", w=base), saved(tmp_path / "b", w=other))["tensors"]
    x, y = ([Fraction(value) for value in values.ravel().tolist()] for values in (base, other))
    change2, base2, other2 = (
        sum((b - a) ** 2 for a, b in zip(x, y, strict=True)),
        sum(a * a for a in x),
        sum(b * b for b in y),
    )
    assert found["change_l2"] == pytest.approx(float(change2) ** 0.5, rel=1e-15)
    assert found["relative"] == pytest.approx(float(change2 / base2) ** 0.5, rel=1e-15)
    inner = sum(a * b for a, b in zip(x, y, strict=True))
    sine2 = float((base2 * other2 - inner * inner) / (base2 * other2))  # sin² = 1 − cos²
    assert found["angle"] == pytest.approx(np.arcsin(sine2**0.5), rel=1e-5 if middle == 1000 else 1e-11)


def test_dtypes_compare_by_value_and_rounding_is_told_apart(tmp_path, capsys):
    wide, other = random(6, 40, 30), random(7, 40, 30)
    halved = torch.from_numpy(wide).bfloat16()
    words = [saved(tmp_path / "f32", w=wide, v=other), saved(tmp_path / "bf16", w=halved, v=halved.clone())]
    found = diff(capsys, *words)
    tensors = {tensor["tensor"]: tensor for tensor in found["tensors"]}
    assert (tensors["w"]["rounding_only"], tensors["v"]["rounding_only"]) == (True, False)
    expected = norm(halved.double().numpy() - wide) / norm(wide)
    assert tensors["w"]["relative"] == pytest.approx(expected, rel=1e-13)
    assert any("rounding" in warning and "F32 → BF16" in warning for warning in found["warnings"])
    back = diff(capsys, *reversed(words))
    assert [t["tensor"] for t in back["tensors"] if t["rounding_only"]] == ["w"]


def test_float16_and_float64_round_as_torch_rounds():
    from numel.statistics.difference import rounded

    values = np.concatenate([random(8, 5000, dtype=np.float64) * 10.0**e for e in (-40, -8, -5, 0, 4, 36)])
    values = values.astype(np.float32).astype(np.float64)
    ties = [(1 + k / 512 + 1 / 512) * 2.0**e for k in range(8) for e in (-14, 0)]  # half way between two of BF16
    ties += [1 + k / 2048 for k in range(8)]  # and of F16
    values = np.concatenate([values, ties, np.negative(ties)])
    for name, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16), ("F32", torch.float32)):
        assert np.array_equal(rounded(values, name), torch.from_numpy(values).float().to(dtype).double().numpy())


def test_what_has_no_counterpart_is_listed(tmp_path, capsys):
    base = saved(tmp_path / "a", same=random(1, 4, 4), gone=random(2, 3), wider=random(3, 4, 4))
    other = saved(tmp_path / "b", same=random(1, 4, 4), new=random(2, 5), wider=random(3, 4, 6))
    found = diff(capsys, base, other)
    assert [row["tensor"] for row in found["only_base"]] == ["gone"]
    assert [row["tensor"] for row in found["only_other"]] == ["new"]
    assert found["reshaped"] == [{"tensor": "wider", "base_shape": [4, 4], "other_shape": [4, 6]}]
    assert main(["diff", base, other]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in ("gone", "new", "4×6", "Not compared"))


def test_a_prefix_of_one_side_is_no_difference(gpt2s, tmp_path, capsys):
    folder, before, _, _ = gpt2s
    bare = {name.removeprefix("transformer."): value for name, value in before.items()}
    words = [saved(tmp_path / "bare", **bare), str(folder / "one")]
    for given in (words, words[::-1]):
        found = diff(capsys, *given)
        assert found["only_base"] == found["only_other"] == []
        assert (found["total"]["n_tensors"], found["total"]["n_changed"]) == (28, 1)
        assert found["prefix"]["text"] == "transformer."


def test_nan_infinity_and_empty_tensors(tmp_path, capsys):
    x, y = random(1, 6, 5), random(1, 6, 5)
    y[2, 3], y[4, 4] = np.nan, np.inf
    nothing, nan = np.zeros((0, 4), np.float32), np.full(7, np.nan, np.float32)
    words = [saved(tmp_path / "a", w=x, n=nan, e=nothing), saved(tmp_path / "b", w=y, n=nan, e=nothing)]
    found = {tensor["tensor"]: tensor for tensor in diff(capsys, *words, "--rank")["tensors"]}
    assert (found["w"]["new_not_finite"], found["w"]["n_changed"], found["w"]["relative"]) == (2, 0, 0.0)
    assert (found["n"]["unchanged"], found["n"]["not_finite"]) == (True, 7)
    assert found["e"]["unchanged"]
    assert main(["diff", *words]) == 0
    assert "new NaN" in capsys.readouterr().out


def test_a_nan_that_is_mended_or_becomes_infinite_is_a_change(tmp_path, capsys):
    x, nan = random(1, 6, 5), np.full(7, np.nan, np.float32)
    broken = x.copy()
    broken[2, 3] = np.nan
    words = [saved(tmp_path / "a", w=broken, n=nan), saved(tmp_path / "b", w=x, n=np.full_like(nan, np.inf))]
    found = diff(capsys, *words)
    assert [each["unchanged"] for each in found["tensors"]] == [False, False]
    total = found["total"]
    assert (total["n_changed"], total["new_not_finite"], total["not_finite_changed"]) == (0, 0, 8)
    assert main(["diff", *words]) == 0
    out = capsys.readouterr().out
    assert "changed NaN" in out
    assert "the same values" not in out


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["A"], "diff compares two models, and 1 are given", 2),
        (["A", "A", "A"], "diff compares two models, and 3 are given", 2),
        (["A", "gpt2"], "only their shapes are known", 4),
        (["A", "B"], "have no tensor's name in common", 2),
        (["A", "A", "--by", "colour"], "cannot group by 'colour'", 2),
        (["A", "A", "--sort", "size"], "cannot sort by 'size'", 2),
        (["A", "A", "--top", "0"], "it must be 1 or more", 2),
        (["A", "A", "--match", "x*"], "no parameter's name matches x*", 2),
        (["A", "CUT"], "cut short", 4),
    ],
)
def test_what_cannot_be_compared_is_one_line(words, said, code, tmp_path, capsys):
    paths = {"A": saved(tmp_path / "a", w=random(1, 3, 3)), "B": saved(tmp_path / "b", v=random(1, 3, 3))}
    paths["CUT"] = saved(tmp_path / "cut", w=random(1, 3, 3))
    whole = (tmp_path / "cut" / "model.safetensors").read_bytes()
    (tmp_path / "cut" / "model.safetensors").write_bytes(whole[:-4])
    assert main(["diff", *(paths.get(word, word) for word in words)]) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_file_that_changes_meanwhile_is_one_line(tmp_path, capsys, monkeypatch):
    from numel.statistics import difference

    words = [saved(tmp_path / "a", w=random(1, 3, 3)), saved(tmp_path / "b", w=random(2, 3, 3))]
    decoded = difference.decoded

    def and_meanwhile(*given):
        with (tmp_path / "b" / "model.safetensors").open("ab") as file:
            file.write(b"more")
        return decoded(*given)

    monkeypatch.setattr(difference, "decoded", and_meanwhile)
    assert main(["diff", *words]) == 4
    assert "model.safetensors: changed while it was read (run it again)" in capsys.readouterr().err


def test_packed_values_are_named_and_the_rest_is_compared(tmp_path, capsys):
    header = {
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "six": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [8, 11]},
    }
    head = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(11))
    found = diff(capsys, str(path), str(path))
    assert found["total"]["n_tensors"] == 1
    assert any("F6_E2M3" in warning for warning in found["warnings"])


def test_the_help_names_what_it_can_sort_by(capsys):
    from numel.analyses.diff import SORTS

    with pytest.raises(SystemExit):
        main(["diff", "--help", "--lang", "en"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"the largest first: {', '.join(list(SORTS)[:-1])} or {list(SORTS)[-1]}" in text


def test_a_matrix_too_large_for_its_singular_values_is_one_line(tmp_path, capsys, monkeypatch):
    def too_large(*_, **__):
        raise MemoryError

    words = [saved(tmp_path / "a", w=random(1, 9, 9)), saved(tmp_path / "b", w=random(2, 9, 9))]
    monkeypatch.setattr(np.linalg, "svd", too_large)
    assert main(["diff", *words, "--rank"]) == 4
    assert capsys.readouterr().err == (
        "numel: the singular values of w cannot be found: not enough memory (choose other tensors with --match)\n"
    )
