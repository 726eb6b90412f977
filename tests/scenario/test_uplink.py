"""The link to the backend on real sockets: CurveUplink, Sync and the reference backend, on
loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import zmq
import zmq.asyncio
from zmq.utils import z85

from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import UplinkPhase
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.from_backend import Release
from hubcore.backend.uplink.from_hub import Result
from hubcore.backend.uplink.health import TROUBLES_MAX
from hubcore.backend.uplink.words import (
    MAX_MESSAGE_BYTES,
    MAX_POLICY_BYTES,
    MAX_RECORD_BYTES,
    Cause,
    OrderOutcome,
    ReleaseOutcome,
)
from hubcore.checks import CheckId, Standing, problem
from hubcore.errors import ConfigError, FrameError, LinkError, RollbackError
from hubcore.evidence.records import Record, RecordKind, StoredRecord
from hubcore.policy import document as policies
from hubcore.policy.policy import Policy
from hubd.adapters.curve.timings import Backoff, Timings
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.keys.uplinkkeys import UplinkKeys, key_from_text
from hubd.backend.identity import Identity
from hubd.backend.orders import Orders
from hubd.backend.sync import Sync
from hubsim.backend.serve import serve_backend
from hubsim.backend.server import Backend
from hubsim.site import make_key
from tests.fakes.audit import FakeAudit
from tests.fakes.uplink import FakeUplinkListener
from tests.vectors.cases_wire import SIDES, bytes_of

pytestmark = pytest.mark.asyncio

FAST = Timings(
    connect_seconds=1.0,
    handshake_seconds=0.3,
    heartbeat_seconds=0.1,
    heartbeat_timeout_seconds=0.4,
    backoff_first_seconds=0.02,
    backoff_cap_seconds=0.1,
    settled_seconds=1.0,
)


def system_clock() -> SystemClock:
    """Return this machine's clock, of which no record says that it is wrong."""
    return SystemClock(lambda: 0.0)


class Keys:
    def __init__(self) -> None:
        public, secret = zmq.curve_keypair()
        self.text = public.decode()
        self.secret_text = secret.decode()
        self.public = z85.decode(public)
        self.secret = z85.decode(secret)


class Hub:
    """A hub's link and talk, with a log in memory and a door that only remembers."""

    def __init__(self, endpoint: str, keys: Keys, backend_public: str, **pace: float) -> None:
        self.log = FakeAudit()
        self.released: list[Release] = []
        self.version = 1
        self.link = CurveUplink(
            endpoint, UplinkKeys(keys.secret, keys.public, key_from_text(backend_public)), FAST
        )
        orders = Orders(
            self.release, self.accept, lambda: self.version, lambda: bytes(32), self.stand
        )
        pace = {"acknowledge_seconds": 0.3, "welcome_seconds": 0.5, **pace}
        self.appended = asyncio.Event()
        self.standing: tuple[Standing, ...] = ()
        self.sync = Sync(
            uplink=self.link,
            records=self.log,
            orders=orders,
            identity=Identity("hub-1", "site", bytes(16), "0.1.0"),
            clock=system_clock(),
            pace=Pace(**pace),  # type: ignore[arg-type]
            appended=self.appended,
            standing=lambda: self.standing,
        )

    async def release(self, order: Release) -> Result:
        repeated = order in self.released
        self.released.append(order)
        return Result(order.id, ReleaseOutcome.RELEASED, "again" if repeated else "")

    async def stand(self, order: from_backend.Order) -> from_hub.OrderResult:
        return from_hub.OrderResult(order.id, OrderOutcome.TAKEN, "")

    async def accept(self, document: bytes, _carrier: object) -> int:
        if document[0] <= self.version:
            raise RollbackError("an older policy")
        self.version = document[0]
        return self.version

    async def add(self, count: int) -> None:
        await self.log.fill(count)
        self.appended.set()


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - the things waited for are another process's, or have no event
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(work: object) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)  # type: ignore[arg-type]
    try:
        yield
    finally:
        over = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not over


