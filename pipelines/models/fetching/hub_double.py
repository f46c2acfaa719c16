"""A hub that serves files from memory over real HTTP, and misbehaves on request; for tests.

It speaks as much of the hub's protocol as fetching needs: ``/REPO/resolve/REVISION/FILE`` by HEAD
and GET, with the commit, sizes and hashes in the hub's own headers, a redirect to another address
for large files, ranges, gates and error codes.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

STALL_S = 1.0
"""Time that the fault ``stall`` keeps a client waiting for its first byte."""
TOKEN = "hf_double"
"""The one token that it accepts."""
COMMIT = "c" * 40

Fault = Literal[
    "", "cut once", "cut", "flip", "no commit", "hang up", "stall", "circle", "no range",
    "another hash", "429", "500", "403", "416",
]  # fmt: skip
"""cut: end each answer after half of its bytes; flip: change the last byte; no commit: answer as no
hub does; hang up: close without an answer; stall: answer late; circle: redirect to the same
address; no range: ignore ranges; another hash: say another than the bytes have; a number: that
status."""


@dataclass
class Repository:
    """One repository."""

    files: dict[str, bytes]
    large: set[str] = field(default_factory=set)
    """Paths that are served by a redirect, with their SHA-256; the others have git's hash."""
    gated: bool = False
    commit: str = COMMIT
    revisions: set[str] = field(default_factory=lambda: {"main"})
    """Beside the commit itself."""


@dataclass
class HubDouble:
    """What is served, its fault, and the requests received."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    fault: Fault = ""
    faulty: str = ""
    """The path that has the fault; empty: all."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range of every request."""
    authorised: list[bool] = field(default_factory=list)
    """True for each of these requests that carried a token."""
    url: str = ""

    def ranges(self, path: str) -> list[str]:
        """Ranges of the GETs for a file that sent (or would have sent) its bytes."""
        ends = (f"/{path}",)
        return [asked[2] for asked in self.asked if asked[0] == "GET" and asked[1].endswith(ends)]

    def fails(self, path: str, *faults: Fault) -> bool:
        """True if a file has one of these faults now."""
        if self.fault not in faults or self.faulty not in ("", path):
            return False
        if self.fault == "cut once":
            self.fault = ""
        return True


@contextmanager
def serving(double: HubDouble) -> Iterator[HubDouble]:
    """Serves while inside; ``double.url`` is then its address."""

    class Handler(_Handler):
        hub = double

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubDouble
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        where = unquote(urlsplit(self.path).path)
        hub = self.hub
        hub.asked.append((self.command, where, self.headers.get("Range", "")))
        hub.authorised.append("Authorization" in self.headers)
        if where.startswith("/large/"):
            owner, name, path = where.removeprefix("/large/").split("/", 2)
            self._serve(path, hub.repositories[f"{owner}/{name}"].files[path], {}, body)
            return
        if where.startswith("/plain/"):
            owner, name, path = where.removeprefix("/plain/").split("/", 2)
            data = hub.repositories[f"{owner}/{name}"].files.get(path)
            if data is None:
                self._refuse(404)
            else:
                self._serve(path, data, {}, body)
            return
        self._resolve(where, body)

    def _resolve(self, where: str, body: bool) -> None:
        repo, _, rest = where[1:].partition("/resolve/")
        revision, _, path = rest.partition("/")
        found = self.hub.repositories.get(repo)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token != TOKEN:
            self._refuse(401, "", "Invalid credentials in Authorization header")
        elif found is None:
            self._refuse(404 if token else 401, "RepoNotFound")
        elif found.gated and not token:
            self._refuse(401, "GatedRepo")
        elif revision not in {*found.revisions, found.commit}:
            self._refuse(404, "RevisionNotFound")
        elif path not in found.files:
            self._refuse(404, "EntryNotFound", commit=found.commit)
        else:
            self._file(repo, path, found, body)

    def _file(self, repo: str, path: str, found: Repository, body: bool) -> None:
        data = found.files[path]
        known = {} if self.hub.fails(path, "no commit") else {"X-Repo-Commit": found.commit}
        said = data + b"?" if self.hub.fails(path, "another hash") else data
        if path not in found.large:
            git = hashlib.sha1(f"blob {len(said)}\0".encode() + said, usedforsecurity=False)
            self._serve(path, data, {**known, "ETag": f'"{git.hexdigest()}"'}, body)
            return
        known["X-Linked-Etag"] = f'"{hashlib.sha256(said).hexdigest()}"'
        known["X-Linked-Size"] = str(len(data))
        # By another name of this machine, so that it is another host to the client.
        where = self.path[1:] if self.hub.fails(path, "circle") else f"large/{repo}/{path}"
        at = f"http://localhost:{self.server.server_port}/{where}"  # type: ignore[attr-defined]
        self.send_response(302)
        for key, value in {**known, "Location": at, "Content-Length": "0"}.items():
            self.send_header(key, value)
        self.end_headers()

    def _serve(self, path: str, data: bytes, headers: dict[str, str], body: bool) -> None:
        hub = self.hub
        for status in (429, 500, 403, 416):
            if hub.fails(path, str(status)):  # type: ignore[arg-type]
                self._refuse(status)
                return
        if hub.fails(path, "hang up"):
            self.close_connection = True
            return
        if body and hub.fails(path, "stall"):
            threading.Event().wait(STALL_S)
        if hub.fails(path, "flip"):
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = 0
        wanted = self.headers.get("Range", "")
        if wanted and not hub.fails(path, "no range"):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        if start:
            headers = {
                **headers,
                "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}",
            }
        for key, value in {**headers, "Content-Length": str(len(data) - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        rest = data[start:]
        if hub.fails(path, "cut", "cut once"):
            rest = rest[: len(rest) // 2]
            self.close_connection = True
        with suppress(ConnectionError):  # a client that was killed in the middle
            self.wfile.write(rest)

    def _refuse(self, status: int, code: str = "", message: str = "", commit: str = "") -> None:
        self.send_response(status)
        headers = {"X-Error-Code": code, "X-Error-Message": message, "X-Repo-Commit": commit}
        for key, value in headers.items():
            if value:
                self.send_header(key, value)
        self.send_header("Content-Length", "0")
        self.end_headers()
