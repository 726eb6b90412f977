"""One visit of a phone at the desk's hub, with the CPU of each of the hub's steps.

Laws:
1. Only the hub's calls are timed, not what the phone does in between.
2. A visit that did not open the door is an error, never a figure.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from benchmarks.desk import MTU, Desk
from hubcore.access.once import OP_SECONDS, OPS_AN_ASKER
from hubcore.access.words import Action
from hubcore.phone.effects import FollowUp, Presented, Unseal
from hubcore.phone.framing import Flag, Inbound, Outbound, decode_frame
from hubcore.phone.link import HubLink, LinkEffect, Notify
from hubcore.phone.messages import decode_challenge
from hubcore.phone.sealing import BLE_GATT, OpenJob, open_request
from hubsim.phone.effects import Decided, SendMessage
from hubsim.phone.machine import Attempt

_T = TypeVar("_T")
PAUSE_SECONDS = OP_SECONDS / OPS_AN_ASKER + 1
"""Between two visits: nobody is let in more often than that for long."""
CHALLENGE = "challenge"
FRAMES = "frames and decoding"
UNSEAL = "unseal"
DECIDE = "decide and record"
ANSWER = "answer"


class Visit:
    """One open at the desk's hub.

    `ns` holds the CPU of each step in nanoseconds, `job` the full path's RSA job.
    """

    def __init__(self, desk: Desk) -> None:
        desk.clock.pass_by(PAUSE_SECONDS)
        self._desk = desk
        self._clock = desk.clock
        self._link = HubLink(desk.side, BLE_GATT, desk.clock.monotonic())
        self.ns: dict[str, int] = {}
        self.job: OpenJob | None = None

    @property
    def total_ns(self) -> int:
        """CPU of the whole open in the hub."""
        return sum(self.ns.values())

    async def open(self, short: bool) -> None:
        """Open the door; `short` by the ticket of the visit before.

        Raise RuntimeError unless it opened that way.
        """
        desk = self._desk
        if not short:
            desk.wallet.tickets.clear()
        releases = desk.door.releases
        attempt = Attempt(
            wallet=desk.wallet,
            access_point=1,
            action=Action.OPEN,
            chance=secrets.token_bytes,
            transport=BLE_GATT,
        )
        info = self._step(CHALLENGE, lambda: self._link.challenge(self._clock.monotonic()))
        sid = decode_challenge(info).sid
        inbound = Inbound(sid)
        outbound = Outbound(sid)
        phone = attempt.challenge(info, time.time())
        while not any(isinstance(effect, Decided) for effect in phone):
            (request,) = [effect for effect in phone if isinstance(effect, SendMessage)]
            outbound.load(request.message)
            frames = list(iter(partial(outbound.pull, MTU), b""))
            answer = join(await self._ask(frames), inbound)
            phone = attempt.receive(answer, time.time())
        if attempt.short is not short or desk.door.releases != releases + 1:
            raise RuntimeError(f"the {'short' if short else 'full'} path did not open the door")
        self._link.close()

    async def _ask(self, frames: list[bytes]) -> list[bytes]:
        """Bring frames to the hub and perform what it wants; return the frames that it sends."""
        effects = self._step(FRAMES, lambda: self._take(frames))
        sent: list[bytes] = []
        while effects:
            match effects.pop(0):
                case Unseal(job):
                    self.job = job
                    effects += self._step(UNSEAL, partial(self._unseal, job))
                case Presented(proof):
                    began = time.thread_time_ns()
                    outcome = await self._desk.unlock.present(proof, lambda: True)
                    self.ns[DECIDE] = time.thread_time_ns() - began
                    effects += self._step(
                        ANSWER,
                        partial(self._link.answer, outcome, self._clock.monotonic(), time.time()),
                    )
                case Notify(frame):
                    sent.append(frame)
                case FollowUp():  # a later state: no part of the open that is measured
                    pass
                case effect:
                    raise RuntimeError(f"the desk's hub wants {effect}")
        return sent

    def _take(self, frames: list[bytes]) -> list[LinkEffect]:
        now = self._clock.monotonic()
        wall = time.time()
        effects: list[LinkEffect] = []
        for frame in frames:
            effects += self._link.frame(frame, MTU, now, wall)
        return effects

    def _unseal(self, job: OpenJob) -> list[LinkEffect]:
        return self._link.unsealed(open_request(job), self._clock.monotonic())

    def _step(self, name: str, work: Callable[[], _T]) -> _T:
        began = time.thread_time_ns()
        result = work()
        self.ns[name] = self.ns.get(name, 0) + time.thread_time_ns() - began
        return result


def join(frames: list[bytes], inbound: Inbound) -> bytes:
    """Return the one message that the frames carry."""
    for frame in map(decode_frame, frames):
        if not frame.flags & Flag.ACK:
            message, _ = inbound.accept(frame)
            if message is not None:
                return message
    raise RuntimeError("the desk's hub gave no whole answer")
