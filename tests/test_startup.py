"""What is not loaded: `numel gpt2` must feel like `ls`."""

import json
import os
import resource
import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "transformers",
    "numpy",
    "matplotlib",
    "numba",
    "huggingface_hub",
    "pandas",
    "polars",
    "pyarrow",
    "babel",
    "distributed",
    "obstore",
}
PROBE = """
import sys
before = set(sys.modules)  # what an environment loads into every interpreter
from numel.cli import main
code = main(sys.argv[1:])
print("\\n@@" + " ".join(sorted({name.partition(".")[0] for name in sys.modules.keys() - before})))
sys.exit(code)
"""


def loaded_by(*words: str) -> set[str]:
    """The top-level modules that a process has loaded after it answered `numel words`."""
    done = subprocess.run([sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("@@")[2].split())


@pytest.fixture
def header(tmp_path):
    path = tmp_path / "model.safetensors"
    head = json.dumps({"h.0.ln_1.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    return str(path)


@pytest.mark.parametrize("words", [["gpt2"], ["norms", "gpt2", "--json"], ["study", "gpt2", "--json"]])
def test_a_preset_loads_nothing_heavy(words):
    assert not HEAVY & loaded_by(*words)


def test_a_local_header_loads_nothing_heavy(header):
    assert not HEAVY & loaded_by(header)


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_json_and_csv_do_not_load_the_terminal(form):
    assert not (HEAVY | {"rich", "msgspec", "dataclasses"}) & loaded_by("gpt2", form)


def test_an_answer_on_the_screen_loads_nothing_for_files_and_foreign_letters():
    """Each of these was a millisecond of every start."""
    assert not {"contextlib", "unicodedata", "shutil", "tempfile", "typing"} & loaded_by("gpt2", "--json")


@pytest.mark.parametrize("model", ["gpt2", "deepseek-ai/DeepSeek-V3"])
def test_a_cost_is_estimated_without_anything_heavy(model):
    assert not (HEAVY | {"rich", "dataclasses"}) & loaded_by("cost", model, "--json", "--device", "h200x8")


def test_a_cost_that_is_only_estimated_loads_nothing_that_runs_models():
    code = "import sys\nfrom numel.cli import main\nmain(['cost', 'gpt2', '--json'])\nprint('\\n@@', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("@@")[2].split())
    assert "numel.analyses.cost" in loaded
    assert not loaded & {"numel.running", "numel.runs", "numel.analyses.measured", "numel.progress"}


def test_the_root_loads_nothing_of_the_package():
    code = "import numel, sys; print([m for m in sys.modules if m.startswith('numel.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("words", "ceiling"), [(["gpt2", "--json"], 0.5), (["gpt2"], 0.5)])
def test_start_up_stays_far_below_a_second_of_cpu(words, ceiling):
    """Generous: measured 0.05 s and 0.06 s; a loaded machine may take several times as long."""
    best = ceiling + 1
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "numel", *words], capture_output=True, check=True, env=dict(os.environ))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best < ceiling