@contextlib.asynccontextmanager
async def serving(backend: Backend) -> AsyncIterator[Backend]:
    backend.handshake_seconds = 0.5
    async with running(backend.serve()):
        async with asyncio.timeout(5):
            await backend.serving.wait()
        yield backend


def speaking(hub: Hub) -> bool:
    return hub.sync.state.phase is UplinkPhase.SPEAKING


async def test_records_are_delivered_in_order_and_each_acknowledged(tmp_path):
    ours = Keys()
    theirs = Keys()
    async with serving(
        Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path)
    ) as backend:
        hub = Hub(backend.endpoint, ours, backend.public)
        await hub.add(150)
        async with running(hub.sync.run()):
            await until(lambda: hub.log.waiting() == 0)
            await hub.add(1)
            await until(lambda: hub.log.waiting() == 0)
        assert backend.records("hub-1") == hub.log.stored
        assert sorted(hub.log.receipts) == list(range(1, 152))
        assert backend.repeated_records == 0
        assert abs(hub.sync.state.clock_offset_seconds) < 0.5


async def test_a_backend_killed_and_restarted_loses_nothing_and_doubles_nothing(tmp_path):
    ours = Keys()
    theirs = Keys()
    hubs = {ours.text: "hub-1"}
    first = Backend("tcp://127.0.0.1:*", theirs.secret_text, hubs, tmp_path)
    hub = Hub("tcp://127.0.0.1:1", ours, first.public)
    async with contextlib.AsyncExitStack() as stack:
        async with serving(first):
            hub = Hub(first.endpoint, ours, first.public)
            await stack.enter_async_context(running(hub.sync.run()))
            await hub.add(200)
            await first.wait_for(lambda b: len(b.records("hub-1")) >= 1)
        await until(lambda: hub.sync.state.phase is UplinkPhase.DOWN)
        await hub.add(50)
        async with serving(Backend(first.endpoint, theirs.secret_text, hubs, tmp_path)) as second:
            await until(lambda: hub.log.waiting() == 0)
            assert second.records("hub-1") == hub.log.stored
            assert second.forks == []


