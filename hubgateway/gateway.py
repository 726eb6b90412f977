"""The gateway: hubs speak CurveZMQ to it, the engine keeps what they say.

How it works: what a hub says goes into the hub's lane, and one task a lane does it in order. A
Hello makes a session. Records that came together go to the engine in one message, and are
acknowledged when the engine has acknowledged that. Nothing here outlives the process.

Laws:
1. One connection of a hub counts, at whichever gateway it is (`rules.presence`). What is said on
   another one is not heard, and two machines stop their hub.
2. Who speaks is who the handshake proved. Id and key are looked up again on every message.
3. A stopped hub gets no order and no acknowledgement until somebody deletes its stop.
4. What the engine did not take is not acknowledged, and people are told. The hub keeps it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

import zmq
from nats.aio.msg import Msg
from zmq.utils import z85

from hubcore.backend.notices import Notices
from hubcore.backend.present import TELL_SECONDS
from hubcore.backend.present import Heard as HeardHubs
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.health import HealthState
from hubcore.backend.uplink.updates import UpdateState
from hubcore.backend.uplink.words import PROTOCOL
from hubcore.errors import FrameError, LinkError, StoreError
from hubcore.evidence.records import Head, StoredRecord
from hubcore.timing.lines import LinePace
from hubcore.timing.pace import Rate
from hubgateway.documents import Documents
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import RETRY_SECONDS, Mirror
from hubgateway.engine.newest import NewestWords, keep_newest
from hubgateway.engine.policyanswers import PolicyAnswers, UnprovenAnswers
from hubgateway.engine.trouble import complain
from hubgateway.keeper import Keeper
from hubgateway.keychanges import KeyChanges
from hubgateway.orders import Orders
from hubgateway.router import Router
from hubgateway.rules import chain, names, presence, zap
from hubgateway.rules.chain import Stop
from hubgateway.rules.hubpace import HubPace
from hubgateway.rules.keyindex import KeyIndex
from hubgateway.rules.lanes import Heard, Lane, Session

COMPLAINTS = Rate(burst=20, per_second=0.2)
"""Of all hubs: when the engine is away, each of them has the same to tell."""
PROBE_SECONDS = 10.0
WRITES_MAX = 32
"""Messages of records that the engine writes at once. It flushes its disk for one after the other.

