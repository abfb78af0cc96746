"""How much cheaper is `numel gpt2` than the shortest transformers script that answers the same question?

    python benchmarks/bench_counts.py [--runs 7] [--peer-python OTHER/bin/python] [MODEL …]

Whole processes, from a cold interpreter to the last line: `numel MODEL` and `… --json` against
counts_with_transformers.py (the module on the meta device, one pass over its parameters). Both must say the same.
The aim for gpt2: 40 times less CPU, 100 times less for --json, and at most 40 MB; for DeepSeek-V3 25 times less, and at most
60 ms for what is printed last: a configuration turned into names and shapes, in a fresh process that has imported all else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import measure

PEER_SCRIPT = Path(__file__).with_name("counts_with_transformers.py")
DEFAULT_MODELS = ("gpt2", "gpt2-xl", "deepseek-ai/DeepSeek-V3")
_WRITE_CONFIG = """
import json, sys
from numel.sources.preset import find
print(json.dumps(dict(find(sys.argv[1]).config.fields)))
"""
_EVALUATE = """
import gc, json, sys, time
from numel.blueprints.evaluate import evaluate
from numel.blueprints.library import load
from numel.core.config import ModelConfig
config = ModelConfig(json.load(open(sys.argv[1], encoding="utf-8")))
gc.disable()  # as the command does
start = time.process_time()
blueprint = load(config.model_type)
read = time.process_time()
tensors = evaluate(blueprint, config).tensors
print(json.dumps([read - start, time.process_time() - read, len(tensors)]))
"""
_EXPERTS = {"experts", "moe"}  # either way of saying it


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        for model in options.models:
            config = Path(scratch) / "config.json"
            config.write_text(measure.run([options.python, "-c", _WRITE_CONFIG, model]).stdout, encoding="utf-8")
            print(f"## {model}\n")
            try:
                measured = _measure(model, config, options, measure.as_installed(f"{scratch}/bytecode"))
            except subprocess.CalledProcessError as error:
                print(f"not measured: {error}\n")
                continue
            print(measure.table(measured, measured[-1]), end="\n\n")
            print(_agreement(measured[-2].runs[0].stdout, measured[-1].runs[0].stdout), end="\n\n")
            print(_evaluation(config, options), end="\n\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=DEFAULT_MODELS, metavar="MODEL", help="names of presets")
    parser.add_argument("--runs", type=int, default=7, help="how often each is run (default 7)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has numel")
    parser.add_argument("--peer-python", default=sys.executable, help="the interpreter that has transformers and torch")
    return parser.parse_args()


def _measure(model: str, config: Path, options: argparse.Namespace, env: dict[str, str]) -> list[measure.Measured]:
    """The terminal answer, the JSON answer, the peer."""
    commands = {
        f"`numel {model}`": [*measure.installed(options.python), model],
        f"`numel {model} --json`": [*measure.installed(options.python), model, "--json"],
        "transformers, meta device": [options.peer_python, str(PEER_SCRIPT), str(config)],
    }
    return list(measure.alternate(commands, n_runs=options.runs, env=env).values())


def _evaluation(config: Path, options: argparse.Namespace) -> str:
    """One sentence: the CPU time of the blueprint alone, the median of the runs."""
    command = [options.python, "-c", _EVALUATE, str(config)]
    runs = [json.loads(measure.run(command).stdout) for _ in range(options.runs)]
    read, evaluated, n_tensors = (statistics.median(column) for column in zip(*runs, strict=True))
    return f"The blueprint is read in {1000 * read:.1f} ms of CPU and evaluated to {n_tensors:,} tensors in {1000 * evaluated:.1f} ms."


def _agreement(ours: str, theirs: str) -> str:
    """One sentence: whether both programs counted the same, in sum and by component."""
    model: dict[str, Any] = json.loads(ours)["models"][0]
    expected: dict[str, int] = json.loads(theirs)
    total = expected.pop("total")
    found: dict[str, int] = {}
    for group in model["groups"]:
        component = "experts" if group["component"] in _EXPERTS else group["component"]
        found[component] = found.get(component, 0) + group["numel"]
    same = model["counts"]["total"] == total and {k: n for k, n in found.items() if n} == expected
    if same:
        return f"Both count {total:,}, and the same by component."
    return f"They differ: {found} against {expected}, {total:,}."


if __name__ == "__main__":
    main()