class Raw:
    """A backend that this test plays by hand: what it hears goes to `heard`; it answers only what
    it is told to.
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.heard: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
        self.welcomes = True

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Raw]:
        with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as self.router:
            self.router.setsockopt(zmq.LINGER, 0)
            self.router.curve_server = True
            self.router.curve_secretkey = self.keys.secret
            self.endpoint = f"tcp://127.0.0.1:{self.router.bind_to_random_port('tcp://127.0.0.1')}"
            async with running(self.hear()):
                yield self

    async def hear(self) -> None:
        while True:
            route, data = await self.router.recv_multipart()
            if self.welcomes and isinstance(codec.decode_from_hub(data), from_hub.Hello):
                await self.say(route, codec.encode(from_backend.Welcome(1, 0, bytes(32))))
            self.heard.put_nowait((route, data))

    async def say(self, route: bytes, *parts: bytes) -> None:
        await self.router.send_multipart([route, *parts])

    async def evidence(self) -> tuple[bytes, int]:
        async with asyncio.timeout(5):
            while True:
                route, data = await self.heard.get()
                message = codec.decode_from_hub(data)
                if isinstance(message, from_hub.Evidence):
                    return route, message.number


async def test_a_lost_answer_makes_the_record_come_again():
    ours = Keys()
    async with Raw(Keys()).open() as raw:
        hub = Hub(raw.endpoint, ours, raw.keys.text)
        await hub.add(1)
        async with running(hub.sync.run()):
            assert (await raw.evidence())[1] == 1
            route, number = await raw.evidence()
            assert number == 1
            await raw.say(route, codec.encode(from_backend.Acknowledge((1,))))
            await until(lambda: hub.log.waiting() == 0)
        assert hub.sync.state.counters["resends"] >= 1


async def test_garbage_from_the_backend_ends_nothing():
    ours = Keys()
    async with Raw(Keys()).open() as raw:
        hub = Hub(raw.endpoint, ours, raw.keys.text)
        await hub.add(1)
        async with running(hub.sync.run()):
            route, number = await raw.evidence()
            for garbage in (b"", b"\xff" * 1000, b"\x82\x13", b"\x9f" * 10_000):
                await raw.say(route, garbage)
            await raw.say(route, b"two", b"parts")
            await raw.say(route, codec.encode(from_backend.Acknowledge((number,))))
            await until(lambda: hub.log.waiting() == 0)
            assert hub.sync.state.counters["undecodable"] == 4
            assert hub.link.multipart_dropped == 1
            assert hub.link.attempts == 1


async def test_what_is_too_large_ends_the_link_not_the_hub():
    ours = Keys()
    async with Raw(Keys()).open() as raw:
        hub = Hub(raw.endpoint, ours, raw.keys.text)
        await hub.add(1)
        async with running(hub.sync.run()):
            route, _ = await raw.evidence()
            await raw.say(route, bytes(MAX_MESSAGE_BYTES + 1))
            await until(lambda: hub.link.attempts == 2 and speaking(hub))
            while (await raw.evidence())[0] == route:
                pass


async def test_a_backend_that_hears_but_never_answers_is_told():
    ours = Keys()
    raw = Raw(Keys())
    raw.welcomes = False
    async with raw.open():
        hub = Hub(raw.endpoint, ours, raw.keys.text, welcome_seconds=0.1)
        async with running(hub.sync.run()):
            await until(lambda: "no Welcome" in hub.sync.state.why)
            assert hub.sync.state.connected
            raw.welcomes = True
            await until(lambda: speaking(hub))


async def test_a_wrong_server_key_is_suspected():
    ours = Keys()
    theirs = Keys()
    async with Raw(theirs).open() as raw:
        hub = Hub(raw.endpoint, ours, Keys().text)
        async with running(hub.sync.run()):
            await until(lambda: "server key pin mismatch suspected" in hub.sync.state.why)
            assert not hub.sync.state.connected


async def test_nobody_there_and_a_name_nobody_has_and_a_wrong_port_are_told_apart():
    ours = Keys()
    theirs = Keys()
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(zmq.asyncio.Context())
        plain = stack.enter_context(context.socket(zmq.ROUTER))
        port = plain.bind_to_random_port("tcp://127.0.0.1")
        expected = {
            "tcp://127.0.0.1:1": "nothing accepts connections there",
            "tcp://no-such-host.invalid:5555": "does not resolve",
            f"tcp://127.0.0.1:{port}": "speaks no CurveZMQ",
        }
        for endpoint, sentence in expected.items():
            hub = Hub(endpoint, ours, theirs.text)
            async with running(hub.sync.run()):
                await until(lambda: sentence in hub.sync.state.why)  # noqa: B023


async def test_a_hub_not_enrolled_yet_comes_up_when_it_is(tmp_path):
    ours = Keys()
    theirs = Keys()
    hubs: dict[str, str] = {}
    async with serving(Backend("tcp://127.0.0.1:*", theirs.secret_text, hubs, tmp_path)) as backend:
        hub = Hub(backend.endpoint, ours, backend.public)
        async with running(hub.sync.run()):
            await until(lambda: "does not know this hub's key yet" in hub.sync.state.why)
            hubs[ours.text] = "hub-1"
            await until(lambda: speaking(hub))


async def test_a_hub_comes_up_when_the_backends_directory_is_back(tmp_path):
    ours = Keys()
    theirs = Keys()
    (tmp_path / "curve.secret").write_text(theirs.secret_text)
    ready: asyncio.Future[Backend] = asyncio.get_running_loop().create_future()
    async with running(serve_backend(tmp_path, "tcp://127.0.0.1:*", ready=ready.set_result)):
        backend = await ready
        hub = Hub(backend.endpoint, ours, backend.public)
        async with running(hub.sync.run()):
            await until(lambda: "does not know this hub's key yet" in hub.sync.state.why)
            (tmp_path / "hubs").mkdir()
            (tmp_path / "hubs" / "hub-1.curve.pub").write_text(ours.text + "\n")
            await until(lambda: speaking(hub), 8)


async def test_a_refused_hub_comes_up_when_it_is_allowed_again(tmp_path):
    ours = Keys()
    theirs = Keys()
    async with serving(
        Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path)
    ) as backend:
        backend.revoke(ours.text)
        hub = Hub(backend.endpoint, ours, backend.public)
        await hub.add(1)
        async with running(hub.sync.run()):
            await until(
                lambda: (
                    "(ZAP 400, which nothing proves) that this hub's key is refused"
                    in hub.sync.state.why
                )
            )
            await until(lambda: hub.link.attempts > 3)
            assert backend.records("hub-1") == []
            backend.gate.allow(ours.text)
            await until(lambda: hub.log.waiting() == 0)


async def test_a_revoked_hub_is_not_heard_on_the_session_it_has(tmp_path):
    ours = Keys()
    theirs = Keys()
    async with serving(
        Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path)
    ) as backend:
        hub = Hub(backend.endpoint, ours, backend.public)
        async with running(hub.sync.run()):
            await until(lambda: speaking(hub))
            backend.revoke(ours.text)
            await hub.add(1)
            await backend.wait_for(lambda b: b.ignored["revoked"] >= 1)
            assert backend.records("hub-1") == []
            with pytest.raises(LinkError, match="not connected"):
                await backend.release("hub-1", 1)
        assert Backend("tcp://127.0.0.1:*", theirs.secret_text, {}, tmp_path).gate.is_revoked(
            ours.text
        )


async def test_a_hub_cannot_speak_for_another(tmp_path):
    ours = Keys()
    theirs = Keys()
    async with serving(
        Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-2"}, tmp_path)
    ) as backend:
        hub = Hub(backend.endpoint, ours, backend.public)
        async with running(hub.sync.run()):
            await backend.wait_for(lambda b: b.ignored["hello of another hub or protocol"] >= 1)
            assert backend.connections == {}


async def test_a_release_goes_there_and_back_and_its_repetition_too(tmp_path):
    ours = Keys()
    theirs = Keys()
    async with serving(
        Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path)
    ) as backend:
        hub = Hub(backend.endpoint, ours, backend.public)
        with pytest.raises(LinkError, match="not connected"):
            await backend.release("hub-1", 1)
        async with running(hub.sync.run()):
            await backend.wait_for(lambda b: "hub-1" in b.connections)
            before = time.time()
            first = await backend.release(
                "hub-1", 7, 5.0, "porter", seconds=3, release_id=bytes(16)
            )
            order = hub.released[0]
            assert (order.id, order.access_point, order.seconds, order.by) == (
                bytes(16),
                7,
                3,
                "porter",
            )
            assert before + 5 <= order.expires_at <= before + 7
            assert first == Result(bytes(16), ReleaseOutcome.RELEASED, "")
            again = await backend.release(
                "hub-1", 7, 5.0, "porter", seconds=3, release_id=bytes(16)
            )
            assert again.id == first.id
            assert len(hub.released) == 2


async def test_a_policy_reaches_the_hub_now_or_with_its_hello(tmp_path):
    ours = Keys()
    theirs = Keys()
    backend = Backend(
        "tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path, lambda doc: doc[0]
    )
    with pytest.raises(FrameError):
        backend.policies.push_document(b"\x05" + bytes(MAX_POLICY_BYTES))
    assert backend.policies.push_document(b"\x02") == 0
    async with serving(backend):
        hub = Hub(backend.endpoint, ours, backend.public)
        async with running(hub.sync.run()):
            await backend.wait_for(lambda b: "hub-1" in b.policies.results)
            assert hub.version == 2
            assert backend.policies.push_document(b"\x03" + bytes(1_000_000)) == 1
            await backend.wait_for(
                lambda b: b.policies.results["hub-1"] == from_hub.PolicyResult(3, "")
            )
            assert hub.version == 3
            assert backend.policies.push_document(b"\x03") == 0


async def test_a_hub_with_another_policy_of_the_same_version_is_told_of(tmp_path):
    ours = Keys()
    theirs = Keys()
    issuer = make_key()
    backend = Backend(
        "tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path, lambda _: 1
    )
    backend.policies.push_document(policies.issue(Policy("site", 1, 0), issuer))
    async with serving(backend):
        hub = Hub(backend.endpoint, ours, backend.public)  # its policy 1 has no digest
        async with running(hub.sync.run()):
            await backend.wait_for(lambda b: "hub-1" in b.connections)
            assert backend.policies.drifted == {"hub-1"}
            assert backend.policies.results == {}


class Impostor:
    """A hub that sends what the test says, on a plain DEALER with the enrolled key."""

    def __init__(self, endpoint: str, keys: Keys, backend: Keys) -> None:
        self.endpoint = endpoint
        self.keys = keys
        self.backend = backend

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[zmq.asyncio.Socket]:
        with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.curve_secretkey = self.keys.secret
            dealer.curve_publickey = self.keys.public
            dealer.curve_serverkey = self.backend.public
            dealer.connect(self.endpoint)
            yield dealer


async def hears(dealer: zmq.asyncio.Socket) -> from_backend.BackendMessage:
    """Return the next message; a Probe is answered, as a hub answers it."""
    async with asyncio.timeout(5):
        while isinstance(
            said := codec.decode_from_backend(await dealer.recv()), from_backend.Probe
        ):
            await dealer.send(codec.encode(from_hub.Alive(said.nonce)))
        return said


async def test_the_backend_ignores_what_is_no_message_and_reads_all_that_are(tmp_path):
    """The files of `tests/vectors/wire`, as a hub's machine with the right key may say them."""
    path = next(side.path for side in SIDES if (side.talk, side.said_by) == ("uplink", "hub"))
    entries = json.loads(path.read_text())["messages"]
    ours = Keys()
    theirs = Keys()
    async with (
        serving(
            Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path)
        ) as backend,
        Impostor(backend.endpoint, ours, theirs).open() as dealer,
    ):
        right = [bytes_of(entry) for entry in entries if entry["verdict"] == "valid"]
        wrong = [bytes_of(entry) for entry in entries if entry["verdict"] == "invalid"]
        await dealer.send(right[0])
        assert isinstance(await hears(dealer), from_backend.Welcome)
        for data in wrong:
            await dealer.send(data)
        ping = from_hub.Ping(b"a nonce.")
        await dealer.send(codec.encode(ping))
        pong = await hears(dealer)
        assert isinstance(pong, from_backend.Pong)
        assert pong.nonce == ping.nonce
        assert backend.ignored == {"undecodable": len(wrong)}
        for data in (*right, wrong[0]):
            await dealer.send(data)
        await backend.wait_for(lambda b: b.ignored["undecodable"] > len(wrong))
        assert backend.ignored["undecodable"] == len(wrong) + 1
        (said,) = backend.health_states.values()
        assert len(said.troubles) == TROUBLES_MAX, "the last of the file"


