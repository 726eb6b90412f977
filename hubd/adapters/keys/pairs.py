"""The hub's own pairs of keys for the uplink, in the state directory.

How it lies: each pair is a directory, named after its public key, with the file `pair`. The symlink
`current` names the one in use. Without it the configured pair is in use. A pair says which key it
follows, so the next pair is the one that follows the current one. The file `used` beside a pair
says that it was in use once.

Laws:
1. A secret lies sealed: ChaCha20-Poly1305 (RFC 8439), by a key that HKDF (RFC 5869) derives from
   the configured secret. Public key, time and predecessor are authenticated with it.
2. A pair that does not open by this hub's configured secret is not used. It is not removed before
   the backend has welcomed the hub by another one: the configured secret may be the wrong one.
3. Whatever is written is written aside, put on the disk, and then renamed. After each rename the
   directory is put on the disk, too. Nothing half written is ever read.
4. The symlink changes in one rename. What it names is on the disk before.
5. Without `current`, the pair that was in use last stays in use, and people are told. Otherwise the
   hub would come with a key that the backend has retired.
6. No secret is in a sentence, a name of a file or a repr.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from heapq import nsmallest
from pathlib import Path

from zmq.utils import z85

from hubcore.backend.ownkeys import KnownPairs
from hubcore.codec import cbor
from hubcore.codec.keyproof import proof_of
from hubcore.errors import PeerError, StoreError
from hubd.adapters.keys.sealedpairs import (
    FORM,
    NAME_BEGINS,
    PairSeal,
    StoredPair,
    bytes_of,
)
from hubd.adapters.keys.uplinkkeys import OwnPair, make_pair

FOLDER = "uplink-keys"
"""Below the state directory."""
ENTRIES_MAX = 64
"""Names of pairs in the folder that are looked at; others cost nothing."""

_UNFINISHED = ".new"
_USED = "used"


class PairFolder:
    """`ports.keys.KeyPairs` in the directory `folder`. `configured` is the pair of the unit."""

    def __init__(
        self,
        folder: Path,
        configured: OwnPair,
        *,
        make: Callable[[], OwnPair] = make_pair,
        chance: Callable[[int], bytes] = secrets.token_bytes,
        after_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        """Read what lies there, and change nothing.

        `after_step` is called each time that something is on the disk, with what it was.
        """
        self._folder = folder
        self._configured = configured
        self._make = make
        self._after_step = after_step
        self._seal = PairSeal(configured.secret, chance)
        self._try_next = False
        self._current: StoredPair | None = None
        self._next: StoredPair | None = None
        self._known = KnownPairs(configured.public, 0.0)
        self._read()

    def begin(self, now: float) -> None:
        """Note when the configured pair was first seen, and remove what was left half written.

        `now` in Unix seconds. Raise StoreError.
        """
        with self._on_disk():
            unfinished = self._entries(lambda name: name.endswith(_UNFINISHED))
            if not unfinished and self._first_seen() is not None and self._is_marked():
                return  # as a start finds it that is none of the first
            self._folder.mkdir(mode=0o700, exist_ok=True)
            _sync(self._folder.parent)
            for path in unfinished:
                _remove(path)
            if self._first_seen() is None:
                first = cbor.encode([FORM, self._configured.public, max(0, int(now))])
                self._write(self._folder / "first", first, "first")
            self._mark_used()
        self._read()

    def for_attempt(self) -> OwnPair:
        """Return the pair for the uplink's next attempt."""
        if self._try_next and self._next is not None:
            self._try_next = False
            return self._next.pair
        return self._configured if self._current is None else self._current.pair

    # ports.keys.KeyPairs

    def known(self) -> KnownPairs:
        """See `ports.keys.KeyPairs.known`."""
        return self._known

    def make_next(self, now: float) -> None:
        """See `ports.keys.KeyPairs.make_next`."""
        made = StoredPair(self._make(), max(0, int(now)), self._known.current)
        with self._on_disk():
            unfinished = self._folder / f"{made.name}{_UNFINISHED}"
            _remove(unfinished)
            unfinished.mkdir(mode=0o700)
            self._write(unfinished / "pair", self._seal.sealed(made), "pair written")
            unfinished.rename(self._folder / made.name)
            _sync(self._folder)
            self._after_step("pair made")
        self._read()
        self._check(self._known.next == made.pair.public)

    def switch(self) -> None:
        """See `ports.keys.KeyPairs.switch`."""
        if self._next is None:
            return
        wanted = self._next.pair.public
        with self._on_disk():
            unfinished = self._folder / f"current{_UNFINISHED}"
            _remove(unfinished)
            unfinished.symlink_to(self._next.name)
            if not (self._folder / "current").is_symlink():
                _remove(self._folder / "current")  # no hub has put it there
            unfinished.rename(self._folder / "current")
            _sync(self._folder)
            self._after_step("switched")
        self._read()
        with self._on_disk():
            self._mark_used()
        self._check(self._known.current == wanted)

    def drop_next(self) -> None:
        """See `ports.keys.KeyPairs.drop_next`."""
        if self._next is not None:
            with self._on_disk():
                self._drop(self._folder / self._next.name)
        self._read()

    def drop_old(self) -> None:
        """See `ports.keys.KeyPairs.drop_old`."""
        with self._on_disk():
            while old := self._old():  # of very many, some at a time
                for path in old:
                    self._drop(path)
        self._read()
        self._check(not self._known.is_old_left)

    def proof(self, hub: str, server: bytes) -> bytes:
        """See `ports.keys.KeyPairs.proof`. Raise StoreError where no proof can be made."""
        if self._next is None:
            raise StoreError("uplink keys: there is no next pair to prove")
        try:
            return proof_of(
                self._next.pair.secret,
                server,
                hub=hub,
                old=self._known.current,
                new=self._next.pair.public,
                backend=server,
            )
        except ValueError as error:
            raise StoreError(f"uplink keys: the backend's key is no key: {error}") from error

    def try_next(self) -> None:
        """See `ports.keys.KeyPairs.try_next`."""
        self._try_next = True

    # What lies there.

    def _read(self) -> None:
        """Find the current pair and the next one. Never raises for what lies there."""
        current, trouble = self._find_current()
        public = self._configured.public if current is None else current.pair.public
        stored = [self._seal.opened(path) for path in self._pairs()]
        following = [one for one in stored if one is not None and one.before == public]
        self._current = current
        self._next = min(following, key=lambda one: one.name, default=None)
        since = self._first_seen() or 0.0
        known = KnownPairs(public, since, shown=z85.encode(public).decode(), trouble=trouble)
        if current is not None:
            known = replace(known, since=float(current.made_at), before=current.before)
        if self._next is not None:
            known = replace(known, next=self._next.pair.public)
        self._known = replace(known, is_old_left=bool(self._old()))

    def _find_current(self) -> tuple[StoredPair | None, str]:
        """Return the pair in use, None for the configured one, and what is wrong with it."""
        try:
            name = os.readlink(self._folder / "current")
        except OSError:
            return self._find_used()
        current = self._seal.opened(self._folder / Path(name).name)
        return current, self._why_not_current(name) if current is None else ""

    def _find_used(self) -> tuple[StoredPair | None, str]:
        """Return the pair that was in use last, though nothing names it any more."""
        marked = [path for path in self._pairs() if (path / _USED).is_file()]
        opened = [self._seal.opened(path) for path in marked]
        used = [one for one in opened if one is not None]
        if not used:
            return None, self._why_not_current(marked[-1].name) if marked else ""
        followed = {one.before for one in used}
        last = [one for one in used if one.pair.public not in followed] or used
        current = max(last, key=lambda one: (one.made_at, one.name))
        link = self._folder / "current"
        return current, (
            f"the link {link} is gone. The hub goes on with the pair that was in use last. "
            f"Set the link again: sudo ln -sfn {current.name} {link}; sudo systemctl restart hubd"
        )

    def _is_marked(self) -> bool:
        """Tell whether the current pair is noted as in use; the configured one needs no note."""
        if self._current is None:
            return True
        return (self._folder / self._current.name / _USED).is_file()

    def _mark_used(self) -> None:
        """Note that the current pair is in use, for the case that `current` is lost."""
        if self._current is not None and not self._is_marked():
            self._write(self._folder / self._current.name / _USED, b"", "marked")

    def _why_not_current(self, name: str) -> str:
        """Say why the pair that `current` names is not used; "" for a hub enrolled anew."""
        if self._first_seen() is None:
            return ""
        return (
            f"the hub's own key in {self._folder / name} does not open: it is damaged, or from "
            "another hub. The configured one is used, which the backend may not know any more"
        )

    def _entries(self, wanted: Callable[[str], bool]) -> list[Path]:
        """Return what lies there under a name that is wanted, the first ENTRIES_MAX of them."""
        try:
            with os.scandir(self._folder) as found:
                names = (entry.name for entry in found if wanted(entry.name))
                return [self._folder / name for name in nsmallest(ENTRIES_MAX, names)]
        except OSError:
            return []

    def _pairs(self) -> list[Path]:
        return self._entries(_is_of_pair)

    def _old(self) -> list[Path]:
        """Return the directories of pairs that are neither the current one nor the next."""
        needed = {one.name for one in (self._current, self._next) if one is not None}
        return [path for path in self._pairs() if path.name not in needed]

    def _first_seen(self) -> float | None:
        """Return when the configured pair was first seen, None if nothing says so."""
        try:
            form, public, at = cbor.decode(bytes_of(self._folder / "first"), max_depth=1)
        except (OSError, PeerError, TypeError, ValueError):
            return None
        is_right = form == FORM and public == self._configured.public and type(at) is int
        return float(at) if is_right else None

    # The disk.

    def _write(self, path: Path, data: bytes, step: str) -> None:
        """Put a file on the disk."""
        unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(unfinished, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        unfinished.rename(path)
        _sync(path.parent)
        self._after_step(step)

    def _drop(self, path: Path) -> None:
        """Remove a pair, its secret first."""
        if path.is_dir() and not path.is_symlink():  # what a symlink names is not ours
            with suppress(FileNotFoundError):
                (path / "pair").unlink()
                _sync(path)
                self._after_step("secret removed")
        _remove(path)
        _sync(self._folder)
        self._after_step("pair removed")

    def _check(self, is_there: bool) -> None:
        """Raise StoreError when the disk does not give what was just written."""
        if not is_there:
            raise StoreError(
                f"uplink keys: {self._folder} does not hold what was written there; look at: dmesg"
            )

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Raise StoreError for what the disk refuses; what lies there is read again."""
        try:
            yield
        except OSError as error:
            self._read()
            raise StoreError(
                f"uplink keys: {self._folder} cannot be written ({error.strerror or error}); "
                f"look at: df -h {self._folder}; ls -ld {self._folder}"
            ) from error


def _is_of_pair(name: str) -> bool:
    return name.startswith(NAME_BEGINS) and not name.endswith(_UNFINISHED)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a file, a symlink or a directory, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
