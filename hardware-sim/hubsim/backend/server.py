"""The reference backend: a ROUTER with its own ZAP handler, a durable store of every hub's records,
remote releases.

Laws:
1. A record is acknowledged only after it is durable and follows the chain. The same record twice is
   stored once and acknowledged twice.
2. Another record under a known number is a fork, one that comes again without its predecessor a
   gap, and two machines with one hub's keys are two hubs. Each stops the hub: it is told, people
   are told, nothing of it is acknowledged and no order is given to it until somebody decides
   (`keep`, `accept`).
3. Who speaks is who the handshake proved, looked up again on every message, because a revoked key
   keeps the session that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import zmq
import zmq.asyncio
from zmq.utils import z85

from hubcore.backend import uplink
from hubcore.errors import ConfigError, FrameError, LinkError, StoreError
from hubcore.evidence.records import GENESIS, StoredRecord
from hubsim.backend.recordstore import Kept, RecordStore
from hubsim.backend.seats import (
    BOOT_DIGITS,
    OPEN_SECONDS,
    STALE_SECONDS,
    Decisions,
    Seats,
    Session,
    Stop,
)
from hubsim.backend.zap import KEY_PROPERTY, Gate

MAX_FROM_HUB_BYTES = uplink.Evidence.CEILING
BATCH_MESSAGES = 256
KEY_CHARACTERS = 40
SEND_QUEUE_MESSAGES = 256
HEARTBEAT_SECONDS = 5.0
HEARTBEAT_TIMEOUT_SECONDS = 15.0
_GONE = None
_DECIDED_AGAINST = "another machine stays this hub; give this one an id and keys of its own"
RESULT_GRACE_SECONDS = 5.0
"""Beyond its validity, how long a release waits for its answer."""


@dataclass(frozen=True, slots=True)
class Fork:
    """A record that contradicts the chain held here."""

    hub: str
    number: int
    why: str


class Backend:
    """Serve hubs at `endpoint` (tcp://127.0.0.1:* for any port) with the Curve secret key `secret`,
    Z85 or 32 bytes.

    `hubs` maps a hub's public key (Z85, 40 characters) to its id and is asked anew at every
    handshake: add a hub to enrol it. An unknown key, or an OSError from the mapping, is answered
    with ZAP 300 (come again), a revoked one with
    400. `directory` holds `records/<hub>.db`, `revoked` and `decisions.json`. `version_of` reads
    the version out of a policy document. `stale_seconds` and `open_seconds`: see
    `hubsim.backend.seats`.
    """

    def __init__(
        self,
        endpoint: str,
        secret: str | bytes,
        hubs: Mapping[str, str],
        directory: Path,
        version_of: Callable[[bytes], int] = lambda _document: 0,
        *,
        stale_seconds: float = STALE_SECONDS,
        open_seconds: float = OPEN_SECONDS,
    ) -> None:
        self._secret = secret.encode() if isinstance(secret, str) else z85.encode(secret)
        if len(self._secret) != KEY_CHARACTERS:
            raise ConfigError(
                f"backend: the secret key has {len(self._secret)} characters, expected 40 of Z85"
            )
        self.endpoint = endpoint
        self.public = zmq.curve_public(self._secret).decode("ascii")
        self.handshake_seconds = 5.0
        self.sessions: dict[str, Session] = {}
        self.forks: list[Fork] = []
        self.ignored: Counter[str] = Counter()
        self.repeated_records = 0
        self.policy_results: dict[str, uplink.PolicyResult] = {}
        self.serving = asyncio.Event()
        self.gate = Gate(hubs, directory / "revoked")
        self._directory = directory
        self._version_of = version_of
        self._stores: dict[str, RecordStore] = {}
        self.decisions = Decisions(directory / "decisions.json")
        self._open_seconds = open_seconds
        self._seats = Seats(stale_seconds)
        self._heard: dict[str, dict[str, Session]] = {}
        """Of hubs that are stopped: the newest session of each boot."""
        self._early: dict[str, tuple[int, int]] = {}
        """By hub: the lowest record that came before its predecessor, and the head at that time."""
        self._awaited: dict[bytes, asyncio.Future[uplink.Result]] = {}
        self._changed = asyncio.Condition()
        self._router: zmq.asyncio.Socket | None = None
        self._policy: tuple[int, uplink.NewPolicy] | None = None

    def revoke(self, public_key: str) -> None:
        """Refuse this key from now on, on the session that it may have too."""
        self.gate.revoke(public_key)
        self.sessions = {
            hub: session for hub, session in self.sessions.items() if session.key != public_key
        }

    async def serve(self) -> None:
        """Serve until cancelled. Raise ConfigError when the endpoint cannot be bound."""
        with zmq.asyncio.Context() as context, contextlib.ExitStack() as stack:
            zap = stack.enter_context(context.socket(zmq.REP))
            router = stack.enter_context(context.socket(zmq.ROUTER))
            stack.callback(self._close)
            zap.bind("inproc://zeromq.zap.01")
            for option, value in self._options().items():
                router.setsockopt(option, value)
            try:
                router.bind(self.endpoint)
            except zmq.ZMQError as error:
                raise ConfigError(
                    f"backend: cannot listen on {self.endpoint}: {error}; is the port in use?"
                ) from error
            self.endpoint = router.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
            self._router = router
            self.serving.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._answer_zap(zap))
                group.create_task(self._receive(router))
                group.create_task(self._look_for_two())

    def _options(self) -> dict[int, int | bytes]:
        return {
            zmq.LINGER: 0,
            zmq.CURVE_SERVER: 1,
            zmq.CURVE_SECRETKEY: self._secret,
            zmq.ZAP_DOMAIN: b"hub",
            zmq.ZAP_ENFORCE_DOMAIN: 1,
            zmq.HANDSHAKE_IVL: round(1000 * self.handshake_seconds),
            zmq.HEARTBEAT_IVL: round(1000 * HEARTBEAT_SECONDS),
            zmq.HEARTBEAT_TIMEOUT: round(1000 * HEARTBEAT_TIMEOUT_SECONDS),
            zmq.ROUTER_MANDATORY: 1,
            zmq.SNDHWM: SEND_QUEUE_MESSAGES,
            zmq.RCVHWM: BATCH_MESSAGES,
            zmq.MAXMSGSIZE: MAX_FROM_HUB_BYTES,
        }

    def _close(self) -> None:
        self.serving.clear()
        self._router = None
        self.sessions = {}
        for store in self._stores.values():
            store.close()
        self._stores = {}

    async def _answer_zap(self, zap: zmq.asyncio.Socket) -> None:
        while True:
            await zap.send_multipart(self.gate.answer(await zap.recv_multipart()))

    async def _receive(self, router: zmq.asyncio.Socket) -> None:
        """Take what has come, at most a batch; make its records durable together; then acknowledge
        them.
        """
        while True:
            batch = [await router.recv_multipart(copy=False)]
            with contextlib.suppress(zmq.Again):
                while len(batch) < BATCH_MESSAGES:
                    batch.append(await router.recv_multipart(zmq.DONTWAIT, copy=False))
            evidence: dict[str, list[StoredRecord]] = {}
            for frames in batch:
                self._take(frames, evidence)
            for hub, records in evidence.items():
                self._keep(hub, records)
            async with self._changed:
                self._changed.notify_all()
            await asyncio.sleep(0)

    def _take(self, frames: list[zmq.Frame], evidence: dict[str, list[StoredRecord]]) -> None:
        """Look at one message: who sent it, whether it may, what it is.

        Evidence is only gathered.
        """
        if len(frames) != 2:
            self.ignored["parts"] += 1
            return
        route = frames[0].bytes
        data = frames[1].bytes
        hub = str(frames[1].get("User-Id"))
        key = str(frames[1].get(KEY_PROPERTY))
        if self.gate.is_revoked(key):
            self.ignored["revoked"] += 1
            return
        try:
            message = uplink.decode_from_hub(data)
        except FrameError:
            self.ignored["undecodable"] += 1
            return
        session = self.sessions.get(hub)
        match message:
            case uplink.Hello():
                self._greet(hub, Session(route, key, message))
            case _ if session is None or session.route != route:
                self.ignored["no hello"] += 1
                self._look_at_replaced(hub, route)
            case uplink.Evidence() if self.decisions.stop(hub) is not None:
                self.ignored["evidence of a stopped hub"] += 1
            case uplink.Evidence(number, body, digest):
                evidence.setdefault(hub, []).append(StoredRecord(number, body, digest))
            case uplink.Result(release_id):
                waiting = self._awaited.get(release_id)
                if waiting and not waiting.done():
                    waiting.set_result(message)
                else:
                    self.ignored["result nobody waits for"] += 1
            case uplink.PolicyResult():
                self.policy_results[hub] = message
                hello = dataclasses.replace(session.hello, policy_version=message.version)
                self.sessions[hub] = dataclasses.replace(session, hello=hello)
            case uplink.Ping(nonce):
                self._send(hub, uplink.Pong(nonce, _now_ms()))

    def _greet(self, hub: str, session: Session) -> None:
        hello = session.hello
        if hello.hub != hub or hello.protocol != uplink.PROTOCOL:
            self.ignored["hello of another hub or protocol"] += 1
            return
        if self.decisions.is_refused(hub, hello.boot_id):
            self.ignored["hello of a machine decided against"] += 1
            self._send_to(
                session.route, self._halt(hub, Stop(uplink.Cause.TWO_HUBS, _DECIDED_AGAINST))
            )
            return
        boots = self._seats.greet(hub, session, time.monotonic())
        if boots:
            self._stop_two(hub, boots)
        self.sessions[hub] = session
        stop = self.decisions.stop(hub)
        if stop is None:
            self._send(hub, uplink.Welcome(_now_ms()))
        else:
            self._heard.setdefault(hub, {})[hello.boot_id.hex()] = session
            self._send(hub, self._halt(hub, stop))
        if self._policy and hello.policy_version < self._policy[0]:
            self._send(hub, self._policy[1])

    def _look_at_replaced(self, hub: str, route: bytes) -> None:
        """A connection that a newer one has replaced has spoken."""
        if self._seats.spoke(hub, route, time.monotonic()) and self._is_open(hub, route):
            self._stop_two(hub, self._seats.boots(hub))

    async def _look_for_two(self) -> None:
        """Look now and then whether a replaced connection is still open."""
        while True:
            await asyncio.sleep(self._open_seconds / 5)
            for hub, route in self._seats.open_for(self._open_seconds, time.monotonic()):
                if self._is_open(hub, route):
                    self._stop_two(hub, self._seats.boots(hub))

    def _stop_two(self, hub: str, boots: tuple[str, ...]) -> None:
        short = " and ".join(boot[:BOOT_DIGITS] for boot in dict.fromkeys(boots))
        self._stop(
            hub,
            Stop(uplink.Cause.TWO_HUBS, f"two machines speak as this hub: boot ids {short}", boots),
        )

    def _stop(self, hub: str, stop: Stop) -> None:
        """Stop a hub and tell it, on every connection that it may have, and people.

        A copy is often noticed as a fork first, by the records of both: that two machines speak is
        the graver cause.
        """
        before = self.decisions.stop(hub)
        if before is not None and (
            before.cause is stop.cause or stop.cause is not uplink.Cause.TWO_HUBS
        ):
            return
        self.decisions.set(hub, stop)
        _shout(
            f"hub {hub}: {stop.cause.name}: {stop.detail}; no order is given to it until "
            "somebody decides"
        )
        session = self._seats.session(hub)
        if session is not None:
            self._heard.setdefault(hub, {})[session.hello.boot_id.hex()] = session
            self._send_to(session.route, self._halt(hub, stop))
        for route in self._seats.replaced(hub):
            self._send_to(route, self._halt(hub, stop))

    def _halt(self, hub: str, stop: Stop) -> uplink.Halt:
        head = self._store(hub).head
        number, digest = (head.number, head.hash) if head else (0, GENESIS)
        return uplink.Halt(stop.cause, number, digest, uplink.sentence(stop.detail))

    def _is_open(self, hub: str, route: bytes) -> bool:
        """Tell whether a connection is open as far as is known; a Pong that nobody asked for means
        nothing to a hub.
        """
        if self._send_to(route, uplink.Pong(bytes(uplink.NONCE_BYTES), _now_ms())) is _GONE:
            self._seats.closed(hub, route)
            return False
        return True

    def keep(self, hub: str, boot: str) -> str:
        """Decide which of the machines that speak as one hub stays: the one whose boot id begins
        so. Return that id.

        Raise ValueError when the hub has no such question open, or when it is not one boot that is
        meant.
        """
        stop = self.decisions.stop(hub)
        if stop is None or stop.cause is not uplink.Cause.TWO_HUBS:
            raise ValueError(f"hub {hub} is not stopped for two machines that speak as it")
        heard = self._heard.pop(hub, {})
        boots = dict.fromkeys((*stop.boots, *self._seats.boots(hub), *heard))
        meant = [known for known in boots if boot and known.startswith(boot.lower())]
        if len(meant) != 1:
            self._heard[hub] = heard
            there = ", ".join(known[:BOOT_DIGITS] for known in boots)
            raise ValueError(f"boot {boot!r} is not one of those that speak as {hub}: {there}")
        self.decisions.end(hub, tuple(known for known in boots if known != meant[0]))
        self._seats.forget(hub)
        self.sessions.pop(hub, None)
        for known, session in heard.items():
            if known == meant[0]:
                self._greet(hub, session)
            else:
                self._send_to(session.route, self._halt(hub, Stop(stop.cause, _DECIDED_AGAINST)))
        return meant[0]

    def accept(self, hub: str) -> Path:
        """Take the chain that did not follow as the hub's from now on; return where the old one is
        kept.

        Raise ValueError when the hub is not stopped for a break in its records, StoreError when the
        disk refuses.
        """
        stop = self.decisions.stop(hub)
        if stop is None or stop.cause is uplink.Cause.TWO_HUBS:
            raise ValueError(f"hub {hub} is not stopped for a break in its records")
        if any(self._is_open(hub, route) for route in self._seats.replaced(hub)):
            raise ValueError(
                f"an earlier connection of hub {hub} is still open: wait "
                f"{self._open_seconds:g} s; if two machines "
                "speak as this hub, that is to be decided first"
            )
        store = self._stores.pop(hub, None) or self._store(hub)
        self._stores.pop(hub, None)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        archive = store.path.with_name(
            f"{hub}.until-{store.head.number if store.head else 0}-{stamp}.db"
        )
        self._stores[hub] = store.succeed(archive)
        self._early.pop(hub, None)
        self.decisions.end(hub)
        self._heard.pop(hub, None)
        self._send(hub, uplink.Welcome(_now_ms()))
        return archive

    def _keep(self, hub: str, records: list[StoredRecord]) -> None:
        """Make the records durable, then acknowledge them; stop the hub when they are not one
        story.
        """
        try:
            store = self._store(hub)
            kept = store.keep(records)
            self._judge(hub, store, kept)
        except StoreError as error:
            _shout(f"hub {hub}: {error}; nothing is acknowledged")
            return
        for start in range(0, len(kept.held), uplink.MAX_ACKNOWLEDGED):
            self._send(hub, uplink.Acknowledge(kept.held[start : start + uplink.MAX_ACKNOWLEDGED]))

    def _judge(self, hub: str, store: RecordStore, kept: Kept) -> None:
        self.repeated_records += kept.repeated
        self.ignored["record before its predecessor"] += len(kept.early)
        self.forks.extend(Fork(hub, record.number, why) for record, why in kept.contradictions)
        if kept.contradictions:
            rival, why = kept.contradictions[0]
            store.note_rival(rival)
            self._stop(hub, Stop(uplink.Cause.FORK, f"{why}; its evidence is no longer one story"))
            return
        if not kept.early:
            return
        lowest = min(kept.early, key=lambda record: record.number)
        now = lowest.number, store.head.number if store.head else 0
        if (
            self._early.get(hub) == now
        ):  # a hub that has the record before would have sent that one first
            store.note_rival(lowest)
            why = (
                f"record {lowest.number} comes again, but never {now[1] + 1}, which follows "
                "the newest held"
            )
            self._stop(hub, Stop(uplink.Cause.GAP, why))
        self._early[hub] = now

    def _send(self, hub: str, message: uplink.BackendMessage) -> bool:
        """Hand one message over to the hub's session; False when it has none or its queue
        is full.
        """
        session = self.sessions.get(hub)
        if session is None:
            return False
        sent = self._send_to(session.route, message)
        if sent is _GONE:
            del self.sessions[hub]
        return sent is True

    def _send_to(self, route: bytes, message: uplink.BackendMessage) -> bool | None:
        """Hand one message over to a connection: True, False when its queue is full, _GONE when it
        is closed.
        """
        if self._router is None:
            return False
        sent = cast(
            "asyncio.Future[object]",
            self._router.send_multipart([route, uplink.encode(message)], zmq.DONTWAIT),
        )
        error = sent.exception()
        if isinstance(error, zmq.ZMQError) and error.errno == zmq.EHOSTUNREACH:
            return _GONE
        return error is None

    def _refuse_orders(self, hub: str) -> None:
        """Raise LinkError while it is not known which machine would carry out an order."""
        stop = self.decisions.stop(hub)
        if stop is not None:
            way = "keep" if stop.cause is uplink.Cause.TWO_HUBS else "accept"
            raise LinkError(
                f"backend: hub {hub} gets no order: {stop.detail}; decide with "
                f"`hubsim backend {way}`"
            )
        if any(self._is_open(hub, route) for route in self._seats.replaced(hub)):
            raise LinkError(
                f"backend: hub {hub} gets no order yet: it came back while its earlier "
                "connection is still open; "
                "ask again in 20 s. If it stays so, two machines speak as this hub"
            )

    def _store(self, hub: str) -> RecordStore:
        if hub not in self._stores:
            self._stores[hub] = RecordStore(self._directory / "records" / f"{hub}.db")
        return self._stores[hub]

    async def release(
        self,
        hub: str,
        access_point: int,
        valid_seconds: float = 10.0,
        by: str = "operator",
        *,
        seconds: int | None = None,
        release_id: bytes | None = None,
    ) -> uplink.Result:
        """Order a release and return how it ended. Raise LinkError when the hub is away or gives no
        answer in time.

        Repeat with the same `release_id` to ask again what became of one: the hub never does it
        twice.
        """
        self._refuse_orders(hub)
        identity = release_id or secrets.token_bytes(uplink.ID_BYTES)
        order = uplink.Release(
            identity, access_point, math.ceil(time.time() + valid_seconds), seconds, by
        )
        answer = self._awaited.setdefault(identity, asyncio.get_running_loop().create_future())
        try:
            if not self._send(hub, order):
                raise LinkError(f"backend: hub {hub} is not connected")
            async with asyncio.timeout(valid_seconds + RESULT_GRACE_SECONDS):
                return await asyncio.shield(answer)
        except TimeoutError as error:
            raise LinkError(
                f"backend: hub {hub} gave no answer; its records will tell what it did"
            ) from error
        finally:
            self._awaited.pop(identity, None)

    def push_policy(self, document: bytes) -> int:
        """Make this the policy for every hub; return to how many connected hubs it was sent now.

        Raise FrameError for a document that no message can carry, and what `version_of` raises.
        """
        version, message = self._policy = self._version_of(document), uplink.NewPolicy(document)
        behind = [
            hub for hub, session in self.sessions.items() if session.hello.policy_version < version
        ]
        return sum(self._send(hub, message) for hub in behind)

    def records(self, hub: str) -> list[StoredRecord]:
        """Return the hub's records in order, none for a hub that never sent one."""
        if hub in self._stores:
            return self._stores[hub].records()
        file = self._directory / "records" / f"{hub}.db"
        if not file.exists():
            return []
        with contextlib.closing(RecordStore(file)) as store:
            return store.records()

    async def wait_for(self, predicate: Callable[[Backend], bool], seconds: float = 10.0) -> None:
        """Return when the predicate holds; it is asked after every batch of messages.

        Raise TimeoutError.
        """
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: predicate(self))


def _now_ms() -> int:
    return int(time.time() * 1000)


def _shout(text: str) -> None:
    print(f"backend: {text}", file=sys.stderr, flush=True)
