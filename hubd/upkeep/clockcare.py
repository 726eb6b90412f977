"""The use case that looks after the clock: who confirms it, who vouches for it, and what a person
must do about it.

1. A clock that stands behind what the records prove is believed again when somebody vouches for it:
   a technician, or the backend, whose time agrees. It is believed once that is recorded, and not
   before.
2. A clock that is believed is proven by systemd-timesyncd or, without it, confirmed by the
   backend's time, once for each time it is set; phones prove it without anybody's doing
   (`hubcore.evidence.timefloor`).
3. Nobody here sets the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind
from hubcore.evidence.timefloor import BACKEND, MARK_RECORDS, TimeFloor
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.stores import AuditLog
from hubcore.timing.moment import show_seconds
from hubd.upkeep.checks import CheckId, Problem, problem

UNCONFIRMED_SECONDS = 600.0
"""How long after the start a clock may stand unconfirmed before that is a problem."""
CONFIRM_SECONDS = 60.0
"""The shortest time between two confirmations in the records."""


class ClockCare:
    """Call `care` again and again."""

    def __init__(
        self,
        *,
        log: AuditLog,
        floor: TimeFloor,
        clock: Clock,
        tell: Tell,
        backend_agrees: Callable[[], bool],
        time_service: Callable[[], int | None],
    ) -> None:
        """`backend_agrees`: the backend speaks, and its time is this hub's.

        `time_service` returns what changes each time a service of the system has set the clock,
        None before the first.
        """
        self._log = log
        self._floor = floor
        self._clock = clock
        self._tell = tell
        self._backend_agrees = backend_agrees
        self._time_service = time_service
        self._used: int | None = None
        self._since = clock.monotonic()
        self._confirmed_at: float | None = None

    def confirmed(self) -> bool:
        """Tell whether somebody else's clock has agreed since this one was last set."""
        return self._floor.confirmed(*self._moment_ms())

    def _moment_ms(self) -> tuple[int, int]:
        return int(self._clock.wall() * 1000), int(self._clock.monotonic() * 1000)

    async def vouch(self, by: str) -> None:
        """Somebody says that the clock is right: record who, then believe it. Raise AuditError."""
        await self._note({Fact.VOUCHED_BY: by})

    async def care(self) -> None:
        """Look once, and do what can be done without a person."""
        with suppress(AuditError):  # the log itself tells of that
            state = self._clock.state()
            if state is ClockState.BEHIND_RECORDS and self._backend_agrees():
                await self.vouch(BACKEND)
            elif state is ClockState.TRUSTED:
                await self._confirm()
            if self._floor.unmarked >= MARK_RECORDS:
                await self._append(self._floor.mark())

    async def _confirm(self) -> None:
        service = self._time_service()
        if self._floor.proven(*self._moment_ms()):
            # what it did to a clock that was right says nothing of one that is set after that
            self._used = service
            return
        now = self._clock.monotonic()
        if self._confirmed_at is not None and now - self._confirmed_at < CONFIRM_SECONDS:
            return
        if service is not None and service != self._used:
            await self._note({Fact.CONFIRMED_BY: "systemd-timesyncd"})
        elif not self.confirmed() and self._backend_agrees():
            await self._note({Fact.CONFIRMED_BY: BACKEND})
        else:
            return
        self._used = service
        self._confirmed_at = now

    async def _note(self, facts: Detail) -> None:
        await self._append(facts)
        self._tell(EventName.CLOCK, facts)

    async def _append(self, facts: Detail) -> None:
        await self._log.append(
            Record.at(RecordKind.CLOCK, self._clock.wall(), self._clock.monotonic(), facts)
        )

    def trouble(self) -> Problem | None:
        """Tell what is wrong with the clock now."""
        now = show_seconds(self._clock.wall())
        match self._clock.state():
            case ClockState.BEFORE_BUILD:
                return problem(CheckId.CLOCK_BEFORE_BUILD, now=now)
            case ClockState.BEHIND_RECORDS:
                proven = show_seconds(self._floor.floor_ms / 1000)
                return problem(CheckId.CLOCK_BEHIND_RECORDS, now=now, proven=proven)
        waited = self._clock.monotonic() - self._since
        if waited < UNCONFIRMED_SECONDS or self.confirmed():
            return None
        return problem(CheckId.CLOCK_UNCONFIRMED, now=now)
