"""A small web server on loopback for the page of the phone and the scripts of its tests.

Laws:
1. It serves the page's folder under a strict Content Security Policy, as a site's server has to.
2. It counts what was asked for, and it can be ended, as a network ends.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "hubsite" / "webphone" / "static"
HERE = Path(__file__).parent
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that left before its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class WebServer:
    """A context manager: inside it, `address` is served: `/static/` and the tests' own scripts.

    Its name is `localhost`, for a passkey belongs to a name. `instead` has other bytes for a path:
    a newer version of that file.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.instead: dict[str, bytes] = {}
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.address = f"http://localhost:{self._server.server_port}"
        self.page_address = f"{self.address}/static/index.html"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Serve no more; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        asked = self.asked
        instead = self.instead

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                asked[path] += 1
                file = _file_of(path)
                if file is None:
                    self.send_error(404)
                    return
                body = instead.get(path) or file.read_bytes()
                self.send_response(200)
                self.send_header("Content-Type", KINDS[file.suffix])
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("Cache-Control", "no-cache")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:
                """Say nothing: the tests look at what was asked."""

        return Handler


def _file_of(path: str) -> Path | None:
    """Return the file of a path, None when there is none."""
    name = path.removeprefix("/")
    base = HERE
    if name.startswith("static/"):
        base = STATIC
        name = name.removeprefix("static/")
    file = (base / (name or "index.html")).resolve()
    is_served = file.is_file() and base in file.parents and file.suffix in KINDS
    return file if is_served else None
