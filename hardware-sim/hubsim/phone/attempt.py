"""One attempt over a radio link: performs what `machine` says, with the timeouts of the protocol, and reports it.

Law: nothing is decided here; every wait for the hub has an end; frames of other sessions change nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass, field

from hubd.core.framing import Flag, Inbound, Outbound, decode_frame
from hubd.core.messages import Action, State, Verdict, decode_challenge
from hubd.core.sealing import BLE_GATT
from hubd.errors import FrameError, LinkError, SequenceError
from hubsim.phone.machine import Attempt, Decided, GaveUp, Moved, PhoneEffect, ReadInfo, SendMessage, Stage
from hubsim.phone.radio import PhoneLink
from hubsim.phone.wallet import Wallet

EPOCH_SECONDS = 8.0
VERDICT_SECONDS = 6.0
PULL_AFTER_SECONDS = 1.0
PULL_EVERY_SECONDS = 0.1


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
    short: bool = False
    round_trips: int = 0
    bytes_over_air: int = 0
    began: float = 0.0
    last_byte: float = 0.0
    decided: float = 0.0
    sent: list[bytes] = field(default_factory=list)


class Session:
    """A phone on a link. `pull_only` reads TXR and does without notifications."""

    def __init__(self, link: PhoneLink, wallet: Wallet, pull_only: bool = False) -> None:
        self._link, self._wallet, self._pull_only = link, wallet, pull_only
        self._in: Inbound | None = None
        self._out: Outbound | None = None
        self.report = Report()

    async def run(self, access_point: int, action: Action = Action.OPEN, op: bytes | None = None) -> Report:
        """Make one attempt; return when it is decided or given up."""
        attempt = Attempt(self._wallet, access_point, action, secrets.token_bytes, BLE_GATT)
        attempt.op = op or attempt.op
        self.report = Report(began=time.monotonic())
        await self._perform_all(attempt, [ReadInfo()])
        while self.report.verdict is None and not self.report.why:
            limit = EPOCH_SECONDS if attempt.stage is Stage.EPOCH else VERDICT_SECONDS
            message = await self.message(limit)
            effects = attempt.silence() if message is None else attempt.receive(message, time.time())
            await self._perform_all(attempt, effects)
        self.report.short, self.report.round_trips = attempt.short, attempt.round_trips
        self._attempt = attempt
        return self.report

    async def state(self, seconds: float) -> State | None:
        """Wait for the door's next state, after a verdict."""
        have = len(self.report.states)
        ends = time.monotonic() + seconds
        while len(self.report.states) == have and (left := ends - time.monotonic()) > 0:
            message = await self.message(left)
            if message is not None:
                await self._perform_all(self._attempt, self._attempt.receive(message, time.time()))
        return self.report.states[have] if len(self.report.states) > have else None

    async def send(self, message: bytes) -> None:
        """Send one whole message in frames."""
        assert self._out is not None
        self.report.sent.append(message)
        self._out.answered()
        self._out.load(message)
        while frame := self._out.pull(self._link.mtu):
            self.report.bytes_over_air += len(frame)
            self.report.last_byte = time.monotonic()
            await self._link.write(frame)

    async def read_info(self) -> bytes:
        """Read a new challenge and begin a session with it, if it is one."""
        info = await self._link.read_info()
        self.report.bytes_over_air += len(info)
        with contextlib.suppress(FrameError):  # the machine says what an empty or foreign challenge means
            sid = decode_challenge(info).sid
            self._in, self._out = Inbound(sid, repeats=True), Outbound(sid)
        return info

    async def _perform_all(self, attempt: Attempt, effects: list[PhoneEffect]) -> None:
        for effect in effects:
            match effect:
                case ReadInfo(after_seconds):
                    await asyncio.sleep(after_seconds)
                    await self._perform_all(attempt, attempt.challenge(await self.read_info(), time.time()))
                case SendMessage(message):
                    await self.send(message)
                case Decided(verdict):
                    self.report.verdict, self.report.op, self.report.decided = verdict, attempt.op, time.monotonic()
                case Moved(state):
                    self.report.states.append(state)
                case GaveUp(why):
                    self.report.why = why

    async def message(self, seconds: float) -> bytes | None:
        """Return the next whole message for this session, None when none came in time."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            data = await self._frame(left)
            if not data:
                continue
            try:
                frame = decode_frame(data)
                if self._in is None or frame.sid != self._in.sid or frame.flags & Flag.ACK:
                    continue  # another phone's: a notification reaches every subscriber
                if frame.flags & Flag.BYE:
                    raise LinkError("phone: the hub said goodbye")
                self.report.bytes_over_air += len(data)
                message, ack = self._in.accept(frame)
            except (FrameError, SequenceError):
                continue
            if ack is not None:
                self.report.bytes_over_air += len(ack)
                await self._link.write(ack)
            if message is not None:
                return message
        return None

    async def _frame(self, seconds: float) -> bytes:
        """Return the next frame: notified, or read where no notification comes."""
        if not self._pull_only:
            try:
                async with asyncio.timeout(min(seconds, PULL_AFTER_SECONDS)):
                    return await self._link.notifications.get()
            except TimeoutError:
                return await self._link.pull()
        if not (frame := await self._link.pull()):
            await asyncio.sleep(min(seconds, PULL_EVERY_SECONDS))
        return frame
