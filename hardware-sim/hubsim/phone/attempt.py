"""One attempt over a radio link: performs what `onlink` says, and reports it.

Laws:
1. Nothing is decided here.
2. Every wait for the hub has an end.
3. The caller holds the link and decides when to leave.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hubcore.access.words import Action
from hubcore.errors import FrameError, LinkError
from hubcore.phone.framing import Flag, Outbound
from hubcore.phone.messages import State, Verdict, decode_challenge
from hubcore.phone.sealing import BLE_GATT
from hubsim.phone.effects import (
    Decided,
    GaveUp,
    Leave,
    LinkPhoneEffect,
    Moved,
    ReadInfo,
    ReadTxr,
    SendMessage,
    WriteFrame,
)
from hubsim.phone.machine import Attempt
from hubsim.phone.onlink import GOODBYE, FrameOutcome, Listening, OnLink
from hubsim.phone.radio import PhoneLink
from hubsim.phone.wallet import Wallet


@dataclass(slots=True)
class Report:
    """What became of an attempt. `op` is the operation decided on, if any.

    `sent` holds the messages sent, `bytes_over_air` all values read, written, notified.

    `began`, `last_byte` and `decided` are seconds of CLOCK_MONOTONIC.
    """

    verdict: Verdict | None = None
    op: bytes = b""
    states: list[State] = field(default_factory=list)
    why: str = ""
    another_door: bool = False
    short: bool = False
    round_trips: int = 0
    bytes_over_air: int = 0
    began: float = 0.0
    last_byte: float = 0.0
    decided: float = 0.0
    sent: list[bytes] = field(default_factory=list)


class Session:
    """A phone on a link.

    `pull_only` reads TXR and does without notifications; `wall` gives Unix seconds.
    """

    def __init__(
        self,
        link: PhoneLink,
        wallet: Wallet,
        pull_only: bool = False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._wallet = wallet
        self._pull_only = pull_only
        self._wall = wall
        self._phone: OnLink | None = None
        self._listening: Listening | None = None
        self._sid = b""
        self._out: Outbound | None = None
        self.report = Report()

    async def run(
        self,
        access_point: int,
        action: Action = Action.OPEN,
        op: bytes | None = None,
    ) -> Report:
        """Make one attempt; return when it is decided or given up.

        Raise LinkError when the link ends before.
        """
        attempt = Attempt(
            wallet=self._wallet,
            access_point=access_point,
            action=action,
            chance=secrets.token_bytes,
            transport=BLE_GATT,
            op=op,
        )
        phone = OnLink(attempt, subscribed=not self._pull_only)
        self._phone = phone
        self.report = Report(began=time.monotonic())
        try:
            await self._perform_all(phone, [ReadInfo()])
            while self.report.verdict is None and not self.report.why:
                effects = await self._next(phone, None)
                await self._perform_all(phone, effects)
            if phone.goodbye:
                raise LinkError(GOODBYE)
        except LinkError as error:
            await self._perform_all(phone, phone.lost(str(error)))
            raise
        finally:
            self.report.short = attempt.short
            self.report.round_trips = attempt.round_trips
        return self.report

    async def state(self, seconds: float) -> State | None:
        """Wait for the door's next state, after a verdict. Raise LinkError."""
        assert self._phone is not None
        phone = self._phone
        states = self.report.states
        known = len(states)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and phone.due is not None:
            effects = await self._next(phone, ends)
            await self._perform_all(phone, effects)
            if len(states) > known:
                return states[known]
        return None

    async def send(self, message: bytes) -> None:
        """Send one whole message in frames."""
        assert self._out is not None
        self.report.sent.append(message)
        self._out.answered()
        self._out.load(message)
        while frame := self._out.pull(self._link.mtu):
            self.report.last_byte = time.monotonic()
            await self._write(frame)

    async def read_info(self) -> bytes:
        """Read a new challenge and begin a session with it, if it is one."""
        info = await self._link.read_info()
        self.report.bytes_over_air += len(info)
        try:
            self._sid = decode_challenge(info).sid
        except FrameError:  # the machine says what an empty or foreign value means
            return info
        self._out = Outbound(self._sid)
        self._listening = Listening(self._sid, subscribed=not self._pull_only)
        return info

    async def message(self, seconds: float) -> bytes | None:
        """Return the next whole message for this session, None when none came in time.

        This is for a phone that makes no attempt. Raise LinkError.
        """
        listening = self._listening
        if listening is None:
            return None
        ends = time.monotonic() + seconds
        listening.begin(time.monotonic())
        while time.monotonic() < ends:
            frame = await self._next_frame(listening, ends)
            if frame is None:
                continue
            if frame.bye:
                raise LinkError(GOODBYE)
            if frame.ack is not None:
                await self._write(frame.ack)
            if frame.message is not None:
                return frame.message
        return None

    async def _next_frame(self, listening: Listening, ends: float) -> FrameOutcome | None:
        """Read TXR if that is due, else wait for a notification; None when none came."""
        pull_at = listening.pull_at
        if pull_at is not None and pull_at <= time.monotonic():
            listening.pulls()
            value = await self._pull()
            return listening.pulled(value, time.monotonic())
        until = ends if pull_at is None else min(ends, pull_at)
        data = await self._notified(until)
        if data is None:
            return None
        self._count(data)
        return listening.notified(data, time.monotonic())

    async def _next(self, phone: OnLink, until: float | None) -> list[LinkPhoneEffect]:
        """Wait for a notification or for what is due, and take it."""
        moments = [moment for moment in (phone.due, until) if moment is not None]
        data = await self._notified(min(moments))
        now = time.monotonic()
        if data is not None:
            self._count(data)
            return phone.notified(data, now, self._wall())
        return phone.passed(now)

    async def _perform_all(self, phone: OnLink, effects: list[LinkPhoneEffect]) -> None:
        waiting = deque(effects)
        while waiting:
            more = await self._perform(phone, waiting.popleft())
            waiting.extend(more)

    async def _perform(self, phone: OnLink, effect: LinkPhoneEffect) -> list[LinkPhoneEffect]:
        match effect:
            case ReadInfo(after_seconds):
                await asyncio.sleep(after_seconds)
                info = await self.read_info()
                return phone.info(info, time.monotonic(), self._wall())
            case SendMessage(message):
                await self.send(message)
                return phone.written(time.monotonic())
            case WriteFrame(frame):
                await self._write(frame)
            case ReadTxr():
                value = await self._pull()
                return phone.pulled(value, time.monotonic(), self._wall())
            case Decided(verdict):
                self.report.verdict = verdict
                self.report.op = phone.attempt.op
                self.report.decided = time.monotonic()
            case Moved(state):
                self.report.states.append(state)
            case GaveUp(why, another_door):
                self.report.why = why
                self.report.another_door = another_door
            case Leave():
                pass
        return []

    async def _write(self, frame: bytes) -> None:
        self.report.bytes_over_air += len(frame)
        await self._link.write(frame)

    async def _notified(self, until: float) -> bytes | None:
        """Return the next notification, None when none has come by then."""
        left = max(0.0, until - time.monotonic())
        if self._pull_only:
            await asyncio.sleep(left)
            return None
        if not self._link.notifications.empty():
            return self._link.notifications.get_nowait()
        try:
            async with asyncio.timeout(left):
                return await self._link.notifications.get()
        except TimeoutError:
            return None

    async def _pull(self) -> bytes:
        value = await self._link.pull()
        self._count(value)
        return value

    def _count(self, data: bytes) -> None:
        """Count a frame of this session, unless it is an ACK."""
        ours = data[1:5] == self._sid
        if ours and not data[0] & Flag.ACK:
            self.report.bytes_over_air += len(data)
