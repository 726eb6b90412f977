"""Follows the bridge of this building: a thread that asks it again and again, and keeps alarms.

Laws:
1. It is asked every ASK_SECONDS at the most, one question at a time. An answer has ANSWER_SECONDS
   and ANSWER_BYTES at the most, whatever the other end does.
2. What it says replaces what it said before, whole. An answer that cannot be read replaces nothing.
3. It is heard now if an answer came within FRESH_SECONDS, and is of that moment by its own clock.
   Old words that come again are said to be old.
4. A bridge that is away, hangs or says junk is one sentence, and at most LINES in the journal.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hubcore.errors import FrameError
from hubcore.timing.pace import Bucket, Rate
from hubctl.client import HUBBRIDGE, HubClient, NoAnswer
from hubsite.bridge.answer import BridgeNow, read_now, shown
from hubsite.bridge.watching.hearing import Hearing
from hubsite.looping import Looping

PART = "Bridge"
ASK_SECONDS = 1.0
ANSWER_SECONDS = 3.0
ANSWER_BYTES = (1 << 20) + 4096
"""No answer of a bridge is longer (docs/bridge.md); beside it stands a head."""
FRESH_SECONDS = 5.0
CLOCK_SECONDS = 10.0
LINES = Rate(burst=8, per_second=1 / 60)
WORDS_MAX = 200
CAUSE_LENGTH = 40
LEFT_OUT_SECONDS = 600.0
"""So long it is told that alarms found no room here."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the bridge said last; `at` in Unix seconds and `turn` in monotonic ones, as it came."""

    now: BridgeNow
    at: float
    turn: float

    @property
    def apart_seconds(self) -> float:
        """How far its moment is from the one when it came here."""
        return abs(self.at - self.now.at)


class BridgeWatch(Looping):
    """Runs until it is stopped (`hubsite.running.Part`); `heard` is None until it has answered."""

    def __init__(
        self,
        socket: Path,
        hearing: Hearing | None = None,
        ask_seconds: float = ASK_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        super().__init__(PART, "hubsite.bridge")
        self._socket = socket
        self._hearing = hearing or Hearing()
        self._ask_seconds = ask_seconds
        self._answer_seconds = answer_seconds
        self._lines = Bucket(LINES)
        self._left_out_at: float | None = None
        self._problem = "The bridge was not asked yet."
        self.heard: Heard | None = None

    @property
    def is_heard(self) -> bool:
        """Whether what it said last is of now (law 3)."""
        heard = self.heard
        if heard is None or heard.apart_seconds > CLOCK_SECONDS:
            return False
        return time.monotonic() - heard.turn <= FRESH_SECONDS

    async def serve(self) -> None:
        """Ask until it is stopped. Raise StoreError."""
        while not self.is_stopped:
            try:
                answer = await asyncio.to_thread(self._ask)
                now = read_now(answer)
            except NoAnswer as error:
                self._say(f"The bridge is not heard: {shown(str(error)[:WORDS_MAX])}")
            except FrameError as error:
                self._say(f"The bridge is not heard: {error}")
            else:
                await self._take(now)
            await self.wait(self._ask_seconds)

    def _ask(self) -> dict[str, Any]:
        """Raise NoAnswer."""
        client = HubClient(
            self._socket,
            answer_seconds=self._answer_seconds,
            daemon=HUBBRIDGE,
            answer_bytes_max=ANSWER_BYTES,
        )
        with client:
            answer = client.call("site-now")
        if not isinstance(answer, dict):
            raise NoAnswer("protocol", "its answer cannot be read.")
        return answer

    async def _take(self, now: BridgeNow) -> None:
        heard = Heard(now, time.time(), time.monotonic())
        self.heard = heard
        work = partial(self._hearing.hear, now, int(heard.at))
        if await self.with_rows(work):
            self._left_out_at = heard.turn
        self._say(self._wrong(heard))

    def _wrong(self, heard: Heard) -> str:
        """Return what is wrong although it answers."""
        if heard.apart_seconds > CLOCK_SECONDS:
            return (
                f"The bridge speaks of another moment than now, {heard.apart_seconds:.0f} s off: "
                "its clock, or this server's, is wrong, or its words are old. See: "
                "journalctl -u hubbridge"
            )
        left_out_at = self._left_out_at
        is_full = left_out_at is not None and heard.turn - left_out_at < LEFT_OUT_SECONDS
        if is_full or heard.now.alarms_left_out or heard.now.doors_left_out:
            return (
                "The bridge knows of more doors or alarms than are shown here. "
                "See: hubctl --site status"
            )
        return ""

    def _say(self, problem: str) -> None:
        """Keep what is wrong, "" for nothing (law 4)."""
        cause = problem[:CAUSE_LENGTH]
        if problem and cause != self._cause and not self._lines.take(time.monotonic()):
            self._cause = cause  # it is not written, and said all the same
        self.found(problem, cause)
