"""What is asked of a change of hands from outside, and what is told of it.

Laws:
1. One change at a time. Another order is refused, not kept.
2. A word about the trial counts for the trial that runs, and for no other.
3. Without a word the trial ends badly after LONGEST_SECONDS: whoever began it has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from hubcore.errors import HubError, SequenceError

LONGEST_SECONDS = 2 * 3600.0
"""Longer than the longest trial of an update (`hubcore.update.health.LONGEST_SECONDS`)."""


class Standing(StrEnum):
    """How a process of hubd stands to a change of hands."""

    ALONE = "alone"
    CHANGING = "changing"
    """Another process checks itself, waits for a quiet moment, or has taken over."""
    ON_TRIAL = "on-trial"
    """This one has taken over; the former stands by."""


class TrialFailedError(HubError):
    """A new version is not to stay."""


class Changing:
    """The orders and the answers of one process."""

    def __init__(
        self,
        check: Callable[[Path], None],
        takes_over: bool = False,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        """`check` raises HubError for a program that is not to be started.

        `takes_over`: this process begins by taking a hub over.
        """
        self._check = check
        self._longest_seconds = longest_seconds
        self._program: Path | None = None
        self._is_closed = False
        self._changed = asyncio.Event()
        self._verdict: asyncio.Future[str] | None = None
        self.standing = Standing.CHANGING if takes_over else Standing.ALONE
        self.why = ""
        """Why the last change came to nothing."""
        self.is_tried = False
        """Whether that was for the new version's sake: it had its try, and is not to stay."""

    def order(self, program: Path) -> None:
        """Have a program take this hub over. Raise HubError."""
        if self.standing is not Standing.ALONE or self._program is not None:
            raise SequenceError("This hub is changing hands already.")
        self._check(program)
        self.why = ""
        self.is_tried = False
        self._program = program
        self._changed.set()

    def close(self) -> None:
        """Nobody orders anything more."""
        self._is_closed = True
        self._changed.set()

    async def ordered(self) -> Path | None:
        """Wait for an order, and begin a change with it; None when none comes any more."""
        await self._changed.wait()
        if self._is_closed:
            return None
        self._changed.clear()
        program = self._program
        self._program = None
        self.standing = Standing.CHANGING
        return program

    def came_to_nothing(self, why: str, is_tried: bool) -> None:
        """This process drives on. `is_tried`: the new version had its try."""
        self.standing = Standing.ALONE
        self.why = why
        self.is_tried = is_tried

    def alone(self) -> None:
        """This process drives, and nobody stands by."""
        self.standing = Standing.ALONE

    async def trial(self) -> None:
        """Wait for the word on this version. Raise TrialFailedError for a bad one."""
        self.standing = Standing.ON_TRIAL
        self._verdict = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._longest_seconds):
                why = await self._verdict
        except TimeoutError:
            why = "nobody has said that this version may stay"
        if why:
            raise TrialFailedError(why)

    def end_trial(self, why: str) -> None:
        """Let this version stay, or, with a sentence why, let the former come back.

        Raise SequenceError when none is on trial.
        """
        if self._verdict is None or self._verdict.done():
            raise SequenceError("No version is on trial here.")
        self._verdict.set_result(why)
