"""What do singular values cost, and is the power law's α the same, beside weightwatcher on the same checkpoint?

    pip install weightwatcher
    python benchmarks/bench_spectrum.py [--runs 3] [FOLDER …]

Without a folder: GPT-2 small as transformers initialises it, written to a temporary place. Whole processes on one thread,
in turns; of the peer also `analyze()` alone, since its imports take longer than the work. α is compared matrix by matrix:
both fit the eigenvalues of WᵀW after Clauset, Shalizi and Newman, the peer with singular values in float32.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import measure

PEER = """
import io, json, sys, time, contextlib, logging
from pathlib import Path
logging.disable(logging.CRITICAL)
import torch, transformers, weightwatcher
torch.set_num_threads(1)
config = transformers.AutoConfig.from_pretrained(sys.argv[1])
kind = getattr(transformers, (config.architectures or ["AutoModel"])[0], transformers.AutoModel)
model = kind.from_pretrained(sys.argv[1])
with contextlib.redirect_stdout(io.StringIO()):
    begin = time.process_time()
    found = weightwatcher.WeightWatcher(model=model).analyze()
    spent = time.process_time() - begin
print(json.dumps({"cpu_s": spent, "alpha": dict(zip(found.longname, found.alpha.astype(float)))}))
"""
GPT2 = """
import sys, torch, transformers
torch.manual_seed(0)
transformers.GPT2LMHeadModel(transformers.GPT2Config()).save_pretrained(sys.argv[1])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="a model with config.json")
    parser.add_argument("--runs", type=int, default=3, help="how often each is run (default 3)")
    options = parser.parse_args()
    os.environ |= {name + "_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    with tempfile.TemporaryDirectory() as place:
        folders = options.folders or [Path(place) / "gpt2"]
        if not options.folders:
            measure.run([sys.executable, "-c", GPT2, str(folders[0])])
        for folder in folders:
            _compare(folder, options.runs, place)


def _compare(folder: Path, runs: int, cache: str) -> None:
    numel = measure.installed(sys.executable)
    commands = {
        "`numel values --spectrum exact`": [*numel, "values", str(folder), "--spectrum", "exact", "--json"],
        "`numel values --spectrum`": [*numel, "values", str(folder), "--spectrum", "--json"],
        "weightwatcher": [sys.executable, "-c", PEER, str(folder)],
    }
    measured = measure.alternate(commands, n_runs=runs, env=measure.as_installed(cache))
    exact, _, peer = measured.values()
    theirs = json.loads(peer.runs[0].stdout.splitlines()[-1])
    spent = statistics.median(json.loads(run.stdout.splitlines()[-1])["cpu_s"] for run in peer.runs)
    ours = json.loads(exact.runs[0].stdout)["models"][0]["spectra"]
    known = {s["tensor"].removesuffix(".weight"): s["power_law"]["alpha"] for s in ours if s["power_law"]}
    print(f"\n{folder.name}: {len(ours)} matrices, {len(theirs['alpha'])} of them the peer's\n")
    print(measure.table(list(measured.values()), peer))
    print(f"\nanalyze() alone: {spent:.2f} s CPU, {spent / exact.cpu_s.median:.1f} × the whole of numel's exact tier")
    # the peer's names lack the prefix of a model that was saved without its head
    pairs = [(a, known[n]) for name, a in theirs["alpha"].items() for n in known if n == name or n.endswith("." + name)]
    off = sorted(abs(a - b) / a for a, b in pairs)
    close = sum(each < 0.001 for each in off)
    print(
        f"α of {len(off)} matrices: {close} within 0.1 %, median difference {statistics.median(off):.1e}, largest {off[-1]:.1e}"
    )


if __name__ == "__main__":
    main()
