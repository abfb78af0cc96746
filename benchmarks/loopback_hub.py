"""What if a tool insists on a model hub? A stand-in on 127.0.0.1: model info, files, ranges; nothing else of a hub's API.

`accelerate estimate-memory` and `get_safetensors_metadata` take a repository's id and no folder. HF_ENDPOINT points them
here, so that their own code runs unchanged without a network.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMIT = "0" * 40  # the only revision there is
OWNER = "openai-community"


class _Hub(BaseHTTPRequestHandler):
    """`/api/models/OWNER/NAME` and `/OWNER/NAME/resolve/REVISION/FILE`; a repository is a folder `root/NAME`."""

    root: ClassVar[Path]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, *, with_body: bool) -> None:
        words = [word for word in unquote(urlsplit(self.path).path).split("/") if word]
        match words:
            case ["api", "models", owner, name, *_] if owner == OWNER and (self.root / name).is_dir():
                self._send_info(name, with_body=with_body)
            case [owner, name, "resolve", _, file] if owner == OWNER and (self.root / name / file).is_file():
                self._send_file(self.root / name / file, with_body=with_body)
            case _:
                missing = "EntryNotFound" if "resolve" in words else "RepoNotFound"
                self._send(HTTPStatus.NOT_FOUND, {"X-Error-Code": missing, "Content-Length": "0"})

    def _send_info(self, name: str, *, with_body: bool) -> None:
        folder = self.root / name
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        info = {
            "id": f"{OWNER}/{name}",
            "modelId": f"{OWNER}/{name}",
            "sha": COMMIT,
            "private": False,
            "gated": False,
            "disabled": False,
            "tags": ["transformers", "safetensors", "gpt2"],
            "library_name": "transformers",
            "pipeline_tag": "text-generation",
            "config": {"architectures": config["architectures"], "model_type": config["model_type"]},
            "siblings": [{"rfilename": path.name} for path in sorted(folder.iterdir())],
        }
        body = json.dumps(info).encode()
        self._send(HTTPStatus.OK, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        if with_body:
            self.wfile.write(body)

    def _send_file(self, path: Path, *, with_body: bool) -> None:
        size = path.stat().st_size
        headers = {"ETag": f'"{path.parent.name}-{size}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range", "")
        first, _, last = asked.removeprefix("bytes=").partition("-")
        begin, end = (int(first), min(int(last or size), size - 1)) if asked else (0, size - 1)
        headers["Content-Length"] = str(end - begin + 1)
        if asked:
            headers["Content-Range"] = f"bytes {begin}-{end}/{size}"
        self._send(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK, headers)
        if with_body:
            with path.open("rb") as file:
                file.seek(begin)
                self.wfile.write(file.read(end - begin + 1))

    def _send(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serving(root: Path) -> Iterator[dict[str, str]]:
    """While inside: the folders under `root` as repositories; the environment that leads a child process to them."""
    handler = type("Hub", (_Hub,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache = root / "hub-cache"
    own = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    offline = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}
    try:
        yield {**{key: value for key, value in os.environ.items() if key not in offline}, **own}
    finally:
        server.shutdown()
        server.server_close()
