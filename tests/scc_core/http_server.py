"""A real HTTP server on this machine: serves files with ranges and ETags, as hubs do, and can be told to break off."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Server:
    """What the server does, and what it was asked.

    Attributes:
        url: where it answers.
        requests: path and ``Range`` header of every request.
        break_after: bytes after which an answer breaks off, once; None never.
        etags: whether it tells them; without, a broken download starts anew.
        ranges: whether it can send a part.
    """

    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    break_after: int | None = None
    etags: bool = True
    ranges: bool = True


@contextmanager
def serve(root: Path) -> Iterator[Server]:
    """Serve the files below ``root``."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers["Range"]))
            path = root / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            _answer(self, state, path.read_bytes())

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


def _answer(handler: BaseHTTPRequestHandler, state: Server, content: bytes) -> None:
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    unchanged = handler.headers["If-Range"] == etag
    start = int(wanted[1]) if wanted and unchanged and state.ranges else 0
    if start >= len(content) > 0:
        handler.send_error(416)
        return
    handler.send_response(206 if start else 200)
    if state.etags:
        handler.send_header("ETag", etag)
    handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    body, breaks = content[start:], state.break_after
    state.break_after = None
    handler.wfile.write(body if breaks is None else body[:breaks])
    handler.close_connection = True
