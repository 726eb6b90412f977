"""The use case that watches the disk of the state directory, and warns before it is full.

Laws:
1. Below LOW a problem stands, with what to do.
2. Below SHORT the rest of the disk is kept for releases: what moves nothing is summed in memory,
   and door events wait.
3. A write-ahead log that cannot be folded in, because somebody reads without an end, is a problem
   above JOURNAL_LOW_BYTES, and counts as a short disk above JOURNAL_SHORT_BYTES.
4. Records have a budget. From HELD_SHARE of it on, taken by records that must not go because the
   backend does not have them, a problem stands; above all of it a graver one.
5. Nothing waits for a disk that does not answer a look: neither the next look nor the stop. While
   it does not answer, no second look begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hubcore.checks import CheckId, Topic, problem
from hubcore.errors import HardwareError
from hubcore.ports.stores import DiskState, RecordsRoom
from hubd.upkeep.health import Health

LOOK_SECONDS = 10.0
MIB = 1 << 20
LOW_BYTES = 64 * MIB
LOW_SHARE = 8
"""Low: less than LOW_BYTES free, or on a small disk less than one part in LOW_SHARE."""
SHORT_BYTES = 16 * MIB
SHORT_SHARE = 32
JOURNAL_LOW_BYTES = 8 * MIB
"""The write-ahead log is folded in at some 4 MiB, and cut to 5."""
JOURNAL_SHORT_BYTES = 64 * MIB
HELD_SHARE = 0.8
"""At an unlock a second the rest of the usual budget lasts for five days more."""


def is_low(state: DiskState) -> bool:
    """Tell whether somebody should make room."""
    return state.free_bytes < min(LOW_BYTES, state.size_bytes // LOW_SHARE)


def is_short(state: DiskState) -> bool:
    """Tell whether the rest is kept for releases."""
    floor = min(SHORT_BYTES, state.size_bytes // SHORT_SHARE)
    return state.free_bytes < floor or state.journal_bytes > JOURNAL_SHORT_BYTES


class DiskWatch:
    """Looks at the disk, and keeps its two topics of problems."""

    def __init__(
        self,
        look: Callable[[int], asyncio.Future[DiskState]],
        health: Health,
        log_file: Path,
        look_seconds: float = LOOK_SECONDS,
        records: Callable[[], RecordsRoom] = RecordsRoom,
    ) -> None:
        """`log_file` is the audit log.

        `look` begins a look. It takes the bytes of write-ahead log above which it names who has the
        log open. Its future gives the state or raises OSError. It raises HardwareError when it
        cannot begin. `records` returns what the records take, and waits for nothing.
        """
        self._look = look
        self._health = health
        self._log_file = log_file
        self._look_seconds = look_seconds
        self._records = records
        self._looking: asyncio.Future[DiskState] | None = None
        """The look that is under way."""
        self._short = False

    def room(self) -> bool:
        """Tell whether there is room for more than releases."""
        return not self._short

    def records(self) -> RecordsRoom:
        """Return what the records take, as of the newest one."""
        return self._records()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_seconds)

    async def look(self) -> None:
        """Look once, for at most `look_seconds`, and let stand what is wrong."""
        self._show_records(self._records())
        try:
            if self._looking is None:
                self._looking = self._look(JOURNAL_LOW_BYTES)
            answered, _ = await asyncio.wait({self._looking}, timeout=self._look_seconds)
            if not answered:
                return
            looked = self._looking
            self._looking = None
            state = looked.result()
        except (OSError, HardwareError):
            return  # a broken disk shows in the records that it does not take
        self._short = is_short(state)
        self._show_space(state)
        self._show_journal(state)

    def _show_records(self, room: RecordsRoom) -> None:
        held = room.held_bytes / MIB
        budget = room.budget_bytes / MIB
        log = self._log_file
        if room.stopped_by:
            self._health.set(problem(CheckId.RECORDS_STAY, why=room.stopped_by))
        elif held > budget:
            self._health.set(problem(CheckId.RECORDS_OVER, mebibytes=held, budget=budget, log=log))
        elif budget and held >= HELD_SHARE * budget:
            self._health.set(problem(CheckId.RECORDS_HELD, mebibytes=held, budget=budget, log=log))
        else:
            self._health.clear(Topic.RECORDS)

    def _show_space(self, state: DiskState) -> None:
        if not is_low(state):
            self._health.clear(Topic.DISK)
            return
        check = CheckId.DISK_SHORT if is_short(state) else CheckId.DISK_LOW
        folder = self._log_file.parent
        self._health.set(problem(check, mebibytes=state.free_bytes / MIB, folder=folder))

    def _show_journal(self, state: DiskState) -> None:
        if state.journal_bytes <= JOURNAL_LOW_BYTES:
            self._health.clear(Topic.JOURNAL)
            return
        if state.holders:
            who = ", ".join(state.holders)
            check = CheckId.JOURNAL_HELD_LONG if is_short(state) else CheckId.JOURNAL_HELD
        else:
            who = "another program"
            check = CheckId.JOURNAL_GROWN_LONG if is_short(state) else CheckId.JOURNAL_GROWN
        mebibytes = state.journal_bytes / MIB
        self._health.set(problem(check, log=self._log_file, mebibytes=mebibytes, who=who))
