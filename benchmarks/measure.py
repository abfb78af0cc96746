"""What does a command cost beside another one? CPU seconds, wall time and peak memory of each, and their ratio.

    python benchmarks/measure.py --runs 7 "python -m numel gpt2" "python -c 'import torch'"

The commands take turns, so that whatever else the machine does meets each of them alike, and the ratios are taken pair
by pair. CPU seconds are user + system of the child and of what it waited for; the first turn only warms the caches.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAXRSS_NBYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes on macOS, kilobytes elsewhere
MIB = 1024**2


class Run(NamedTuple):
    """One run of a command."""

    cpu_s: float
    wall_s: float
    peak_nbytes: int
    stdout: str


class Spread(NamedTuple):
    """The least and the middle of several numbers."""

    least: float
    median: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Of the numbers themselves."""
        return cls(min(numbers), statistics.median(numbers))


class Measured(NamedTuple):
    """A command and its runs."""

    name: str
    runs: tuple[Run, ...]

    @property
    def cpu_s(self) -> Spread:
        """User and system seconds."""
        return Spread.of([run.cpu_s for run in self.runs])

    @property
    def wall_s(self) -> Spread:
        """Seconds from start to end."""
        return Spread.of([run.wall_s for run in self.runs])

    @property
    def peak_nbytes(self) -> Spread:
        """The largest resident set."""
        return Spread.of([run.peak_nbytes for run in self.runs])

    def cpu_ratio(self, peer: Measured) -> Spread:
        """How often this command's CPU seconds go into the peer's, pair by pair."""
        pairs = zip(self.runs, peer.runs, strict=True)
        return Spread.of([theirs.cpu_s / max(ours.cpu_s, 1e-9) for ours, theirs in pairs])

    def peak_ratio(self, peer: Measured) -> Spread:
        """How often this command's peak memory goes into the peer's, pair by pair."""
        return Spread.of([b.peak_nbytes / a.peak_nbytes for a, b in zip(self.runs, peer.runs, strict=True)])


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> Run:
    """Run `command` once. Raises CalledProcessError when it fails.

    The peak is not below that of this process: the kernel counts what a child held before it became the command.
    So keep this process small; it imports nothing but the standard library.
    """
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True)
    assert child.stdout is not None
    stdout = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - begin
    child.stdout.close()
    child.returncode = os.waitstatus_to_exitcode(status)  # Popen must not wait for it again
    if child.returncode != 0:
        raise subprocess.CalledProcessError(child.returncode, list(command))
    return Run(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss * _MAXRSS_NBYTES, stdout)


def as_installed(cache: str) -> dict[str, str]:
    """An environment in which Python keeps byte code, in the folder `cache`, whatever this one says of it.

    An installed package has byte code and a source tree may not; the turn that does not count writes it for both sides.
    """
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": cache}


def installed(python: str) -> list[str]:
    """The command `numel` as users run it: the script beside the interpreter, or the module where there is none."""
    script = Path(python).with_name("numel")
    return [str(script)] if script.exists() else [python, "-m", "numel"]


def alternate(
    commands: Mapping[str, Sequence[str]], *, n_runs: int, env: Mapping[str, str] | None = None
) -> dict[str, Measured]:
    """Run each of the named commands `n_runs` times, in turns, after one turn that does not count."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(n_runs + 1):
        for name, command in commands.items():
            measured = run(command, env)
            if turn > 0:
                runs[name].append(measured)
    return {name: Measured(name, tuple(several)) for name, several in runs.items()}


def table(measured: Sequence[Measured], peer: Measured) -> str:
    """A Markdown table: a row per command, and how many times the peer's cost is its own."""
    lines = [
        "| command | CPU s, median (least) | wall s | peak MiB | CPU: peer ÷ this, median (least) | memory: peer ÷ this |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for one in measured:
        cpu, ratio = one.cpu_s, one.cpu_ratio(peer)
        lines.append(
            f"| {one.name} | {cpu.median:.3f} ({cpu.least:.3f}) | {one.wall_s.median:.3f} "
            f"| {one.peak_nbytes.median / MIB:.1f} | {ratio.median:.1f} ({ratio.least:.1f}) "
            f"| {one.peak_ratio(peer).median:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "commands", nargs="+", metavar="COMMAND", help="a command line in quotes; the last one is the peer"
    )
    parser.add_argument("--runs", type=int, default=5, help="how often each is run (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        commands = {words: shlex.split(words) for words in options.commands}
        measured = alternate(commands, n_runs=options.runs, env=as_installed(cache))
    print(table(list(measured.values()), measured[options.commands[-1]]))


if __name__ == "__main__":
    main()
