"""The talk with the backend: records go up until each is acknowledged, orders come down and are
answered.

Laws:
1. A record waits until the backend has acknowledged its own number. Records go up in order, a
   window at a time.
2. Nothing is obeyed before the backend's Welcome. After its Halt no record goes up and no release
   is begun, on this link and the next, until it says Welcome; what waited when the Halt came is
   refused for good. A policy proves itself and is taken all the same.
3. A slow or refused order never holds up a record.
4. Whatever the backend sends costs no more than a named ceiling and never ends the daemon.
5. The link may lose any message: records come again, a release asked again is answered again, and
   the policy's version goes up with every Hello.
6. Evidence that does not go up is seen: for how long the oldest record that is not acknowledged has
   waited, since it was appended or hubd started. A receipt for another record ends nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from hubcore.backend import uplink
from hubcore.backend.outbox import Outbox
from hubcore.backend.uplink import ReleaseOutcome
from hubcore.errors import AuditError, ConfigError, FrameError, HubError, StoreError
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import Head, Record, RecordKind, StoredRecord, facts
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.ports.uplink import Uplink

log = structlog.get_logger()

UNREADABLE = 0
"""Takes the place of the oldest record's number while it cannot be read."""


class UplinkPhase(StrEnum):
    """How far the talk is.

    SILENT: the link is up and was welcomed, but the backend has stopped answering. HALTED: the
    backend takes no record and may give no order until somebody there has decided
    (`backend.uplink.Cause`).
    """

    DOWN = "down"
    GREETING = "greeting"
    SPEAKING = "speaking"
    SILENT = "silent"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this hub is: ids of at most 32 bytes, `boot_id` 16 bytes, the software's version."""

    hub: str
    site: str
    boot_id: bytes
    software: str

    def __post_init__(self) -> None:
        """Raise ConfigError for what no Hello can carry."""
        try:
            self.hello(0, 0, 0)
        except FrameError as error:
            raise ConfigError(
                f"this hub cannot introduce itself to the backend: {error}"
            ) from error

    def hello(self, policy_version: int, last_record: int, waiting: int) -> uplink.Hello:
        """Return the Hello of this hub."""
        return uplink.Hello(
            uplink.PROTOCOL,
            self.hub,
            self.site,
            self.boot_id,
            self.software,
            policy_version,
            last_record,
            waiting,
        )


@dataclass(frozen=True, slots=True)
class Orders:
    """Who carries out what the backend orders.

    `release` decides by itself about a repeated id, expiry and lateness, and bounds its own waits:
    it is never cancelled between its record and its strike except with the daemon. `accept_policy`
    returns the version now in force. Both may raise HubError: the backend is told. `policy_version`
    is asked for every Hello.
    """

    release: Callable[[uplink.Release], Awaitable[uplink.Result]]
    accept_policy: Callable[[bytes], Awaitable[int]]
    policy_version: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Pace:
    """The clock, and how much and how long, in records, orders and seconds.

    Without progress the time until a repetition doubles from `acknowledge_seconds` to
    `acknowledge_cap_seconds`. After a refused policy none is looked at for `refused_seconds`, which
    doubles up to `refused_cap_seconds` until one is accepted.
    """

    clock: Clock
    window: int = 64
    releases_in_flight: int = 4
    releases_waiting: int = 4
    welcome_seconds: float = 10.0
    acknowledge_seconds: float = 10.0
    acknowledge_cap_seconds: float = 300.0
    ping_seconds: float = 30.0
    silent_seconds: float = 60.0
    halted_seconds: float = 60.0
    """Between two Hellos to a backend that has said Halt."""
    halt_again_seconds: float = 30.0
    retry_seconds: float = 1.0
    refused_seconds: float = 1.0
    refused_cap_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class UplinkState:
    """What `hubctl status` shows. `since` and `last_welcome` are Unix seconds, the offset is
    backend minus hub.

    `unacknowledged_seconds`: how old the oldest unacknowledged record is, since it was appended or
    hubd started.
    `halt`: why the backend takes no record, `known` the newest that it holds, as `NUMBER:HASH`.
    `boot`: this start's id, in hexadecimal digits.
    """

    phase: UplinkPhase
    connected: bool
    since: float
    why: str
    waiting: int
    last_welcome: float | None
    clock_offset_seconds: float | None
    counters: Mapping[str, int] = field(default_factory=dict)
    unacknowledged_seconds: float | None = None
    halt: str | None = None
    known: str | None = None
    boot: str = ""


