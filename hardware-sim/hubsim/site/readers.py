"""The readers of a site's hub, as its configuration and a desk's simulated readers have them.

HUB/readers/NAME.json      access point and address
HUB/readers/NAME.key       the key that the hub has of it
HUB/readers/NAME.next      the key that `hubctl reader NAME change-key` gives it, where it has one
HUB/readers/NAME.own       the key that a simulated reader has; none yet when it is fresh
HUB/readers.line           the line on a desk: a link to a pseudo-terminal
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubsim.phone.wallet import write_private
from hubsim.site.cards import card_key
from hubsim.site.folder import Site

LINE = "readers.line"
CARD_KEY_FILE = "card.key"
KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class DeskReader:
    """A reader of a hub."""

    id: str
    access_point: int
    address: int
    has_next_key: bool = False

    def key_file(self, hub: Path) -> Path:
        """The key that the hub has of it."""
        return hub / "readers" / f"{self.id}.key"

    def next_key_file(self, hub: Path) -> Path:
        """The key that `hubctl reader NAME change-key` gives it."""
        return hub / "readers" / f"{self.id}.next"

    def own_file(self, hub: Path) -> Path:
        """The key that the simulated reader has; not there while it is as its maker made it."""
        return hub / "readers" / f"{self.id}.own"

    def section(self) -> str:
        """Return its section of the hub's configuration."""
        section = f"""
[[readers]]
kind = "osdp"
id = "{self.id}"
access_point = {self.access_point}
device = "{LINE}"
address = {self.address}
key = "readers/{self.id}.key"
"""
        if self.has_next_key:
            section += f'next_key = "readers/{self.id}.next"\n'
        return section


def readers_of(hub: Path) -> Iterator[DeskReader]:
    """Yield the readers in a hub's folder."""
    for path in sorted(hub.glob("readers/*.json")):
        about = json.loads(path.read_text())
        yield DeskReader(
            id=path.stem,
            access_point=int(about["access_point"]),
            address=int(about["address"]),
            has_next_key=path.with_suffix(".next").exists(),
        )


def add_reader(
    site: Site,
    hub: str,
    reader: str,
    access_point: int,
    fresh: bool = False,
    next_key: bool = False,
) -> DeskReader:
    """Add a reader with a key of its own to a hub.

    `fresh`: the simulated one is as its maker made it, and waits for `hubctl reader NAME install`.
    `next_key`: the hub has another key for it, for `hubctl reader NAME change-key`. Raise
    ValueError for a name that is there, or an access point that the hub does not serve.
    """
    folder = site.hub_folder(hub)
    there = list(readers_of(folder))
    if any(one.id == reader for one in there):
        raise ValueError(f"hub {hub} has a reader {reader} already: choose another name")
    is_certified = hub in site.hub_names()
    if is_certified and access_point not in site.certificate(hub).access_points:
        raise ValueError(f"hub {hub} does not serve access point {access_point}")
    address = 1 + max((one.address for one in there), default=0)
    made = DeskReader(reader, access_point, address, has_next_key=next_key)
    (folder / "readers").mkdir(exist_ok=True, mode=0o700)
    key = secrets.token_bytes(KEY_BYTES)
    write_private(made.key_file(folder), key)
    if not fresh:
        write_private(made.own_file(folder), key)
    if next_key:
        write_private(made.next_key_file(folder), secrets.token_bytes(KEY_BYTES))
    write_private(folder / CARD_KEY_FILE, card_key(site))
    about = {"access_point": access_point, "address": address}
    (folder / "readers" / f"{reader}.json").write_text(json.dumps(about))
    return made
