"""Readers in memory on a virtual clock: the real attendants, the real unlock, the fakes' log.

The front door demands a PIN with the card, or a second person, when a test says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from hubcore.access.cards import Card, card_digest, pin_digest
from hubcore.access.claim import Claim, ClaimOutcome
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.evidence.records import Record, RecordKind
from hubcore.policy.policy import PointRules
from hubcore.ports.reader import ReaderFault, Sign
from hubd.readers.attendant import Attendant
from hubd.readers.attending import Attending
from hubd.readers.cards import Cards
from hubd.readers.faults import ReaderFaults
from hubd.upkeep.health import Health
from hubd.upkeep.measured import Measured
from hubd.upkeep.standing import StandingProblems
from hubsim import site
from hubsim.site import OPEN_AND_QUERY
from tests.fakes.clock import NOON
from tests.fakes.reader import FakeReaders
from tests.pair import DAY, DeskHub
from tests.virtualtime import VirtualLoop, run_virtually, virtual_clock

_T = TypeVar("_T")
CARD_KEY = bytes(range(100, 132))
BITS = 34
NUMBER = bytes.fromhex("1badc0ffc0")
OTHER = bytes.fromhex("2badc0ffc0")
STRANGE = bytes.fromhex("3badc0ffc0")
PIN = "402913"
DURESS = "731905"
READERS = {"front": 1, "back": 1, "lab": 2}
"""The access point of each reader."""
_ISSUER = site.make_key()


def make_card(number: bytes = NUMBER, credential: str = "c1", pin: str | None = PIN) -> Card:
    """Return the row of a card for access point 1."""
    digest = card_digest(CARD_KEY, BITS, number)
    return Card(
        digest=digest,
        credential=credential,
        not_before=int(NOON - DAY),
        expires=int(NOON + DAY),
        access=(Access(1, OPEN_AND_QUERY, ()),),
        pin=None if pin is None else pin_digest(CARD_KEY, digest, pin),
        duress=None if pin is None else pin_digest(CARD_KEY, digest, DURESS),
    )


class ReadersDesk:
    """A hub with readers; `claims` are those that were presented."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = virtual_clock(loop)
        self.hub = DeskHub(_ISSUER, self.clock)
        self.failing: Exception | None = None
        """Raised by what decides on claims."""
        self.claims: list[Claim] = []
        self.readers = FakeReaders(self.clock.monotonic)
        self.granted_at_sign: list[int] = []
        self.health = Health(self.clock, {}, ())
        self.measured = Measured({}, READERS, self.clock.wall)
        self.problems = StandingProblems(self.health, self.hub.tell)
        for card in (make_card(), make_card(OTHER, "c2")):
            self.hub.policy.cards[card.digest] = card
        self.attending = self._attending()

    def cards(self) -> Cards:
        """Return what knows of cards and has heard of no PIN."""
        return Cards(
            CARD_KEY,
            policy=self.hub.policy,
            log=self.hub.log,
            clock=self.clock,
            tell=self.hub.tell,
            on_denied=self.measured.card_refused,
        )

    def _attending(self) -> Attending:
        cards = self.cards()
        attendants = {
            reader: Attendant(
                reader,
                point,
                cards=cards,
                ask=self.hub.unlock.why_denied,
                present=self.present,
                show=partial(self._show, reader),
                clock=self.clock,
                tell=self.hub.tell,
            )
            for reader, point in READERS.items()
        }
        faults = ReaderFaults(
            attendants,
            problems=self.problems,
            log=self.hub.log,
            clock=self.clock,
            tell=self.hub.tell,
        )
        return Attending(
            dict.fromkeys(READERS, self.readers),
            attendants,
            faults,
            log=self.hub.log,
            clock=self.clock,
            tell=self.hub.tell,
            on_card=self.measured.card,
        )

    @property
    def demands_pin(self) -> bool:
        """Whether the card alone is not enough."""
        return bool(self.hub.policy.points)

    @demands_pin.setter
    def demands_pin(self, demanded: bool) -> None:
        demand = Demand((Factor.CARD | Factor.PIN,))
        self.hub.policy.points = {1: PointRules(demands=(demand,))} if demanded else {}

    def demand_two(self) -> None:
        """One person is not enough."""
        demand = Demand((Factor.CARD,), persons=2)
        self.hub.policy.points = {1: PointRules(demands=(demand,))}

    async def present(self, claim: Claim, alive: Callable[[], bool]) -> ClaimOutcome:
        """As `Unlock.present`, noted."""
        self.claims.append(claim)
        if self.failing is not None:
            raise self.failing
        return await self.hub.unlock.present(claim, alive)

    def _show(self, reader: str, sign: Sign) -> None:
        if sign is Sign.GRANTED:
            self.granted_at_sign.append(len(self.granted()))
        self.readers.show(reader, sign)

    def granted(self) -> list[Record]:
        """The records of granted claims that are durable."""
        return [record for record in self.accesses() if record.detail["allowed"]]

    def accesses(self) -> list[Record]:
        return [record for record in self.hub.records() if record.kind is RecordKind.ACCESS]

    def whys(self) -> list[str | None]:
        """Why each claim was denied, in order; None: it was not."""
        return [record.detail["why"] for record in self.accesses()]  # type: ignore[misc]

    def signs(self, reader: str = "front") -> list[Sign]:
        return [sign for who, sign in self.readers.shown if who == reader]

    async def hold(self, number: bytes = NUMBER, reader: str = "front") -> None:
        """Hold a card to a reader, and let the hub do what it does."""
        self.readers.hold(reader, number, BITS)
        await self.settle()

    async def press(self, keys: str, reader: str = "front") -> None:
        for key in keys:
            self.readers.press(reader, key)
            await asyncio.sleep(0.3)
        await self.settle()

    async def settle(self) -> None:
        await asyncio.sleep(0.1)

    async def later(self, seconds: float = 2.0) -> None:
        await asyncio.sleep(seconds)

    async def lose(self, reader: str, fault: ReaderFault) -> None:
        self.readers.begin(reader, fault)
        await self.settle()


def with_readers(play: Callable[[ReadersDesk], Coroutine[Any, Any, _T]]) -> _T:
    """Run a play at a hub with readers, on a clock that jumps."""
    loop = VirtualLoop()

    async def run() -> _T:
        desk = ReadersDesk(loop)
        async with asyncio.TaskGroup() as tasks:
            attending = tasks.create_task(desk.attending.run())
            await desk.settle()
            result = await play(desk)
            attending.cancel()
        return result

    return run_virtually(loop, run())
