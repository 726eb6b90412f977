"""The use case of giving an order as the site: made, signed, kept, said to the hubs, answered.

Laws:
1. An order is kept durably before any hub hears it. What cannot be kept is not given, unless it
   shuts: somebody may have to lock down while the disk is full. Then people are told (`is_kept`),
   and `run` tries again each `keep_again_seconds`. Nothing waits longer than KEEP_SECONDS for the
   disk.
2. The key signs here, or in an office whose documents come signed (`give_signed`). A document is
   taken only if the mandate for orders proves it.
3. A hub that comes later hears what it missed. What it could take no more is signed anew for it, if
   the key is here; else the site's people see that this hub has not answered. So they do where it
   cannot be signed or kept: no hub is cut off by it, and it is tried when the hub comes again.
4. What a hub has answered is its own word, and shown as that. Nothing is ended by it.
5. A hub that does not hear keeps nobody waiting: saying never waits.
6. A guest's grant is signed with the order that lets him in, and below the ceiling of the mandate.
   So is a command of a device.
7. Who waits for answers wakes at each one (`moved`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from hubbridge.rules.papers import ORDERS_MAX, ROOM_FOR_PEOPLE, Paper, Papers, anew
from hubcore.access.grant import Access, Grant, issue_grant
from hubcore.access.words import Action, HubName
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import ID_BYTES, OrderOutcome
from hubcore.bridge.ceilings import devices
from hubcore.bridge.ceilings.guests import GUEST, check_ceiling, prove_guest
from hubcore.bridge.mandate import Mandate
from hubcore.bridge.site.order import (
    TAKE_SECONDS_MAX,
    AdmittedGuest,
    GuestAdmitted,
    Ordered,
    SiteOrder,
    issue_site_order,
    prove_site_order,
)
from hubcore.codec import cose
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.device.command import Command
from hubcore.errors import ConfigError, ProofError, StoreError
from hubcore.ports.clock import Clock

KEEP_SECONDS = 3.0
"""Nobody who orders waits longer for the disk."""
KEEP_AGAIN_SECONDS = 10.0
NO_KEY = "this bridge has no key for orders: sign the order in the office"
GUEST_RIGHTS = (1 << (Action.OPEN - 1)) | (1 << (Action.QUERY - 1))


@dataclass(frozen=True, slots=True)
class GuestAsked:
    """Whom the site lets in: `name` without blanks, the key of his phone, where, when, how often.

    Times in Unix seconds; `uses` None: as often as he likes.
    """

    name: str
    key: VerifyKey
    access_points: tuple[int, ...]
    not_before: int
    expires: int
    uses: int | None = None


class PaperFile(Protocol):
    """Where the orders lie."""

    async def write(self, papers: Sequence[Paper]) -> None:
        """Keep these in place of what was kept, durably. Raise StoreError."""


class Hubs(Protocol):
    """The hubs of the site."""

    def connected(self) -> Collection[str]:
        """Return those that talk with this bridge now."""

    def say_order(self, hub: str, document: bytes) -> None:
        """Send an order to a hub, or lose it; never wait."""


class GivesOrders(Protocol):
    """What the site's people may do: the local API stands on this."""

    async def give(self, what: Ordered, by: str, hub: str | None = None) -> SiteOrder:
        """Order something, at one hub or at all; `by` is an operator of the policy.

        Raise StoreError when it opens and cannot be kept, ConfigError without a key, ProofError for
        an order that no hub would take.
        """

    async def admit(
        self, guest: GuestAsked, by: str, hub: str | None = None
    ) -> tuple[SiteOrder, bytes]:
        """Let a guest in; return the order, and the grant that his phone needs. Raise as `give`.

        End it with `give` of a `GuestAdmitted` without a guest.
        """

    def shown(self) -> Sequence[ShownPaper]:
        """Return what the site has ordered and has not ended, with what each hub answered."""

    def find(self, key: bytes) -> Paper | None:
        """Return the order of this id with its answers; None when it does not matter any more."""

    def is_kept(self, key: bytes) -> bool:
        """Tell whether an order would outlast a restart of the bridge."""

    def ends_nothing(self, key: bytes) -> bool:
        """Tell whether the order of this id ends what nobody has given at this bridge."""

    @property
    def unkept(self) -> int:
        """Return how many orders would not outlast a restart of the bridge."""

    def why_not(self) -> str:
        """Say why no order can be given here; empty: one can."""

    async def moved(self) -> None:
        """Wait until a hub answers."""