Meanwhile the records of the other hubs come together, and so make fewer messages.
"""


class Gateway:
    """Serve hubs at `endpoint` with the Curve secret key `secret` (Z85)."""

    def __init__(self, endpoint: str, secret: bytes, engine: Engine) -> None:
        self.endpoint = endpoint
        self.name = secrets.token_hex(4)
        self.ignored: Counter[str] = Counter()
        self.sessions: dict[str, Session] = {}
        self._engine = engine
        self._keeper = Keeper(engine)
        self._known = presence.Presence(self.name.encode("ascii"), secrets.token_bytes)
        self._known_in = engine.generation
        self._key_index = KeyIndex()
        self._keys = Mirror(engine, names.KEYS_BUCKET, self._key_index.changed)
        self._stops = Mirror(engine, names.STOPS_BUCKET, self._on_stop_changed)
        self._router = Router(secret, self._keys, self._on_retired, complain)
        self._documents = Documents(engine, self._router.send, self.sessions)
        self._policy_answers = PolicyAnswers(engine.keep_result, self._complain)
        self._health = NewestWords(self._keep_health, self._complain)
        self._unproven = UnprovenAnswers()
        own = (z85.decode(secret), z85.decode(zmq.curve_public(secret)))
        self._key_changes = KeyChanges(engine.buckets, own, self._key_index.of)
        self._orders = Orders(self._router.send, self.sessions, self._keys, self.ignored)
        self._lanes: dict[str, Lane] = {}
        self._writes = asyncio.Semaphore(WRITES_MAX)
        self._group: asyncio.TaskGroup | None = None
        self._notices = Notices()
        self._lines = LinePace(whole=COMPLAINTS)
        self._pace = HubPace()
        self._heard = HeardHubs()

    async def serve(self, ready: Callable[[str], None]) -> None:
        """Serve until cancelled; call `ready` with the endpoint. Raise ConfigError, LinkError."""
        await self._engine.listen(names.subject(names.COMMANDS, "*"), self._orders.hear)
        await self._engine.listen(names.subject(names.LIVES, "*"), self._on_life)
        mirrors = (self._keys, self._stops, *self._documents.mirrors)
        for mirror in mirrors:
            await mirror.start()
        with self._router.bound(self.endpoint) as endpoint:
            async with asyncio.TaskGroup() as self._group:
                for mirror in mirrors:
                    self._group.create_task(mirror.run())
                self._group.create_task(self._router.answer_handshakes())
                self._group.create_task(self._router.watch())
                self._group.create_task(self._receive())
                self._group.create_task(self._policy_answers.run())
                self._group.create_task(self._health.run())
                self._group.create_task(self._open_unproven())
                self._group.create_task(self._probe_again())
                self._group.create_task(self._tell_present())
                ready(endpoint)

    # What hubs say.

    async def _receive(self) -> None:
        while True:
            for frames in await self._router.receive():
                for first in self._unproven.before(frames, self._keys.fresh):
                    self._open(first)
                self._open(frames)
            await asyncio.sleep(0)

    async def _open_unproven(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if self._keys.fresh:
                for frames in self._unproven.take():
                    self._open(frames)

    def _open(self, frames: list[zmq.Frame]) -> None:
        """Put a message into its hub's lane; ignore what must be."""
        if len(frames) != 2:
            self.ignored["parts"] += 1
            return
        route, data = frames
        hub = str(data.get("User-Id"))
        key = str(data.get(zap.KEY_PROPERTY))
        if not zap.holds(self._keys, hub, key):
            self.ignored["key"] += 1
            return
        try:
            message = codec.decode_from_hub(data.bytes)
        except FrameError:
            self.ignored["undecodable"] += 1
            return
        now = time.monotonic()
        self._heard.hear(hub, now)
        if not self._pace.allows(hub, message, now):
            self.ignored["too often"] += 1
            return
        self._into_lane(hub, Heard(route.bytes, key, message))

    def _into_lane(self, hub: str, heard: Heard) -> None:
        lane = self._lanes.setdefault(hub, Lane())
        if not lane.put(heard):
            self.ignored["lane full"] += 1
            return
        if not lane.runs and self._group is not None:
            lane.runs = True
            self._group.create_task(self._run(hub, lane))

    async def _run(self, hub: str, lane: Lane) -> None:
        try:
            while lane.waiting:
                await self._do_next(hub, lane)
        finally:
            lane.runs = False
            if not lane.waiting:
                self._lanes.pop(hub, None)

    async def _do_next(self, hub: str, lane: Lane) -> None:
        try:
            heard = lane.waiting.popleft()
            if isinstance(heard.message, from_hub.Hello):
                await self._greet(hub, heard, heard.message)
                return
            if isinstance(heard.message, from_hub.Alive):
                effects = self._presence.alive(hub, heard.route, heard.message.nonce)
                await self._perform(hub, effects)
                return
            session = self.sessions.get(hub)
            if session is None or session.route != heard.route:
                self.ignored["no hello"] += 1
                return
            if not isinstance(heard.message, from_hub.Evidence):
                await self._take(hub, session, heard)
                return
            async with self._writes:
                records = lane.take_records(heard)
                await self._keep(hub, session, records)
        except (StoreError, LinkError) as error:
            self._complain(hub, f"{error}; nothing is acknowledged, the hub keeps its records")

    def _complain(self, hub: str, text: str) -> None:
        """Tell people what is wrong with a hub, at a pace that no hub sets."""
        line = self._lines.line(hub, f"hub {hub}: {text}", time.monotonic())
        if line is not None:
            complain(line)

    async def _greet(self, hub: str, heard: Heard, hello: from_hub.Hello) -> None:
        if hello.hub != hub or hello.protocol != PROTOCOL:
            self.ignored["hello of another hub or protocol"] += 1
            return
        if not self._documents.may_speak(hub, heard.route, time.time()):
            self.ignored["hello of a hub that may only renew"] += 1
            self.sessions.pop(hub, None)
            return
        if self._presence.is_new(hub, heard.route, hello.boot_id):
            said = f"{self.name} {hello.boot_id.hex()}".encode("ascii")
            began = await self._engine.buckets.put(names.SESSIONS_BUCKET, hub, said)
            effects = self._presence.begin(hub, heard, hello.boot_id, began)
            await self._perform(hub, effects)
            return
        self._presence.again(hub, heard)
        turn = self._presence.counts(hub, heard.route)
        if turn is not None:
            await self._seat(hub, heard, turn)
            return
        stop = self._stop_of(hub)
        if stop is not None:
            self._halt(heard.route, stop, (await self._keeper.known(hub)).head)
        await self._perform(hub, self._presence.probes(hub))

    async def _seat(self, hub: str, heard: Heard, turn: int) -> None:
        """Let a connection that counts speak, or say why its hub is stopped."""
        hello = heard.message
        assert isinstance(hello, from_hub.Hello)  # noqa: S101
        head, broken = await self._keeper.compare(hub, hello)
        stop = self._stop_of(hub)
        if stop is None and broken is not None:
            stop = broken
            await self._keep_stop(hub, broken)
        session = Session(heard.route, heard.key, hello, turn, halted=stop is not None)
        self.sessions[hub] = session
        self._policy_answers.greeted(hub, hello.policy_version)
        if stop is None:
            self._welcome(session, head)
        else:
            self._halt(session.route, stop, head)
        self._documents.offer(session)
        self._documents.carry(session)
        if stop is None:
            self._orders.catch_up(hub, session)

    # Who is there.

    @property
    def _presence(self) -> presence.Presence:
        """What is known of who is there, since the engine is connected. See presence, law 5."""
        if self._known_in != self._engine.generation:
            self._known_in = self._engine.generation
            self._known.forget_all()
        return self._known

    async def _perform(self, hub: str, effects: presence.Effects) -> None:
        for effect in effects:
            match effect:
                case presence.SayProbe(route, nonce):
                    if not self._router.send(route, from_backend.Probe(nonce)):
                        self._presence.closed(hub, route)
                case presence.TellLife(life):
                    subject = names.subject(names.LIVES, hub)
                    await self._engine.tell(subject, presence.write_life(life))
                case presence.Counts(heard, turn):
                    await self._seat(hub, heard, turn)
                case presence.Moved():
                    self.sessions.pop(hub, None)
                    self._keeper.leave(hub)
                case presence.TwoMachines(boots):
                    if self._stop_of(hub) is None:
                        await self._keep_stop(hub, chain.two_machines(boots))
                case _:
                    assert_never(effect)

    async def _probe_again(self) -> None:
        """Say Probe again, now and then, to connections that have not answered."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            for hub in self._presence.unsettled():
                await self._perform(hub, self._presence.probes(hub))

    async def _tell_present(self) -> None:
        """Tell whoever shows it to people which hubs are heard here."""
        while True:
            try:
                for said in self._heard.messages(time.monotonic()):
                    await self._engine.tell(names.PRESENT, said)
            except (StoreError, LinkError):
                self.ignored["present"] += 1  # the engine is away: who listens notices by himself
            await asyncio.sleep(TELL_SECONDS)

    async def _take(self, hub: str, session: Session, heard: Heard) -> None:
        message = heard.message
        match message:
            case from_hub.Ping(nonce):
                self._router.send(session.route, from_backend.Pong(nonce, _now_ms()))
            case from_hub.Telemetry():
                subject = names.subject(names.TELEMETRY, hub)
                await self._engine.tell(subject, codec.encode(message))
            case from_hub.Notice():
                await self._alarm(hub, message)
            case UpdateState():
                await self._keep_update_state(hub, codec.encode(message))
            case HealthState():
                self._health.said(hub, codec.encode(message), session.revision)
            case from_hub.PiecesWanted(wanted):
                await self._documents.send_pieces(session, wanted)
            case from_hub.PolicyResult():
                hello = replace(session.hello, policy_version=message.version)
                self.sessions[hub] = replace(session, hello=hello)
                self._policy_answers.answered(hub, message)
            case from_hub.Result() | from_hub.OrderResult() | from_hub.ActResult():
                await self._engine.keep_result(hub, message)
            case from_hub.CertificateRequest():
                await self._documents.renew(hub, session, message)
            case from_hub.NewKey() | from_hub.RetireKey():
                await self._change_keys(hub, session, message)
            case _:
                self.ignored["not done here"] += 1

    async def _alarm(self, hub: str, notice: from_hub.Notice) -> None:
        """Tell of an alarm whose record waits at the hub behind others."""
        known = await self._keeper.known(hub)
        said = self._notices.sentence(hub, notice, known.head.number, time.monotonic())
        if said:
            complain(said)
            await self._engine.tell(names.subject(names.NOTICES, hub), codec.encode(notice))

    async def _keep_update_state(self, hub: str, said: bytes) -> None:
        """Keep which version a hub runs, if it is another one: each write flushes a disk."""
        if await self._engine.buckets.get(names.UPDATES_BUCKET, hub) != said:
            await self._engine.buckets.put(names.UPDATES_BUCKET, hub, said)

    async def _keep_health(self, hub: str, said: bytes, turn: int) -> bool:
        """Keep what is wrong with a hub; see `engine.newest`."""
        return await keep_newest(self._engine.buckets, names.HEALTH_BUCKET, hub, said, turn)

    async def _change_keys(
        self, hub: str, session: Session, message: from_hub.NewKey | from_hub.RetireKey
    ) -> None:
        now = time.monotonic()
        taken = await self._key_changes.answer(hub, session.key, message, now)
        if taken is None:
            self.ignored["change of keys"] += 1
            return
        if taken.refused:
            self._complain(hub, f"its new key is refused: {taken.refused}")
        self._router.send(session.route, taken)

    def _on_retired(self, hub: str) -> None:
        self._complain(
            hub,
            "somebody comes with a key that it has no more: an older state of this hub, or a copy",
        )

    async def _keep(self, hub: str, session: Session, records: list[StoredRecord]) -> None:
        if session.halted:
            self.ignored["evidence of a stopped hub"] += len(records)
            return
        kept = await self._keeper.take(hub, records)
        for alarm in kept.alarms:
            complain(alarm)
        if kept.numbers:
            self._router.send(session.route, from_backend.Acknowledge(kept.numbers))
        if kept.lost:
            # A Welcome out of turn: the hub says Hello at once, and that makes a new session.
            known = await self._keeper.known(hub)
            self._welcome(session, known.head)
            self.sessions.pop(hub, None)
        if kept.stop is not None:
            await self._keep_stop(hub, kept.stop)

    # Welcome, stops.

    def _welcome(self, session: Session, head: Head) -> None:
        welcome = from_backend.Welcome(_now_ms(), head.number, head.hash)
        self._router.send(session.route, welcome)

    def _halt(self, route: bytes, stop: Stop, head: Head) -> None:
        detail = sentence(stop.detail)
        halt = from_backend.Halt(stop.cause, head.number, head.hash, detail)
        self._router.send(route, halt)

    def _stop_of(self, hub: str) -> Stop | None:
        value = self._stops.values.get(hub)
        return None if value is None else chain.read_stop(value)

    async def _keep_stop(self, hub: str, stop: Stop) -> None:
        """Stop a hub, wherever it speaks, until somebody deletes the stop."""
        complain(f"hub {hub}: {stop.cause.name}: {stop.detail}; it is stopped until decided")
        await self._engine.buckets.put(names.STOPS_BUCKET, hub, chain.write_stop(stop))

    def _on_stop_changed(self, hub: str, value: bytes | None) -> None:
        session = self.sessions.get(hub)
        if session is not None and session.halted is not (value is not None):
            self.sessions[hub] = replace(session, halted=value is not None)
        # Each Hello again tells what is held now, and whether the hub may go on.
        hellos = self._presence.heard_on(hub)
        if value is None:
            self._presence.forget(hub)
        for heard in hellos:
            self._into_lane(hub, heard)

    # What the engine says.

    async def _on_life(self, message: Msg) -> None:
        hub = message.subject.rpartition(".")[2]
        life = presence.read_life(message.data)
        if life is None:
            self.ignored["life"] += 1
            return
        try:
            await self._perform(hub, self._presence.heard(hub, life))
        except (StoreError, LinkError) as error:
            self._complain(hub, str(error))


def _now_ms() -> int:
    return int(time.time() * 1000)
