"""Whether a scan that was killed, interrupted or cut off goes on where it was, and comes to the same."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from numel.cli import main
from numel.statistics.journal import LineJournal

pq = pytest.importorskip("pyarrow.parquet")

N = 700_000  # elements: more than the small tensors that one job does together


@pytest.fixture
def model(tmp_path):
    from safetensors.numpy import save_file

    rng = np.random.default_rng(9)
    small = {f"s{i}": rng.standard_normal(5).astype(np.float64) for i in range(5)}
    large = {f"w{i}": (rng.standard_normal(N) * 0.02).astype([np.float16, np.float32][i % 2]) for i in range(4)}
    save_file({**small, **large}, tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


def kept_whole(model, tmp_path, name="whole.numel"):
    assert main(["values", model, "--save-histograms", str(tmp_path / name), "-o", os.devnull]) == 0
    return pq.read_table(tmp_path / name)


def killed_after(model, path, n_lines):
    """A run that kills itself as soon as so many jobs are written down."""
    code = (
        "import os, sys; from numel.statistics.journal import LineJournal; from numel.cli import main; write = LineJournal.write\n"
        "def last(self, job, found):\n"
        f"    write(self, job, found)\n    self.n_written < {n_lines} or os.kill(os.getpid(), 9)\n"
        "LineJournal.write = last; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", code, "values", model, "--save-histograms", path], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.fixture
def remembered(monkeypatch):
    """How many jobs a run found in its journal."""
    found = []
    known = LineJournal.known
    monkeypatch.setattr(LineJournal, "known", lambda self, job: found.append(known(self, job)) or found[-1])
    return lambda: sum(each is not None for each in found)


def test_a_run_that_was_killed_goes_on_and_comes_to_the_same(model, tmp_path, remembered):
    whole = kept_whole(model, tmp_path)
    path = str(tmp_path / "again.numel")
    killed_after(model, path, 3)
    assert not os.path.exists(path)
    before = remembered()
    assert kept_whole(model, tmp_path, "again.numel").equals(whole)
    assert remembered() - before == 3
    assert not os.path.exists(path + ".journal")


@pytest.mark.parametrize(("harm", "n_left"), [("torn", 1), ("damaged", 2), ("headless", 0), ("changed", 0)])
def test_what_is_not_whole_in_a_journal_is_done_again(model, tmp_path, remembered, harm, n_left):
    whole = kept_whole(model, tmp_path)
    journal = tmp_path / "again.numel.journal"
    killed_after(model, str(tmp_path / "again.numel"), 2 if harm == "torn" else 3)
    content = journal.read_bytes()
    if harm == "torn":
        journal.write_bytes(content[:-9])
    elif harm == "damaged":
        at = content.rindex(b'"data"') + 60
        journal.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    elif harm == "headless":
        journal.write_bytes(content[:10])
    else:
        os.utime(model, ns=(0, 0))
    before = remembered()
    assert kept_whole(model, tmp_path, "again.numel").equals(whole)
    assert remembered() - before == n_left


def test_another_file_or_another_run_is_not_written_over(model, tmp_path, capsys):
    journal = tmp_path / "x.numel.journal"
    words = ["values", model, "--save-histograms", str(tmp_path / "x.numel")]
    journal.write_text("my diary\n")
    assert main(words) == 2
    assert "is not a journal of numel" in capsys.readouterr().err
    assert journal.read_text() == "my diary\n"
    journal.unlink()
    other = LineJournal(str(journal))
    assert main(words) == 2
    assert "is being written by another run" in capsys.readouterr().err
    other.close()
    assert not journal.exists()


def test_an_interrupt_ends_within_two_seconds_and_says_how_to_go_on(tmp_path):
    """A sparse file of 64 GiB takes longer than the test waits."""
    path, size = tmp_path / "model.safetensors", 64 << 30
    head = json.dumps({"w": {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}}).encode()
    with open(path, "wb") as out:
        out.write(len(head).to_bytes(8, "little") + head)
        out.truncate(8 + len(head) + size)
    words = [sys.executable, "-m", "numel", "values", str(path), "--save-histograms", str(tmp_path / "x.numel")]
    started = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    journal = tmp_path / "x.numel.journal"
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
        assert started.poll() is None
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    before = time.monotonic()
    _, err = started.communicate(timeout=20)
    assert time.monotonic() - before < 2
    assert started.returncode == 130
    said = "x.numel.journal: stopped; what is counted so far is kept (the same command goes on from there)\n"
    assert err.endswith(said)
    assert err.count("\n") == 1
    assert {file.name for file in tmp_path.iterdir()} == {"model.safetensors", "x.numel.journal"}
