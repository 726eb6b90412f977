"""All readers of the hub, of whatever kind: each is attended to, and what they have is told.

Laws:
1. A reader that the hub does not know is not listened to.
2. A reader that is lost in one way or another is lost, until it is lost in none.
3. A driver that ends by a mistake of its own loses its readers, says so, and is begun again.
   Nothing else ends by it.
4. Whoever has a reader given a key leaves a record before that, and one when it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.reader import CardRead, KeysPressed, ReaderFault, ReaderKey, Readers
from hubcore.ports.stores import AuditLog
from hubd.readers.attendant import Attendant
from hubd.readers.faults import FaultSpan, ReaderFaults
from hubd.recording import record_now

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 1.0
LAST_PAUSE_SECONDS = 60.0
"""How long a driver that ended by a mistake rests before it is begun again."""

LOSSES = (ReaderFault.GONE, ReaderFault.NOT_PROVEN, ReaderFault.LINE_GONE)
INSTALL_ASKED = "key_install_asked"
KEY_INSTALLED = "key_installed"
CHANGE_ASKED = "key_change_asked"
KEY_CHANGED = "key_changed"
"""What the records of a new key say. These words are never changed."""


class Attending:
    """`ports.reader.ReaderListener` of every driver."""

    def __init__(
        self,
        drivers: Mapping[str, Readers],
        attendants: Mapping[str, Attendant],
        faults: ReaderFaults,
        *,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        on_card: Callable[[str], None],
        pauses: tuple[float, float] = (FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS),
    ) -> None:
        """`drivers` and `attendants` by reader; a driver may have several readers.

        `on_card` takes the reader of each card that is read.
        `pauses`: how long a driver that has ended rests, at first and at most, in seconds.
        """
        self._drivers = drivers
        self._attendants = attendants
        self._faults = faults
        self._log = log
        self._clock = clock
        self._tell = tell
        self._on_card = on_card
        self._pauses = pauses
        self._of_driver: dict[int, list[str]] = {}
        for reader, driver in drivers.items():
            self._of_driver.setdefault(id(driver), []).append(reader)
        self._ended = set[str]()
        """Readers that are gone because their driver has ended."""

    def names(self) -> tuple[str, ...]:
        """Return the ids of all readers."""
        return tuple(self._drivers)

    def proven_with(self, reader: str) -> ReaderKey | None:
        """Return by which key a reader is proven now; None while it is not, or is lost."""
        return self._drivers[reader].proven_with(reader) if self.answers(reader) else None

    def faults(self, reader: str) -> list[FaultSpan]:
        """Return what is wrong with a reader."""
        return self._faults.standing(reader)

    def last_fault(self, reader: str) -> FaultSpan | None:
        """Return what was wrong with a reader last, and is over."""
        return self._faults.over(reader)

    def answers(self, reader: str) -> bool:
        """Tell whether a reader answers, and has proven itself."""
        return not any(self._faults.has(reader, loss) for loss in LOSSES)

    def card(self, read: CardRead) -> None:
        """See `ports.reader.ReaderListener.card`."""
        attendant = self._attendants.get(read.reader)
        if attendant is not None:
            self._on_card(read.reader)
            attendant.take(read)

    def keys(self, pressed: KeysPressed) -> None:
        """See `ports.reader.ReaderListener.keys`."""
        attendant = self._attendants.get(pressed.reader)
        if attendant is not None:
            attendant.take(pressed)

    def fault(self, reader: str, fault: ReaderFault, stands: bool) -> None:
        """See `ports.reader.ReaderListener.fault`."""
        attendant = self._attendants.get(reader)
        if attendant is None:
            return
        if fault is ReaderFault.GONE:
            self._ended.discard(reader)
        self._faults.take(reader, fault, stands)
        attendant.lost(not self.answers(reader))

    async def install_key(self, reader: str, by: str, uid: int) -> None:
        """Give a reader its first key; `by` asks, user `uid`.

        Raise HardwareError or AuditError.
        """
        await self._record_key(reader, INSTALL_ASKED, by, uid)
        await self._drivers[reader].install_key(reader)
        await self._record_key(reader, KEY_INSTALLED, by, uid)

    async def renew_key(self, reader: str, by: str, uid: int) -> None:
        """Give a reader its next key; `by` asks, user `uid`.

        Raise HardwareError or AuditError.
        """
        await self._record_key(reader, CHANGE_ASKED, by, uid)
        await self._drivers[reader].renew_key(reader)
        await self._record_key(reader, KEY_CHANGED, by, uid)

    async def run(self) -> None:
        """Attend to all readers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._faults.run())
            for attendant in self._attendants.values():
                tasks.create_task(attendant.run())
            for readers in self._of_driver.values():
                tasks.create_task(self._serve(self._drivers[readers[0]], readers))

    async def _serve(self, driver: Readers, readers: Sequence[str]) -> None:
        """Run a driver; one that ends, for whatever reason, is begun again after a rest."""
        loop = asyncio.get_running_loop()
        first_seconds, last_seconds = self._pauses
        pause_seconds = first_seconds
        while True:
            began = self._clock.monotonic()
            back = loop.call_later(first_seconds, self._driver_is_back, readers)
            why = "it ended"
            try:
                await driver.serve(self)
            except Exception as error:  # law 3
                why = f"{type(error).__name__}: {error}"
            finally:
                back.cancel()
            log.error("driver_ended", driver=type(driver).__name__, why=why)
            self._driver_ended(readers)
            if self._clock.monotonic() - began > last_seconds:
                pause_seconds = first_seconds
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, last_seconds)

    def _driver_ended(self, readers: Sequence[str]) -> None:
        for reader in readers:
            if not self._faults.has(reader, ReaderFault.GONE):
                self.fault(reader, ReaderFault.GONE, True)
                self._ended.add(reader)

    def _driver_is_back(self, readers: Sequence[str]) -> None:
        """A driver lives again; what it says itself of a reader's loss goes first."""
        for reader in readers:
            if reader in self._ended:
                self.fault(reader, ReaderFault.GONE, False)

    async def _record_key(self, reader: str, what: str, by: str, uid: int) -> None:
        """Write down what is asked or done."""
        detail: Detail = {
            Fact.READER: reader,
            Fact.WHAT: what,
            Fact.VOUCHED_BY: by,
            Fact.UID: uid,
        }
        await self._log.append(record_now(self._clock, RecordKind.READER, detail))
        self._tell(EventName.READER, detail)
