"""Where an enrolment puts what came, and the hub's keys while they wait for it.

Laws:
1. A private key lies in one place: plain below /etc/credstore, or sealed in
   /etc/credstore.encrypted.
2. While an enrolment is under way, its keys lie beside their places as hubd.NAME.pending. Keys that
   the hub has already stay in force until the new certificate is durable.
3. Where nobody says otherwise, keys lie sealed where systemd-creds can seal and open here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubd.config.keys import PLAIN_STORE, SEALED_STORE
from hubd.enrolment.durable import PRIVATE, PUBLIC, Durable, Sealer, read

IDENTITY = "identity"
CURVE_SECRET = "curve_secret"  # noqa: S105, its name
TLS_KEY = "tls_key"
ANSWER = "enrolment"
"""What the backend said, until all of it lies in its place."""
OWN_KEYS = (IDENTITY, CURVE_SECRET, TLS_KEY)
_DROP_IN = "etc/systemd/system/hubd.service.d/sealed-keys.conf"
_DROP_IN_SHIPPED = "usr/lib/hubd/sealed-keys.conf"
_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Places:
    """Below `root`, which is / on a hub."""

    root: Path

    @property
    def plain(self) -> Path:
        """The store of plain credentials."""
        return self.root / PLAIN_STORE.lstrip("/")

    @property
    def sealed(self) -> Path:
        """The store of encrypted credentials."""
        return self.root / SEALED_STORE.lstrip("/")

    @property
    def config(self) -> Path:
        """The hub's configuration."""
        return self.root / "etc/hubd/hubd.toml"

    @property
    def enrolled(self) -> Path:
        """The digest of the token that this hub was enrolled by."""
        return self.plain / "hubd.enrolled"

    @property
    def begun(self) -> Path:
        """The digest of the token that the keys which wait were made for."""
        return self.plain / "hubd.enrolment.token"

    @property
    def drop_in(self) -> Path:
        """What makes the unit take sealed keys."""
        return self.root / _DROP_IN

    @property
    def drop_in_shipped(self) -> Path:
        """The same as the installation brings it."""
        return self.root / _DROP_IN_SHIPPED

    def make_folders(self) -> None:
        """Make what is not there. Raise OSError."""
        for folder in (self.plain, self.sealed):
            folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        self.config.parent.mkdir(parents=True, exist_ok=True)


def choose_sealer(places: Places, wanted: bool | None, sealer: Sealer) -> Sealer | None:
    """Return what seals the keys, None to keep them plain.

    `wanted` None: sealed where the machine can. An enrolment under way goes on as it began.
    """
    for name in (*(f"{key}.pending" for key in OWN_KEYS), ANSWER):
        if (places.plain / f"hubd.{name}").exists():
            return None
        if (places.sealed / f"hubd.{name}").exists():
            return sealer
    if wanted is None:
        wanted = places.drop_in.exists() or (places.drop_in_shipped.exists() and sealer.can())
    return sealer if wanted else None


class KeyStore:
    """The credentials of this hub; `sealer` is None for a machine that keeps them plain."""

    def __init__(self, places: Places, files: Durable, sealer: Sealer | None) -> None:
        self._places = places
        self._files = files
        self._sealer = sealer

    def put_private(self, name: str, data: bytes) -> None:
        """Put a private credential in its place."""
        self._put(self.path(name), name, data)
        self._remove_other(name)

    def put_pending(self, name: str, data: bytes) -> None:
        """Put a private key beside its place, until its certificate is there."""
        self._put(self._pending(name), name, data)

    def put_public(self, name: str, data: bytes) -> None:
        """Put a public file in its place."""
        self._files.write(self._places.plain / f"hubd.{name}", data, PUBLIC)

    def pending(self, name: str) -> bytes | None:
        """Return a key that waits, None without one."""
        return self._get(self._pending(name), name)

    def key(self, name: str) -> bytes | None:
        """Return the key that waits, or else the one in force; None without either."""
        waiting = self.pending(name)
        return self._get(self.path(name), name) if waiting is None else waiting

    def take_into_force(self, name: str) -> None:
        """Give a key that waits its place, in that of the one before; nothing when none waits."""
        waiting = self._pending(name)
        if waiting.exists():
            self._files.rename(waiting, self.path(name))
        self._remove_other(name)

    def give_up(self, name: str) -> None:
        """Remove a key that waits, if one does."""
        waiting = self._pending(name)
        if waiting.exists():
            self._files.remove(waiting)

    def remove(self, name: str) -> None:
        """Remove a private credential."""
        self._files.remove(self.path(name))

    def _put(self, path: Path, name: str, data: bytes) -> None:
        if self._sealer is not None:
            data = self._sealer.seal(name, data)
        self._files.write(path, data, PRIVATE)

    def _get(self, path: Path, name: str) -> bytes | None:
        data = read(path)
        if data is None or self._sealer is None:
            return data
        return self._sealer.unseal(name, data)

    def path(self, name: str) -> Path:
        """Return where a private credential lies."""
        store = self._places.plain if self._sealer is None else self._places.sealed
        return store / f"hubd.{name}"

    def _pending(self, name: str) -> Path:
        path = self.path(name)
        return path.with_name(f"{path.name}.pending")

    def _remove_other(self, name: str) -> None:
        """Remove a key of that name from the other store: it is an older one."""
        store = self._places.sealed if self._sealer is None else self._places.plain
        other = store / f"hubd.{name}"
        if other.exists():
            self._files.remove(other)