async def test_an_alarm_is_told_ahead_of_its_record_and_stored_with_it_alone(tmp_path, capsys):
    ours = Keys()
    theirs = Keys()
    log = FakeAudit()
    await log.fill(2)
    forced = Record.at(RecordKind.DOOR, 1.0, 1.0, {"door": "front", "what": "forced"})
    await log.append(forced)
    alarm = log.stored[-1]
    notice = codec.encode(from_hub.Notice(alarm.number, alarm.body, alarm.hash))
    hello = from_hub.Hello(2, "hub-1", "site", bytes(16), "0", 0, bytes(32), 0, bytes(32), 0)
    async with (
        serving(
            Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path)
        ) as backend,
        Impostor(backend.endpoint, ours, theirs).open() as dealer,
    ):
        await dealer.send(codec.encode(hello))
        assert isinstance(await hears(dealer), from_backend.Welcome)
        await dealer.send(notice)
        await dealer.send(notice)
        await dealer.send(codec.encode(from_hub.Ping(bytes(8))))
        assert isinstance(await hears(dealer), from_backend.Pong)
        told = capsys.readouterr().err
        assert told.count("ALARM of hub hub-1") == 1
        assert "ahead of its record 3 and not proven yet: door 'front': forced" in told
        assert backend.evidence.head("hub-1") is None
        for stored in log.stored:
            await dealer.send(evidence(stored))
            assert await hears(dealer) == from_backend.Acknowledge((stored.number,))
        await dealer.send(notice)
        await dealer.send(codec.encode(from_hub.Ping(bytes(8))))
        assert isinstance(await hears(dealer), from_backend.Pong)
        assert "ALARM" not in capsys.readouterr().err


