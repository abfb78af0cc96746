"""The built wheel, installed alone: what a stranger gets from an index."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
# A PYTHONPATH that leads to the checkout would count as an installation: pip would install nothing, and Python import that.
ALONE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)]  # out of the sources that an index holds
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def names_of(wheel):
    return zipfile.ZipFile(wheel).namelist()


def test_without_a_compiler_it_builds_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "false")
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "build", "*.so", "__pycache__", ".*cache")
    )
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(copy)]
    subprocess.run(command, check=True)
    names = names_of(next(tmp_path.glob("*.whl")))
    assert "numel/kernels/twin.py" in names
    assert not any(name.endswith(".so") for name in names)


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An empty environment with the wheel and what it requires, no extras."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=True)
    command = [folder / "bin" / "pip", "install", "--quiet", "-c", CONSTRAINTS, wheel]
    subprocess.run(command, check=True, capture_output=True, env=ALONE)
    return folder / "bin"


def test_it_holds_all_data_files(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "numel/py.typed" in names
    assert {"numel/presets/models.jsonl", "numel/blueprints/verified.jsonl"} <= set(names)
    assert "numel/locale/vi/LC_MESSAGES/numel.mo" in names
    written = {path.name for path in (ROOT / "src" / "numel" / "blueprints" / "architectures").glob("*.blueprint")}
    assert written == {Path(name).name for name in names if name.endswith(".blueprint")}
    assert not any(name.startswith(("tests", "tools", "benchmarks")) for name in names)


@pytest.fixture
def weights(tmp_path):
    """A small file of weights, all of them 1."""
    header = b'{"w":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f" * 4)
    return "model.safetensors"


def test_every_command_runs_without_an_extra(environment, tmp_path, weights):
    numel = environment / "numel"
    four = ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"]
    commands = [
        ["gpt2"], ["gpt2", "--json"], ["gpt2", "--csv"], ["gpt2", "--html"], ["norms", *four], ["scaling", *four],
        ["explain", "gpt2"], ["models"], ["cost", "gpt2"], ["fit", "--params", "1.5B", "--like", "gpt2"], ["study", *four, "-o", "study", "--lang", "vi"], ["gpt2", "--save", "share.pdf"],
        ["values", weights], ["values", weights, "--spectrum", "exact"], ["doctor", weights], ["diff", weights, weights], ["architectures"], ["audit-rule"],
    ]  # fmt: skip
    for words in commands:
        done = subprocess.run([numel, *words], cwd=tmp_path, capture_output=True, text=True, check=False, env=ALONE)
        assert done.returncode == 0, (words, done.stderr)
        assert done.stderr == ""
    assert (tmp_path / "study" / "study.html").stat().st_size > 10_000
    said = subprocess.run([numel, "--help"], capture_output=True, text=True, check=True, env=ALONE).stdout
    listed = {line.split()[0] for line in said.splitlines() if line.startswith("  ") and not line.startswith("   ")}
    assert listed - {"-h,"} == {words[0] for words in commands} - {"gpt2"} | {"show", "ablate"}  # which needs an extra


def test_the_weights_are_counted_in_c_where_there_was_a_compiler(wheel, environment, tmp_path, weights):
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("no compiler here")
    assert any(name.startswith("numel/kernels/native.") and name.endswith(".so") for name in names_of(wheel))
    for kernels in ("native", "numpy"):
        done = subprocess.run(
            [environment / "numel", "values", weights, "--json"],
            cwd=tmp_path, capture_output=True, text=True, check=False, env={**ALONE, "NUMEL_KERNELS": kernels},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["models"][0]["stats"]["mean"] == 1.0


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["https://localhost:1/model.safetensors"], "remote"),
        (["values", "model.safetensors", "--engine", "dask"], "dask"),
        (["values", "model.safetensors", "--save-histograms", "kept.numel"], "arrow"),
        (["cost", "gpt2", "--measure"], "transformers"),
        (["ablate", "model.safetensors"], "transformers"),
    ],
)
def test_a_command_that_needs_an_extra_says_which(environment, tmp_path, weights, words, extra):
    numel = environment / "numel"
    done = subprocess.run([numel, *words], cwd=tmp_path, capture_output=True, text=True, check=False, env=ALONE)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"pip install 'numel[{extra}]'\n")


@pytest.mark.parametrize(("kind", "extra"), [("pandas", "pandas"), ("polars", "polars"), ("arrow", "arrow")])
def test_a_table_that_needs_an_extra_says_which(environment, kind, extra):
    code = f"import numel; numel.inspect('gpt2').by('part').to_{kind}()"
    done = subprocess.run([environment / "python", "-c", code], capture_output=True, text=True, check=False, env=ALONE)
    assert done.stderr.splitlines()[-1].endswith(f"pip install 'numel[{extra}]'")
