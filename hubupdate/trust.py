"""Which image this hub may take, by two signed repositories that must agree.

Laws:
1. The repository of images says which images exist. Its keys are offline. What it does not list
   any more is not taken, whoever asks for it.
2. The director's repository says which image the hubs of a channel are to have, and when: a plan
   (`hubcore.update.plan`). Its key is online. Alone it can neither make an image nor bring back
   one that was withdrawn.
3. Both must name the same image by the same digest and the same size.
4. A plan is read only after TUF has proven its bytes.
5. Nothing is asked while the time is not believed (`hubcore.update.belief`): TUF would judge dates
   by a clock that proves nothing.
6. What was proven is forced to the disk before it is used. A power cut must not bring back an older
   list than one that was acted upon.
7. A refusal changes nothing of what was trusted before, and never anything of doors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import Metadata, Snapshot, TargetFile, Targets
from tuf.ngclient import Updater, UpdaterConfig

from hubcore.errors import (
    ExpiredError,
    FrameError,
    HubError,
    LinkError,
    RollbackError,
    SignatureError,
    StoreError,
    TrustError,
)
from hubcore.update.belief import Belief
from hubcore.update.image import Image
from hubcore.update.plan import PLAN_BYTES_MAX, Plan, read_plan
from hubupdate.fetcher import CarrierFetcher
from hubupdate.packed import Packed, change_name, is_worth_it, pressed_name

METADATA_BYTES_MAX = 1024 * 1024
ROTATIONS_MAX = 256
"""Roots after the one that came with the hub. TUF's client counts from that one at each look."""
DELEGATIONS_MAX = 8
_LISTS = ("root.json", "timestamp.json", "snapshot.json", "targets.json")


class Repository(StrEnum):
    """The two; the words are the folders of a carrier and of the hub."""

    IMAGES = "images"
    DIRECTOR = "director"


@dataclass(frozen=True, slots=True)
class ProvenLists:
    """The newest lists of a repository, as they were proven, for whoever gives them on.

    `roots` and `others` are files by the names that a carrier has for them; `timestamp` is apart,
    because it makes the others count. `targets` are what the list of targets names by itself.
    """

    roots: Mapping[str, bytes]
    others: Mapping[str, bytes]
    timestamp: bytes
    targets: Mapping[str, TargetFile]


class Trust:
    """`kept` is a folder of this program alone; `roots` are the roots that came with the hub."""

    def __init__(
        self, kept: Path, roots: Mapping[Repository, bytes], fetcher: CarrierFetcher
    ) -> None:
        self._kept = kept
        self._roots = roots
        self._fetcher = fetcher
        self._images: Updater | None = None
        self._ends: dict[Repository, float] = {}

    @property
    def lists_end(self) -> float | None:
        """When the first of the newest lists ends, in Unix seconds; None: none was proven yet."""
        return min(self._ends.values(), default=None)

    def is_withdrawn(self, image: Image) -> bool | None:
        """Tell whether the newest list of images does not have this one; None: not known."""
        if self._images is None:
            return None
        with _told(Repository.IMAGES):
            listed = self._images.get_targetinfo(image.name)
        return listed is None or digest_of(listed) != image.digest

    def plan_of(self, channel: str, belief: Belief) -> Plan | None:
        """Return the channel's plan, whose image both repositories name; None for no plan.

        Raise ExpiredError, RollbackError, SignatureError, TrustError, LinkError, StoreError.
        """
        if belief is not Belief.GOOD:
            raise ExpiredError(f"no update is looked for: {belief.value}")
        with _told(Repository.DIRECTOR):
            director = self._refreshed(Repository.DIRECTOR)
            listed = director.get_targetinfo(plan_name(channel))
            if listed is None:
                return None
            plan = self._plan(listed)
        with _told(Repository.IMAGES):
            images = self._refreshed(Repository.IMAGES)
            self._images = images
            check_agreed(plan.image, images.get_targetinfo(plan.image.name))
        return plan

    def lists(self, which: Repository, belief: Belief) -> ProvenLists:
        """Fetch, prove and return the newest lists of a repository. Raise as `plan_of`."""
        if belief is not Belief.GOOD:
            raise ExpiredError(f"no list is looked for: {belief.value}")
        with _told(which):
            self._refreshed(which)
            return _kept_lists(self._kept / which)

    def pieces(self, image: Image) -> Iterator[bytes]:
        """Yield the bytes that a carrier has as this image, at most one piece too many.

        Nothing is proven by that: the reader proves what it wrote. Raise TrustError, LinkError.
        """
        yield from self._pieces(image.name, image.digest, image.size)

    def packed(self, image: Image, reference: Image) -> Sequence[Packed]:
        """Return the packed files of an image that are listed and worth it, the smallest first.

        `reference` is the image that is there. Raise TrustError.
        """
        found: list[Packed] = []
        if self._images is None:
            return found
        names = {change_name(image.name, reference.digest): True, pressed_name(image.name): False}
        with _told(Repository.IMAGES):
            for name, is_change in names.items():
                listed = self._images.get_targetinfo(name)
                if listed is not None and is_worth_it(listed.length, image):
                    found.append(Packed(name, listed.length, digest_of(listed), is_change))
        return sorted(found, key=lambda one: one.size)

    def packed_pieces(self, packed: Packed) -> Iterator[bytes]:
        """Yield the bytes that a carrier has as this file; as `pieces`."""
        yield from self._pieces(packed.name, packed.digest, packed.size)

    def _pieces(self, name: str, digest: bytes, size: int) -> Iterator[bytes]:
        had = 0
        with _told(Repository.IMAGES):
            for piece in self._fetcher.fetch(target_path(Repository.IMAGES, digest, name)):
                had += len(piece)
                if had > size:
                    raise TrustError(f"{name} is longer than its list says")
                yield piece

    def _refreshed(self, which: Repository) -> Updater:
        """Return TUF's client after it has fetched and proven the newest lists."""
        folder = self._kept / which
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob("tmp*"):  # of TUF's client, after a power cut
            left.unlink()
        updater = Updater(
            metadata_dir=str(folder),
            metadata_base_url=f"{which}/metadata/",
            fetcher=self._fetcher,
            config=_config(),
            bootstrap=self._roots[which],
        )
        try:
            updater.refresh()
        finally:
            _force_to_disk(folder)
        self._ends[which] = _first_end(folder)
        return updater

    def _plan(self, listed: TargetFile) -> Plan:
        check_plan_size(listed.length)
        path = target_path(Repository.DIRECTOR, digest_of(listed), listed.path)
        data = self._fetcher.download_bytes(path, listed.length)
        listed.verify_length_and_hashes(data)
        return proven_plan(data)


