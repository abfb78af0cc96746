"""What is read of a model behind an address: ranges alone, of one and the same object; a real server on 127.0.0.1."""

import json
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest

from numel.cli import main

pytest.importorskip("obstore")

MIB = 1 << 20


class Store(BaseHTTPRequestHandler):
    """Files of a folder, by HEAD and by ranges; with `?list-type=2` a bucket's list, as S3 answers it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body):  # noqa: PLR0911 - one per answer
        server, parts = self.server, urlsplit(self.path)
        query = parse_qs(parts.query)
        wanted = self.headers.get("Range")
        server.asked.append((self.command, parts.path, wanted))
        if "list-type" in query:
            return self.send_list(query["prefix"][0], with_body)
        file = server.root / unquote(parts.path).lstrip("/")
        fault = server.faults.pop(0) if server.faults and wanted else None
        if server.closed:
            return self.send(403)
        if fault == "slow":
            server.is_slow.set()
            server.is_over.wait(20)
        if fault in (500, 503):
            return self.send(fault)
        if not file.is_file():
            return self.send(404)
        content = file.read_bytes()
        tag = f'"{server.version}-{len(content)}"'
        if fault == "changed":
            server.version += 1
        if self.headers.get("If-Match", f'"{server.version}-{len(content)}"') != f'"{server.version}-{len(content)}"':
            return self.send(412)
        headers = {"ETag": tag, "Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT", "Accept-Ranges": "bytes"}
        if not wanted or fault == "whole":
            return self.send(200, content, headers, with_body=with_body)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(content) - 1) + 1, len(content))
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        return self.send(206, content[start:end], headers, with_body=with_body)

    def send_list(self, prefix, with_body):
        folder = self.server.root / "bucket" / prefix
        rows = "".join(
            f"<Contents><Key>{prefix}{path.name}</Key><LastModified>2026-11-02T10:00:00.000Z</LastModified>"
            f"<ETag>&quot;x&quot;</ETag><Size>{path.stat().st_size}</Size></Contents>"
            for path in sorted(folder.iterdir())
        )
        text = f"<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        self.send(200, text.encode(), {"Content-Type": "application/xml"}, with_body=with_body)

    def send(self, code, content=b"", headers=None, *, with_body=True):
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body and content:
            self.wfile.write(content)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder `root` as a web server and as a bucket called `bucket`."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    made.root, made.asked, made.faults, made.version, made.closed = tmp_path, [], [], 1, False
    made.handle_error = lambda *_: None  # a client that was killed
    made.is_slow, made.is_over = threading.Event(), threading.Event()
    made.url = f"http://127.0.0.1:{made.server_address[1]}"
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    settings = {"ENDPOINT_URL": made.url, "SKIP_SIGNATURE": "true", "REGION": "us-east-1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    from numel.sources import remote

    remote._store.cache_clear()
    yield made
    made.is_over.set()
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def folder(server):
    """A GPT-2 of one layer in two shards, 12 MiB of values in all."""
    from safetensors.numpy import save_file

    place = server.root / "bucket" / "models" / "tiny"
    place.mkdir(parents=True)
    rng = np.random.default_rng(6)
    parts = [
        {"wte.weight": rng.standard_normal((4000, 256)).astype(np.float32), "ln_f.weight": np.ones(256, np.float32)},
        {"h.0.mlp.c_fc.weight": rng.standard_normal((256, 1 << 14)).astype(np.float16)},
    ]
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name, part in zip(names, parts, strict=True):
        save_file(part, place / name)
    index = {"weight_map": {key: name for name, part in zip(names, parts, strict=True) for key in part}}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    (place / "config.json").write_text(json.dumps({"architectures": ["GPT2LMHeadModel"]}))
    return place


def data(words, capsys):
    assert main([*map(str, words), "--json"]) == 0
    model = json.loads(capsys.readouterr().out)["models"][0]
    assert model.pop("source")
    return model


@pytest.mark.parametrize(
    "address", ["{url}/bucket/models/tiny", "{url}/bucket/models/tiny/", "s3://bucket/models/tiny"]
)
def test_a_folder_is_counted_from_its_headers_alone(server, folder, address, capsys):
    here = data([folder], capsys)
    server.asked.clear()
    assert data([address.format(url=server.url)], capsys) == here
    fetched = [wanted for verb, path, wanted in server.asked if verb == "GET" and path.endswith(".safetensors")]
    assert all(fetched)
    nbytes = sum(int(w.split("-")[1]) - int(w[6:].split("-")[0]) + 1 for w in fetched)
    assert nbytes <= 2 * (256 << 10)


@pytest.mark.parametrize(
    ("address", "how"),
    [
        ("{url}/bucket/models/tiny", []),
        ("{url}/bucket/models/tiny", ["--threads", "1"]),
        ("s3://bucket/models/tiny", ["--workers", "2"]),
    ],
)
def test_its_values_are_read_by_ranges_and_come_to_the_same(server, folder, address, how, capsys):
    here = data(["values", folder, "--by", "tensor"], capsys)
    server.asked.clear()
    assert data(["values", address.format(url=server.url), "--by", "tensor", *how], capsys) == here
    ranges = [w for verb, path, w in server.asked if verb == "GET" and path.endswith(".safetensors")]
    sizes = [int(w.split("-")[1]) - int(w[6:].split("-")[0]) + 1 for w in ranges]
    assert max(sizes) <= 8 * MIB
    assert len(sizes) < 30


def test_a_file_and_its_histograms_behind_an_address(server, folder, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    url = f"{server.url}/bucket/models/tiny/model-00002-of-00002.safetensors"
    kept = folder / "part.numel"
    here = data(["values", url, "--save-histograms", kept], capsys)
    assert here["stats"]["numel"] == 256 << 14
    assert data(["values", f"{server.url}/bucket/models/tiny/part.numel"], capsys)["groups"] == here["groups"]


@pytest.mark.parametrize(
    "case",
    [
        ("changed", "changed while it was read", 4),
        ("whole", "the server sends no ranges, only whole files", 3),
        ("closed", "may not be read: permission denied", 3),
        ("missing", "there is no such file or folder", 3),
        ("empty", "the folder holds no model", 3),
        ("html", "an HTML page", 4),
        ("query", "an address with credentials or a query is not read", 2),
        ("scheme", "numel reads nothing from ftp://", 2),
        ("nobody", "cannot be read", 3),
    ],
    ids=lambda case: case[0],
)
def test_what_goes_wrong_is_one_line(server, folder, case, capsys, monkeypatch):
    from numel.sources import remote

    fault, said, code = case
    url = f"{server.url}/bucket/models/tiny/model-00001-of-00002.safetensors"
    if fault in ("changed", "whole"):
        server.faults = [None, fault]
    server.closed = fault == "closed"
    if fault == "html":
        (folder / "page.safetensors").write_bytes(b"<!doctype html><p>log in" + bytes(99))
    monkeypatch.setitem(remote._RETRIES, "max_retries", 0)
    url = {
        "missing": url + "x.safetensors",
        "empty": f"{server.url}/bucket/other/",
        "html": f"{server.url}/bucket/models/tiny/page.safetensors",
        "query": url + "?X-Amz-Signature=secret",
        "scheme": "ftp://example.org/model.safetensors",
        "nobody": "http://127.0.0.1:9/model.safetensors",
    }.get(fault, url)
    assert main(["values", url]) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert len(err) < 400
    assert "secret" not in err


def test_a_server_that_stumbles_is_asked_again(server, folder, capsys):
    server.faults = [503, None, 500]
    here = data(["values", folder], capsys)
    assert data(["values", f"{server.url}/bucket/models/tiny"], capsys)["stats"] == here["stats"]
    assert not server.faults


def test_an_interrupt_does_not_wait_for_a_slow_server(server, folder, tmp_path):
    """From the fourth range on no answer comes for twenty seconds."""
    server.faults = [None] * 3 + ["slow"] * 99
    words = ["values", f"{server.url}/bucket/models/tiny", "--save-histograms", str(tmp_path / "x.numel")]
    started = subprocess.Popen([sys.executable, "-m", "numel", *words], stderr=subprocess.PIPE, text=True)
    while not server.is_slow.wait(0.05):
        assert started.poll() is None
    time.sleep(0.2)
    started.send_signal(signal.SIGINT)
    before = time.monotonic()
    _, err = started.communicate(timeout=20)
    assert time.monotonic() - before < 2
    assert started.returncode == 130
    assert err.count("\n") <= 1


def test_without_obstore_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "numel.sources.remote", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert main(["s3://bucket/model"]) == 2
    assert "pip install 'numel[remote]'" in capsys.readouterr().err
