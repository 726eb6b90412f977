"""The real server with rows in each table, and its configuration with every section that shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from hubcore.codec import cbor
from hubsim.stage import free_port
from tests.site.eyes.rows import Seen, fill
from tests.site.phones.test_web_phones import ISSUER
from tests.site.served import serving
from tests.site.server import HOST, begun

_SECTIONS = """
[signing]
issuer = "issuer.cbor"
socket = "nobody.sock"
[engine]
servers = ["nats://127.0.0.1:9"]
orders = true
[bridge]
socket = "nobody.sock"
[operators]
rights = ["lock-down", "command", "release", "hold-open"]
access_points = [1, 65535]
"""
"""Nobody listens at any of these: pages say so."""


@dataclass(frozen=True)
class Standing:
    """Where the server is, and what stands on its pages."""

    address: str
    seen: Seen


@contextmanager
def full_site(folder: Path) -> Iterator[Standing]:
    """Serve a copy of this process's server, once its tables were filled."""
    server = begun()
    server.fresh()
    seen = fill()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    server.done()
    place = shutil.copytree(server.site.file.parent, folder / "site")
    (place / "issuer.cbor").write_bytes(cbor.encode(ISSUER.cose_key))
    file = place / server.site.file.name
    port = free_port()
    lines = [line for line in file.read_text().splitlines() if not line.startswith("listen")]
    file.write_text("\n".join([*lines, f'listen = "127.0.0.1:{port}"', _SECTIONS]))
    with serving(file):
        yield Standing(f"https://{HOST}:{port}", seen)
