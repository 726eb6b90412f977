"""What hubd.toml says of the hub: read by hubctl itself, for the pages that need no more.

Laws:
1. The file is that of this hub only if its socket is the one that was asked.
2. Whatever the file holds gives a value or nothing, and no error. What is wrong with it says
   `hubctl config check`.
3. No private key is read: only the certificate, and the issuer's public key, which proves it.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcore.codec import cbor, cose
from hubcore.phone.certificates import HubCertificate, read_hub_certificate
from hubctl.client import DEFAULT_SOCKET
from hubterm.files import read_ordinary
from hubterm.shapes import mapping, mappings

CONFIG_BYTES_MAX = 1 << 20
KEY_BYTES_MAX = 8192
STATE = "/var/lib/hubd"
CREDENTIALS = Path("/etc/credstore")
CREDENTIAL = "credential:"


@dataclass(frozen=True)
class Configured:
    """The settings of a file that may be anything."""

    file: Path
    settings: Mapping[str, Any]

    @property
    def hub(self) -> Mapping[str, Any]:
        return mapping(self.settings.get("hub"))

    @property
    def zone(self) -> str:
        """The site's time zone, "" where none is named."""
        zone = self.hub.get("time_zone")
        return zone if isinstance(zone, str) else ""

    @property
    def evidence(self) -> Path:
        """The file of the records."""
        return self._place(self.hub.get("state_directory"), STATE) / "audit.db"

    def doors(self) -> list[dict[str, Any]]:
        """Return the doors as hubd shows them, without what only it knows."""
        found = []
        for door in mappings(self.settings.get("doors")):
            points = [
                {"number": point.get("number"), "name": point.get("name")}
                for point in mappings(door.get("access_points"))
            ]
            known = {"id": door.get("id"), "name": door.get("name")}
            found.append({**known, "state": None, "access_points": points})
        return found

    def devices(self) -> list[dict[str, Any]]:
        """Return the devices as hubd shows them, without what only it knows."""
        return [
            {"id": one.get("id"), "name": one.get("name"), "kind": one.get("kind")}
            for one in mappings(self.settings.get("devices"))
        ]

    def endpoints(self) -> list[Any]:
        """Return where the backend is; none for a hub without one."""
        backend = mapping(self.settings.get("backend"))
        several = backend.get("endpoints")
        found = several if isinstance(several, list) else [backend.get("endpoint")]
        return [one for one in found if one is not None]

    def bridges(self) -> list[dict[str, Any]]:
        """Return the bridges of the site, in the order in which they are tried."""
        return [
            {key: one.get(key) for key in ("name", "address", "port", "search_from")}
            for one in mappings(self.settings.get("bridges"))
        ]

    def certificate(self) -> HubCertificate:
        """Return the hub's certificate. Raise OSError, or PeerError when it proves nothing."""
        keys = mapping(self.settings.get("keys"))
        issuer = cose.read_key(cbor.decode(self._key(keys.get("issuer"), "issuer")))
        return read_hub_certificate(self._key(keys.get("certificate"), "certificate"), issuer)

    def _key(self, named: Any, name: str) -> bytes:
        if isinstance(named, str) and not named.startswith(CREDENTIAL):
            place = self._place(named, name)
        else:
            place = CREDENTIALS / f"hubd.{name}"
        return read_ordinary(place, KEY_BYTES_MAX)

    def _place(self, named: Any, default: str) -> Path:
        """Return a path of the file; a relative one begins in its folder."""
        return self.file.parent / (named if isinstance(named, str) else default)


def read(file: Path) -> Configured | None:
    """Return the settings of a file; None when it cannot be read or is no TOML."""
    try:
        text = read_ordinary(file, CONFIG_BYTES_MAX).decode()
        return Configured(file.absolute(), tomllib.loads(text))
    except (OSError, ValueError, RecursionError):
        return None


def of_socket(file: Path | str, socket: Path | str) -> Configured | None:
    """Return the settings of a file; None when they are not those of the hub of this socket."""
    found = read(Path(file))
    if found is None:
        return None
    named = mapping(found.settings.get("api")).get("socket")
    theirs = found.file.parent / (named if isinstance(named, str) else DEFAULT_SOCKET)
    with contextlib.suppress(OSError, ValueError):
        if theirs.resolve() == Path(socket).resolve():
            return found
    return None
