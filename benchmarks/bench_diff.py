"""What does comparing two checkpoints cost as a whole process, beside torch that computes the same in float64?

    python benchmarks/bench_diff.py [--runs 3] [--mib 256]

Two files of BF16, four matrices each, of which two are changed. The peer reads them with safetensors and computes for each
matrix ‖ΔW‖/‖W‖, the cosine, the largest change, how many values changed, and those that are new beyond 6 σ.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import measure

TORCH = """
import sys, torch
from safetensors import safe_open
torch.set_num_threads(1)
a, b = (safe_open(path, framework="pt") for path in sys.argv[1:3])
for name in a.keys():
    x, y = a.get_tensor(name).double().flatten(), b.get_tensor(name).double().flatten()
    d = y - x
    far, mean = 6 * x.std(), x.mean()
    found = [d.norm() / x.norm(), torch.nn.functional.cosine_similarity(x, y, dim=0), d.abs().max(), (d != 0).sum()]
    found.append((((y - mean).abs() > far) & ((x - mean).abs() <= far)).sum())
    print(name, [float(value) for value in found])
"""
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="how often each is run (default 3)")
    parser.add_argument("--mib", type=int, default=256, help="size of each file (default 256 MiB)")
    parser.add_argument("--write", nargs=2, metavar="FILE", help="only write the two checkpoints")
    options = parser.parse_args()
    if options.write:
        _write(options.write[0], options.write[1], options.mib)
        return
    numel = measure.installed(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{name}.safetensors") for name in ("base", "tuned")]
        # in a process of its own: what this one has held would count as the least peak of every child
        measure.run([sys.executable, __file__, "--mib", str(options.mib), "--write", *paths])
        commands = {
            "`numel diff`": [*numel, "diff", *paths, "--json", "--threads", "1"],
            "torch, float64": [sys.executable, "-c", TORCH, *paths],
        }
        measured = measure.alternate(commands, n_runs=options.runs, env=measure.as_installed(folder))
    print(f"BF16, 2 × {options.mib} MiB, four matrices each, one thread\n")
    print(measure.table(list(measured.values()), list(measured.values())[-1]))


def _write(base: str, tuned: str, mib: int) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    each = mib * MIB // 4
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(4)]
    header = {
        name: {"dtype": "BF16", "shape": [each // 2048, 1024], "data_offsets": [k * each, (k + 1) * each]}
        for k, name in enumerate(names)
    }
    head = json.dumps(header).encode()
    with Path(base).open("wb") as first, Path(tuned).open("wb") as second:
        for out in (first, second):
            out.write(len(head).to_bytes(8, "little") + head)
        for k in range(len(names)):
            values = rng.standard_normal(each // 2, dtype=np.float32) * np.float32(0.02)
            step = rng.standard_normal(each // 2, dtype=np.float32) * np.float32(0.0004 * (k % 2))
            for out, each_values in ((first, values), (second, values + step)):
                out.write((each_values.view(np.uint32) >> 16).astype(np.uint16).tobytes())


if __name__ == "__main__":
    main()