def evidence(stored: StoredRecord) -> bytes:
    return codec.encode(from_hub.Evidence(stored.number, stored.body, stored.hash))


WRONG = {
    "held with other bytes": lambda log: StoredRecord(1, log.stored[1].body, log.stored[1].hash),
    "whose hash does not follow": lambda log: StoredRecord(3, log.stored[2].body, bytes(32)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_the_backend_refuses_gap_fork_and_edit_and_stores_a_repetition_once(
    tmp_path, capsys, wrong
):
    ours = Keys()
    theirs = Keys()
    log = FakeAudit()
    await log.fill(4)
    hello = codec.encode(
        from_hub.Hello(2, "hub-1", "site", bytes(16), "0", 0, bytes(32), 0, bytes(32), 0)
    )
    async with (
        serving(
            Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path)
        ) as backend,
        Impostor(backend.endpoint, ours, theirs).open() as dealer,
    ):
        await dealer.send(evidence(log.stored[0]))
        await backend.wait_for(lambda b: b.ignored["no hello"] == 1)
        await dealer.send(hello)
        assert isinstance(await hears(dealer), from_backend.Welcome)
        for garbage in (b"", b"\xff" * 100, codec.encode(from_backend.Welcome(1, 0, bytes(32)))):
            await dealer.send(garbage)
        await dealer.send_multipart([b"two", b"parts"])
        for message in (log.stored[0], log.stored[2], log.stored[0], log.stored[1]):
            await dealer.send(evidence(message))
        held: list[int] = []
        while 2 not in held:
            answer = await hears(dealer)
            assert isinstance(answer, from_backend.Acknowledge)
            held += answer.numbers
        assert held == [1, 1, 2]
        await dealer.send(evidence(wrong(log)))
        answer = await hears(dealer)
        assert isinstance(answer, from_backend.Halt)
        assert (answer.cause, answer.number, answer.hash) == (
            Cause.FORK,
            2,
            log.stored[1].hash,
        )
        await dealer.send(evidence(log.stored[2]))
        await backend.wait_for(lambda b: b.ignored["evidence of a stopped hub"] == 1)
        assert [fork.number for fork in backend.forks] == [wrong(log).number]
        assert backend.records("hub-1") == log.stored[:2]
        assert (backend.ignored["undecodable"], backend.ignored["parts"]) == (3, 1)
        assert (backend.repeated_records, backend.ignored["record before its predecessor"]) == (
            1,
            1,
        )
    assert f"FORK: record {wrong(log).number} " in capsys.readouterr().err


async def test_too_large_from_a_hub_costs_the_backend_only_that_session(tmp_path):
    ours = Keys()
    theirs = Keys()
    async with serving(
        Backend("tcp://127.0.0.1:*", theirs.secret_text, {ours.text: "hub-1"}, tmp_path)
    ) as backend:
        hello = codec.encode(
            from_hub.Hello(2, "hub-1", "site", bytes(16), "0", 0, bytes(32), 0, bytes(32), 0)
        )
        async with Impostor(backend.endpoint, ours, theirs).open() as dealer:
            await dealer.send(hello)
            assert isinstance(await hears(dealer), from_backend.Welcome)
            first = backend.connections["hub-1"].route
            await dealer.send(bytes(MAX_RECORD_BYTES * 2))
            async with asyncio.timeout(5):
                while (
                    backend.connections["hub-1"].route == first
                ):  # libzmq comes again by itself, on a new route
                    await dealer.send(hello)  # may be lost with the session that ends; so again
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await hears(dealer)
        hub = Hub(backend.endpoint, ours, backend.public)
        await hub.add(1)
        async with running(hub.sync.run()):
            await until(lambda: hub.log.waiting() == 0)
        assert backend.ignored.total() == 0


ROOT = Path(__file__).resolve().parents[2]
BACKEND_PROCESS = """
import asyncio, pathlib, sys
from hubsim.backend.serve import serve_backend
asyncio.run(serve_backend(pathlib.Path(sys.argv[1]), sys.argv[2], lambda document: document[0],
    lambda backend: print(backend.endpoint, flush=True)))
"""


@contextlib.asynccontextmanager
async def backend_process(
    directory: Path, endpoint: str = "tcp://127.0.0.1:*"
) -> AsyncIterator[tuple[str, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        BACKEND_PROCESS,
        str(directory),
        endpoint,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'hardware-sim'}"},
    )
    try:
        assert process.stdout
        async with asyncio.timeout(10):
            endpoint = (await process.stdout.readline()).decode().strip()
        yield endpoint, process.pid
    finally:
        process.kill()
        await process.wait()


def enrol(directory: Path, hub: Keys, backend: Keys) -> None:
    (directory / "curve.secret").write_text(backend.secret_text + "\n")
    (directory / "hubs").mkdir()
    (directory / "hubs" / "hub-1.curve.pub").write_text(hub.text + "\n")


async def test_a_backend_killed_again_and_again_ends_with_every_record_once(tmp_path):
    ours = Keys()
    theirs = Keys()
    enrol(tmp_path, ours, theirs)
    endpoint = "tcp://127.0.0.1:*"
    async with contextlib.AsyncExitStack() as stack:
        for count in range(3):
            async with backend_process(tmp_path, endpoint) as (
                endpoint,
                _pid,
            ):  # leaving it is SIGKILL
                if count == 0:
                    hub = Hub(endpoint, ours, theirs.text)
                    await stack.enter_async_context(running(hub.sync.run()))
                before = len(hub.log.acknowledged)
                await hub.add(300)
                await until(lambda: len(hub.log.acknowledged) > before)  # noqa: B023
        await hub.add(10)
        async with backend_process(tmp_path, endpoint):
            await until(lambda: hub.log.waiting() == 0)
    kept = Backend(endpoint, theirs.secret_text, {}, tmp_path).records("hub-1")
    assert kept == hub.log.stored
    assert sorted(hub.log.receipts) == list(range(1, 911))


async def ask(directory: Path, order: dict[str, object]) -> dict[str, object]:
    reader, writer = await asyncio.open_unix_connection(directory / "backend.sock")
    try:
        async with asyncio.timeout(5):
            writer.write(json.dumps(order).encode() + b"\n")
            return json.loads(await reader.readline())
    finally:
        writer.close()


async def test_another_process_drives_the_backend_and_a_freeze_is_noticed(tmp_path):
    ours = Keys()
    theirs = Keys()
    enrol(tmp_path, ours, theirs)
    (tmp_path / "new.policy").write_bytes(b"\x09")
    async with backend_process(tmp_path) as (endpoint, pid):
        assert (tmp_path / "backend.sock").stat().st_mode & 0o777 == 0o600
        assert (await ask(tmp_path, {"do": "release", "hub": "hub-1", "access_point": 1}))[
            "ok"
        ] is False
        hub = Hub(endpoint, ours, theirs.text)
        await hub.add(2)
        hub.standing = (Standing(problem(CheckId.RADIO_DOWN, why="no adapter"), 0.0),)
        async with running(hub.sync.run()):
            await until(lambda: hub.log.waiting() == 0)
            told = await ask(tmp_path, {"do": "records", "hub": "hub-1"})
            assert [record["number"] for record in told["records"]] == [1, 2]  # type: ignore[index,union-attr]
            answer = await ask(
                tmp_path, {"do": "release", "hub": "hub-1", "access_point": 4, "valid_seconds": 3}
            )
            assert (answer["ok"], answer["outcome"]) == (True, "released")
            assert await ask(tmp_path, {"do": "policy", "path": str(tmp_path / "new.policy")}) == {
                "ok": True,
                "sent": 1,
            }
            await until(lambda: hub.version == 9)
            assert (tmp_path / "policy.cbor").read_bytes() == b"\x09"
            hubs = (await ask(tmp_path, {"do": "hubs"}))["hubs"]
            assert hubs["hub-1"]["connected"] is True  # type: ignore[index,call-overload]
            assert hubs["hub-1"]["wrong"] == ["Its radio is down: no phone reaches it."]  # type: ignore[index,call-overload]
            for wrong in (
                {},
                [],
                {"do": "fly"},
                {"do": "release"},
                {"do": "policy", "path": "/nowhere"},
            ):
                assert (await ask(tmp_path, wrong))["ok"] is False  # type: ignore[arg-type]

            os.kill(pid, signal.SIGSTOP)
            await until(lambda: not hub.sync.state.connected)
            await until(lambda: "is frozen" in hub.sync.state.why)
            await hub.add(3)
            os.kill(pid, signal.SIGCONT)
            await until(lambda: hub.log.waiting() == 0, 8)
            assert speaking(hub)
        async with asyncio.timeout(5):
            while (await ask(tmp_path, {"do": "hubs"}))["hubs"]["hub-1"]["connected"]:  # type: ignore[index,call-overload]  # noqa: ASYNC110 - the backend is another process
                await asyncio.sleep(0.05)


FEW = 4
"""What a library opens once and keeps; a leak of one a visit would be fifty."""


async def test_fifty_sockets_later_no_descriptor_has_leaked():
    link_keys = Keys()
    heard = FakeUplinkListener()
    timings = Timings(backoff_first_seconds=0.001, backoff_cap_seconds=0.002, handshake_seconds=0.3)

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with Raw(Keys()).open() as raw:
        link = CurveUplink(
            raw.endpoint, UplinkKeys(link_keys.secret, link_keys.public, Keys().public), timings
        )  # a wrong server key: the costliest way to fail
        before = descriptors()
        async with running(link.serve(heard)):
            await until(lambda: link.attempts > 5)
            early = descriptors()
            # the server's ends are in here too
            await until(lambda: link.attempts > 55 and descriptors() <= early + FEW)
        await until(lambda: descriptors() <= before + FEW)
        assert heard.ups == 0
        assert heard.messages == []
        assert link.send(b"x") is False


async def test_wrong_keys_and_endpoints_are_the_installers_errors(tmp_path):
    ours = Keys()
    with pytest.raises(ConfigError, match="own secret key has 31 bytes"):
        UplinkKeys(ours.secret[:31], ours.public, ours.public)
    with pytest.raises(ConfigError, match="does not belong"):
        UplinkKeys(ours.secret, Keys().public, ours.public)
    assert ours.secret_text not in repr(UplinkKeys(ours.secret, ours.public, ours.public))
    assert repr(ours.secret) not in repr(UplinkKeys(ours.secret, ours.public, ours.public))
    assert key_from_text(f" {ours.text}\n") == ours.public
    for text in ("", "short", "~" * 40, "ä" * 40, ours.text + "x", '"' * 40, "#" * 40):
        with pytest.raises(ConfigError):
            key_from_text(text)
    keys = UplinkKeys(ours.secret, ours.public, Keys().public)
    for endpoint in (
        "",
        "tcp://host",
        "tcp://host:0",
        "tcp://host:65536",
        "ipc:///tmp/x",
        "tcp://*:5",
        "tcp://a b:5",
    ):
        with pytest.raises(ConfigError, match="tcp://host:port"):
            CurveUplink(endpoint, keys)
    with pytest.raises(ConfigError, match="40 of Z85"):
        Backend("tcp://127.0.0.1:*", "short", {}, tmp_path)


async def test_two_backends_on_one_port_the_second_is_refused(tmp_path):
    theirs = Keys()
    (tmp_path / "curve.secret").write_text(theirs.secret_text)
    async with serving(Backend("tcp://127.0.0.1:*", theirs.secret_text, {}, tmp_path)) as backend:
        with pytest.raises(ConfigError, match="is the port in use"):
            await serve_backend(tmp_path, backend.endpoint)


async def test_the_waits_grow_are_spread_and_begin_anew_only_after_a_settled_link():
    timings = Timings(backoff_first_seconds=0.5, backoff_cap_seconds=60, settled_seconds=60)
    longest = Backoff(timings, lambda: 1.0)
    assert [longest.after(0) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert longest.after(59) == 60
    assert longest.after(61) == 0.5
    shortest = Backoff(timings, lambda: 0.0)
    assert {shortest.after(0) for _ in range(9)} == {0.25}