def _first_end(folder: Path) -> float:
    """Return when the first of the kept lists ends. Raise OSError, RepositoryError."""
    lists = (Metadata.from_file(str(folder / name)) for name in _LISTS)
    return min(one.signed.expires.timestamp() for one in lists)


def _kept_lists(folder: Path) -> ProvenLists:
    """Read what TUF's client has kept of what it proved. Raise OSError, RepositoryError."""
    snapshot = (folder / "snapshot.json").read_bytes()
    targets = (folder / "targets.json").read_bytes()
    listed = Metadata[Targets].from_bytes(targets).signed
    snapshot_version = Metadata[Snapshot].from_bytes(snapshot).signed.version
    return ProvenLists(
        roots={one.name: one.read_bytes() for one in (folder / "root_history").glob("*.root.json")},
        others={
            f"{listed.version}.targets.json": targets,
            f"{snapshot_version}.snapshot.json": snapshot,
        },
        timestamp=(folder / "timestamp.json").read_bytes(),
        targets=listed.targets,
    )


def check_plan_size(size: int) -> None:
    """Raise TrustError for a plan that nobody reads."""
    if size > PLAN_BYTES_MAX:
        raise TrustError("the director's plan is too long")


def proven_plan(data: bytes) -> Plan:
    """Read a plan whose bytes are proven. Raise TrustError."""
    try:
        return read_plan(data)
    except FrameError as error:
        raise TrustError(f"the director signed what is no plan: {error}") from error


def plan_name(channel: str) -> str:
    """Return the name of a channel's plan in the director's list."""
    return f"plan-{channel}.cbor"


def target_path(which: Repository, digest: bytes, name: str) -> str:
    """Return the path at which a carrier has a target: its digest is in its name."""
    return f"{which}/targets/{digest.hex()}.{name}"


def check_agreed(image: Image, listed: TargetFile | None) -> TargetFile:
    """Return the line of the image that the director names. Raise TrustError for another image."""
    if listed is None:
        raise TrustError("the director names an image that is not on the list of images")
    if listed.length != image.size or digest_of(listed) != image.digest:
        raise TrustError("the director and the list of images name two images by one name")
    return listed


def digest_of(listed: TargetFile) -> bytes:
    """Return the SHA-256 digest of a target. Raise TrustError."""
    try:
        return bytes.fromhex(listed.hashes["sha256"])
    except (KeyError, ValueError) as error:
        raise TrustError("a target without a SHA-256 digest") from error


def _config() -> UpdaterConfig:
    return UpdaterConfig(
        max_root_rotations=ROTATIONS_MAX,
        max_delegations=DELEGATIONS_MAX,
        snapshot_max_length=METADATA_BYTES_MAX,
        targets_max_length=METADATA_BYTES_MAX,
    )


def _force_to_disk(folder: Path) -> None:
    """Force the lists, and their names, to the disk. Raise OSError."""
    history = folder / "root_history"
    files = [*folder.glob("*.json"), *history.glob("*.json"), history, folder]
    for path in files:
        if path.exists():
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def _told(which: Repository) -> Iterator[None]:
    """Raise TUF's errors as those of this project: each says who must act."""
    try:
        yield
    except HubError:
        raise
    except tuf_errors.ExpiredMetadataError as error:
        raise ExpiredError(f"{which}: a list's time has ended: {error}") from error
    except tuf_errors.BadVersionNumberError as error:
        raise RollbackError(f"{which}: an older list than one before: {error}") from error
    except tuf_errors.UnsignedMetadataError as error:
        raise SignatureError(f"{which}: too few good signatures: {error}") from error
    except (tuf_errors.RepositoryError, tuf_errors.DownloadLengthMismatchError) as error:
        raise TrustError(f"{which}: refused: {error}") from error
    except tuf_errors.DownloadError as error:
        raise LinkError(f"{which}: {error}") from error
    except OSError as error:
        raise StoreError(f"{which}: the lists cannot be kept: {error.strerror or error}") from error
