"""How fast are values counted, beside reading memory, and what does a checkpoint cost as a whole process, beside torch?

    python benchmarks/bench_values.py [--runs 5] [--mib 256] [--kernels] [--files] [--engines]

The kernels run on one thread, in turns with a sum over the same bytes (`numpy.add.reduce` of uint64), and the ratios are
taken pair by pair, of CPU seconds; out of a file that lies in the page cache, in turns with reading it and with counting it in memory. The files have four tensors of normal values; the peer reads them with safetensors and
computes mean, standard deviation, least, greatest and five quantiles of each: torch.quantile where it takes the tensor, a
sort where it is too large for it. numel computes all that it prints. Where weightlens is installed (`pip install weightlens`), it
is another peer. The engines are numel against itself: one thread, two threads, two processes, Dask on two workers, each a whole
process from its start to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import measure

if TYPE_CHECKING:
    from collections.abc import Callable

TORCH = """
import sys, torch
from safetensors import safe_open
torch.set_num_threads(1)
q = torch.tensor([0.01, 0.25, 0.5, 0.75, 0.99])
with safe_open(sys.argv[1], framework="pt") as file:
    for name in file.keys():
        x = file.get_tensor(name).float().flatten()
        found = [x.mean(), x.std(), x.min(), x.max()]
        if x.numel() <= 1 << 24:
            found += list(torch.quantile(x, q))
        else:
            x = x.sort().values
            found += [x[round(float(p) * (len(x) - 1))] for p in q]
        print(name, [float(value) for value in found])
