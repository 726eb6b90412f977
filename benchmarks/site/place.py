"""The folder of a site that is filled: made once, and used again where one asks to keep it.

Laws:
1. What is kept is used again only for the sizes that it was made with.
2. A run begins as the first one did: the phones that fetch have no grant, and who signs in has a
   session that lasts.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db import connection

from benchmarks.site.sizes import Filled, Size
from hubsim.site.documents import make_key
from hubsim.stage import free_port
from hubsite import config
from hubsite.starting import begin, make_tables
from hubtls.keys import private_pem
from tests.site.server import make_folder

KEY = "issuer.key"
FILLED = "filled.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A configured site, its port, and what those who ask have."""

    file: Path
    port: int
    filled: Filled


def place_at(folder: Path, size: Size) -> Place:
    """Fill a site in this folder, or take what is there. Raise RuntimeError for other sizes."""
    file = folder / "hubsite.toml"
    if not file.exists():
        _make(folder)
    site = config.load(file)
    port = int(site.config.listen.rpartition(":")[2])
    begin(site)
    make_tables(site)
    filled = _filled(folder / FILLED, size)
    connection.close()
    return Place(file, port, filled)


def _make(folder: Path) -> None:
    file = make_folder(folder, "--listen", f"127.0.0.1:{free_port()}")
    (folder / KEY).write_bytes(private_pem(make_key()))
    (folder / KEY).chmod(0o600)
    file.write_text(f'issuer_key = "{KEY}"\n{file.read_text()}')


def _filled(kept: Path, size: Size) -> Filled:
    from benchmarks.site.rows import begin_again, fill  # there are tables only now

    if not kept.exists():
        filled = fill(size)
        kept.write_text(json.dumps({"size": asdict(size), "filled": asdict(filled)}))
        return filled
    there = json.loads(kept.read_text())
    if there["size"] != asdict(size):
        raise RuntimeError(f"{kept.parent} was filled with {there['size']}")
    return begin_again(Filled(**there["filled"]))
