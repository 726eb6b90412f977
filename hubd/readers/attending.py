"""All readers of the hub, of whatever kind: each is attended to, and what they have is told.

Laws:
1. A reader that the hub does not know is not listened to.
2. A reader that is lost in one way or another is lost, until it is lost in none.
3. Whoever has a reader given a key leaves a record before that, and one when it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.reader import CardRead, KeysPressed, ReaderFault, Readers
from hubcore.ports.stores import AuditLog
from hubd.readers.attendant import Attendant
from hubd.readers.faults import ReaderFaults
from hubd.recording import record_now

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
    ) -> None:
        """`drivers` and `attendants` by reader; a driver may have several readers."""
        self._drivers = drivers
        self._attendants = attendants
        self._faults = faults
        self._log = log
        self._clock = clock
        self._tell = tell

    def names(self) -> tuple[str, ...]:
        """Return the ids of all readers."""
        return tuple(self._drivers)

    def card(self, read: CardRead) -> None:
        """See `ports.reader.ReaderListener.card`."""
        attendant = self._attendants.get(read.reader)
        if attendant is not None:
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
        self._faults.take(reader, fault, stands)
        attendant.lost(any(self._faults.has(reader, loss) for loss in LOSSES))

    async def install_key(self, reader: str, by: str) -> None:
        """Give a reader its first key; `by` asks for it. Raise HardwareError or AuditError."""
        await self._record_key(reader, INSTALL_ASKED, by)
        await self._drivers[reader].install_key(reader)
        await self._record_key(reader, KEY_INSTALLED, by)

    async def renew_key(self, reader: str, by: str) -> None:
        """Give a reader its next key; `by` asks for it. Raise HardwareError or AuditError."""
        await self._record_key(reader, CHANGE_ASKED, by)
        await self._drivers[reader].renew_key(reader)
        await self._record_key(reader, KEY_CHANGED, by)

    async def run(self) -> None:
        """Attend to all readers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._faults.run())
            for attendant in self._attendants.values():
                tasks.create_task(attendant.run())
            for driver in {id(driver): driver for driver in self._drivers.values()}.values():
                tasks.create_task(driver.serve(self))

    async def _record_key(self, reader: str, what: str, by: str) -> None:
        """Write down what is asked or done."""
        detail: Detail = {
            Fact.READER: reader,
            Fact.WHAT: what,
            Fact.VOUCHED_BY: by,
        }
        await self._log.append(record_now(self._clock, RecordKind.READER, detail))
        self._tell(EventName.READER, detail)
