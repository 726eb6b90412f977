"""A site whose two repositories lie on one carrier, and a hub that looks there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hubcore.update.belief import Belief
from hubcore.update.image import Image
from hubcore.update.plan import Plan
from hubupdate.carrier import Carrier
from hubupdate.fetcher import CarrierFetcher
from hubupdate.folder import Folder
from hubupdate.trust import Repository, Trust
from tests.unit.update.repository import TufRepository

CHANNEL = "stable"
NAME = "hubd-2.0-amd64.squashfs"
BYTES = os.urandom(200_000)


@dataclass
class FakeCarrier:
    """A folder that may be told to be another thing at one path; it counts what was asked."""

    folder: Folder
    instead: dict[str, Callable[[], Iterator[bytes]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    given: int = 0

    def pieces(self, path: str) -> Iterator[bytes]:
        self.asked.append(path)
        other = self.instead.get(path)
        for piece in self.folder.pieces(path) if other is None else other():
            self.given += len(piece)
            yield piece


class Site:
    """Both repositories on one carrier, and a hub that looks there."""

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.top = folder / "carrier"
        self.kept = folder / "kept"
        self.images = TufRepository(self.top, Repository.IMAGES, now)
        self.director = TufRepository(self.top, Repository.DIRECTOR, now)
        self.carrier = FakeCarrier(Folder(self.top))
        self.seconds = 0.0
        self.image = self.images.publish_image(NAME, "2.0", BYTES)
        self.plan = plan_for(self.image)
        self.director.publish_plan(CHANNEL, self.plan)

    def trust(self, carrier: Carrier | None = None) -> Trust:
        roots = {one.which: one.first_root for one in self.both}
        fetcher = CarrierFetcher(carrier or self.carrier, lambda: self.seconds)
        return Trust(self.kept, roots, fetcher)

    @property
    def both(self) -> tuple[TufRepository, TufRepository]:
        return (self.images, self.director)

    def look(self) -> Plan | None:
        """Look for a plan, as a hub that was just started does."""
        return self.trust().plan_of(CHANNEL, Belief.GOOD)

    def of(self, which: Repository) -> TufRepository:
        return self.images if which is Repository.IMAGES else self.director

    def go_on(self) -> None:
        """Publish both again, as every day."""
        for one in self.both:
            one.next()
            one.publish()


def plan_for(image: Image) -> Plan:
    return Plan(
        issued=1,
        image=image,
        canaries=frozenset({"hub-1"}),
        stages=(),
        windows=(),
        held=frozenset(),
        is_held=False,
        areas=(),
    )
