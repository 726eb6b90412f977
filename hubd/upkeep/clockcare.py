"""The use case that looks after the clock: who confirms it, and what a person must do about it.

Laws:
1. A clock behind what the records prove is believed again once somebody vouches for it: a
   technician, or a backend whose time agrees.
2. A clock that is not behind them is proven by a time service: systemd-timesyncd says so, or the
   kernel does for any other. Without one, the backend's time confirms the clock, once each time it
   is set. Phones prove it by themselves (`evidence.timefloor`).
3. A vouch or a confirmation holds once it is recorded, and not before.
4. Nobody here sets the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hubcore.backend.backendtime import Offset
from hubcore.checks import CheckId, Problem, problem
from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind
from hubcore.evidence.timefloor import BACKEND, MARK_RECORDS, TimeFloor
from hubcore.ports.clock import Clock, ClockState, KernelTime
from hubcore.ports.stores import AuditLog
from hubcore.timing.moment import show_seconds
from hubd.backend.sync import Sync
from hubd.upkeep.backendtime import AGREE_SECONDS, Contradiction

_MAY_BE_PROVEN = (ClockState.TRUSTED, ClockState.CONTRADICTED)
UNCONFIRMED_SECONDS = 600.0
"""How long after the start a clock may stay unconfirmed before that is a problem."""
CONFIRM_SECONDS = 60.0
"""The shortest time between two confirmations in the records."""


def backend_agrees(sync: Sync | None) -> bool:
    """Tell whether the backend is connected and its time is this hub's."""
    if sync is None:
        return False
    state = sync.state
    seconds = state.clock_offset_seconds
    within_seconds = state.clock_within_seconds
    if not state.connected or seconds is None or within_seconds is None:
        return False
    return Offset(seconds, within_seconds).agrees(AGREE_SECONDS)


class ClockCare:
    """Call `confirm_if_possible` again and again."""

    def __init__(
        self,
        *,
        log: AuditLog,
        floor: TimeFloor,
        clock: Clock,
        tell: Tell,
        backend_agrees: Callable[[], bool],
        time_service: Callable[[], int | None],
        kernel_time: Callable[[], KernelTime | None],
        contradiction: Contradiction,
    ) -> None:
        """`backend_agrees`: the backend is connected, and its time is this hub's.

        `time_service` returns a number that changes each time a service of the system has set the
        clock, None before the first. `kernel_time` returns what the kernel knows of its clock.
        """
        self._log = log
        self._floor = floor
        self._clock = clock
        self._tell = tell
        self._backend_agrees = backend_agrees
        self._time_service = time_service
        self._kernel_time = kernel_time
        self._contradiction = contradiction
        self._used_setting: int | None = None
        """The service's last setting that a confirmation rests on, or that no longer counts."""
        self._started = clock.monotonic()
        self._confirmed_at: float | None = None

    def confirmed(self) -> bool:
        """Tell whether somebody else's clock has agreed since this one was last set."""
        return self._floor.confirmed(*self._moment_ms())

    def kernel_time(self) -> KernelTime | None:
        """Return what the kernel knows of its clock, None when it does not say."""
        return self._kernel_time()

    def _kernel_is_synchronised(self) -> bool:
        said = self._kernel_time()
        return said is not None and said.synchronised

    def _moment_ms(self) -> tuple[int, int]:
        return int(self._clock.wall() * 1000), int(self._clock.monotonic() * 1000)

    async def vouch(self, by: str, uid: int | None = None) -> None:
        """Record who says that the clock is right, then believe it. Raise AuditError.

        `uid` is the user of this machine, where it is one.
        """
        who: Detail = {} if uid is None else {Fact.UID: uid}
        await self._note({Fact.VOUCHED_BY: by, **who})

    async def confirm_if_possible(self) -> None:
        """Confirm or believe the clock, if somebody other than a person says that it is right."""
        with suppress(AuditError):  # the log itself reports that
            state = self._clock.state()
            if state is ClockState.BEHIND_RECORDS and self._backend_agrees():
                await self.vouch(BACKEND)
            elif state in _MAY_BE_PROVEN:
                await self._confirm()
            if self._floor.unmarked >= MARK_RECORDS:
                await self._append(self._floor.mark())

    async def _confirm(self) -> None:
        setting = self._time_service()
        if self._floor.proven(*self._moment_ms()):
            # this setting was of a clock that is right; it says nothing of a clock set after it
            self._used_setting = setting
            return
        now = self._clock.monotonic()
        if self._confirmed_at is not None and now - self._confirmed_at < CONFIRM_SECONDS:
            return
        if setting is not None and setting != self._used_setting:
            await self._note({Fact.CONFIRMED_BY: "systemd-timesyncd"})
        elif self._kernel_is_synchronised():
            await self._note({Fact.CONFIRMED_BY: "time service"})
        elif not self.confirmed() and self._backend_agrees():
            await self._note({Fact.CONFIRMED_BY: BACKEND})
        else:
            return
        self._used_setting = setting
        self._confirmed_at = now

    async def _note(self, facts: Detail) -> None:
        await self._append(facts)
        self._tell(EventName.CLOCK, facts)

    async def _append(self, facts: Detail) -> None:
        wall = self._clock.wall()
        monotonic = self._clock.monotonic()
        await self._log.append(Record.at(RecordKind.CLOCK, wall, monotonic, facts))

    def trouble(self) -> Problem | None:
        """Return what is wrong with the clock now."""
        now = show_seconds(self._clock.wall())
        match self._clock.state():
            case ClockState.BEFORE_BUILD:
                return problem(CheckId.CLOCK_BEFORE_BUILD, now=now)
            case ClockState.BEHIND_RECORDS:
                proven = show_seconds(self._floor.floor_ms / 1000)
                return problem(CheckId.CLOCK_BEHIND_RECORDS, now=now, proven=proven)
            case ClockState.CONTRADICTED:
                return problem(CheckId.CLOCK_CONTRADICTED, now=now, apart=self._apart())
        if self._apart():
            return problem(CheckId.CLOCK_APART, now=now, apart=self._apart())
        waited_seconds = self._clock.monotonic() - self._started
        if waited_seconds < UNCONFIRMED_SECONDS or self.confirmed():
            return None
        return problem(CheckId.CLOCK_UNCONFIRMED, now=now)

    def _apart(self) -> str:
        """Say where the backend's clock stands, when the two surely differ; else ""."""
        offset = self._contradiction.offset(self._clock)
        if offset is None or not offset.is_apart(AGREE_SECONDS):
            return ""
        where = "ahead of" if offset.seconds > 0 else "behind"
        return f"{abs(offset.seconds):.0f} s {where} it, give or take {offset.within_seconds:.0f} s"
