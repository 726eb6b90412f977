"""The use case of an order of the site: proven, judged, recorded, kept, then in force.

How it goes: a bridge brings a mandate, and then orders by its key. Who carried them means nothing.
An order that is taken is in the log, and its document is in a file, so that it stands over a
restart and proves itself there (`held`).

Laws:
1. Nothing is taken that a mandate for orders does not prove (`bridge.site.order`), or that does not
   come in time, once, and as the newest about its subject (`bridge.site.orders`).
2. `by` is an operator of the policy, who must have the right to it there, as for an order of the
   backend. To disable a credential needs the right to lock down every access point of the hub; to
   let a guest in, the right to release each of his access points.
3. The record is durable before the order takes effect. If the disk takes no record or no document,
   an order by which somebody may get in is refused. Another one holds all the same, and the answer
   says that it would not outlast a restart. The same holds for the end of a key. It is tried
   again each KEEP_AGAIN_SECONDS, so that nobody whose order has ended comes back after a restart.
4. A release goes the way of every release (`doors.unlock`), a command of a device that of every
   command from afar (`devices.commands`). Each is kept before it is tried, so that it is tried
   once, whatever happens in between, and recorded by the way that it goes before anything moves.
5. An order of the site ends by its time, or by an order of the site. When its key ends, or another
   mandate follows, what opens ends at once and what shuts stays. Nobody else ends it, and it ends
   nobody else's.
6. What is refused keeps a pace of its own; beyond a pace the answer is BUSY and leaves no record.
7. What was kept and does not prove itself does not stand, and is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from hubcore.access.words import HubName
from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.mandate import Mandates
from hubcore.bridge.site.order import ONCE, SiteOrder, SiteRelease, prove_site_order
from hubcore.bridge.site.orders import SiteOrders, SiteVerdict
from hubcore.codec.cose import VerifyKey
from hubcore.device.command import Command
from hubcore.errors import ProofError, StoreError
from hubcore.evidence.facts import Detail, Fact
from hubcore.ports.clock import Clock
from hubcore.ports.stores import DocumentFile
from hubcore.timing.pace import Bucket, Rate
from hubd.orders.order_log import OrderLog
from hubd.orders.site.held import Held, HeldOrder, digest_of, prove_key, read_held, write_held
from hubd.orders.site.in_force import SiteInForce
from hubd.orders.site.judge import Answer, SiteOrderJudge
from hubd.orders.site.wording import (
    ANSWERS,
    ASKED_BEFORE,
    OUTCOMES,
    TOO_OFTEN,
    UNPROVEN,
    answer_of,
    facts_of_no_from_site,
    facts_of_site,
)
from hubd.orders.standing import OrderSource
from hubd.orders.wording import NOT_RECORDED, NOT_RECORDED_BUT_HOLDS

ORDERS = Rate(burst=60, per_second=0.5)
REFUSALS = Rate(burst=20, per_second=0.1)
MARK_RECORDS = 500
"""After so many other records the log names again what is kept."""
KEEP_AGAIN_SECONDS = 60.0
KEEP_SECONDS = 1.5
"""Nobody waits longer for the file of documents."""
ONCE_SECONDS = 10
"""What is done once and was found in time lives for so long, until it is tried."""

Act = Callable[[from_backend.Act, str], Awaitable[from_hub.ActResult]]
"""Commands a device for an order from somewhere else; the text is the source for its record."""
Release = Callable[[from_backend.Release, str], Awaitable[from_hub.Result]]
"""Releases a door for an order from somewhere else; the text is the source for its record."""


class OrdersOfSite:
    """Takes mandates and orders of the site, one after the other, and keeps what stands."""

    def __init__(
        self,
        *,
        hub: HubName,
        issuer: VerifyKey,
        in_force: SiteInForce,
        judge: SiteOrderJudge,
        log: OrderLog,
        file: DocumentFile,
        clock: Clock,
        changed: Callable[[Iterable[str]], Awaitable[None]],
        release: Release,
        act: Act,
        turn: asyncio.Lock,
        believed_digest: bytes | None = None,
    ) -> None:
        """`turn`: see `orders.carried`, law 1. `believed_digest`: what the log says of the file.

        None: it says nothing that counts.
        """
        self._hub = hub
        self._issuer = issuer
        self._in_force = in_force
        self._judge = judge
        self._log = log
        self._file = file
        self._clock = clock
        self._changed = changed
        self._release = release
        self._act = act
        self._turn = turn
        self._pace = Bucket(ORDERS)
        self._refusal_pace = Bucket(REFUSALS)
        self._judged = SiteOrders()
        self._answers: dict[bytes, Answer] = {}
        self._held = Held()
        self.left_out = 0
        """Items that were kept and did not prove themselves; -1: the file cannot be read."""
        self._is_told = False
        self._keep_again_at: float | None = None  # None: the disk has what holds
        self._marked_at = 0
        """The number of the newest record by then that named what is kept."""
        self._restore(believed_digest)

    @property
    def mandate_version(self) -> int:
        """The version of the mandate in force, 0 where there is none."""
        return 0 if self._held.key is None else self._held.key.mandate.version

    async def take_mandate(self, document: bytes) -> None:
        """Put a mandate for orders in force. Raise ProofError or RollbackError.

        The key before it has ended at once, also where the disk does not take that.
        """
        async with self._turn:
            key = prove_key(document, self._hub, self._issuer)
            before = self._held.key
            known = Mandates(() if before is None else (before.mandate,))
            if known.with_one(key.mandate) != known:
                await self._become(self._held.with_key(key))

    async def take(self, document: bytes) -> OrderResult:
        """Take an order, or say why not. Raise ProofError for one that does not prove itself."""
        async with self._turn:
            key = self._held.key
            if key is None:
                raise ProofError("site order: this hub knows no mandate for the site's orders")
            order = prove_site_order(document, self._hub, key.mandate)
            answer = await self._take(HeldOrder(order, document, key))
        if answer is None:
            answer = await self._try(order)
        answer = answer or ASKED_BEFORE
        self._remember(order, answer)
        outcome, detail = answer
        return OrderResult(order.id, outcome, sentence(detail))

    async def look(self) -> None:
        """End what opens by a key whose time is over; mark what is kept, and tell what is not."""
        if self._turn.locked():
            return
        if self.left_out and not self._is_told:
            self._is_told = True
            source = str(OrderSource.SITE)
            no: Detail = {Fact.GIVEN_BY: source, Fact.ALLOWED: False, Fact.WHY: UNPROVEN}
            await self._log.write(no)
        is_as_before = self._held.without_ended(self._in_force.now()) == self._held
        if is_as_before and not self._is_to_be_marked() and not self._is_to_be_kept():
            return
        async with self._turn:
            await self._become(self._held)

    async def _become(self, held: Held) -> None:
        """Go on with what is kept, without what has ended; record and keep that."""
        self._held = held.without_ended(self._in_force.now())
        await self._changed(self._in_force.put(self._held))
        items = write_held(self._held)
        is_kept = await self._log.write(self._facts_of_all()) and await self._keep(items)
        self._note_kept(is_kept)
        if is_kept:
            self._marked_at = self._log.last()

    def _note_kept(self, is_kept: bool) -> None:
        again_at = self._clock.monotonic() + KEEP_AGAIN_SECONDS
        self._keep_again_at = None if is_kept else again_at

    def _is_to_be_kept(self) -> bool:
        """Tell whether it is time to try again what the disk did not take."""
        again_at = self._keep_again_at
        return again_at is not None and self._clock.monotonic() >= again_at

    def _is_to_be_marked(self) -> bool:
        """Tell whether many records came since the log named what is kept."""
        return bool(self._held.orders) and self._log.last() - self._marked_at >= MARK_RECORDS

    # What was kept before a start.

    def _restore(self, believed_digest: bytes | None) -> None:
        try:
            items = self._file.found()
        except StoreError:
            self.left_out = -1
            return
        held, self.left_out = read_held(items, self._hub, self._issuer)
        if digest_of(held) != believed_digest:
            held = held.without_opening()
        self._held = held.without_ended(self._in_force.now())
        for one in self._held.orders:
            self._judged.took(one.order)
            is_once = isinstance(one.order.what, ONCE)
            self._answers[one.order.id] = ASKED_BEFORE if is_once else (OrderOutcome.TAKEN, "")
        self._in_force.put(self._held)

    # An order is judged.

    async def _take(self, new: HeldOrder) -> Answer | None:
        """Take an order; None: it is done once, and is to be tried now."""
        order = new.order
        verdict = self._judged.judge(order, new.key.mandate, self._in_force.now())
        if verdict is SiteVerdict.SAME:
            return self._answers.get(order.id, ASKED_BEFORE)
        refused = ANSWERS.get(verdict)
        if verdict is SiteVerdict.TAKE:
            refused = self._judge.why_refused(order, self._held, self._in_force.now())
        pace = self._pace if refused is None else self._refusal_pace
        if not pace.take(self._clock.monotonic()):
            return OrderOutcome.BUSY, TOO_OFTEN
        if refused is None:
            return await self._obey(new)
        await self._log.write(facts_of_no_from_site(order, refused))
        return refused

    # It is recorded and kept, and takes effect.

    async def _obey(self, new: HeldOrder) -> Answer | None:
        order = new.order
        if isinstance(order.what, ONCE):
            after = self._held.with_order(new, None)  # what the log names stays as it is
            if not await self._keep(write_held(after)):
                return OrderOutcome.FAILED, NOT_RECORDED
            self._is_taken(order, after)
            return None
        after = self._held.with_order(new, self._in_force.now())
        items = write_held(after)
        detail = {**facts_of_site(order), Fact.ALLOWED: True, Fact.WHY: None}
        is_kept = await self._log.write({**detail, Fact.SITE_ORDERS: digest_of(after)})
        if is_kept:
            is_kept = await self._keep(items)
            self._marked_at = self._log.last()
        if not is_kept and order.opens:
            # record and document may become durable yet, so the next ones take them back
            no = (OrderOutcome.FAILED, NOT_RECORDED)
            before = write_held(self._held)
            await self._log.write(
                {**facts_of_no_from_site(order, no), Fact.SITE_ORDERS: digest_of(self._held)}
            )
            await self._keep(before)
            return no
        self._note_kept(is_kept)
        self._is_taken(order, after)
        await self._changed(self._in_force.put(self._held))
        if not is_kept:
            return OrderOutcome.TAKEN, NOT_RECORDED_BUT_HOLDS
        return OrderOutcome.TAKEN, ""

    def _is_taken(self, order: SiteOrder, after: Held) -> None:
        self._judged.took(order)
        self._held = after

    async def _keep(self, items: Sequence[bytes]) -> bool:
        """Keep the documents; tell whether they are on the disk."""
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                await self._file.write(items)
        except (StoreError, TimeoutError):
            return False
        return True

    async def _try(self, order: SiteOrder) -> Answer:
        """Try what is done once (law 4)."""
        match order.what:
            case SiteRelease():
                return await self._try_release(order, order.what)
            case Command():
                return await self._try_command(order, order.what)
        return ASKED_BEFORE

    async def _try_release(self, order: SiteOrder, what: SiteRelease) -> Answer:
        asked = from_backend.Release(
            id=order.id,
            access_point=what.access_point,
            expires_at=int(self._clock.wall()) + ONCE_SECONDS,
            seconds=what.seconds,
            by=order.by,
        )
        result = await self._release(asked, str(OrderSource.SITE))
        outcome = OUTCOMES[result.outcome]
        return outcome, "" if outcome is OrderOutcome.TAKEN else result.detail

    async def _try_command(self, order: SiteOrder, what: Command) -> Answer:
        asked = from_backend.Act(
            id=order.id,
            by=order.by,
            target=what.device,
            verb=what.verb,
            level=what.level,
            expires_at=int(self._clock.wall()) + ONCE_SECONDS,
        )
        return answer_of(await self._act(asked, str(OrderSource.SITE)))

    # Small things.

    def _remember(self, order: SiteOrder, answer: Answer) -> None:
        """Keep the answers to the orders that are kept, and no others."""
        known = {one.order.id for one in self._held.orders}
        self._answers = {key: said for key, said in self._answers.items() if key in known}
        if order.id in known:
            self._answers[order.id] = answer

    def _facts_of_all(self) -> Detail:
        return {
            Fact.GIVEN_BY: str(OrderSource.SITE),
            Fact.VERSION: self.mandate_version,
            Fact.SITE_ORDERS: digest_of(self._held),
        }