"""
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="how often each is run (default 5)")
    parser.add_argument("--mib", type=int, default=256, help="size of the data (default 256 MiB)")
    parser.add_argument("--kernels", action="store_true", help="only the kernels")
    parser.add_argument("--files", action="store_true", help="only the files")
    parser.add_argument("--engines", action="store_true", help="only threads, processes and Dask")
    parser.add_argument("--write", nargs=2, metavar=("DTYPE", "FILE"), help="only write a checkpoint")
    options = parser.parse_args()
    if options.write:
        _write(options.write[0], Path(options.write[1]), options.mib)
        return
    everything = not (options.kernels or options.files or options.engines)
    if options.kernels or everything:
        _kernels(options.mib, options.runs)
        _warm(options.mib, options.runs)
    if options.files or everything:
        _files(options.mib, options.runs)
    if options.engines or everything:
        _engines(options.mib, options.runs)


def _kernels(mib: int, runs: int) -> None:
    """In this process: nothing here is measured for its memory."""
    import numpy as np

    from numel.kernels import N_SUMS, WORK_NBYTES, kernels

    found, work = kernels(), bytearray(WORK_NBYTES)
    counts = np.zeros(65536, np.uint64)
    print(f"kernels: {found.LEVEL}; {mib} MiB each, one thread\n")
    print("| data | GB/s, median | share of reading memory, median (least) | of the speed on normal data |")
    print("|---|--:|--:|--:|")
    normal: dict[str, float] = {}
    for kind, name, data in _samples(mib * MIB):
        words, view = data.view(np.uint64), memoryview(data).cast("B")  # type: ignore[arg-type]
        sums = np.zeros((len(view) // (4 << 18) + 1, N_SUMS))
        itemsize = {"8 bit": 1, "16 bit": 2}.get(kind)

        def count(view: memoryview = view, itemsize: int | None = itemsize, sums: object = sums) -> None:
            if itemsize is None:
                found.sum_f32(view, 0, len(view), 0.0, work, sums)
            else:
                found.count(view, 0, len(view), itemsize, work, counts)

        rates, shares = _pairs(count, words.sum, len(view), runs)
        normal.setdefault(kind, statistics.median(rates))
        print(
            f"| {kind}: {name} | {statistics.median(rates) / 1e9:.2f} | {statistics.median(shares):.0%} "
            f"({min(shares):.0%}) | {statistics.median(rates) / normal[kind]:.2f} |"
        )


def _warm(mib: int, runs: int) -> None:
    """A file in the page cache, counted out of it: beside reading it by itself and counting the same out of memory."""
    import numpy as np

    from numel.kernels import N_SUMS, WORK_NBYTES, kernels

    found, work, nbytes = kernels(), bytearray(WORK_NBYTES), mib * MIB
    counts, sums = np.zeros(65536, np.uint64), np.zeros((nbytes // (4 << 18) + 1, N_SUMS))
    buffer = memoryview(bytearray(1 << 18))  # as native.c reads
    samples = {kind: data for kind, name, data in reversed(_samples(nbytes)) if "normal" in name}  # the first of each
    print("\n| file in the page cache | share of the serial bound, median (least) |\n|---|--:|")
    for kind in ("16 bit", "F32"):
        with tempfile.TemporaryFile() as file:
            view = memoryview(samples[kind]).cast("B")  # type: ignore[arg-type]
            file.write(view)
            file.flush()
            fd = file.fileno()

            def count(source: object, kind: str = kind) -> None:
                if kind == "F32":
                    found.sum_f32(source, 0, nbytes, 0.0, work, sums)
                else:
                    found.count(source, 0, nbytes, 2, work, counts)

            def read(fd: int = fd) -> None:
                for offset in range(0, nbytes, len(buffer)):
                    os.preadv(fd, [buffer], offset)

            shares = []
            for turn in range(runs + 1):
                out_of_file, out_of_memory, reading = map(_cpu, (partial(count, fd), partial(count, view), read))
                if turn:
                    shares.append((out_of_memory + reading) / out_of_file)
            print(f"| {kind} | {statistics.median(shares):.0%} ({min(shares):.0%}) |")


def _pairs(
    ours: Callable[[], object], reading: Callable[[], object], nbytes: int, runs: int
) -> tuple[list[float], list[float]]:
    """Bytes per CPU second of ours, and as a share of reading, pair by pair."""
    rates, shares = [], []
    for turn in range(runs + 1):
        a, b = _cpu(ours), _cpu(reading)
        if turn:
            rates.append(nbytes / a)
            shares.append(b / a)
    return rates, shares


def _cpu(call: Callable[[], object]) -> float:
    begin = time.thread_time()
    call()
    return time.thread_time() - begin


def _samples(nbytes: int) -> list[tuple[str, str, object]]:
    import numpy as np

    rng = np.random.default_rng(0)
    floats = rng.standard_normal(nbytes // 4, dtype=np.float32) * np.float32(0.02)
    half = np.concatenate([floats, floats])
    bf16 = (half.view(np.uint32) >> 16).astype(np.uint16)
    zeros = np.zeros_like(bf16)
    kept = rng.random(len(bf16), dtype=np.float32)
    return [
        ("16 bit", "bfloat16, normal", bf16),
        ("16 bit", "float16, normal", half.astype(np.float16).view(np.uint16)),
        ("16 bit", "all zero", zeros),
        ("16 bit", "half of it zero", np.where(kept < 0.5, zeros, bf16)),
        ("16 bit", "nine in ten zero", np.where(kept < 0.9, zeros, bf16)),
        ("16 bit", "±1", np.where(kept < 0.5, np.uint16(0x3F80), np.uint16(0xBF80))),
        ("16 bit", "random bits", rng.integers(0, 65536, len(bf16), dtype=np.uint16)),
        ("8 bit", "normal", np.clip(np.rint(half * 1000), -127, 127).astype(np.int8).repeat(2)),
        ("F32", "normal, with its sums", floats),
    ]


def _files(mib: int, runs: int) -> None:
    numel, lens = measure.installed(sys.executable), Path(sys.executable).with_name("lens")
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("BF16", "F32"):
            path = str(Path(folder) / f"{dtype}.safetensors")
            # in a process of its own: what this one has held would count as the least peak of every child
            measure.run([sys.executable, __file__, "--mib", str(mib), "--write", dtype, path])
            commands = {
                "`numel values`": [*numel, "values", path, "--json", "--threads", "1"],
                **({"weightlens": [str(lens), "analyze", path]} if lens.exists() else {}),
                "torch: mean, std, min, max, 5 quantiles": [sys.executable, "-c", TORCH, path],
            }
            measured = measure.alternate(commands, n_runs=runs, env=measure.as_installed(folder))
            print(f"\n{dtype}, {mib} MiB in four tensors, one thread\n")
            print(measure.table(list(measured.values()), list(measured.values())[-1]))
            if "weightlens" in measured:
                ours, theirs = measured["`numel values`"], measured["weightlens"]
                cpu, memory = ours.cpu_ratio(theirs).median, ours.peak_ratio(theirs).median
                print(f"\nweightlens ÷ numel: {cpu:.1f} in CPU, {memory:.1f} in memory")


def _engines(mib: int, runs: int) -> None:
    numel = measure.installed(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.safetensors")
        measure.run([sys.executable, __file__, "--mib", str(mib), "--write", "BF16", path])
        asked = [*numel, "values", path, "--json"]
        commands = {
            "two threads": [*asked, "--threads", "2"],
            "two processes": [*asked, "--workers", "2"],
            "Dask, two workers": [*asked, "--engine", "dask", "--workers", "2"],
            "one thread": [*asked, "--threads", "1"],
        }
        measured = list(measure.alternate(commands, n_runs=runs, env=measure.as_installed(folder)).values())
        print(f"\nBF16, {mib} MiB in four tensors; start and end included\n")
        print("| | wall s, median (least) | CPU s, median (least) | wall beyond one thread, median of pairs |")
        print("|---|--:|--:|--:|")
        for each in measured:
            pairs = zip(each.runs, measured[-1].runs, strict=True)
            more = statistics.median(ours.wall_s - alone.wall_s for ours, alone in pairs)
            wall, cpu = each.wall_s, each.cpu_s
            print(
                f"| {each.name} | {wall.median:.2f} ({wall.least:.2f}) | {cpu.median:.2f} ({cpu.least:.2f}) | {more:+.2f} |"
            )


def _write(dtype: str, path: Path, mib: int) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    size = {"BF16": 2, "F32": 4}[dtype]
    each = mib * MIB // 4
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(4)]
    header = {
        name: {"dtype": dtype, "shape": [each // size], "data_offsets": [k * each, (k + 1) * each]}
        for k, name in enumerate(names)
    }
    head = json.dumps(header).encode()
    with path.open("wb") as out:
        out.write(len(head).to_bytes(8, "little") + head)
        for _ in names:
            values = rng.standard_normal(each // size, dtype=np.float32) * np.float32(0.02)
            out.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes() if size == 2 else values.tobytes())


if __name__ == "__main__":
    main()
