"""Whether a scan comes to the same whoever counts: threads, processes, Dask; when workers die; when the client dies."""

import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from numel.cli import main
from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.tensors import TensorInfo
from numel.errors import CorruptFileError, EngineError, SourceNotFoundError
from numel.sources.local import LocalModel
from numel.statistics import scan, workers
from numel.statistics.scan import Reading
from numel.statistics.tally import Counted
from numel.statistics.wire import decode, encode
from numel.statistics.workers import Processes

MIB = 1 << 20


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two files with large and small tensors of every way of counting, NaN and infinities among them."""
    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(2)
    normal = (rng.standard_normal(MIB) * 0.02).astype(np.float32)
    normal[[5, 7, 11]] = np.nan, np.inf, 0
    kinds = {
        "BF16": (normal.view(np.uint32) >> 16).astype(np.uint16), "F32": normal, "F16": normal[: MIB // 2].astype(np.float16),
        "F64": normal[: MIB // 4].astype(np.float64) + 1, "I8": rng.integers(-128, 128, 3 * MIB // 2).astype(np.int8),
    }  # fmt: skip
    tensors = []
    for shard in ("a", "b"):
        offset = 0
        with open(folder / shard, "wb") as out:
            for dtype, values in kinds.items():
                for name, part in ((f"{shard}.{dtype}", values), (f"{shard}.{dtype}.small", values[:100])):
                    shape = (len(part),)
                    tensors.append(TensorInfo(name, shape, SAFETENSORS_DTYPES[dtype], shard, offset))
                    offset += out.write(part.tobytes())
    return LocalModel(str(folder), str(folder), "folder", "made", ("a", "b")), tensors


def digests(model, **how):
    place, tensors = model
    return [(tensor.name, histogram.digest()) for tensor, histogram in scan(tensors, place.open, Reading(**how))]


@pytest.fixture(scope="module")
def right(model):
    return digests(model, threads=1)


@pytest.fixture(scope="module")
def cluster(model):
    """A Dask scheduler with two workers; what answers at its address, and the pool that started it."""
    pytest.importorskip("distributed")
    from numel.statistics.cluster import Cluster

    pool = Cluster(model[0].open, n=2)
    yield pool
    pool.close()
    with warnings.catch_warnings():  # what Dask leaves open where a machine is busy is not ours
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def address(cluster):
    return cluster._open[0].scheduler_address


def test_counts_go_through_a_pipe_and_come_back_the_same():
    dense = np.zeros(65536, np.int64)
    dense[[0, 5, 65535]] = 1, 1 << 40, 3
    bins = np.array([1, 9], np.uint32)
    sums = [[0.1, -0.0, 1e300, 5e-324, 1.0, 2.0, 3.0, 4.0, np.inf, -np.inf, -1074.0]] * 2
    found = [Counted(None, dense, []), Counted(bins, np.array([2, 4]), sums, 7, 1, 2, 3, 4)]
    back = decode(encode(found))
    assert [each[3:] for each in back] == [each[3:] for each in found]
    assert back[0].bins is None
    assert (back[0].counts == dense).all()
    assert (back[1].bins == bins).all()
    assert back[1].bins.dtype == np.uint32
    assert np.array(back[1].sums).tobytes() == np.array(sums).tobytes()


@pytest.mark.parametrize("how", [{"threads": 2}, {"piece_nbytes": MIB}, {"threads": 2, "piece_nbytes": 3 * MIB}])
def test_threads_and_pieces_of_any_size_come_to_the_same(model, right, how):
    assert digests(model, **how) == right


def test_numpy_and_c_come_to_the_same(model, right, monkeypatch):
    monkeypatch.setenv("NUMEL_KERNELS", "numpy")
    assert digests(model, threads=1) == right


def test_processes_come_to_the_same_even_when_they_are_killed(model, right):
    place, tensors = model
    pool = Processes(2, place.open)
    found, killed = [], 0
    for tensor, histogram in scan(tensors, place.open, Reading(piece_nbytes=MIB, pool=lambda _: pool)):
        if killed < 2:
            for worker in [worker for worker in pool.workers if worker.process is not None]:
                worker.process.kill()
                killed += 1
        found.append((tensor.name, histogram.digest()))
    assert killed >= 2
    assert found == right
    assert all(worker.process is None for worker in pool.workers)


def test_dask_comes_to_the_same_even_when_its_workers_are_killed(model, right, cluster):
    from numel.statistics.cluster import Cluster

    place, tensors = model
    found, killed = [], []
    reading = Reading(piece_nbytes=MIB, pool=lambda opener: Cluster(opener, address=address(cluster)))
    for tensor, histogram in scan(tensors, place.open, reading):
        if not killed:
            killed = [nanny.pid for nanny in cluster._open[0].workers.values()]
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        found.append((tensor.name, histogram.digest()))
    assert len(killed) == 2
    assert found == right


@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_the_client_is_killed_and_the_run_resumed_by_another_engine(model, right, cluster, tmp_path, engine):
    pq = pytest.importorskip("pyarrow.parquet")

    path, kept = tmp_path / "model.safetensors", tmp_path / "x.numel"
    rng = np.random.default_rng(0)
    save_file({f"w{i}": rng.standard_normal(MIB // 2).astype(np.float32) for i in range(5)}, path)
    how = ["--workers", "2"] if engine == "processes" else ["--engine", "dask", "--scheduler", address(cluster)]
    code = (
        "import os, sys; from numel.statistics.journal import LineJournal; from numel.cli import main; write = LineJournal.write\n"
        "def last(self, job, found):\n"
        "    write(self, job, found)\n    self.n_written < 2 or os.kill(os.getpid(), 9)\n"
        "LineJournal.write = last; sys.exit(main(sys.argv[1:]))"
    )
    words = ["values", str(path), "--save-histograms", str(kept)]
    done = subprocess.run([sys.executable, "-c", code, *words, *how], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "x.numel.journal").read_bytes().count(b"\n") == 3
    assert main([*words, "-o", os.devnull]) == 0
    whole = tmp_path / "whole.numel"
    assert main(["values", str(path), "--save-histograms", str(whole), "-o", os.devnull]) == 0
    assert pq.read_table(kept).equals(pq.read_table(whole))


def test_what_kills_each_worker_is_one_error_that_names_the_bytes(model, monkeypatch):
    monkeypatch.setattr(workers, "_START", "import os; os._exit(1)")
    with pytest.raises(EngineError, match=r"a: bytes 0 to .* were given to 4 workers, and each died"):
        digests(model, pool=lambda opener: Processes(1, opener))


def test_a_worker_that_hangs_is_replaced(model, right, monkeypatch):
    place, tensors = model
    pool = Processes(2, place.open, stalled_s=1.0)
    stopped = None
    found = []
    for tensor, histogram in scan(tensors, place.open, Reading(piece_nbytes=MIB, pool=lambda _: pool)):
        if stopped is None:
            stopped = pool.workers[0].process
            os.kill(stopped.pid, signal.SIGSTOP)
        found.append((tensor.name, histogram.digest()))
    assert found == right


def test_silence_of_a_cluster_ends_the_run(model, cluster):
    from numel.statistics.cluster import Cluster

    pool = Cluster(model[0].open, address=address(cluster), stalled_s=0.5)
    pool.begin = lambda _: pool._client.submit(time.sleep, 3, pure=False)
    with pytest.raises(EngineError, match="Dask has finished nothing for 0 seconds"):
        digests(model, pool=lambda _: pool)


def _has_worker(pid):
    """Whether the process has begun to start one that counts."""
    started = [pid for path in Path(f"/proc/{pid}/task").glob("*/children") for pid in path.read_text().split()]
    return any(b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes() for child in started)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="it looks for children in /proc")
def test_an_interrupt_while_dask_starts_is_quiet_and_leaves_nobody(tmp_path):
    """Ctrl-C goes to the whole group, and so to workers that cannot yet say that they do not hear it."""
    pytest.importorskip("distributed")
    path = tmp_path / "model.safetensors"
    save_file({"w": np.ones((8, 8), np.float32)}, path)
    words = [sys.executable, "-m", "numel", "values", str(path), "--engine", "dask", "--workers", "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, start_new_session=True, **pipes) as asked:
        end = time.monotonic() + 60
        while not _has_worker(asked.pid):
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.15)  # Python listens, and has not loaded Dask
        os.killpg(asked.pid, signal.SIGINT)
        said = asked.communicate(timeout=20)  # ends when all that hold the pipes have ended
    assert (asked.returncode, said) == (130, (b"", b""))


@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_the_errors_of_a_worker_are_those_of_the_client(model, cluster, tmp_path, engine):
    from numel.statistics.cluster import Cluster

    _, tensors = model
    path = tmp_path / "a"
    place = LocalModel(str(tmp_path), str(tmp_path), "folder", "made", ("a",))

    def made(opener):
        path.rename(tmp_path / "gone")
        return Processes(1, opener) if engine == "processes" else Cluster(opener, address=address(cluster))

    path.write_bytes(bytes(32 * MIB))
    with pytest.raises(SourceNotFoundError, match="there is no such file"):
        list(scan([tensor for tensor in tensors if tensor.shard == "a"], place.open, Reading(pool=made)))

    def cut(opener):
        os.truncate(path, 10)
        return Processes(1, opener)

    path.write_bytes(bytes(32 * MIB))
    with pytest.raises(CorruptFileError):
        list(scan([tensor for tensor in tensors if tensor.shard == "a"], place.open, Reading(pool=cut)))


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--engine", "ray"], "no engine called 'ray' (there is threads, processes, dask)", 2),
        (["--engine", "threads", "--workers", "2"], "--workers are processes, and the engine is threads", 2),
        (["--engine", "processes", "--scheduler", "tcp://x:1"], "--scheduler goes with --engine dask", 2),
        (["--workers", "2", "--scheduler", "tcp://x:1"], "--workers starts workers here", 2),
        (["--workers", "0"], "--workers 0: it must be 1 or more", 2),
    ],
)
def test_what_cannot_be_asked_of_an_engine_is_one_line(words, said, code, tmp_path, capsys):

    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    assert main(["values", str(tmp_path / "model.safetensors"), *words]) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_where_no_scheduler_is_it_is_one_line(tmp_path, capsys, monkeypatch):

    cluster = pytest.importorskip("numel.statistics.cluster")
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.3)
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    assert main(["values", str(tmp_path / "model.safetensors"), "--scheduler", "tcp://127.0.0.1:9"]) == 3
    err = capsys.readouterr().err
    assert "no Dask scheduler with workers answers at tcp://127.0.0.1:9" in err
    assert err.count("\n") == 1


def test_without_dask_the_extra_is_named(tmp_path, monkeypatch, capsys):

    monkeypatch.delitem(sys.modules, "numel.statistics.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    assert main(["values", str(tmp_path / "model.safetensors"), "--engine", "dask"]) == 2
    assert "pip install 'numel[dask]'" in capsys.readouterr().err
