"""What an update keeps on the disk: its state, the link, and the images of the two slots.

Laws:
1. A state and a link change at once or not at all, and are forced to the disk before the caller
   goes on.
2. An image is written into a file of its own, never over one that may still be mounted.
3. An image is right when it was read again from the disk, not from memory, and has its digest.
4. Room for the whole image is taken before its first byte. A full disk is told then.
5. One program at a time: who does not get the lock does nothing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hubcore.errors import StoreError, TrustError
from hubcore.update.health import BEFORE_BYTES_MAX, Seen, read_seen, write_seen
from hubcore.update.image import Image
from hubcore.update.slots import Slot, Slots
from hubcore.update.statefile import STATE_BYTES_MAX, read_state, write_state
from hubupdate.packed import Packed

STATE_FILE = "state"
BEFORE_FILE = "before"
FLOOR_FILE = "floor"
_FLOOR_DIGITS = 13
LINK = "current"
LOCK_FILE = "lock"
PACKED_FILE = "packed"
IMAGE_SUFFIX = ".squashfs"
_READ_BYTES = 1024 * 1024
_TEMPORARY = ".new"


class Disk:
    """Works in `folder`, which this program alone writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def image_file(self, slot: Slot) -> Path:
        """Return the file of a slot's image."""
        return self._folder / f"{slot}{IMAGE_SUFFIX}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one meanwhile. Raise StoreError when another is."""
        with alone_in(self._folder):
            yield

    def state(self) -> Slots:
        """Read the state. Raise StoreError."""
        with _told("the state"), open(self._folder / STATE_FILE, "rb") as file:
            data = file.read(STATE_BYTES_MAX + 1)
        return read_state(data)

    def keep_state(self, slots: Slots) -> None:
        """Write the state. Raise StoreError."""
        self._replace(STATE_FILE, write_state(slots), "the state")

    def before(self) -> frozenset[Seen]:
        """Read what was there before the switch; nobody, if that cannot be read."""
        try:
            with open(self._folder / BEFORE_FILE, "rb") as file:
                data = file.read(BEFORE_BYTES_MAX)
        except OSError:
            return frozenset()
        return read_seen(data)

    def keep_before(self, seen: frozenset[Seen]) -> None:
        """Write what is there before the switch. Raise StoreError."""
        self._replace(BEFORE_FILE, write_seen(seen), "what was there before")

    def floor(self) -> int:
        """Read the newest signed moment, in Unix seconds; 0, if none can be read."""
        try:
            with open(self._folder / FLOOR_FILE, "rb") as file:
                data = file.read(_FLOOR_DIGITS + 1)
        except OSError:
            return 0
        return int(data) if len(data) <= _FLOOR_DIGITS and data.isdigit() else 0

    def keep_floor(self, moment: int) -> None:
        """Write the newest signed moment. Raise StoreError."""
        self._replace(FLOOR_FILE, str(moment).encode("ascii"), "the newest signed moment")

    def linked(self) -> Slot | None:
        """Return the slot to which the link points; None for none. Raise StoreError."""
        with _told("the link"):
            try:
                target = os.readlink(self._folder / LINK)
            except FileNotFoundError:
                return None
        return Slot(target) if target in list(Slot) else None

    def point(self, slot: Slot) -> None:
        """Let the link point to a slot. Raise StoreError."""
        path = self._folder / LINK
        fresh = path.with_suffix(_TEMPORARY)
        with _told("the link"):
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(str(slot))
            fresh.replace(path)
            self._force_names()

    def write_image(self, slot: Slot, image: Image, pieces: Iterable[bytes]) -> None:
        """Write an image and prove it; after an error the slot holds none.

        Raise TrustError for other bytes than the image's, StoreError, and what `pieces` raises.
        """
        path = self.image_file(slot)
        try:
            with _told("the image"):
                path.unlink(missing_ok=True)
                _fill(path, image.size, pieces)
                self._force_names()
            self.prove_image(slot, image)
        except BaseException:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise

    def prove_image(self, slot: Slot, image: Image) -> None:
        """Read a slot's image again from the disk. Raise TrustError, StoreError."""
        if not _holds(self.image_file(slot), image.size, image.digest):
            raise TrustError(f"slot {slot} does not hold the image that it should")

    @contextmanager
    def packed(self, packed: Packed, pieces: Iterable[bytes]) -> Iterator[Path]:
        """Have a packed file on the disk, proven, and remove it afterwards.

        Raise TrustError for other bytes, StoreError, and what `pieces` raises.
        """
        path = self._folder / PACKED_FILE
        try:
            with _told("a packed image"):
                path.unlink(missing_ok=True)
                _fill(path, packed.size, pieces)
            if not _holds(path, packed.size, packed.digest):
                raise TrustError("a packed image has other bytes than its list says")
            yield path
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _replace(self, name: str, data: bytes, what: str) -> None:
        path = self._folder / name
        fresh = path.with_suffix(_TEMPORARY)
        with _told(what):
            with open(fresh, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            self._force_names()

    def _force_names(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only one that works in a folder, which is made. Raise StoreError when another does."""
    with _told("the lock"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with _told("the lock"):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _fill(path: Path, size: int, pieces: Iterable[bytes]) -> None:
    with open(path, "xb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, size)
        had = 0
        for piece in pieces:
            had += len(piece)
            if had > size:
                raise TrustError("more bytes came than the list says")
            _write_all(file.fileno(), piece)
        if had < size:
            raise TrustError("fewer bytes came than the list says")
        os.fsync(file.fileno())


def _holds(path: Path, size: int, digest: bytes) -> bool:
    """Tell whether the disk has these bytes under this name. Raise StoreError."""
    with _told("the image"), open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return _digest(file.fileno(), size) == (size, digest)


def _write_all(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _digest(descriptor: int, size_max: int) -> tuple[int, bytes]:
    """Return how many bytes a file has, up to one too many, and their SHA-256."""
    digest = hashlib.sha256()
    had = 0
    while had <= size_max and (piece := os.read(descriptor, _READ_BYTES)):
        had += len(piece)
        digest.update(piece)
    return had, digest.digest()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Raise an error of the system as StoreError."""
    try:
        yield
    except BlockingIOError as error:
        raise StoreError("another update is at work here") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreError(f"{what}: the disk is full") from error
        raise StoreError(f"{what}: {error.strerror or error}") from error
