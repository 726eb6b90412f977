"""The use case that talks with the backend: it performs what `backend.talk` says.

The talk decides (`hubcore/backend/talk/`), records and the rest go up (`outgoing.py`), and orders
are carried out (`incoming.py`). This file joins them to the uplink.

Laws:
1. A record waits until the backend has acknowledged its own number. Records go up in order.
2. Nothing is obeyed before the backend's Welcome.
3. After a Halt no record goes up and no order begins until a Welcome, also when the uplink ends
   meanwhile. Orders that still wait when the Halt comes are refused for good. Policies prove
   themselves, and are taken all the same.
4. A slow or refused order never holds up a record. A door that is being opened does, for not long
   (`Unlock.at_rest`), after each few records and before each look at the log.
5. Whatever the backend sends costs at most a named ceiling, and never ends the daemon.
6. The uplink may lose any message. Records go again. A release that is asked again is answered
   again. Every Hello has the policy's version.
7. Evidence that does not go up is seen: `UplinkState.unacknowledged_seconds`.
8. Telemetry goes only while no record waits.
9. A policy that Hello has told and that is not in force any more, as one with a damaged page, is
   told by another Hello at once: the backend then sends its own again.
10. A backend that has lost records, as one restored from an older copy has, gets them again. That
    is recorded and told once, before they wait again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, assert_never

import structlog

from hubcore.backend.backendtime import BackendTime
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import (
    GiveUp,
    Greet,
    Moment,
    PhaseChanged,
    RefuseWaiting,
    Say,
    SendAgain,
    TakeAboutKeys,
    TakeAct,
    TakeCertificate,
    TakeHeld,
    TakeOrder,
    TakePieces,
    TakePolicy,
    TakeReceipts,
    TakeRelease,
    TakeSiteDocument,
    TakeTlsCertificate,
    TalkEffect,
    UplinkPhase,
)
from hubcore.backend.talk.talk import Talk
from hubcore.backend.uplink import codec, from_hub
from hubcore.backend.uplink.documents import SiteDocument
from hubcore.device.telemetry import TelemetryTable
from hubcore.errors import FrameError, StoreError
from hubcore.evidence.records import Head
from hubcore.phone.certificates import CertificateInForce
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.ports.uplink import Uplink
from hubd.backend.beside.health import ReadStanding
from hubd.backend.beside.updates import ReadBoard
from hubd.backend.identity import Identity
from hubd.backend.incoming import Incoming
from hubd.backend.orders import Orders
from hubd.backend.outgoing import Outgoing, earliest
from hubd.backend.rotation import KeyRotation
from hubd.backend.state import UplinkState

log = structlog.get_logger()

_ORDERS = (TakeRelease, TakeOrder, TakeAct)


async def _at_rest() -> None:
    """Wait for no door."""


class Sync:
    """The talk of one hub, and the listener of its uplink. Call `run` once."""

    def __init__(
        self,
        *,
        uplink: Uplink,
        records: AuditLog,
        orders: Orders,
        identity: Identity,
        clock: Clock,
        pace: Pace,
        appended: asyncio.Event,
        heard: Callable[[], None] = lambda: None,
        chance: Callable[[int], bytes] = secrets.token_bytes,
        telemetry: TelemetryTable | None = None,
        backend_time: BackendTime | None = None,
        certificate: CertificateInForce | None = None,
        board: ReadBoard | None = None,
        standing: ReadStanding | None = None,
        rotation: KeyRotation | None = None,
        doors_at_rest: Callable[[], Awaitable[None]] = _at_rest,
    ) -> None:
        """Join the parts; each is made here, since all of them speak by this uplink.

        `rotation` changes the hub's own key, where the uplink has one. `appended` is set after
        every append to the log and when another problem stands, on the event loop. `heard` is
        called with each message of the backend that was in turn. `backend_time` learns the
        backend's time. `certificate` is renewed in time. `board` reads how updates stand,
        `standing` what is wrong here. `doors_at_rest` waits, not for long, until no door is being
        opened.
        """
        self._heard = heard
        self._uplink = uplink
        self._records = records
        self._orders = orders
        self._identity = identity
        self._clock = clock
        self._retry_seconds = pace.retry_seconds
        self._wake = appended
        self._counters: Counter[str] = Counter()
        self._told_version = 0
        """Of the policy, in the newest Hello."""
        self._outgoing = Outgoing(
            records=records,
            clock=clock,
            pace=pace,
            say=self._say,
            counters=self._counters,
            telemetry=telemetry,
            certificate=certificate,
            board=board,
            standing=standing,
            software=identity.software,
            doors_first=self._doors_first,
        )
        self._talk = Talk(
            pace=pace,
            start=self._now(),
            chance=chance,
            counters=self._counters,
            backend_time=BackendTime() if backend_time is None else backend_time,
            compare=self._outgoing.compare,
        )
        self._doors_at_rest = doors_at_rest
        self._take_site_document: Callable[[SiteDocument], None] = lambda _: None
        self._rotation = rotation
        if rotation is not None:
            rotation.speaks(self._say)
        self._incoming = Incoming(
            orders=orders,
            clock=clock,
            pace=pace,
            say=self._say,
            counters=self._counters,
        )

    @property
    def state(self) -> UplinkState:
        """The talk as it is now."""
        talk = self._talk
        halt = talk.halt
        offset = talk.clock_offset(self._now())
        return UplinkState(
            phase=talk.phase,
            connected=talk.phase is not UplinkPhase.DOWN,
            since=talk.since,
            why=talk.why or self._outgoing.stopped_by,
            waiting=self._records.waiting(),
            last_welcome=talk.last_welcome,
            clock_offset_seconds=None if offset is None else offset.seconds,
            clock_within_seconds=None if offset is None else offset.within_seconds,
            counters=dict(self._counters),
            unacknowledged_seconds=self._outgoing.unacknowledged_seconds(),
            halt=None if halt is None else halt.cause.name.lower(),
            known=None if halt is None else str(Head(halt.number, halt.hash)),
            boot=self._identity.boot_id.hex(),
            policy_refused=self._incoming.policy_refused,
            **self._about_place(),
        )

    @property
    def rotation(self) -> KeyRotation | None:
        """What changes the hub's own key, where the uplink has one."""
        return self._rotation

    def _about_place(self) -> dict[str, Any]:
        """Return where the uplink is, and with which keys."""
        place = self._uplink.place()
        shown: dict[str, Any] = {
            "endpoint": place.endpoint,
            "server_key": place.server_key,
            "failures": place.failures,
        }
        if self._rotation is not None:
            known = self._rotation.known
            shown["key"] = known.shown
            shown["key_since"] = known.since
            shown["key_trouble"] = known.trouble or self._rotation.trouble
        return shown

    def carries(self, take: Callable[[SiteDocument], None]) -> None:
        """Join with who takes what the issuer has signed of bridges; it does not wait."""
        self._take_site_document = take

    async def run(self) -> None:
        """Serve the uplink and the talk until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._uplink.serve(self))
            group.create_task(self._take_turns())
            group.create_task(self._incoming.run())
            if self._rotation is not None:
                group.create_task(self._rotation.run())

    # What the uplink tells: nothing here waits.

    def connected(self) -> None:
        """See `ports.uplink.UplinkListener.connected`."""
        effects = self._talk.connected(self._now())
        self._perform(effects)
        self._wake.set()

    def disconnected(self, why: str) -> None:
        """See `ports.uplink.UplinkListener.disconnected`."""
        effects = self._talk.disconnected(why, self._now())
        self._perform(effects)
        self._wake.set()

    def received(self, message: bytes) -> None:
        """Read one message and act on it.

        One that cannot be read, or is out of turn, is counted and wakes nobody.
        """
        try:
            read = codec.decode_from_backend(message)
        except FrameError:
            self._counters["undecodable"] += 1
            return
        except MemoryError:
            self._counters["no_memory"] += 1
            return
        effects = self._talk.received(read, self._now())
        if effects is None:
            return
        self._heard()
        self._perform(effects)
        if not _only_orders(effects):
            self._wake.set()

    # The turns: one task that writes to the log, sends records, and asks the talk what is due.

    async def _take_turns(self) -> None:
        while True:
            self._wake.clear()
            try:
                until = await self._turn()
            except StoreError as error:
                self._counters["store_errors"] += 1
                log.warning("records_unreadable", why=str(error))
                until = self._clock.monotonic() + self._retry_seconds
            await self._wait(until)

    async def _turn(self) -> float | None:
        """Do what is due; return when something is due again, None when nothing is."""
        find_at = await self._outgoing.note(self._talk.halt)
        at = self._now()
        if self._orders.policy_version() < self._told_version:
            self._perform(self._talk.greet_again("its policy is not in force any more", at))
        effects = self._talk.look(at)
        self._perform(effects)
        if self._talk.phase is not UplinkPhase.SPEAKING:
            return earliest(find_at, self._talk.due(at.monotonic))
        send_at = await self._outgoing.send()
        look_at = self._talk.due(at.monotonic)
        return earliest(find_at, send_at, look_at)

    async def _wait(self, until: float | None) -> None:
        """Wait until a moment, or until something has happened."""
        seconds = None if until is None else max(0.0, until - self._clock.monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        await self._doors_first()

    async def _doors_first(self) -> None:
        """Give the doors their turn: also one that waits for the record that woke this task."""
        await asyncio.sleep(0)
        await self._doors_at_rest()

    # The effects: the one place that performs them, and the one that speaks.

    def _perform(self, effects: Iterable[TalkEffect]) -> None:
        for effect in effects:
            match effect:
                case PhaseChanged(phase, why):
                    self._phase_changed(phase, why)
                case Greet():
                    self._greet()
                case Say(message):
                    self._say(message)
                case TakeReceipts(numbers):
                    self._outgoing.acknowledged(numbers)
                case TakeHeld(carried):
                    self._outgoing.held(carried)
                case SendAgain(durable):
                    self._outgoing.send_again(durable)
                case RefuseWaiting():
                    self._refuse_waiting()
                case TakeAboutKeys(about):
                    if self._rotation is not None:
                        self._rotation.heard(about)
                case TakeSiteDocument(document):
                    self._take_site_document(document)
                case GiveUp(why):
                    self._uplink.leave(why)
                case (
                    TakeRelease()
                    | TakeOrder()
                    | TakeAct()
                    | TakePolicy()
                    | TakePieces()
                    | TakeCertificate()
                    | TakeTlsCertificate()
                ):
                    self._incoming.take(effect)
                case _:
                    assert_never(effect)

    def _phase_changed(self, phase: UplinkPhase, why: str) -> None:
        log.info("link", phase=str(phase), why=why, waiting=self._records.waiting())
        if phase is not UplinkPhase.SPEAKING:
            self._outgoing.rewind()
        if self._rotation is None:
            return
        match phase:
            case UplinkPhase.SPEAKING:
                self._rotation.welcomed()
            case UplinkPhase.HALTED:
                self._rotation.halted()
            case _:
                self._rotation.ended()

    def _refuse_waiting(self) -> None:
        for order in self._incoming.give_back_waiting():
            refusal = self._talk.refusal(order)
            self._say(refusal)

    def _greet(self) -> None:
        hello = self._identity.hello(
            policy_version=self._orders.policy_version(),
            head=self._records.head(),
            policy_digest=self._orders.policy_digest(),
            waiting=self._records.waiting(),
        )
        if self._say(hello):
            self._told_version = hello.policy_version
            self._talk.greeted(self._clock.monotonic())

    def _say(self, message: from_hub.HubMessage) -> bool:
        sent = self._uplink.send(codec.encode(message))
        self._counters["sent" if sent else "not_sent"] += 1
        return sent

    def _now(self) -> Moment:
        return Moment(monotonic=self._clock.monotonic(), wall=self._clock.wall())


def _only_orders(effects: Iterable[TalkEffect]) -> bool:
    """Tell whether orders are all that a message brought: no record goes up for them yet."""
    found = list(effects)
    return bool(found) and all(isinstance(effect, _ORDERS) for effect in found)
