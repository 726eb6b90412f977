"""The lists of one repository, in the folder that carriers give out.

Laws:
1. The folder is the whole state. What lies there is believed as far as the newest root proves it,
   and the roots prove one another from the first one on.
2. A list that has a number is never written over.
3. What is written is whole and on the disk before anything that names it: images and plans first,
   then targets, snapshot, timestamp. A power cut leaves what hubs had before.
4. A list is signed by a key of its role, or it is not written.
5. What a hub could not fetch, or would refuse, is not published: a list whose time has ended, a
   target whose bytes are missing or others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError

from hubcore.errors import ConfigError, ExpiredError, SignatureError, StoreError, TrustError
from hubcore.update.image import IMAGE_BYTES_MAX
from hubterm.files import read_ordinary, whole_file
from hubupdate.trust import METADATA_BYTES_MAX, ROTATIONS_MAX, Repository, target_path

DAYS = {"root": 365, "targets": 90, "snapshot": 30, "timestamp": 7}
"""For how long a list of each role is valid."""
_READABLE = 0o644
_READ_BYTES = 1024 * 1024
Listed = TypeVar("Listed", Root, Targets, Snapshot, Timestamp)


class Lists:
    """One repository's lists below `carrier`, at one moment."""

    def __init__(self, carrier: Path, which: Repository, now: datetime) -> None:
        self.which = which
        self.now = now.replace(microsecond=0)
        self._carrier = carrier
        self._metadata = carrier / which / "metadata"

    def roots(self) -> list[Metadata[Root]]:
        """Return all roots, oldest first, each proven by the one before. Raise TrustError."""
        found: list[Metadata[Root]] = []
        while (path := self._numbered(len(found) + 1, "root")).exists():
            one = _read(path, Root)
            try:
                check_root(one, found[-1].signed if found else None)
            except SignatureError as error:
                raise TrustError(f"{path} is not proven by the root before it") from error
            found.append(one)
        return found

    def root(self) -> Root:
        """Return the newest root. Raise ConfigError, TrustError."""
        roots = self.roots()
        if not roots:
            raise ConfigError(f"{self._metadata} has no root yet: make one first")
        return roots[-1].signed

    def put_root(self, root: Metadata[Root]) -> Path:
        """Publish the next root. Raise SignatureError, TrustError, ConfigError."""
        roots = self.roots()
        number = len(roots) + 1
        if root.signed.version != number:
            raise ConfigError(f"the next root of {self.which} is number {number}")
        if number > ROTATIONS_MAX:
            raise ConfigError(f"a hub follows {ROTATIONS_MAX} roots, and this is one too many")
        check_root(root, roots[-1].signed if roots else None)
        self._check_time(root.signed)
        return self._write(root, self._numbered(number, "root"))

    def targets(self) -> Targets:
        """Return the newest list of targets; one without any for a new repository."""
        path = self._newest("targets")
        return Targets() if path is None else self._proven(path, Targets).signed

    def old_targets(self) -> Targets:
        """Return the newest list, by whichever root of this repository it is proven."""
        path = self._newest("targets")
        if path is None:
            raise ConfigError(f"{self.which} has no list of targets yet")
        listed = _read(path, Targets)
        for root in reversed(self.roots()):
            if _is_by(root.signed, listed):
                return listed.signed
        raise TrustError(f"{path} was signed by no key of any root")

    def put_targets(self, targets: Targets, signer: Signer) -> Path:
        """Sign and write the next list of targets. It is in force with the next `publish`."""
        targets.version = self._next("targets")
        targets.expires = self._ends("targets")
        return self._write_signed(targets, signer)

    def put_target(self, name: str, data: Path) -> TargetFile:
        """Copy a target's file into the folder; return its line in a list."""
        with _told(data):
            size = data.stat().st_size
            if not 0 < size <= IMAGE_BYTES_MAX:
                raise ConfigError(f"{data} has {size} bytes; 1..{IMAGE_BYTES_MAX} are allowed")
            listed = TargetFile.from_file(name, str(data), ["sha256"])
            place = self.file_of(listed)
            place.parent.mkdir(parents=True, exist_ok=True)
            with data.open("rb") as source, whole_file(place) as file:
                while piece := source.read(_READ_BYTES):
                    file.write(piece)
                os.fchmod(file.fileno(), _READABLE)
            _force(place.parent)
        self._check_file(listed)
        return listed

    def publish(self, snapshot: Signer, timestamp: Signer) -> None:
        """Put the newest list of targets in force, for the time that a timestamp is valid."""
        self._check_time(self.root())
        if self._newest("targets") is None:
            raise ConfigError(f"{self.which} has no list of targets yet")
        targets = self.targets()
        self._check_time(targets)
        for listed in targets.targets.values():
            self._check_file(listed)
        number = self._next("snapshot")
        meta = {"targets.json": MetaFile(version=targets.version)}
        new = Snapshot(version=number, expires=self._ends("snapshot"), meta=meta)
        stamp = Timestamp(
            version=self._timestamp_version() + 1,
            expires=self._ends("timestamp"),
            snapshot_meta=MetaFile(version=number),
        )
        _signed(self.root(), stamp, timestamp)  # a wrong key is told before anything is written
        self._write_signed(new, snapshot)
        self._write_signed(stamp, timestamp)

    def ends(self) -> Iterator[tuple[str, int, datetime]]:
        """Yield role, number and end of each list that is in force. Raise TrustError."""
        root = self.root()
        yield "root", root.version, root.expires
        if self._newest("targets") is not None:
            targets = self.targets()
            yield "targets", targets.version, targets.expires
        newest = self._newest("snapshot")
        if newest is not None:
            snapshot = self._proven(newest, Snapshot).signed
            yield "snapshot", snapshot.version, snapshot.expires
            stamp = self._proven(self._metadata / "timestamp.json", Timestamp).signed
            yield "timestamp", stamp.version, stamp.expires

    def file_of(self, listed: TargetFile) -> Path:
        """Return where a target's bytes lie."""
        digest = bytes.fromhex(listed.hashes["sha256"])
        return self._carrier / target_path(self.which, digest, listed.path)

    def _check_file(self, listed: TargetFile) -> None:
        place = self.file_of(listed)
        with _told(place), place.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        if (digest, size) != (listed.hashes["sha256"], listed.length):
            raise TrustError(f"{place} is not what its list says: add it again")

    def _check_time(self, listed: Root | Targets) -> None:
        if listed.expires <= self.now:
            raise ExpiredError(f"{self.which}: the {listed.type} list ended at {listed.expires}")

    def _ends(self, role: str) -> datetime:
        return self.now + timedelta(days=DAYS[role])

    def _numbered(self, number: int, role: str) -> Path:
        return self._metadata / f"{number}.{role}.json"

    def _numbers(self, role: str) -> list[int]:
        names = (path.name.split(".")[0] for path in self._metadata.glob(f"*.{role}.json"))
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def _newest(self, role: str) -> Path | None:
        numbers = self._numbers(role)
        return self._numbered(numbers[-1], role) if numbers else None

    def _next(self, role: str) -> int:
        return max(self._numbers(role), default=0) + 1

    def _timestamp_version(self) -> int:
        """Return the number of the timestamp that is there; 0 for one that a new root disowns."""
        path = self._metadata / "timestamp.json"
        if not path.exists():
            return 0
        stamp = _read(path, Timestamp)
        return stamp.signed.version if _is_by(self.root(), stamp) else 0

    def _proven(self, path: Path, kind: type[Listed]) -> Metadata[Listed]:
        listed = _read(path, kind)
        if not _is_by(self.root(), listed):
            raise SignatureError(f"{path} is not signed by a key of the newest root: sign it again")
        return listed

    def _write_signed(self, listed: Listed, signer: Signer) -> Path:
        signed = _signed(self.root(), listed, signer)
        if isinstance(listed, Timestamp):
            return self._write(signed, self._metadata / "timestamp.json")
        return self._write(signed, self._numbered(listed.version, listed.type))

    def _write(self, listed: Metadata[Listed], path: Path) -> Path:
        data = listed.to_bytes()
        if len(data) > METADATA_BYTES_MAX:
            raise ConfigError(f"{path.name} is longer than a hub reads: {METADATA_BYTES_MAX} bytes")
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as file:
                file.write(data)
                os.fchmod(file.fileno(), _READABLE)
            _force(path.parent)
        return path


