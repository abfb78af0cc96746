"""A cost is no slower to have than a count: 1.5 times its CPU time, least of several runs each, as where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="the CPU time of a child is not to be had here")


def least_seconds(folder, *arguments):
    """CPU time of the quickest of six runs, the first of which compiles into the folder whatever this place does otherwise."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = kept | {"PYTHONPYCACHEPREFIX": str(folder)}
    spent = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "numel", *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def test_a_cost_takes_little_more_than_a_count(tmp_path):
    assert least_seconds(tmp_path, "cost", "gpt2") <= 1.5 * least_seconds(tmp_path, "gpt2")
