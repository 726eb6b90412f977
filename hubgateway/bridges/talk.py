"""The gateway's side of the talk with bridges.

Laws:
1. Nothing is taken of a bridge before its Hello, and nothing that the directory does not allow at
   that moment: `BridgeVisit.may` is asked at each message.
2. What a bridge says of one hub is done in its order, one thing at a time. Several hubs have their
   turns side by side, and no more is read than `abreast` allows.
3. What the engine did not take is not answered. The bridge asks again.
4. A bridge that names itself or its site otherwise than its certificate, or speaks another version,
   is cut off, and so is one that forwards what is none of a hub's messages.
5. Records that are refused take no turn of the engine. So a bridge that brings many waits after
   each beyond REFUSED, one wait after the other: others are served meanwhile.
6. A bridge whose certificate has ended hears RenewFirst. Nothing of it is taken but its request,
   OnlyKey and Ping, and nothing is said but the answers to these and its certificate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import assert_never

from hubcore.backend.uplink.from_backend import Pong
from hubcore.backend.uplink.from_hub import PiecesWanted, Ping
from hubcore.bridge.backend import codec
from hubcore.bridge.backend.from_backend import BackendWelcome, FromBackend, HubHalted
from hubcore.bridge.backend.from_bridge import (
    Ahead,
    AskHub,
    BornWitness,
    BridgeHello,
    Doubted,
    Forwarded,
    FromBridge,
    OnlyKey,
    OwnRequest,
    RequestOfHub,
)
from hubcore.bridge.backend.words import FROM_BRIDGE_BYTES, PROTOCOL
from hubcore.bridge.from_bridge import RenewFirst
from hubcore.codec.tls import TlsName
from hubcore.errors import LinkError, PeerError, SequenceError, StoreError
from hubcore.evidence.records import Head
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Bucket, Rate
from hubgateway.bridges.abreast import Abreast, OfHub
from hubgateway.bridges.certificates import BridgedCertificates
from hubgateway.bridges.evidence.records import BridgedRecords
from hubgateway.bridges.evidence.witness import BridgedWords
from hubgateway.bridges.papers import BridgePapers
from hubgateway.bridges.port import BridgeVisit, Told
from hubgateway.bridges.renewals import BridgeRenewals
from hubtls.ends import first_of
from hubtls.line import Line, Wire

REFUSED = Rate(burst=64, per_second=16.0)
"""Each costs a signature check. A true bridge has a hub refused once in a minute."""
WIRE: Wire[FromBridge, FromBackend] = Wire(
    decode=codec.decode_from_bridge,
    encode=codec.encode,
    longest=FROM_BRIDGE_BYTES,
    unsent_bytes=8 << 20,
)


@dataclass(frozen=True, slots=True)
class TalkTimes:
    """How long a bridge may take, in seconds."""

    first_seconds: float = 5.0
    silent_seconds: float = 120.0


@dataclass(slots=True)
class _Refused:
    """How many records of one connection were refused."""

    bucket: Bucket = field(default_factory=lambda: Bucket(REFUSED))
    resting: asyncio.Lock = field(default_factory=asyncio.Lock)


class BridgeTalks:
    """Serves each bridge's connection."""

    def __init__(
        self,
        name: TlsName,
        records: BridgedRecords,
        words: BridgedWords,
        certificates: BridgedCertificates,
        renewals: BridgeRenewals,
        told: Told,
        clock: Clock,
        times: TalkTimes | None = None,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`rest` lets seconds pass."""
        self._rest = rest
        self._name = name
        self._records = records
        self._words = words
        self._certificates = certificates
        self._renewals = renewals
        self._told = told
        self._clock = clock
        self._times = times or TalkTimes()
        self._lines: dict[str, Line[FromBridge, FromBackend]] = {}
        self._own: dict[str, Line[FromBridge, FromBackend]] = {}
        """Those of bridges that may only renew, too."""
        self._papers: BridgePapers | None = None

    def carries(self, papers: BridgePapers) -> None:
        """Join with what the engine has for bridges: each of both calls the other."""
        self._papers = papers

    def say_all(self, message: FromBackend) -> None:
        """Say something to each bridge that is here."""
        for line in self._lines.values():
            line.say(message)

    def say(self, bridge: str, message: FromBackend) -> None:
        """Say something to a bridge, or lose it."""
        line = self._lines.get(bridge)
        if line is not None:
            line.say(message)

    def say_own(self, bridge: str, message: FromBackend) -> None:
        """Say something about its own renewal to a bridge, or lose it."""
        line = self._own.get(bridge)
        if line is not None:
            line.say(message)

    async def serve(self, visit: BridgeVisit) -> None:
        """See `port.Talk.serve`."""
        line = Line(visit.reader, visit.writer, WIRE, self._times.silent_seconds)
        hello = await line.first(self._times.first_seconds)
        if not isinstance(hello, BridgeHello):
            raise SequenceError("its first message is no BridgeHello")
        self._check(visit, hello)
        self._own[visit.bridge] = line
        try:
            if visit.has_ended():
                await self._serve_renewal(visit, line)
                return
            line.say(BackendWelcome(PROTOCOL, self._name.id, self._name.site, self._wall_ms()))
            self._lines[visit.bridge] = line
            if self._papers is not None:
                for message in self._papers.for_bridge(hello):
                    line.say(message)
            await self._listen(visit, line)
        except BaseExceptionGroup as errors:
            raise first_of(errors) from None
        finally:
            for lines in (self._lines, self._own):
                if lines.get(visit.bridge) is line:
                    del lines[visit.bridge]

    async def _serve_renewal(self, visit: BridgeVisit, line: Line[FromBridge, FromBackend]) -> None:
        """Let a bridge renew whose certificate has ended (law 6). Raise HubError."""
        self._told.trouble(f"bridge {visit.bridge}", "its certificate has ended: it may renew it")
        line.say(RenewFirst(visit.expires, self._wall_ms()))
        while True:
            for said in await line.next():
                if not visit.may():
                    raise SequenceError("it may not speak any more")
                if isinstance(said, OwnRequest | OnlyKey | Ping):
                    await self._hear(visit, line, said)

    async def _listen(self, visit: BridgeVisit, line: Line[FromBridge, FromBackend]) -> None:
        """Take what comes until the connection ends (laws 1, 2 and 5). Raise what ended it."""
        refused = _Refused()

        async def take(said: FromBridge, to_receipt: bool = True) -> None:
            if not visit.may() or visit.has_ended():
                raise SequenceError("it may not speak any more")
            answers = await self._hear(visit, line, said, to_receipt)
            if isinstance(said, Forwarded):
                await self._slow(refused, answers)

        async with asyncio.TaskGroup() as group:
            hubs = Abreast(group, take)
            while True:
                for said in await line.next():
                    if isinstance(said, OfHub):
                        await hubs.put(said)
                        continue
                    if isinstance(said, Ping):
                        await hubs.taken()
                    await take(said)

    def _check(self, visit: BridgeVisit, hello: BridgeHello) -> None:
        """Raise PeerError for a Hello that is not this bridge's (law 4)."""
        if not visit.may():
            raise SequenceError("it may not speak")
        if (hello.bridge, hello.site) != (visit.bridge, self._name.site):
            raise PeerError("it names itself otherwise than its certificate")
        if hello.protocol != PROTOCOL:
            raise PeerError(f"it speaks version {hello.protocol}, expected {PROTOCOL}")

    async def _hear(
        self,
        visit: BridgeVisit,
        line: Line[FromBridge, FromBackend],
        message: FromBridge,
        to_receipt: bool = True,
    ) -> list[FromBackend]:
        """Take a message, and answer it; return the answers."""
        try:
            answers = await self._take(visit, message, to_receipt)
        except (StoreError, LinkError) as error:
            what = f"{error}; it is not answered and asks again"
            self._told.trouble(f"bridge {visit.bridge}", what)
            return []
        for answer in answers:
            line.say(answer)
        return answers

    async def _slow(self, refused: _Refused, answers: list[FromBackend]) -> None:
        """Let others have their turns after records that were refused (law 5)."""
        is_refused = any(isinstance(one, HubHalted) for one in answers)
        if is_refused and not refused.bucket.take(self._clock.monotonic()):
            async with refused.resting:
                await self._rest(1 / REFUSED.per_second)

    async def _take(
        self, visit: BridgeVisit, message: FromBridge, to_receipt: bool
    ) -> list[FromBackend]:
        """Do what a message asks for; return the answers. Raise HubError.

        `to_receipt`: records are answered with a receipt, and do not wait for the next ones.
        """
        bridge = visit.bridge
        match message:
            case AskHub(hub, turn, number, digest):
                return await self._records.answer(hub, turn, Head(number, digest))
            case Forwarded(hub, records, head):
                return await self._records.keep(hub, records, head, to_receipt=to_receipt)
            case Ahead():
                await self._words.alarm(message)
            case BornWitness():
                await self._words.testimony(bridge, message)
            case Doubted():
                await self._words.doubt(bridge, message)
            case RequestOfHub():
                return await self._certificates.answer(bridge, message)
            case OwnRequest(document):
                return await self._renewals.requested(bridge, visit.key, document)
            case OnlyKey():
                await self._renewals.only_key(bridge, visit.key)
            case PiecesWanted(wanted):
                if self._papers is not None:
                    return [*await self._papers.pieces(wanted)]
            case Ping(nonce):
                return [Pong(nonce, self._wall_ms())]
            case BridgeHello():
                raise SequenceError("it says Hello again")
            case _:
                assert_never(message)
        return []

    def _wall_ms(self) -> int:
        return int(1000 * self._clock.wall())
