"""Attends to one reader: takes what comes from it in order, and shows yes or no.

How it goes. A card is looked up and asked about. If it is enough, or would be denied whatever else
came, its claim is presented, as a phone's is. If a PIN with it would be enough, the reader shows
WAIT, and the keys that follow are the PIN; it may also have been pressed before the card. One
person leaves one record: of the grant, or of the last denial.

Laws:
1. GRANTED is shown only after a claim was granted, recorded durably and carried out
   (`hubd.doors.unlock`). Nothing here moves a door.
2. One event at a time. At most EVENTS_MAX wait; what comes beyond is dropped.
3. A card that stays at the reader is one card: it counts again AGAIN_SECONDS after it was last
   seen. So do several, as in a wallet: the last SEEN_MAX are known.
4. A PIN is waited for PIN_SECONDS after its card. Then the card is denied, and that is recorded.
5. With a reader that is lost, all that it had told is forgotten; a card that waited for its PIN is
   denied.
6. A PIN counts where it is demanded and not locked out. Where the card alone is enough, one that
   was pressed before it is looked at for duress, and a wrong one changes nothing.
7. Whatever happens at one reader, the others are attended to.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from hubcore.access.cards import PinMatch
from hubcore.access.claim import Claim, Strength
from hubcore.access.words import Denial
from hubcore.errors import StoreError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.ports.clock import Clock
from hubcore.ports.reader import CardRead, KeysPressed, Sign
from hubd.readers.cards import Ask, Cards, HeldCard, Present
from hubd.readers.pinpad import PinPad

EVENTS_MAX = 16
AGAIN_SECONDS = 1.0
SEEN_MAX = 8
PIN_SECONDS = 15.0


class _Lost:
    """The reader was lost."""


LOST = _Lost()
Event = CardRead | KeysPressed | _Lost


class Attendant:
    """One reader at one access point."""

    def __init__(
        self,
        reader: str,
        access_point: int,
        *,
        cards: Cards,
        ask: Ask,
        present: Present,
        show: Callable[[Sign], None],
        clock: Clock,
        tell: Tell,
        pin_seconds: float = PIN_SECONDS,
    ) -> None:
        self._reader = reader
        self._access_point = access_point
        self._cards = cards
        self._ask = ask
        self._present = present
        self._show = show
        self._clock = clock
        self._tell = tell
        self._pin_seconds = pin_seconds
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS_MAX)
        self._is_lost = False
        self._pad = PinPad()
        self._waiting: HeldCard | None = None
        """A card that waits for its PIN."""
        self._seen: OrderedDict[bytes, float] = OrderedDict()
        """When each of the last cards was seen or decided on, by its digest."""

    def take(self, event: CardRead | KeysPressed) -> None:
        """A card was held to the reader, or keys were pressed."""
        with suppress(asyncio.QueueFull):
            self._events.put_nowait(event)

    def lost(self, is_lost: bool) -> None:
        """The reader is lost, or proven again."""
        if is_lost == self._is_lost:
            return
        self._is_lost = is_lost
        if not is_lost:
            return
        while not self._events.empty():
            self._events.get_nowait()
        self._events.put_nowait(LOST)

    async def run(self) -> None:
        """Attend until cancelled."""
        while True:
            try:
                await self._attend(await self._next_event())
            except Exception as error:  # a bug at one reader is not the hub's end
                self._waiting = None
                self._pad.clear()
                why = type(error).__name__  # its words may hold what no journal may
                self._tell(EventName.READER_CONFUSED, {Fact.READER: self._reader, Fact.WHY: why})
                self._show(Sign.DENIED)

    async def _next_event(self) -> Event | None:
        """Return what comes next; None when the time for a PIN is over."""
        if self._waiting is None:
            return await self._events.get()
        left_seconds = self._waiting.at + self._pin_seconds - self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left_seconds)):
                return await self._events.get()
        except TimeoutError:
            return None

    async def _attend(self, event: Event | None) -> None:
        match event:
            case CardRead():
                await self._card(event)
            case KeysPressed():
                await self._keys(event)
            case _:
                await self._give_up()

    # A card.

    async def _card(self, read: CardRead) -> None:
        digest = self._cards.digest(read)
        if self._is_still_there(digest, read.at):
            return
        if self._waiting is not None:
            await self._give_up()
        try:
            await self._new_card(digest, read.at)
        finally:
            self._see(digest, self._clock.monotonic())

    def _is_still_there(self, digest: bytes, at: float) -> bool:
        """Tell whether it is the card that was there a moment ago (law 3)."""
        seen_at = self._seen.get(digest)
        is_there = seen_at is not None and at - seen_at < AGAIN_SECONDS
        waits = self._waiting is not None and digest == self._waiting.card.digest
        self._see(digest, at)
        return is_there or waits

    def _see(self, digest: bytes, at: float) -> None:
        self._seen[digest] = max(at, self._seen.pop(digest, at))
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)

    async def _new_card(self, digest: bytes, at: float) -> None:
        early_pin = self._pad.take(self._clock.monotonic())
        self._pad.clear()
        try:
            card = self._cards.find(digest)
        except StoreError as error:
            self._tell(EventName.POLICY_UNREADABLE, {Fact.WHY: str(error)})
            await self._refuse_stranger(digest, Denial.DOOR_FAULT)
            return
        if card is None:
            await self._refuse_stranger(digest, Denial.UNKNOWN_CREDENTIAL)
            return
        held = HeldCard(
            card=card,
            reader=self._reader,
            access_point=self._access_point,
            at=at,
        )
        claim = held.claim(Strength.CARD, at)
        if self._needs_pin(held, claim):
            await self._ask_for_pin(held, early_pin)
        elif early_pin is not None:
            await self._decide(self._with_early_pin(held, claim, early_pin))
        else:
            await self._decide(claim)

    def _needs_pin(self, held: HeldCard, claim: Claim) -> bool:
        """Tell whether the card alone is not enough, and would be with its PIN."""
        if held.card.pin is None or self._ask(claim) is not Denial.FACTOR_NEEDED:
            return False
        with_pin = held.claim(Strength.CARD_AND_PIN, held.at)
        return self._ask(with_pin) is not Denial.FACTOR_NEEDED

    async def _ask_for_pin(self, held: HeldCard, early_pin: str | None) -> None:
        if self._cards.is_locked(held):
            await self._refuse(held, Denial.TOO_MANY_ATTEMPTS)
        elif early_pin is not None:
            await self._pin(held, early_pin, held.at)
        else:
            self._waiting = held
            self._show(Sign.WAIT)

    def _with_early_pin(self, held: HeldCard, claim: Claim, pin: str) -> Claim:
        """Return the stronger claim of a card that would be enough, when the PIN is its own.

        So a duress PIN is heard also where none is demanded. Another PIN changes nothing there.
        """
        if self._ask(claim) is not None or self._cards.is_locked(held):
            return claim
        match = self._cards.compare(held, pin)
        if match is PinMatch.WRONG:
            return claim
        duress = match is PinMatch.DURESS
        return held.claim(Strength.CARD_AND_PIN, held.at, duress)

    # A PIN.

    async def _keys(self, pressed: KeysPressed) -> None:
        now = self._clock.monotonic()
        self._pad.press(pressed.keys, now)
        held = self._waiting
        if held is None:
            return
        pin = self._pad.take(now)
        if pin is not None:
            self._waiting = None
            self._pad.clear()
            try:
                await self._pin(held, pin, pressed.at)
            finally:
                self._see(held.card.digest, self._clock.monotonic())

    async def _pin(self, held: HeldCard, pin: str, at: float) -> None:
        match self._cards.try_pin(held, pin):
            case None:
                await self._refuse(held, Denial.TOO_MANY_ATTEMPTS)
            case PinMatch.WRONG:
                await self._refuse(held, Denial.WRONG_PIN)
            case found:
                duress = found is PinMatch.DURESS
                await self._decide(held.claim(Strength.CARD_AND_PIN, at, duress))

    async def _give_up(self) -> None:
        """Deny a card that waits for its PIN: the time is over, or it will not come."""
        held = self._waiting
        self._pad.clear()
        if held is not None:
            self._waiting = None
            await self._refuse(held, Denial.FACTOR_NEEDED)
            self._see(held.card.digest, self._clock.monotonic())

    # How it ends.

    async def _decide(self, claim: Claim) -> None:
        """Present a claim, and show what became of it."""
        outcome = await self._present(claim, lambda: not self._is_lost)
        if outcome.allowed:
            self._show(Sign.GRANTED)
        elif outcome.why is Denial.SECOND_PERSON_NEEDED:
            self._show(Sign.WAIT)
        else:
            self._show(Sign.DENIED)

    async def _refuse(self, held: HeldCard, why: Denial) -> None:
        await self._cards.refuse(held, why)
        self._show(Sign.DENIED)

    async def _refuse_stranger(self, digest: bytes, why: Denial) -> None:
        await self._cards.refuse_stranger(self._reader, digest, self._access_point, why)
        self._show(Sign.DENIED)
