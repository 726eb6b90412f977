"""The use case that watches the disk of the state directory, warns before it is full, and keeps a
rest.

1. Below LOW a problem stands, with what to do. Below SHORT the rest of the disk is kept for
   releases: what moves nothing is summed in memory, and door events wait.
2. A write-ahead log that cannot be folded in, since somebody reads without an end, stands as a
   problem from JOURNAL_LOW_BYTES on, and counts as a short disk from JOURNAL_SHORT_BYTES on.
3. A disk that does not answer a look is not waited for, neither by the next look nor by the stop;
   while it does not answer, no second look is begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hubcore.errors import HardwareError
from hubcore.ports.stores import DiskState
from hubd.upkeep.checks import CheckId, Topic, problem
from hubd.upkeep.health import Health

LOOK_SECONDS = 10.0
MIB = 1 << 20
LOW_BYTES = 64 * MIB
LOW_SHARE = 8
"""Low: less than so much is free, or on a small disk less than this share of it (one in so many).
"""
SHORT_BYTES = 16 * MIB
SHORT_SHARE = 32
JOURNAL_LOW_BYTES = 8 * MIB
"""The write-ahead log is folded in at some 4 MiB, and cut to 5."""
JOURNAL_SHORT_BYTES = 64 * MIB


def is_low(state: DiskState) -> bool:
    """Tell whether somebody should make room."""
    return state.free_bytes < min(LOW_BYTES, state.size_bytes // LOW_SHARE)


def is_short(state: DiskState) -> bool:
    """Tell whether the rest is kept for releases."""
    floor = min(SHORT_BYTES, state.size_bytes // SHORT_SHARE)
    return state.free_bytes < floor or state.journal_bytes > JOURNAL_SHORT_BYTES


class DiskWatch:
    """Looks every `look_seconds`; `log_file` is the audit log.

    `look` begins a look: it takes the bytes of write-ahead log above which it names who has the log
    open. Its future gives the state or raises OSError. It raises HardwareError when it cannot
    begin.
    """

    def __init__(
        self,
        look: Callable[[int], asyncio.Future[DiskState]],
        health: Health,
        log_file: Path,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._look = look
        self._health = health
        self._log_file = log_file
        self._look_seconds = look_seconds
        self._looking: asyncio.Future[DiskState] | None = None
        """The look that is under way."""
        self._short = False

    def room(self) -> bool:
        """Tell whether there is room for more than releases."""
        return not self._short

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_seconds)

    async def look(self) -> None:
        """Look once, for at most `look_seconds`, and let stand what is wrong."""
        try:
            if self._looking is None:
                self._looking = self._look(JOURNAL_LOW_BYTES)
            answered, _ = await asyncio.wait({self._looking}, timeout=self._look_seconds)
            if not answered:
                return
            looked = self._looking
            self._looking = None
            state = looked.result()
        except (
            OSError,
            HardwareError,
        ):  # a broken disk is told by the records that it does not take
            return
        self._short = is_short(state)
        self._show_space(state)
        self._show_journal(state)

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
        who = ", ".join(state.holders)
        if who:
            check = CheckId.JOURNAL_HELD_LONG if is_short(state) else CheckId.JOURNAL_HELD
        else:
            check = CheckId.JOURNAL_GROWN_LONG if is_short(state) else CheckId.JOURNAL_GROWN
        mebibytes = state.journal_bytes / MIB
        self._health.set(
            problem(check, log=self._log_file, mebibytes=mebibytes, who=who or "another program")
        )