@dataclass(frozen=True, slots=True)
class ShownPaper:
    """An order, and which hub has answered what; a hub that is not there has not answered."""

    order: SiteOrder
    answers: tuple[tuple[str, OrderOutcome], ...]


class SiteOrderDesk:
    """Gives the site's orders. Call `came` for each hub that comes, `answered` for each answer."""

    def __init__(
        self,
        *,
        site: str,
        key: SigningKey | None,
        mandate: Callable[[], Mandate | None],
        papers: Papers,
        file: PaperFile,
        hubs: Hubs,
        clock: Clock,
        make_id: Callable[[int], bytes],
        keep_seconds: float = KEEP_SECONDS,
        keep_again_seconds: float = KEEP_AGAIN_SECONDS,
    ) -> None:
        """`key` None: the office signs. `mandate` returns the one for orders that is known here.

        `make_id` returns so many random bytes.
        """
        self._site = site
        self._key = key
        self._mandate = mandate
        self._papers = papers
        self._file = file
        self._hubs = hubs
        self._clock = clock
        self._make_id = make_id
        self._keep_seconds = keep_seconds
        self._keep_again_seconds = keep_again_seconds
        self._unkept: set[bytes] = set()
        """The orders that hubs have heard and the disk does not have."""
        self._failed = asyncio.Event()
        """The disk may have other orders than these."""
        self._turn = asyncio.Lock()
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Keep what the disk did not take, as soon as it does; until cancelled (law 1)."""
        while True:
            await self._failed.wait()
            await asyncio.sleep(self._keep_again_seconds)
            async with self._turn:
                with suppress(StoreError):
                    await self._keep(self._papers.all())

    def is_kept(self, key: bytes) -> bool:
        """See `GivesOrders.is_kept`."""
        return key not in self._unkept

    def ends_nothing(self, key: bytes) -> bool:
        """See `GivesOrders.ends_nothing`."""
        paper = self._papers.find(key)
        return paper is not None and self._papers.ends_nothing(paper, int(self._clock.wall()))

    @property
    def unkept(self) -> int:
        """See `GivesOrders.unkept`."""
        return sum(self._papers.find(key) is not None for key in self._unkept)

    async def give(self, what: Ordered, by: str, hub: str | None = None) -> SiteOrder:
        """See `GivesOrders.give`."""
        async with self._turn:
            return await self._give(what, by, hub)

    async def admit(
        self, guest: GuestAsked, by: str, hub: str | None = None
    ) -> tuple[SiteOrder, bytes]:
        """See `GivesOrders.admit`."""
        if self._key is None:
            raise ConfigError(NO_KEY)
        mandate = self._mandate()
        if mandate is None:
            raise ProofError("this bridge knows no mandate for the site's orders")
        grant_id = self._make_id(ID_BYTES)
        entries = [Access(point, GUEST_RIGHTS, ()) for point in guest.access_points]
        grant = Grant(
            site=self._site,
            credential=f"{GUEST}{guest.name}",
            not_before=guest.not_before,
            expires=guest.expires,
            grant_id=grant_id,
            key=guest.key,
            access=tuple(entries),
            uses=guest.uses,
        )
        document = issue_grant(self._key, grant, cose.write_key(guest.key.public))
        proven = prove_guest(document, self._site, self._key.verify_key)
        check_ceiling(proven, mandate.guests)
        what = GuestAdmitted(grant_id, AdmittedGuest(proven, document))
        return await self.give(what, by, hub), document

    async def give_signed(self, document: bytes, hub: str | None = None) -> SiteOrder:
        """Take an order that the office has signed, for one hub or for all.

        Raise ProofError or StoreError.
        """
        mandate = self._mandate()
        if mandate is None:
            raise ProofError("site order: this bridge knows no mandate for the site's orders")
        order = prove_site_order(document, HubName(self._site, hub or ""), mandate)
        if order.hub != hub:
            raise ProofError("site order: it is not for whom it was handed in")
        async with self._turn:
            await self._keep_and_say(Paper(order, document))
        return order

    async def came(self, hub: str) -> None:
        """A hub has come: say what it missed (law 3)."""
        async with self._turn:
            now = int(self._clock.wall())
            for paper in self._papers.due(hub, now):
                self._hubs.say_order(hub, paper.document)
            if self.why_not():
                return
            for paper in self._papers.due_anew(hub, now):
                with suppress(StoreError, ProofError):
                    await self._give_anew(paper, hub)

    async def _give_anew(self, before: Paper, hub: str) -> None:
        """Sign again what a hub missed. Raise StoreError, ProofError."""
        whom = self._papers.whom_anew(before, hub)
        order, document = self._signed(before.order.what, before.order.by, whom)
        paper = anew(order, document, before)
        await self._keep_and_say(paper, ORDERS_MAX - ROOM_FOR_PEOPLE)

    def answered(self, hub: str, result: OrderResult) -> bool:
        """A hub has answered; tell whether that was asked of it, and is of interest still."""
        if not self._papers.answered(hub, result.id, result.outcome, result.detail):
            return False
        self._moved.set()
        self._moved = asyncio.Event()
        return True

    async def moved(self) -> None:
        """Wait until a hub answers."""
        await self._moved.wait()

    def find(self, key: bytes) -> Paper | None:
        """Return the order of this id with its answers; None when it does not matter any more."""
        return self._papers.find(key)

    def why_not(self) -> str:
        """Say why no order can be given here; empty: one can."""
        mandate = self._mandate()
        if self._key is None:
            return NO_KEY
        if mandate is None or mandate.key.kid != self._key.verify_key.kid:
            return "the issuer has given no mandate for this bridge's key for orders"
        if not mandate.not_before <= self._clock.wall() < mandate.expires:
            return "the mandate for this bridge's key for orders does not hold now"
        return ""

    def answer(self, hub: str, key: bytes) -> OrderOutcome | None:
        """Return what a hub has answered to the order of this id, None for nothing yet."""
        found = (one.answers.get(hub) for one in self._papers.all() if one.order.id == key)
        return next(found, None)

    def shown(self) -> Sequence[ShownPaper]:
        """See `GivesOrders.shown`."""
        standing = self._papers.standing(int(self._clock.wall()))
        return [ShownPaper(one.order, tuple(sorted(one.answers.items()))) for one in standing]

    async def _give(self, what: Ordered, by: str, hub: str | None) -> SiteOrder:
        order, document = self._signed(what, by, hub)
        await self._keep_and_say(Paper(order, document))
        return order

    def _signed(self, what: Ordered, by: str, hub: str | None) -> tuple[SiteOrder, bytes]:
        """Return an order of now, and its document. Raise ConfigError, ProofError."""
        if self._key is None:
            raise ConfigError(NO_KEY)
        if isinstance(what, Command):
            mandate = self._mandate()
            devices.check_ceiling(what, None if mandate is None else mandate.devices)
        issued_ms = self._papers.next_moment(int(1000 * self._clock.wall()))
        order = SiteOrder(
            id=self._make_id(ID_BYTES),
            hub=hub,
            issued_ms=issued_ms,
            expires_at=issued_ms // 1000 + TAKE_SECONDS_MAX,
            by=by,
            what=what,
        )
        return order, issue_site_order(order, self._site, self._key)

    async def _keep_and_say(self, paper: Paper, most: int = ORDERS_MAX) -> None:
        """Keep an order as one of at most so many; say it to each hub that has not answered it."""
        self._papers.make_room(int(self._clock.wall()), most)
        try:
            await self._keep((*self._papers.all(), paper))
        except StoreError:
            if paper.order.needs_clock:  # it opens, or moves something
                raise
            self._unkept.add(paper.order.id)
        self._papers.add(paper)
        for hub in self._hubs.connected():
            if paper.order.hub in (None, hub) and hub not in paper.answers:
                self._hubs.say_order(hub, paper.document)

    async def _keep(self, papers: Sequence[Paper]) -> None:
        """Keep these orders. Raise StoreError: then `run` brings the disk what counts."""
        try:
            async with asyncio.timeout(self._keep_seconds):
                await self._file.write(papers)
        except TimeoutError as error:
            self._failed.set()
            raise StoreError("the bridge's disk does not answer: see `dmesg`") from error
        except StoreError:
            self._failed.set()
            raise
        self._failed.clear()
        self._unkept.clear()
