"""A model hub: its cache's layout on disk, and a server that answers as it does."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Repositories = Mapping[str, Mapping[str, bytes]]
_LARGE = (".safetensors", ".bin")


def etag_of(name: str, content: bytes) -> str:
    """Return what the hub names a blob by: SHA-256 for large files, git's SHA-1 for the others."""
    if name.endswith(_LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def write_cache(cache: Path, repositories: Repositories) -> None:
    """Write repositories as the hub's client leaves them in its cache."""
    for repository, files in repositories.items():
        root = cache / f"models--{repository.replace('/', '--')}"
        snapshot = root / "snapshots" / COMMIT
        for folder in (root / "blobs", root / "refs", snapshot):
            folder.mkdir(parents=True, exist_ok=True)
        (root / "refs" / "main").write_text(COMMIT)
        for name, content in files.items():
            blob = root / "blobs" / etag_of(name, content)
            blob.write_bytes(content)
            (snapshot / name).symlink_to(f"../../blobs/{blob.name}")


@dataclass
class Hub:
    """A running server.

    Attributes:
        repositories: what it holds, by name.
        address: for ``HF_ENDPOINT``.
        requests: (method, path, range) of every request.
        tokens: the paths of the requests that carried a token.
        stall_after: bytes of a large file after which it sends no more until ``release`` is set; None never stalls.
        damage: whether large files arrive with one byte changed.
    """

    repositories: Repositories
    address: str = ""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    stall_after: int | None = None
    damage: bool = False
    stalled: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def ranges(self, name: str) -> list[str | None]:
        """Return the ranges of the downloads of a file, in order."""
        return [asked for method, path, asked in self.requests if method == "GET" and path.endswith(name)]


@contextmanager
def running_hub(repositories: Repositories) -> Iterator[Hub]:
    """Serve repositories on a free port of this machine."""
    hub = Hub(repositories)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers as the hub: metadata in headers, large files by redirection to a content server with ranges."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.hub.requests.append((self.command, self.path, self.headers.get("Range")))
        if self.headers.get("Authorization"):
            self.hub.tokens.append(self.path)
        for pattern, answer in (
            (r"/api/models/(?P<repository>[^/]+/[^/]+)/revision/[^/]+", self._info),
            (r"/content/(?P<repository>[^/]+/[^/]+)/(?P<name>.+)", self._content),
            (r"/(?P<repository>[^/]+/[^/]+)/resolve/[^/]+/(?P<name>.+)", self._resolve),
        ):
            match = re.fullmatch(pattern, self.path.partition("?")[0])
            if match:
                answer(with_body=with_body, **match.groupdict())
                return
        self._send(404, {}, b"")

    def _info(self, repository: str, *, with_body: bool) -> None:
        files = self.hub.repositories.get(repository)
        if files is None:
            self._send(404, {"X-Error-Code": "RepoNotFound"}, b"")
            return
        siblings = [{"rfilename": name} for name in files]
        body = json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode()
        self._send(200, {"Content-Type": "application/json"}, body)

    def _resolve(self, repository: str, name: str, *, with_body: bool) -> None:
        files = self.hub.repositories.get(repository)
        if files is None or name not in files:
            code = "RepoNotFound" if files is None else "EntryNotFound"
            self._send(404, {"X-Error-Code": code, "X-Repo-Commit": COMMIT}, b"")
            return
        content = files[name]
        etag = etag_of(name, content)
        if name.endswith(_LARGE):
            headers = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
            # Another host than the hub's own, to which the hub's token must not go.
            location = f"{self.hub.address.replace('127.0.0.1', 'localhost')}/content/{repository}/{name}?signature=1"
            self._send(302, {**headers, "X-Repo-Commit": COMMIT, "Location": location}, b"")
            return
        self._send(200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, content, with_body=with_body)

    def _content(self, repository: str, name: str, *, with_body: bool) -> None:
        content = self.hub.repositories[repository][name]
        if self.hub.damage:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked else 0
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
        self._send(206 if asked else 200, headers, content[start:], with_body=with_body, may_stall=True)

    def _send(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        with_body: bool = True,
        may_stall: bool = False,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not with_body or self.command == "HEAD":
            return
        stall = self.hub.stall_after
        if may_stall and stall is not None and not self.hub.release.is_set():
            self.wfile.write(body[:stall])
            self.hub.stalled.set()
            self.hub.release.wait()
            self.close_connection = True
            return
        self.wfile.write(body)
