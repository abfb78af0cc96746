"""A cost is no slower to have than a count: 1.5 times its CPU time, least of several runs each."""

from __future__ import annotations

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="the CPU time of a child is not to be had here")


def least_seconds(*arguments):
    """User time of the quickest of six runs."""
    spent = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "numel", *arguments], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def test_a_cost_takes_little_more_than_a_count():
    assert least_seconds("cost", "gpt2") <= 1.5 * least_seconds("gpt2")