class Sync:
    """The use case, and the listener of its uplink. Call `run` once."""

    def __init__(
        self,
        link: Uplink,
        records: AuditLog,
        orders: Orders,
        identity: Identity,
        pace: Pace,
        appended: asyncio.Event,
    ) -> None:
        """`appended` is set after every append to the log, on the event loop."""
        self._link = link
        self._records = records
        self._orders = orders
        self._identity = identity
        self._pace = pace
        self._wake = appended
        self._phase = UplinkPhase.DOWN
        self._since = pace.clock.wall()
        self._why = "not connected yet"
        self._counters: Counter[str] = Counter()
        self._last_welcome: float | None = None
        self._backend_ahead: float | None = None
        """The backend's time less this hub's monotonic time, when it was last told."""
        self._hello_at: float | None = None
        self._heard_at = 0.0
        self._ping: tuple[bytes, float] | None = None
        self._outbox = Outbox(pace.window, pace.acknowledge_seconds, pace.acknowledge_cap_seconds)
        self._acknowledged: set[int] = set()
        self._started = pace.clock.monotonic()
        self._last_before = records.last()
        """The newest record of before this start; its clock may have been another boot's."""
        self._oldest: tuple[int, float] | None = None
        """The oldest record that waits, and since when, of the monotonic clock."""
        self._halt: uplink.Halt | None = None
        self._halted_at: dict[uplink.Cause, float] = {}
        self._breaks_noted: set[uplink.Cause] = set()
        self._releases: asyncio.Queue[uplink.Release] = asyncio.Queue(pace.releases_waiting)
        self._policies: asyncio.Queue[bytes] = asyncio.Queue(1)

    @property
    def state(self) -> UplinkState:
        """The link as it is now."""
        oldest = self._oldest
        halt = self._halt
        return UplinkState(
            phase=self._phase,
            connected=self._phase is not UplinkPhase.DOWN,
            since=self._since,
            why=self._why,
            waiting=self._records.waiting(),
            last_welcome=self._last_welcome,
            clock_offset_seconds=self._clock_offset(),
            counters=dict(self._counters),
            unacknowledged_seconds=None
            if oldest is None
            else max(0.0, self._pace.clock.monotonic() - oldest[1]),
            halt=None if halt is None else halt.cause.name.lower(),
            known=None if halt is None else str(Head(halt.number, halt.hash)),
            boot=self._identity.boot_id.hex(),
        )

    async def run(self) -> None:
        """Serve the link and the talk until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.serve(self))
            group.create_task(self._talk())
            group.create_task(self._take_policies())
            for _ in range(self._pace.releases_in_flight):
                group.create_task(self._take_releases())

    # What the link tells: nothing here waits.

    def connected(self) -> None:
        """Greet; what was sent on an earlier link and not acknowledged goes again."""
        self._go(UplinkPhase.GREETING, "connected, no Welcome yet")

    def disconnected(self, why: str) -> None:
        """Stop talking and remember why."""
        self._go(UplinkPhase.DOWN, why)

    def received(self, message: bytes) -> None:
        """Read one message and act by the table; count and ignore what is no message or comes out
        of turn.
        """
        try:
            known = uplink.decode_from_backend(message)
        except FrameError:
            self._counters["undecodable"] += 1
            return
        except MemoryError:
            self._counters["no_memory"] += 1
            return
        step = _STEPS.get((self._phase, type(known)))
        if step is None:
            self._counters["out_of_turn"] += 1
            return
        self._heard_at = self._pace.clock.monotonic()
        step(self, known)
        self._wake.set()

    def _go(self, phase: UplinkPhase, why: str) -> None:
        if phase is not self._phase or why != self._why:
            log.info("link", phase=str(phase), why=why, waiting=self._records.waiting())
        if phase is not self._phase:
            self._since = self._pace.clock.wall()
        self._phase = phase
        self._why = why
        if phase is not UplinkPhase.SPEAKING:
            self._hello_at = self._ping = None
            self._outbox.rewind()
        self._wake.set()

    def _on_welcome(self, message: uplink.Welcome) -> None:
        self._last_welcome = self._pace.clock.wall()
        self._learn_time(message.time_ms, self._hello_at)
        self._halt = None
        self._go(UplinkPhase.SPEAKING, "")

    def _on_halt(self, message: uplink.Halt) -> None:
        """Stop sending and obeying. It outlasts the link: only a Welcome ends it.

        One that comes too soon after another of its cause is ignored, so that no backend fills the
        journal with them.
        """
        now = self._pace.clock.monotonic()
        before = self._halted_at.get(message.cause)
        if before is not None and now - before < self._pace.halt_again_seconds:
            self._counters["halts_too_often"] += 1
            return
        self._halt = message
        self._halted_at[message.cause] = now
        self._go(
            UplinkPhase.HALTED,
            f"halted by the backend ({message.cause.name.lower()}): {message.detail}",
        )
        self._hello_at = now
        while not self._releases.empty():
            self._refuse_release(self._releases.get_nowait())

    def _on_acknowledge(self, message: uplink.Acknowledge) -> None:
        for number in message.numbers:
            if self._outbox.acknowledged(number):
                self._acknowledged.add(number)
            else:
                self._counters["acknowledged_unasked"] += 1

    def _on_release(self, message: uplink.Release) -> None:
        try:
            self._releases.put_nowait(message)
        except asyncio.QueueFull:
            self._counters["releases_busy"] += 1
            self._say(uplink.Result(message.id, ReleaseOutcome.BUSY, "too many releases at once"))

    def _refuse_release(self, message: uplink.Release) -> None:
        self._counters["releases_halted"] += 1
        self._say(uplink.Result(message.id, ReleaseOutcome.REFUSED, uplink.sentence(self._why)))

    def _on_policy(self, message: uplink.NewPolicy) -> None:
        if self._policies.full():
            self._policies.get_nowait()  # not begun yet, and a later one takes its place
        self._policies.put_nowait(message.document)

    def _on_pong(self, message: uplink.Pong) -> None:
        if self._ping is None or self._ping[0] != message.nonce:
            return
        self._learn_time(message.time_ms, self._ping[1])
        self._ping = None

    def _learn_time(self, time_ms: int, asked_at: float | None) -> None:
        """Keep the backend's time, told half-way between the question and now."""
        now = self._pace.clock.monotonic()
        self._backend_ahead = time_ms / 1000 - (now + (asked_at or now)) / 2

    def _clock_offset(self) -> float | None:
        """Return backend less hub as the wall clock stands now, also when it was set after the
        backend had spoken.
        """
        if self._backend_ahead is None:
            return None
        return self._backend_ahead + self._pace.clock.monotonic() - self._pace.clock.wall()

    # The talk: one task that writes receipts, greets, sends records and looks for silence.

    async def _talk(self) -> None:
        while True:
            self._wake.clear()
            now = self._pace.clock.monotonic()
            try:
                await self._note_acknowledged()
                await self._note_oldest()
                await self._note_break()
                until = (
                    await self._speak(now)
                    if self._phase is UplinkPhase.SPEAKING
                    else self._greet(now)
                )
            except StoreError as error:
                self._counters["store_errors"] += 1
                log.warning("records_unreadable", why=str(error))
                until = now + self._pace.retry_seconds
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    None if until is None else max(0.0, until - self._pace.clock.monotonic())
                ):
                    await self._wake.wait()

    async def _note_acknowledged(self) -> None:
        """Tell the log which records the backend holds.

        They stay noted here when the log cannot write it.
        """
        while self._acknowledged:
            numbers = sorted(self._acknowledged)
            await self._records.acknowledge(numbers)
            self._acknowledged.difference_update(numbers)
            if self._oldest is not None and self._oldest[0] in numbers:
                self._oldest = None

    async def _note_oldest(self) -> None:
        """Find the oldest record that waits, after the one known as such was acknowledged."""
        if self._records.waiting() == 0:
            self._oldest = None
            return
        if self._oldest is not None and self._oldest[0] != UNREADABLE:
            return
        try:
            for stored in await self._records.unacknowledged(0, 1):
                self._oldest = stored.number, self._waits_since(stored)
        except StoreError:  # what sends tells of it; the wait is counted all the same
            self._oldest = self._oldest or (UNREADABLE, self._pace.clock.monotonic())

    def _waits_since(self, stored: StoredRecord) -> float:
        if stored.number <= self._last_before:
            return self._started
        try:
            mono_ms = facts(stored.body)["mono"]
        except AuditError:
            return self._started
        return max(self._started, float(mono_ms) / 1000)

    async def _note_break(self) -> None:
        """Record what the backend holds against this hub's records: once for each cause, however
        often it says so.
        """
        halt = self._halt
        if halt is None or halt.cause in self._breaks_noted:
            return
        said: Detail = {
            Fact.CAUSE: halt.cause.name.lower(),
            Fact.KNOWN: halt.number,
            Fact.KNOWN_HASH: halt.hash,
        }
        clock = self._pace.clock
        await self._records.append(
            Record.at(RecordKind.BREAK, clock.wall(), clock.monotonic(), said)
        )
        self._breaks_noted.add(halt.cause)

    def _greet(self, now: float) -> float | None:
        """Say Hello when it is time; return when to look again, None while the link is down."""
        if self._phase is UplinkPhase.DOWN:
            return None
        halted = self._phase is UplinkPhase.HALTED
        wait_seconds = self._pace.halted_seconds if halted else self._pace.welcome_seconds
        if self._hello_at is not None and now - self._hello_at < wait_seconds:
            return self._hello_at + wait_seconds
        if self._hello_at is not None and not halted:
            self._counters["no_welcome"] += 1
            self._why = (
                f"connected, but no Welcome within {self._pace.welcome_seconds:g} s: the "
                "backend is frozen, "
                f"or knows neither this hub's id nor version {uplink.PROTOCOL} of the link"
            )
        version = self._orders.policy_version()
        hello = self._identity.hello(version, self._records.last(), self._records.waiting())
        if not self._say(hello):
            return now + self._pace.retry_seconds
        self._hello_at = now
        return now + wait_seconds

    async def _speak(self, now: float) -> float:
        """Look for silence, go back when nothing is acknowledged, send what fits; return when to
        look again.
        """
        quiet = now - self._heard_at
        if quiet >= self._pace.silent_seconds:
            self._counters["silences"] += 1
            self._go(
                UplinkPhase.SILENT,
                f"connected, but nothing heard from the backend for {quiet:.0f} s",
            )
            return now
        ping_at = self._heard_at + self._pace.ping_seconds
        if now >= ping_at and (self._ping is None or self._ping[1] < self._heard_at):
            self._ping = (secrets.token_bytes(uplink.NONCE_BYTES), now)
            self._say(uplink.Ping(self._ping[0]))
        if self._outbox.begin_again_if_overdue(now):
            self._counters["resends"] += 1
        all_sent = await self._send_records()
        looks = [self._heard_at + self._pace.silent_seconds if now >= ping_at else ping_at]
        due = self._outbox.due()
        looks += [] if due is None else [due]
        looks += [] if all_sent else [now + self._pace.retry_seconds]
        return min(looks)

    async def _send_records(self) -> bool:
        """Send records in order while the window has room; False when the link takes no more for
        now.
        """
        room = self._outbox.room()
        after = self._outbox.after
        for stored in await self._records.unacknowledged(after, room) if room else ():
            if self._phase is not UplinkPhase.SPEAKING or self._outbox.after != after:
                return True  # the link went while the log was read; the wake is set
            try:
                sent = self._say(uplink.Evidence(stored.number, stored.body, stored.hash))
            except FrameError as error:
                self._unsendable(stored.number, error)
                return False
            if not sent:
                return False
            self._outbox.sent(stored.number, self._pace.clock.monotonic())
            after = stored.number
        return True

    def _unsendable(self, number: int, error: FrameError) -> None:
        self._why = f"record {number} cannot be sent, nor those after it: {error}"
        if not self._counters["unsendable"]:
            log.warning("record_unsendable", number=number, why=str(error))
        self._counters["unsendable"] += 1

    def _say(self, message: uplink.HubMessage) -> bool:
        sent = self._link.send(uplink.encode(message))
        self._counters["sent" if sent else "not_sent"] += 1
        return sent

    # Orders: each kind has its own tasks, so that none waits for the talk, nor the talk for it.

    async def _take_releases(self) -> None:
        while True:
            order = await self._releases.get()
            try:
                result = await self._orders.release(order)
            except HubError as error:
                log.warning("release_failed", why=str(error))
                result = uplink.Result(order.id, ReleaseOutcome.FAILED, uplink.sentence(str(error)))
            self._say(result)

    async def _take_policies(self) -> None:
        """Look at one policy at a time, and after a refused one at none for a while: each look
        costs a signature.
        """
        pause_seconds = self._pace.refused_seconds
        while True:
            result = await self._judge(await self._policies.get())
            self._say(result)
            if not result.refused:
                pause_seconds = self._pace.refused_seconds
                continue
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, self._pace.refused_cap_seconds)

    async def _judge(self, document: bytes) -> uplink.PolicyResult:
        """Hand a policy on; the answer holds nothing of it."""
        try:
            return uplink.PolicyResult(await self._orders.accept_policy(document), "")
        except HubError as error:
            why = uplink.sentence(str(error)) or "refused"
        except MemoryError:
            why = f"a policy of {len(document)} bytes is more than this hub has memory for"
        self._counters["policies_refused"] += 1
        log.warning("policy_refused", why=why)
        return uplink.PolicyResult(self._orders.policy_version(), why)


