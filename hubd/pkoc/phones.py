"""The use case that serves PKOC phones. Implements `hubd.phones.beside.Beside`.

Laws:
1. There are at most `places` visits that are not over. Who comes when all are taken is refused.
2. A visit begins with a phone's first write, and only while the turn of the last hello lasts.
3. After the hub has dropped a phone, its bytes are ignored until the radio reports the link closed.
4. A phone that has proven nothing makes room for others, the oldest first.
"""

from __future__ import annotations

import asyncio
from functools import partial

from hubcore.errors import SequenceError
from hubcore.evidence.facts import Tell
from hubcore.pkoc.reader import ReaderLink, ReaderSide
from hubcore.ports.clock import Clock
from hubcore.ports.radio import LinkId, Radio
from hubd.pkoc.hellos import EVERY_SECONDS, Hellos, MakeKey, make_key
from hubd.pkoc.visit import Decide, Drops, PkocVisit, TakeRefusal


class PkocPhones:
    """All visits of PKOC phones of one radio."""

    def __init__(
        self,
        *,
        side: ReaderSide,
        radio: Radio,
        places: int,
        decide: Decide,
        dropper: Drops,
        refused: TakeRefusal,
        tell: Tell,
        clock: Clock,
        key: MakeKey = make_key,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """`key` makes the reader's key of each turn."""
        self._side = side
        self._places = places
        self._refused = refused
        self._clock = clock
        self._tasks: asyncio.TaskGroup | None = None
        self._visits: dict[LinkId, PkocVisit] = {}
        self._hellos = Hellos(
            side,
            radio,
            is_amid=lambda: self.unanswered > 0,
            tell=tell,
            clock=clock,
            key=key,
            every_seconds=every_seconds,
        )
        self._make_visit = partial(
            PkocVisit,
            radio=radio,
            dropper=dropper,
            decide=decide,
            refused=refused,
            tell=tell,
            clock=clock,
        )

    def __len__(self) -> int:
        """Return how many places are taken."""
        return self.unanswered

    def has(self, link: LinkId) -> bool:
        """Tell whether a link is served here, or was until it was sent away."""
        return link in self._visits

    @property
    def connected(self) -> int:
        """How many phones are there, until their links are gone."""
        return len(self._visits)

    @property
    def unanswered(self) -> int:
        """How many phones are amid their visit."""
        return sum(visit.is_amid for visit in self._visits.values())

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Serve until cancelled; visits and decisions are tasks of `tasks`."""
        self._tasks = tasks
        await self._hellos.run()

    def opened(self, link: LinkId) -> None:
        """A peer has connected."""
        self._hellos.opened(link)

    def spoke(self, link: LinkId) -> None:
        """A link speaks the hub's own protocol."""
        self._hellos.spoke(link)

    def listens(self, anybody: bool) -> None:
        """Somebody has subscribed, or nobody listens any more."""
        self._hellos.listens(anybody)

    def begin(self, link: LinkId) -> None:
        """Take a link from here on. Raise SequenceError."""
        turn = self._hellos.answered(link)
        if self._tasks is None or turn is None:
            raise SequenceError("pkoc: nothing was said yet that this could answer")
        if len(self) >= self._places:
            raise SequenceError(f"pkoc: all {self._places} places are taken")
        reader = ReaderLink(self._side, turn, self._clock.monotonic())
        visit = self._make_visit(link, reader, self._tasks)
        self._visits[link] = visit
        self._tasks.create_task(visit.run())

    def frame(self, link: LinkId, data: bytes, came: float) -> None:
        """Take one write. Raise PeerError."""
        self._visits[link].frame(data, came)

    def make_room(self) -> bool:
        """Send the oldest away that has proven nothing; tell whether there was one."""
        for visit in self._visits.values():
            if visit.is_unproven:
                visit.send_away()
                return True
        return False

    def closed(self, link: LinkId) -> None:
        """A peer has gone."""
        self._hellos.spoke(link)
        visit = self._visits.pop(link, None)
        if visit is not None:
            visit.leave()

    def sweep(self) -> None:
        """Send away those whose time is over."""
        self._hellos.sweep()
        for visit in self._visits.values():
            why = visit.expired()
            if why is not None:
                if visit.is_amid:
                    self._refused(SequenceError(why))
                visit.send_away()

    def stop(self) -> None:
        """End every visit, and begin none."""
        self._tasks = None
        for visit in self._visits.values():
            visit.leave()
        self._visits.clear()
