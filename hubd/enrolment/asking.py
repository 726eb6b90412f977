"""Asks the backend until it has enrolled this hub, over CurveZMQ with the key that was proven.

Laws:
1. The token's secret goes only to the key that the token knows.
2. It asks once in `pace_seconds`, on whatever connection there is: a backend that restarts, or a
   network that comes and goes, only delays.
3. What is no message of an enrolment is counted and ignored. QUEUE_MAX answers wait at most.
4. It ends: enrolled, refused, or after the time that its caller gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import Ask, Enrolled, FromBackend, Refused, RefusedCause
from hubcore.backend.enrolment.messages import Waiting as WaitingForApproval
from hubcore.errors import ConfigError, FrameError, LinkError
from hubcore.ports.uplink import Uplink

QUEUE_MAX = 8
PACE_SECONDS = 2.0

_SENTENCES = {
    RefusedCause.UNKNOWN: "the backend knows no such token: it has ended (24 h), it was used up, "
    "or it is of another backend. Ask the operator for a new one",
    RefusedCause.USED: "another machine has used this token already. If that was not you, tell the "
    "operator at once; ask for a new one in any case",
    RefusedCause.VERSION: "this backend enrols another version: update hubd, or the backend",
    RefusedCause.PROOF: "the backend did not take the proof of this hub's key",
    RefusedCause.REFUSED: "the operator has refused this hub. Ask for a new token",
}


@dataclass(frozen=True, slots=True)
class Asking:
    """How an enrolment asks: how often, for how long, and whom it tells."""

    seconds: float
    pace_seconds: float = PACE_SECONDS
    waits: Callable[[WaitingForApproval], None] = lambda _: None
    """Told once, when the backend waits for its operator."""
    away: Callable[[str], None] = lambda _: None
    """Told why the backend is not reached, once for each cause."""


class _Ear:
    """Hears the uplink; `hubcore.ports.uplink.UplinkListener`."""

    def __init__(self, away: Callable[[str], None]) -> None:
        self.answers: asyncio.Queue[FromBackend] = asyncio.Queue(QUEUE_MAX)
        self.up = asyncio.Event()
        self.undecodable = 0
        self.why = ""
        self._away = away

    def connected(self) -> None:
        """Let the next question go out."""
        self.up.set()

    def disconnected(self, why: str) -> None:
        """Keep the cause for a person."""
        self.up.clear()
        if why != self.why:
            self.why = why
            self._away(why)

    def received(self, message: bytes) -> None:
        """Take one answer; what is too much is left out, for the hub asks again."""
        try:
            answer = messages.decode_from_backend(message)
        except FrameError:
            self.undecodable += 1
            return
        with suppress(asyncio.QueueFull):
            self.answers.put_nowait(answer)


async def ask_until_enrolled(uplink: Uplink, ask: Ask, asking: Asking) -> Enrolled:
    """Return what makes this machine a hub.

    Raise ConfigError when the backend refuses, LinkError when there is no answer in time.
    """
    ear = _Ear(asking.away)
    waited = False
    enrolled: Enrolled | None = None
    refused: list[BaseException] = []
    is_over = False
    try:
        async with asyncio.timeout(asking.seconds), asyncio.TaskGroup() as group:
            serving = group.create_task(uplink.serve(ear))
            while enrolled is None:
                match await _answer(uplink, ask, ear, asking.pace_seconds):
                    case Enrolled() as enrolled:
                        serving.cancel()
                    case Refused(cause, detail) if cause is not RefusedCause.BUSY:
                        raise ConfigError(_refusal(cause, detail))
                    case WaitingForApproval() as waiting if not waited:
                        waited = True
                        asking.waits(waiting)
    except* ConfigError as errors:
        refused.extend(errors.exceptions)
    except* TimeoutError:
        is_over = True
    # Python 3.11.2 puts what is raised within `except*` into a group again
    if refused:
        raise refused[0]
    if is_over:
        raise LinkError(_nothing_came(waited, ear, asking.seconds))
    if enrolled is None:
        raise LinkError("the enrolment was interrupted")
    return enrolled


async def _answer(uplink: Uplink, ask: Ask, ear: _Ear, pace_seconds: float) -> FromBackend | None:
    """Ask once, when there is a connection; return the answer, None when none came in its time."""
    await ear.up.wait()
    uplink.send(messages.encode(ask))
    answer: FromBackend | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(pace_seconds):
            while not isinstance(answer, Enrolled | Refused):
                answer = await ear.answers.get()
    if isinstance(answer, Refused):
        await asyncio.sleep(pace_seconds if answer.cause is RefusedCause.BUSY else 0)
    return answer


def _refusal(cause: RefusedCause, detail: str) -> str:
    sentence = _SENTENCES[cause]
    return f"{sentence} (it says: {detail})" if detail else sentence


def _nothing_came(waited: bool, ear: _Ear, seconds: float) -> str:
    again = "The same command goes on where it stopped"
    if waited:
        return f"nobody approved this hub within {seconds:g} s. {again}"
    if ear.undecodable:
        return f"the backend answers what is no enrolment: is it of another version? {again}"
    if ear.why:
        return f"{ear.why}. {again}"
    return f"the backend did not answer within {seconds:g} s. {again}"