def check_root(root: Metadata[Root], before: Root | None) -> None:
    """Raise SignatureError for a root that its own keys, or those before it, do not prove."""
    result = root.signed.get_root_verification_result(before, root.signed_bytes, root.signatures)
    if not result:
        lacks = [
            f"{len(one.signed)} of {one.threshold} signatures by the {whose} root's keys"
            for one, whose in ((result.first, "old"), (result.second, "new"))
            if not one.verified
        ]
        raise SignatureError(f"root {root.signed.version} has {' and '.join(lacks)}")


def read_root(path: Path) -> Metadata[Root]:
    """Read a root that nobody has proven yet. Raise TrustError, StoreError."""
    return _read(path, Root)


def _signed(root: Root, listed: Listed, signer: Signer) -> Metadata[Listed]:
    metadata = Metadata(listed)
    metadata.sign(signer)
    if not _is_by(root, metadata):
        raise SignatureError(f"this key is not a {listed.type} key of the newest root")
    return metadata


def _is_by(root: Root, listed: Metadata[Listed]) -> bool:
    role = listed.signed.type
    return bool(root.get_verification_result(role, listed.signed_bytes, listed.signatures))


def _read(path: Path, kind: type[Listed]) -> Metadata[Listed]:
    with _told(path):
        data = read_ordinary(path, METADATA_BYTES_MAX)
    try:
        listed = Metadata.from_bytes(data)
    except (DeserializationError, RepositoryError) as error:
        raise TrustError(f"{path} is no signed list") from error
    if not isinstance(listed.signed, kind):
        raise TrustError(f"{path} is a list of another role")
    return listed


def _force(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


Change = Callable[[Targets], None]


def change_targets(lists: Lists, change: Change, signer: Signer) -> Path:
    """Sign the next list of targets: the newest one, changed."""
    targets = lists.targets()
    change(targets)
    return lists.put_targets(targets, signer)
