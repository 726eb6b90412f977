"""A folder that looks like the server's, for the hubs of one site: a carrier near to them.

How it works: the lists are fetched and proven as a hub proves them. Then come the plans, and the
images that a plan names. Any web server may give the folder out, for hubs prove all of it again.

Laws:
1. Nothing is laid out that was not proven: lists by TUF, plans and images by length and SHA-256.
2. What a list names lies there before the list, and a timestamp comes last, that of the director
   after all others. So a hub that looks meanwhile finds whole lists, old or new.
3. Only images that a plan names are fetched, with their packed files. What none names goes.
4. All plans and images together have at most `bytes_max` bytes. Where they would have more, the
   folder stays as it was, and people are told. Packed files take what those leave, the smallest
   first, and only such as a hub takes. One that cannot be had is left out: hubs fetch the whole.
5. After an error the folder serves what it had. A list that is too old is the hubs' to refuse.
6. What lies there is proven again at each look: a file that went bad on the disk is fetched again.
7. Killed at any moment, the next look goes on: a file appears whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tuf.api.exceptions import DownloadError
from tuf.api.metadata import TargetFile

from hubcore.errors import LinkError, StoreError, TrustError
from hubcore.update.belief import Belief
from hubcore.update.plan import Plan
from hubterm.files import whole_file
from hubupdate.carrier import is_path
from hubupdate.fetcher import CarrierFetcher
from hubupdate.packed import is_packed_of, is_worth_it
from hubupdate.trust import (
    ProvenLists,
    Repository,
    Trust,
    check_agreed,
    check_plan_size,
    digest_of,
    proven_plan,
    target_path,
)

PLANS_MAX = 64
TARGETS = "targets"
METADATA = "metadata"
_READ_BYTES = 1 << 20
_READABLE = 0o644


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What lies in the folder after a look, and how many bytes of it were fetched now."""

    plans: int
    images: int
    fetched_bytes: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A target that belongs into the folder."""

    path: str
    size: int
    digest: bytes


class Mirror:
    """Keeps `top` like the server. Whoever calls it is the only one that writes there."""

    def __init__(self, top: Path, trust: Trust, fetcher: CarrierFetcher, bytes_max: int) -> None:
        self._top = top
        self._trust = trust
        self._fetcher = fetcher
        self._bytes_max = bytes_max
        self._fetched = 0

    def look(self, belief: Belief) -> Mirrored:
        """Bring the folder up to date. Raise TrustError, LinkError, StoreError."""
        self._fetched = 0
        director = self._trust.lists(Repository.DIRECTOR, belief)
        images = self._trust.lists(Repository.IMAGES, belief)
        plans = _plans_of(director)
        self._check_room(plans)
        with _told():
            self._forget_unfinished()
            read = [self._plan(wanted) for wanted in plans]
            wanted = _images_of(read, images)
            self._check_room([*plans, *wanted])
            for one in wanted:
                self._bring(one)
            wanted += self._bring_packed(read, images, [*plans, *wanted])
            self._lay_out(Repository.IMAGES, images)
            self._lay_out(Repository.DIRECTOR, director)
            self._tidy(Repository.IMAGES, images, wanted)
            self._tidy(Repository.DIRECTOR, director, plans)
        return Mirrored(len(plans), len(wanted), self._fetched)

    def _forget_unfinished(self) -> None:
        """Remove what a look that was killed has left (law 7)."""
        for left in self._top.glob("*/*/.*.unfinished"):
            left.unlink()

    def _check_room(self, wanted: Iterable[_Wanted]) -> None:
        size = sum(one.size for one in wanted)
        if size > self._bytes_max:
            raise StoreError(f"the plans' images have {size} bytes, allowed are {self._bytes_max}")

    def _bring_packed(
        self, plans: Iterable[Plan], images: ProvenLists, before: Iterable[_Wanted]
    ) -> list[_Wanted]:
        """Have packed files in the folder, as far as they can be had; return those (law 4)."""
        left = self._bytes_max - sum(one.size for one in before)
        found: list[_Wanted] = []
        for one in _packed_of(plans, images):
            if one.size > left:
                break
            with suppress(TrustError, LinkError):
                self._bring(one)
                found.append(one)
                left -= one.size
        return found

    def _plan(self, wanted: _Wanted) -> Plan:
        check_plan_size(wanted.size)
        self._bring(wanted)
        return proven_plan((self._top / wanted.path).read_bytes())

    def _bring(self, wanted: _Wanted) -> None:
        """Have a target in the folder, proven."""
        place = self._top / wanted.path
        if _holds(place, wanted):
            return
        digest = hashlib.sha256()
        had = 0
        with _given_out(place) as file:
            os.posix_fallocate(file.fileno(), 0, max(1, wanted.size))
            for piece in self._pieces(wanted):
                had += len(piece)
                digest.update(piece)
                file.write(piece)
            if had != wanted.size or digest.digest() != wanted.digest:
                raise TrustError(f"{wanted.path}: other bytes came than its list says")

    def _pieces(self, wanted: _Wanted) -> Iterator[bytes]:
        """Yield what carriers have as this target, at most one piece too many."""
        had = 0
        try:
            for piece in self._fetcher.fetch(wanted.path):
                had += len(piece)
                self._fetched += len(piece)
                yield piece
                if had > wanted.size:
                    return
        except DownloadError as error:
            raise LinkError(str(error)) from error

    def _lay_out(self, which: Repository, lists: ProvenLists) -> None:
        folder = self._top / which / METADATA
        for name, data in (*lists.roots.items(), *lists.others.items()):
            _write(folder / name, data)
        _write(folder / "timestamp.json", lists.timestamp)

    def _tidy(self, which: Repository, lists: ProvenLists, wanted: Iterable[_Wanted]) -> None:
        """Remove what nobody is to have any more; roots stay."""
        targets = {self._top / one.path for one in wanted}
        _remove_others(self._top / which / TARGETS, targets)
        folder = self._top / which / METADATA
        names = {"timestamp.json", *lists.others}
        keep = {folder / name for name in names} | set(folder.glob("*.root.json"))
        _remove_others(folder, keep)


def _plans_of(director: ProvenLists) -> list[_Wanted]:
    if len(director.targets) > PLANS_MAX:
        raise TrustError(f"the director lists more than {PLANS_MAX} plans")
    return [_wanted(Repository.DIRECTOR, one) for one in director.targets.values()]


def _images_of(plans: Iterable[Plan], images: ProvenLists) -> list[_Wanted]:
    """Return the images that plans name. Raise TrustError where two do not agree."""
    found: dict[str, _Wanted] = {}
    for plan in plans:
        listed = check_agreed(plan.image, images.targets.get(plan.image.name))
        wanted = _wanted(Repository.IMAGES, listed)
        found[wanted.path] = wanted
    return list(found.values())


def _packed_of(plans: Iterable[Plan], images: ProvenLists) -> list[_Wanted]:
    """Return the packed files that hubs would take, the smallest first; the list may be a thief's.

    Those out of shape are left out.
    """
    found: dict[str, _Wanted] = {}
    for image in {plan.image for plan in plans}:
        for name, one in images.targets.items():
            if is_packed_of(name, image.name) and is_worth_it(one.length, image):
                with suppress(TrustError):
                    packed = _wanted(Repository.IMAGES, one)
                    found[packed.path] = packed
    return sorted(found.values(), key=lambda one: (one.size, one.path))


def _wanted(which: Repository, listed: TargetFile) -> _Wanted:
    digest = digest_of(listed)
    path = target_path(which, digest, listed.path)
    if "/" in listed.path or not is_path(path):
        raise TrustError("a target has a name that no file may have")
    return _Wanted(path, listed.length, digest)


def _holds(place: Path, wanted: _Wanted) -> bool:
    """Tell whether a file has the bytes of its target (law 6)."""
    digest = hashlib.sha256()
    try:
        with open(place, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != wanted.size:
                return False
            while piece := file.read(_READ_BYTES):
                digest.update(piece)
    except FileNotFoundError:
        return False
    return digest.digest() == wanted.digest


def _write(place: Path, data: bytes) -> None:
    if place.is_file() and place.read_bytes() == data:
        return
    with _given_out(place) as file:
        file.write(data)


@contextmanager
def _given_out(place: Path) -> Iterator[BinaryIO]:
    """Write a whole file that the web server may read, and its name, to the disk (law 7)."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(place) as file:
        yield file
        os.fchmod(file.fileno(), _READABLE)
    descriptor = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_others(folder: Path, keep: set[Path]) -> None:
    for one in folder.glob("*"):
        if one not in keep:
            one.unlink()


@contextmanager
def _told() -> Iterator[None]:
    """Raise an error of the system as StoreError."""
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        why = "the disk is full" if full else error.strerror or str(error)
        raise StoreError(f"the folder of updates: {why}") from error
