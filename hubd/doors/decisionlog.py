"""What was decided about an operation, written down.

Laws:
1. A decision is handed to the log at once. Who awaits it learns whether it is durable in time.
2. A record that comes later is evidence all the same; `on_end` hears of it, too.
3. The journal has an event after its record, whether or not that could be written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hubcore.access.claim import Strength
from hubcore.access.words import Action, Denial
from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind
from hubcore.evidence.uses import Use
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.stores import AuditLog
from hubd.doors.operation import Operation, reader_op
from hubd.recording import record_now

NOT_DONE_SECONDS = 0.5
"""How long the answer waits for the record that a granted release did not happen."""
AT_READER_SECONDS = 1.5
"""How long a reader waits for the record of a denial."""

OnDenied = Callable[[Operation, Denial, Detail], None]
"""Hears of each denial with its facts, whether or not its record becomes durable."""
OnEnd = Callable[[bool], None]
"""Hears whether a record is durable (True), or never will be; once, whoever waits or does not."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown to a reader: a card or a key by its digest, and how it was proven."""

    digest: bytes
    reader: str
    access_point: int
    strength: Strength


def unheard(operation: Operation, why: Denial, facts: Detail) -> None:
    """Nobody hears of a denial."""


class DecisionLog:
    """Writes decisions, and the releases that did not happen, into the audit log."""

    def __init__(self, log: AuditLog, clock: Clock, tell: Tell, on_denied: OnDenied) -> None:
        self._on_denied = on_denied
        self._log = log
        self._clock = clock
        self._tell = tell

    def decided(
        self,
        operation: Operation,
        why: Denial | None,
        facts: Detail,
        within_seconds: float,
        on_end: OnEnd | None = None,
    ) -> Awaitable[bool]:
        """Hand a decision to the log, with more facts about it; `why` None is a yes.

        Awaited, tell whether it is durable within so many seconds.
        """
        if why is not None:
            self._on_denied(operation, why, facts)
        detail: Detail = {
            **operation.facts,
            **facts,
            Fact.ALLOWED: why is None,
            Fact.WHY: None if why is None else str(why),
        }
        record = self._record(operation.kind, detail)
        event = EventName(operation.kind)
        return self._append(record, event, detail, within_seconds, on_end)

    async def denied_at_reader(self, shown: Shown, why: Denial, asker: str | None = None) -> None:
        """Write down what was denied before a claim could be decided.

        Without an `asker` it is nobody's: then it is a denial of the reader.
        """
        operation = Operation(
            kind=RecordKind.ACCESS,
            asker=f"reader/{shown.reader}" if asker is None else asker,
            op=reader_op(),
            point=shown.access_point,
            action=Action.OPEN,
        )
        facts: Detail = {
            Fact.GRANT: shown.digest,
            Fact.PATH: str(shown.strength),
            Fact.READER: shown.reader,
        }
        await self.decided(operation, why, facts, AT_READER_SECONDS)

    async def not_released(
        self,
        operation: Operation,
        why: Denial,
        fault: str,
        may_have_moved: bool,
        use: Use | None = None,
        on_end: OnEnd | None = None,
    ) -> None:
        """Write down that a granted release did not happen; `fault` is a sentence, or "".

        If nothing moved, the record gives back the `use` that was spent for it.
        """
        moved = None if may_have_moved else False
        detail: Detail = {
            Fact.OF: operation.op,
            Fact.OF_KIND: str(operation.kind),
            Fact.ASKER: operation.asker,
            Fact.POINT: operation.point,
            Fact.WHY: str(why),
            Fact.FAULT: fault,
            Fact.MOVED: moved,
        }
        if use is not None:
            detail = {**detail, Fact.GRANT: use.grant, Fact.USE: use.number}
        record = self._record(RecordKind.FAULT, detail)
        await self._append(record, EventName.NOT_RELEASED, detail, NOT_DONE_SECONDS, on_end)

    def _append(
        self,
        record: Record,
        event: EventName,
        detail: Detail,
        within_seconds: float,
        on_end: OnEnd | None,
    ) -> Awaitable[bool]:
        try:
            appended = self._log.append(record)
        except AuditError as error:
            appended = _failed(error)
            if on_end is not None:
                on_end(False)
        else:
            if on_end is not None:
                appended = _heard(appended, on_end)
        return self._durable(appended, event, detail, within_seconds)

    async def _durable(
        self, appended: Awaitable[int], event: EventName, detail: Detail, within_seconds: float
    ) -> bool:
        """Tell whether a record is durable in time; one still on its way counts as not."""
        try:
            async with asyncio.timeout(within_seconds):
                await appended
        except AuditError as error:
            why = str(error)
        except TimeoutError:
            why = f"the disk took longer than {within_seconds:.1f} s"
        else:
            return True
        finally:
            # told soon, not now: the strike does not wait for a log line
            asyncio.get_running_loop().call_soon(self._tell, event, detail)
        self._tell(EventName.AUDIT_FAILED, {Fact.WHY: why})
        return False

    def _record(self, kind: RecordKind, detail: Detail) -> Record:
        state = self._clock.state()
        if state is not ClockState.TRUSTED:
            detail = {**detail, Fact.CLOCK: state.value}
        return record_now(self._clock, kind, detail)


async def _failed(error: AuditError) -> int:
    raise error


def _heard(appended: Awaitable[int], on_end: OnEnd) -> Awaitable[int]:
    """Return the same, such that `on_end` hears its end although nobody waits any more."""
    if not isinstance(appended, asyncio.Future):
        return _awaited(appended, on_end)

    def ended(append: asyncio.Future[int]) -> None:
        if not append.cancelled():  # else the loop ends
            on_end(append.exception() is None)

    if appended.done():
        ended(appended)
        return appended
    appended.add_done_callback(ended)
    return asyncio.shield(appended)


async def _awaited(appended: Awaitable[int], on_end: OnEnd) -> int:
    """Await a record that ends with its waiter; if that gives up, `on_end` hears nothing."""
    try:
        number = await appended
    except AuditError:
        on_end(False)
        raise
    on_end(True)
    return number
