"""The talk with one caller: its questions, one after the other, each with one answer.

Laws:
1. Who has not said Hello within FIRST_SECONDS has gone, and so has who is silent for long.
2. Nothing longer than a Hello is read before it.
3. What is no message is answered with what was expected, and has no effect.
4. Each caller has a pace, and policies one of their own: reading one costs most. What is beyond is
   refused before it is read.
5. One document is read and signed at a time, on a thread of its own, and the loop goes on
   meanwhile. What came together goes there together, and a policy alone: so no caller keeps the
   others from it for long. What was begun is ended, also when its caller has gone.
6. At most `connections_max` are there at once. One more is told to come again.
7. What is asked about a hub is judged and logged on the signer's thread, then done on another one,
   one after the other: no signature waits for the engine.
8. Digests have a pace of their own: who may ask learns too few of them to try card numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from hubcore.errors import FrameError, HubError, LinkError
from hubcore.issuing import messages
from hubcore.issuing.hubasks import HubAsk
from hubcore.issuing.hubrules import NOT_HERE
from hubcore.issuing.messages import (
    Ask,
    Decide,
    Digest,
    Done,
    FromSigner,
    Hello,
    Made,
    No,
    Ready,
)
from hubcore.issuing.words import (
    ANSWER_BYTES,
    ASK_BYTES,
    PROTOCOL,
    DocumentKind,
    Refusal,
    RefusedError,
)
from hubcore.timing.pace import Paces, Rate
from hubgateway.issuer.signing.signer import Signer
from hubtls.line import Line, Wire

CONNECTIONS_MAX = 16
"""Each may hold an Ask of ASK_BYTES."""
CALLERS_MAX = 64
ASKS = Rate(burst=600, per_second=20.0)
POLICIES = Rate(burst=30, per_second=1.0)
HUBS = Rate(burst=20, per_second=0.2)
DIGESTS = Rate(burst=60, per_second=1 / 60)


@dataclass(frozen=True, slots=True)
class TalkTimes:
    """How long a caller may take, in seconds, and how often it may ask."""

    first_seconds: float = 5.0
    silent_seconds: float = 30.0
    asks: Rate = ASKS
    policies: Rate = POLICIES
    hubs: Rate = HUBS
    digests: Rate = DIGESTS


@dataclass(frozen=True, slots=True)
class Unread:
    """What is no message, and why."""

    why: str


class Told(Protocol):
    """Who is told what people should know."""

    def tell(self, source: str, text: str) -> None:
        """Tell a person, at a pace that no source sets."""


class HubDesk(Protocol):
    """Does what was decided about hubs (`hubgateway.issuer.signing.desk`)."""

    async def do(self, ask: HubAsk) -> str:
        """Return the token that was made, or "". Raise RefusedError."""


class Talks:
    """The talks with all callers. `thread` has one worker; `told` hears of each refusal."""

    def __init__(
        self,
        signer: Signer,
        thread: ThreadPoolExecutor,
        told: Told,
        monotonic: Callable[[], float],
        times: TalkTimes | None = None,
        connections_max: int = CONNECTIONS_MAX,
        desk: HubDesk | None = None,
    ) -> None:
        self._signer = signer
        self._thread = thread
        self._told = told
        self._monotonic = monotonic
        self._times = times or TalkTimes()
        self._connections_max = connections_max
        self._connections = 0
        self._asks = _paces(self._times.asks)
        self._policies = _paces(self._times.policies)
        self._hubs = _paces(self._times.hubs)
        self._digests = _paces(self._times.digests)
        self._desk = desk

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asker: str
    ) -> None:
        """Talk until one of both ends it. Raise nothing but a cancellation."""
        line = Line(reader, writer, _WIRE, self._times.silent_seconds)
        if self._connections >= self._connections_max:
            self._told.tell(asker, f"{asker}: {self._connections} connections, one more is refused")
            await self._say_no(line, 0, Refusal.PACE, "too many connections: come again")
            return
        self._connections += 1
        try:
            await self._talk(line, asker)
        except HubError as error:
            self._told.tell(asker, f"{asker}: {error}")
        finally:
            self._connections -= 1

    async def _talk(self, line: Line[_In, FromSigner], asker: str) -> None:
        hello = await line.first(self._times.first_seconds)
        if not isinstance(hello, Hello) or hello.protocol != PROTOCOL:
            why = hello.why if isinstance(hello, Unread) else f"expected Hello [0, {PROTOCOL}]"
            await self._say_no(line, 0, Refusal.UNREADABLE, why)
            raise FrameError(why)
        signer = self._signer
        line.say(Ready(signer.site, signer.issuer, signer.policy_version))
        while True:
            try:
                asked = await line.next()
            except LinkError:
                return  # it has gone: each caller does
            for some in groups_of(asked):
                for answer in await self._answers(some, asker):
                    if not line.say(answer):
                        raise LinkError("it does not read its answers")
                    await line.has_read()

    async def _answers(self, asked: list[_In], asker: str) -> list[FromSigner]:
        """Answer what is answered in one go (`groups_of`)."""
        asks = [one for one in asked if isinstance(one, Ask)]
        if asks:
            return await self._sign(asks, asker)
        return [await self._answer(one, asker) for one in asked]

    async def _sign(self, asks: list[Ask], asker: str) -> list[FromSigner]:
        """Have these read and signed (law 5), each at its pace (law 4)."""
        refusals = [self._beyond_pace(one, asker) for one in asks]
        read = [one for one, refused in zip(asks, refusals, strict=True) if refused is None]
        loop = asyncio.get_running_loop()
        signed = iter(await loop.run_in_executor(self._thread, self._signed, read, asker))
        return [
            self._said(one, next(signed) if refused is None else refused, asker)
            for one, refused in zip(asks, refusals, strict=True)
        ]

    def _signed(self, asks: list[Ask], asker: str) -> list[bytes | RefusedError]:
        """Sign on the thread of the signer."""
        found: list[bytes | RefusedError] = []
        for one in asks:
            try:
                found.append(self._signer.sign(one, asker))
            except RefusedError as error:
                found.append(error)
        return found

    def _said(self, ask: Ask, made: bytes | RefusedError, asker: str) -> FromSigner:
        """Return the answer, and tell people of a refusal."""
        if isinstance(made, bytes):
            return Made(ask.number, made)
        self._told.tell(asker, f"{asker}: {ask.kind.word} is not signed: {made}")
        return No(ask.number, made.refusal, messages.sentence(str(made)))

    async def _answer(self, asked: _In, asker: str) -> FromSigner:
        if isinstance(asked, Decide):
            return await self._decide(asked, asker)
        if isinstance(asked, Digest):
            return self._digest(asked, asker)
        why = asked.why if isinstance(asked, Unread) else "Hello was said before"
        self._told.tell(asker, f"{asker}: {why}")
        return No(0, Refusal.UNREADABLE, messages.sentence(why))

    async def _decide(self, asked: Decide, asker: str) -> FromSigner:
        """Judge, log, and do what is asked about a hub (law 7)."""
        ask = asked.ask
        try:
            if not self._hubs.take(asker, self._monotonic()):
                raise RefusedError(Refusal.PACE, "hubs: too many at once: ask again")
            if self._desk is None:
                raise RefusedError(Refusal.RULE, NOT_HERE)
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._signer.decide, ask, asker)
            text = await self._desk.do(ask)
        except RefusedError as error:
            what = f"{ask.act.word} of hub {ask.hub} is not done: {error}"
            self._told.tell(asker, f"{asker}: {what}")
            return No(asked.number, error.refusal, messages.sentence(str(error)))
        return Done(asked.number, text)

    def _digest(self, asked: Digest, asker: str) -> FromSigner:
        """Make the digest of a card or a key (law 8)."""
        try:
            if not self._digests.take(asker, self._monotonic()):
                raise RefusedError(
                    Refusal.PACE, "cards: too many at once: one a minute, ask again later"
                )
            return Made(asked.number, self._signer.digest(asked.ask))
        except RefusedError as error:
            self._told.tell(asker, f"{asker}: no digest is made: {error}")
            return No(asked.number, error.refusal, messages.sentence(str(error)))

    def _beyond_pace(self, asked: Ask, asker: str) -> RefusedError | None:
        """Return why it is not read now (law 4)."""
        is_policy = asked.kind is DocumentKind.POLICY
        paces = self._policies if is_policy else self._asks
        if paces.take(asker, self._monotonic()):
            return None
        return RefusedError(Refusal.PACE, f"{asked.kind.word}: too many at once: ask again")

    async def _say_no(
        self, line: Line[_In, FromSigner], number: int, refusal: Refusal, why: str
    ) -> None:
        try:
            line.say(No(number, refusal, messages.sentence(why)))
            await line.has_read()
        except LinkError:
            return


_In = Hello | Ask | Decide | Digest | Unread


def _paces(rate: Rate) -> Paces:
    return Paces(each=rate, whole=rate, sources_max=CALLERS_MAX)


def groups_of(asked: list[_In]) -> Iterator[list[_In]]:
    """Part what came together: documents that cost little stay so, all else is alone (law 5)."""
    for is_light, some in groupby(asked, key=_is_light):
        if is_light:
            yield list(some)
        else:
            yield from ([one] for one in some)


def _is_light(asked: _In) -> bool:
    return isinstance(asked, Ask) and asked.kind is not DocumentKind.POLICY


def _decode(data: bytes) -> _In:
    try:
        return messages.decode_from_server(data)
    except FrameError as error:
        return Unread(str(error))


_WIRE: Wire[_In, FromSigner] = Wire(
    decode=_decode,
    encode=messages.encode_from_signer,
    longest=ASK_BYTES,
    unsent_bytes=ANSWER_BYTES,
)