_Step = Callable[[Sync, Any], None]
_STEPS: dict[tuple[UplinkPhase, type[uplink.BackendMessage]], _Step] = {
    (UplinkPhase.GREETING, uplink.Welcome): Sync._on_welcome,
    (UplinkPhase.SILENT, uplink.Welcome): Sync._on_welcome,
    (UplinkPhase.GREETING, uplink.Acknowledge): Sync._on_acknowledge,
    (UplinkPhase.SILENT, uplink.Acknowledge): Sync._on_acknowledge,
    (UplinkPhase.SPEAKING, uplink.Acknowledge): Sync._on_acknowledge,
    (UplinkPhase.SPEAKING, uplink.Release): Sync._on_release,
    (UplinkPhase.SPEAKING, uplink.NewPolicy): Sync._on_policy,
    (UplinkPhase.SPEAKING, uplink.Pong): Sync._on_pong,
    (UplinkPhase.GREETING, uplink.Halt): Sync._on_halt,
    (UplinkPhase.SPEAKING, uplink.Halt): Sync._on_halt,
    (UplinkPhase.SILENT, uplink.Halt): Sync._on_halt,
    (UplinkPhase.HALTED, uplink.Halt): Sync._on_halt,
    (UplinkPhase.HALTED, uplink.Welcome): Sync._on_welcome,
    (UplinkPhase.HALTED, uplink.Acknowledge): Sync._on_acknowledge,
    (UplinkPhase.HALTED, uplink.Release): Sync._refuse_release,
    (UplinkPhase.HALTED, uplink.NewPolicy): Sync._on_policy,
}
