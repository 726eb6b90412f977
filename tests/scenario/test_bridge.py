"""A hub's way over a bridge: the real log, the real connection and a bridge that runs."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import pytest

from hubbridge.app import Bridge, open_bridge, read_files
from hubbridge.config import Config
from hubcore.access.precedence import DoorOrder
from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import Cause, OrderOutcome
from hubcore.bridge.ends import Ends
from hubcore.bridge.frames import frame
from hubcore.bridge.from_bridge import CarriedReceipt
from hubcore.bridge.mandate import Mandate, Use, issue_mandate, prove_mandate
from hubcore.bridge.signedhead import HeadKind, SignedHead, prove_own_head, sign_head
from hubcore.bridge.site.order import DoorsOrder, SiteOrder, prove_site_order
from hubcore.bridge.stretch import Stretch
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import NO_CHECK_TIME, TlsInForce, TlsName, TlsRole, read_certificate
from hubcore.codec.tlsauthority import begin_authority, certify
from hubcore.errors import ProofError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Head, Record, RecordKind
from hubcore.phone.certificates import CertificateInForce
from hubd.adapters.bridge.line import (
    MESSAGES_AT_ONCE,
    UNSENT_BYTES,
    Endpoint,
    LineTimes,
    TlsBridgeLine,
)
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.host.signed_file import EndsFile, MandateFile
from hubd.adapters.sqlite.audit import AuditStore
from hubd.backend.orders import no_certificate
from hubd.backend.policies import PolicyWorker
from hubd.bridge.certificates import OwnCertificates
from hubd.bridge.ends import EndsHere
from hubd.bridge.mandates import MandatesHere
from hubd.bridge.way import BridgeWay, Policies
from hubsim.site.authority import public_of
from hubsim.site.documents import certify_hub, make_key
from hubsim.stage import free_port
from hubtls.keys import read_signing_key
from tests.fakes.bridgedhub import (
    AUTHORITY,
    BEGINS,
    BRIDGE,
    ENDS,
    ISSUER,
    PATIENCE_SECONDS,
    SITE,
    bridge_config,
    certify_again,
    hub_files,
    tls_files,
)
from tests.fakes.uplink import FakeUplinkListener

HUB = HubName(SITE, "hub-1")
PACE = Pace(window=32, halted_seconds=0.05)
TIMES = LineTimes(pause_seconds=0.01, pause_seconds_max=0.05)


def mandate(use: Use, key: SigningKey) -> Mandate:
    return Mandate(
        site=SITE,
        holder=BRIDGE if use is Use.TESTIMONY else "somebody",
        use=use,
        version=1,
        key=key.verify_key,
        not_before=BEGINS,
        expires=ENDS,
    )


@dataclass
class OrdersTaken:
    """Who takes the site's orders: all that prove themselves."""

    known: Mandate | None = None
    taken: list[SiteOrder] = field(default_factory=list)

    async def take_mandate(self, document: bytes) -> None:
        self.known = prove_mandate(document, SITE, ISSUER.verify_key)

    async def take(self, document: bytes) -> OrderResult:
        assert self.known is not None
        order = prove_site_order(document, HUB, self.known)
        self.taken.append(order)
        return OrderResult(order.id, OrderOutcome.TAKEN, "")


@dataclass
class HubSide:
    """A hub's log and its way, which runs."""

    way: BridgeWay
    records: AuditStore
    orders: OrdersTaken
    appended: asyncio.Event

    async def append(self, count: int) -> None:
        for number in range(count):
            detail = {Fact.CAUSE: f"{number}"}
            await self.records.append(Record.at(RecordKind.BREAK, 1.8e9, 1.0, detail))
            self.appended.set()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110, a state that many things change
            await asyncio.sleep(0.005)


def context_of(folder: Path) -> ssl.SSLContext:
    shown = hub_files(folder, "hub-1") if not folder.exists() else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= NO_CHECK_TIME
    context.load_verify_locations(folder / "authority.pem")
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    assert shown is None or shown.key.exists()
    return context


def new_certificates() -> OwnCertificates:
    """A hub's certificates for which nobody asks yet."""
    key = make_key()
    now = int(time.time())
    document = certify_hub(ISSUER, site=SITE, hub="hub-1", key=key.verify_key, points=(1,))
    name = TlsName(SITE, TlsRole.HUB, "hub-1")
    shown = certify(AUTHORITY, name, public_of(make_key()), now, now + 86_400)
    return OwnCertificates(
        key=key,
        certificate=CertificateInForce.of(document, ISSUER.verify_key),
        tls=TlsInForce(read_certificate(shown, AUTHORITY.document, name), AUTHORITY.document, name),
        take=no_certificate,
        take_tls=no_certificate,
    )


@asynccontextmanager
async def hub_at(
    folder: Path, endpoints: list[Endpoint], log: str = "audit.db"
) -> AsyncIterator[HubSide]:
    """Run a hub's way to these bridges."""
    records = await AuditStore.open(folder / log)
    appended = asyncio.Event()
    orders = OrdersTaken()

    async def accept(_document: bytes, _worker: PolicyWorker) -> int:
        raise AssertionError("no policy comes")

    async def at_rest() -> None:
        await asyncio.sleep(0)

    context_of(folder / "of-hub")  # the files are there
    key = read_signing_key(folder / "of-hub" / "tls.key")
    way = BridgeWay(
        line=TlsBridgeLine(
            endpoints,
            SITE,
            AUTHORITY.document,
            lambda: context_of(folder / "of-hub"),
            TIMES,
        ),
        records=records,
        hub=HUB,
        key=key,
        software="0",
        policies=Policies(accept, lambda: 0, lambda: bytes(32)),
        site_orders=orders,
        mandates=MandatesHere(SITE, ISSUER.verify_key, MandateFile(folder / "mandates.cbor")),
        ends=EndsHere(SITE, ISSUER.verify_key, EndsFile(folder / "ends.cbor")),
        certificates=new_certificates(),
        clock=SystemClock(lambda: 0.0),
        pace=PACE,
        appended=appended,
        doors_at_rest=at_rest,
    )
    async with records, asyncio.TaskGroup() as group:
        task = group.create_task(way.run())
        yield HubSide(way, records, orders, appended)
        task.cancel()


@asynccontextmanager
async def bridge_at(folder: Path, config: Config) -> AsyncIterator[tuple[Bridge, Endpoint]]:
    files = read_files(config, folder / "hubbridge.toml")
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with open_bridge(files) as bridge, asyncio.TaskGroup() as group:
        task = group.create_task(bridge.run(ready.set_result))
        yield bridge, Endpoint(config.name, "127.0.0.1", await ready)
        task.cancel()


async def test_each_record_is_held_on_the_bridge(tmp_path: Path) -> None:
    """sender, laws 1 to 3"""
    async with bridge_at(tmp_path, bridge_config(tmp_path)) as (bridge, endpoint):
        async with hub_at(tmp_path, [endpoint]) as hub:
            await hub.append(300)
            await until(lambda: hub.way.state.waiting == 0)
            held = await bridge.store.read("hub-1", 0, 1000)
            assert held == tuple(hub.records.newest(301, 300))
            assert hub.records.waiting() == 300  # Held lets nothing go
            await hub.append(1)
            await until(lambda: hub.way.state.waiting == 0)
        await until(lambda: not bridge.states.of("hub-1").connected)


async def test_all_that_is_held_has_a_head_of_the_hub(tmp_path: Path) -> None:
    """heads, laws 1 to 3: the last record waits for no other one, and a new key signs again"""
    config = bridge_config(tmp_path)
    async with bridge_at(tmp_path, config) as (bridge, endpoint):
        async with hub_at(tmp_path, [endpoint]) as hub:
            await hub.append(300)
            await until(lambda: bridge.store.covered("hub-1") == 300)
            await hub.append(1)
            await until(lambda: bridge.store.covered("hub-1") == 301)
        await until(lambda: not bridge.states.of("hub-1").connected)
        (old,) = await bridge.store.read_stretches("hub-1", 300, 4)
        (tmp_path / "of-hub").rename(tmp_path / "of-hub-before")
        async with hub_at(tmp_path, [endpoint]) as hub:
            await hub.append(1)
            await until(lambda: bridge.store.covered("hub-1") == 302)
        (new,) = await bridge.store.read_stretches("hub-1", 300, 4)
    assert proven(old, tmp_path / "of-hub-before") == 301
    assert proven(new, tmp_path / "of-hub") == 302
    with pytest.raises(ProofError):
        proven(new, tmp_path / "of-hub-before")


async def test_a_hub_that_ends_at_any_moment_leaves_nothing_without_a_head(tmp_path: Path) -> None:
    """heads: what was cut off between Held and its head is signed on the next connection"""
    chance = Random(148)
    config = bridge_config(tmp_path)
    count = 0
    async with bridge_at(tmp_path, config) as (bridge, endpoint):
        for _ in range(8):
            async with hub_at(tmp_path, [endpoint]) as hub:
                more = chance.randrange(1, 150)
                count += more
                await hub.append(more)
                await until(partial(holds, hub, count - chance.randrange(0, more + 1)))
        async with hub_at(tmp_path, [endpoint]):
            await until(lambda: bridge.store.covered("hub-1") == count)
        after = 0
        while found := await bridge.store.read_stretches("hub-1", after, 4):
            for stretch in found:
                assert proven(stretch, tmp_path / "of-hub") == stretch.records[-1].number
                after = stretch.records[-1].number
        assert after == count


def holds(hub: HubSide, number: int) -> bool:
    """Tell whether the bridge has said to hold this record."""
    return hub.records.last() - hub.way.state.waiting >= number


def proven(found: Stretch, folder: Path) -> int:
    """Prove a stretch by the key of a folder; return its last number."""
    key = read_signing_key(folder / "tls.key").verify_key
    return prove_own_head(found.document, HUB, key).head.number


async def test_a_bridge_that_comes_back_gets_what_it_lacks(tmp_path: Path) -> None:
    config = bridge_config(tmp_path)
    async with (
        bridge_at(tmp_path, config) as (_, endpoint),
        hub_at(tmp_path, [endpoint]) as hub,
    ):
        await hub.append(10)
        await until(lambda: hub.way.state.waiting == 0)
    async with hub_at(tmp_path, [endpoint]) as hub:
        await hub.append(10)
        await until(lambda: bool(hub.way.state.failures))
        async with bridge_at(tmp_path, msgspec.structs.replace(config, port=endpoint.port)) as (
            bridge,
            _,
        ):
            await until(lambda: hub.way.state.phase == "speaking" and not hub.way.state.waiting)
            assert len(await bridge.store.read("hub-1", 0, 100)) == 20


@dataclass
class ReceiptsOf:
    """The backend's key for receipts, and whatever it signs for a hub."""

    hub: HubName = HUB
    key: SigningKey = field(default_factory=make_key)

    def for_(self, number: int, digest: bytes) -> CarriedReceipt:
        said = SignedHead(HeadKind.RECEIPT, "somebody", self.hub, Head(number, digest), BEGINS + 1)
        return CarriedReceipt(sign_head(said, self.key))


@asynccontextmanager
async def hub_that_waits_for_receipts(
    folder: Path, known: ReceiptsOf, count: int
) -> AsyncIterator[tuple[Bridge, HubSide]]:
    """Run a bridge that holds so many records of a hub, none of which is durable."""
    document = issue_mandate(mandate(Use.RECEIPTS, known.key), ISSUER)
    config = bridge_config(folder, mandates=(document,))
    async with bridge_at(folder, config) as (bridge, endpoint), hub_at(folder, [endpoint]) as hub:
        await hub.append(count)
        await until(lambda: hub.way.state.waiting == 0)
        yield bridge, hub


def refused(hub: HubSide, count: int) -> Callable[[], bool]:
    return lambda: hub.way.state.counters.get("documents_refused") == count


def empty_out(folder: Path) -> None:
    """Take away what a bridge has kept."""
    for one in folder.glob("bridge.db*"):
        one.unlink()
    shutil.rmtree(folder / "policy")


async def test_an_empty_bridge_in_the_place_of_another_is_filled_and_doubts_nobody(
    tmp_path: Path,
) -> None:
    """witness, law 6: its whole disk is gone, and with it what it had seen"""
    receipts = ReceiptsOf()
    document = issue_mandate(mandate(Use.RECEIPTS, receipts.key), ISSUER)
    config = bridge_config(tmp_path, mandates=(document,))
    async with bridge_at(tmp_path, config) as (bridge, endpoint):
        same_place = msgspec.structs.replace(config, port=endpoint.port)
        async with hub_at(tmp_path, [endpoint]) as hub:
            await hub.append(20)
            await until(lambda: hub.way.state.waiting == 0)
            bridge.talks.say("hub-1", receipts.for_(15, hub.records.newest(16, 1)[0].hash))
            await until(lambda: hub.records.waiting() == 5)
    async with hub_at(tmp_path, [endpoint]) as hub:
        await hub.append(5)
        await until(lambda: bool(hub.way.state.failures))
        empty_out(tmp_path)
        async with bridge_at(tmp_path, same_place) as (empty, _):
            await until(lambda: hub.way.state.phase == "speaking" and not hub.way.state.waiting)
            held = [one.number for one in await empty.store.read("hub-1", 15, 100)]
            assert held == list(range(16, 26)), "all that the backend is not known to have"
            await hub.append(1)
            await until(lambda: empty.store.covered("hub-1") == 26)
            seen = empty.store.seen("hub-1")
            assert seen is not None
            assert (seen.doubt, seen.head.number) == (None, 26)
            assert hub.records.last() == 26, "no break was recorded"
            assert empty.policy.held.version == 0
            empty.talks.say("hub-1", receipts.for_(26, hub.records.newest(27, 1)[0].hash))
            await until(lambda: hub.records.waiting() == 0)


async def test_a_hub_that_lost_its_bridge_goes_to_the_second_and_comes_back(
    tmp_path: Path,
) -> None:
    """Two bridges of a site, with the site's one key for orders; each holds what it lacks"""
    key = make_key()
    for_orders = issue_mandate(mandate(Use.ORDERS, key), ISSUER)
    configs: list[Config] = []
    for name in ("bridge-1", "bridge-2"):
        (tmp_path / name).mkdir()
        made = bridge_config(tmp_path / name, (for_orders,), orders=key, name=name)
        configs.append(msgspec.structs.replace(made, port=free_port()))
    endpoints = [Endpoint(one.name, "127.0.0.1", one.port) for one in configs]
    first_at = tmp_path / "bridge-1"
    second_at = tmp_path / "bridge-2"
    lockdown = DoorsOrder(DoorOrder.LOCKDOWN, None, int(time.time()) + 3600)
    end = DoorsOrder(DoorOrder.LOCKDOWN, None, None)
    async with hub_at(tmp_path, endpoints) as hub:
        async with bridge_at(first_at, configs[0]) as (first, _):
            await hub.append(10)
            await until(lambda: first.store.covered("hub-1") == 10)
            await first.orders.give(lockdown, "otto")
            await until(lambda: len(hub.orders.taken) == 1)
        async with bridge_at(second_at, configs[1]) as (second, _):
            await until(lambda: "hub-1" in second.talks.connected())
            async with bridge_at(first_at, configs[0]) as (first, _):
                await hub.append(10)
                await until(lambda: second.store.covered("hub-1") == 20)
                held = await second.store.read("hub-1", 0, 100)
                assert [one.number for one in held] == [*range(1, 21)], "all that it lacked"
                given = await second.orders.give(end, "otto")
                assert second.orders.ends_nothing(given.id), "and hubctl says so"
                await until(lambda: len(hub.orders.taken) == 2)
                assert first.talks.connected() == (), "a hub speaks with one bridge"
                second.port.take_ends(Ends(1, frozenset({"hub-1"})))
                await until(lambda: first.store.covered("hub-1") == 20)
                for bridge in (first, second):
                    seen = bridge.store.seen("hub-1")
                    assert seen is not None
                    assert (seen.doubt, seen.head.number) == (None, 20)
                    assert bridge.store.hubs["hub-1"].gaps() == ()


async def test_a_receipt_lets_records_go(tmp_path: Path) -> None:
    """receipts, law 2"""
    receipts = ReceiptsOf()
    async with hub_that_waits_for_receipts(tmp_path, receipts, 20) as (bridge, hub):
        stored = hub.records.newest(21, 20)
        bridge.talks.say("hub-1", receipts.for_(15, stored[14].hash))
        await until(lambda: hub.records.waiting() == 5)
        waiting = await hub.records.unacknowledged(0, 100)
        assert [one.number for one in waiting] == [16, 17, 18, 19, 20]


async def test_what_no_backend_has_signed_for_this_hub_is_neither_receipt_nor_break(
    tmp_path: Path,
) -> None:
    """receipts, laws 1 and 3: a bridge alone makes no record and lets none go"""
    receipts = ReceiptsOf()
    async with hub_that_waits_for_receipts(tmp_path, receipts, 20) as (bridge, hub):
        stored = hub.records.newest(21, 20)
        of_another_hub = ReceiptsOf(HubName(SITE, "hub-2"), receipts.key)
        for false in (ReceiptsOf(), of_another_hub):
            bridge.talks.say("hub-1", false.for_(15, stored[14].hash))
            bridge.talks.say("hub-1", false.for_(15, bytes(32)))
            bridge.talks.say("hub-1", false.for_(99, bytes(32)))
        await until(refused(hub, 6))
        assert hub.records.waiting() == 20
        assert hub.records.last() == 20


async def test_a_receipt_that_does_not_fit_the_log_is_a_break_once(tmp_path: Path) -> None:
    """receipts, law 3"""
    receipts = ReceiptsOf()
    async with hub_that_waits_for_receipts(tmp_path, receipts, 20) as (bridge, hub):
        stored = hub.records.newest(21, 20)
        fork = receipts.for_(15, b"f" * 32)
        beyond = receipts.for_(400, b"b" * 32)
        for one in (fork, beyond, fork, receipts.for_(14, b"g" * 32), beyond):
            bridge.talks.say("hub-1", one)
        await until(refused(hub, 5))
        assert hub.way.state.counters["receipts_of_another_log"] == 5
        assert hub.records.last() == 22
        breaks = [Record.decode(one.body) for one in hub.records.newest(23, 2)]
        assert [one.kind for one in breaks] == [RecordKind.BREAK, RecordKind.BREAK]
        assert [one.detail for one in breaks] == [
            {Fact.CAUSE: "fork", Fact.KNOWN: 15, Fact.KNOWN_HASH: b"f" * 32},
            {Fact.CAUSE: "tail_cut", Fact.KNOWN: 400, Fact.KNOWN_HASH: b"b" * 32},
        ]
        assert hub.records.waiting() == 22  # nothing has gone
        bridge.talks.say("hub-1", receipts.for_(20, stored[19].hash))
        await until(lambda: hub.records.waiting() == 2)
        hub.appended.set()
        await until(lambda: hub.way.state.waiting == 0)
        assert len(await bridge.store.read("hub-1", 20, 100)) == 2


async def test_an_order_of_the_site_reaches_the_hub_and_its_answer_the_site(tmp_path: Path) -> None:
    """way, law 2"""
    key = make_key()
    document = issue_mandate(mandate(Use.ORDERS, key), ISSUER)
    config = bridge_config(tmp_path, mandates=(document,), orders=key)
    async with (
        bridge_at(tmp_path, config) as (bridge, endpoint),
        hub_at(tmp_path, [endpoint]) as hub,
    ):
        await until(lambda: hub.orders.known is not None)
        until_seconds = int(SystemClock(lambda: 0.0).wall()) + 600
        lockdown = DoorsOrder(DoorOrder.LOCKDOWN, None, until_seconds)
        order = await bridge.orders.give(lockdown, "otto")
        await until(lambda: hub.orders.taken == [order])
        await until(lambda: bridge.orders.shown()[0].answers == (("hub-1", OrderOutcome.TAKEN),))


async def test_a_hub_with_another_log_is_doubted_on_both_sides(tmp_path: Path) -> None:
    async with bridge_at(tmp_path, bridge_config(tmp_path)) as (bridge, endpoint):
        async with hub_at(tmp_path, [endpoint]) as hub:
            await hub.append(10)
            await until(lambda: hub.way.state.waiting == 0)
        (tmp_path / "older").mkdir()
        async with hub_at(tmp_path, [endpoint], log="older/audit.db") as hub:
            await hub.append(3)
            await until(lambda: hub.way.state.phase == "doubted")
            assert "tail_cut" in hub.way.state.why
            doubt = bridge.states.of("hub-1").doubt
            assert doubt is not None
            assert doubt.cause is Cause.TAIL_CUT
            assert len(await bridge.store.read("hub-1", 0, 100)) == 10


async def test_a_hub_whose_doubt_was_ended_goes_on_with_all_its_records(tmp_path: Path) -> None:
    """store.meeting, law 3"""
    config = bridge_config(tmp_path)
    (tmp_path / "older").mkdir()
    async with (
        bridge_at(tmp_path, config) as (_, endpoint),
        hub_at(tmp_path, [endpoint]) as hub,
    ):
        await hub.append(10)
        await until(lambda: hub.way.state.waiting == 0)
    async with bridge_at(tmp_path, config) as (bridge, endpoint):
        async with hub_at(tmp_path, [endpoint], log="older/audit.db") as hub:
            await hub.append(3)
            await until(lambda: hub.way.state.phase == "doubted")
            seen = bridge.store.seen("hub-1")
            assert seen is not None
            assert seen.doubt is not None
            accepted = await bridge.store.accept("hub-1", seen.doubt.told, "boss", 0, 1)
            assert accepted.ended is not None
            assert accepted.ended.aside == 10
            bridge.talks.accepted("hub-1", seen.doubt.told)
            await until(lambda: hub.way.state.phase == "speaking")
            await hub.append(5)
            await until(lambda: hub.way.state.waiting == 0)
            records = tuple(hub.records.newest(100, 100))
            assert await bridge.store.read("hub-1", 0, 100) == records
            assert len(records) == 8
        async with hub_at(tmp_path, [endpoint]) as hub:  # the other disk is back
            await until(lambda: hub.way.state.phase == "doubted")


async def test_a_bridge_of_another_site_or_name_is_left(tmp_path: Path) -> None:
    """line, law 1: a rogue bridge with a good certificate of somebody else"""
    rogue = tmp_path / "rogue"
    others = begin_authority("site-2", make_key(), BEGINS - 1000)
    foreign = tls_files(rogue, TlsName("site-2", TlsRole.BRIDGE, BRIDGE), others)
    other_name = tls_files(tmp_path / "other", TlsName(SITE, TlsRole.BRIDGE, "bridge-2"))
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.read(1000))
        finally:
            writer.close()

    async with bridge_at(tmp_path, bridge_config(tmp_path)) as (_, endpoint):
        servers = []
        for shown in (foreign, other_name):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(shown.certificate, shown.key)
            server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
            servers.append(server)
        ports = [one.sockets[0].getsockname()[1] for one in servers]
        false = [Endpoint(BRIDGE, "127.0.0.1", port) for port in ports]
        try:
            async with hub_at(tmp_path, [*false, endpoint]) as hub:
                await until(lambda: hub.way.state.phase == "speaking")
                assert hub.way.state.endpoint == str(endpoint)
            assert b"".join(heard) == b""
        finally:
            for server in servers:
                server.close()


async def test_a_bridge_whose_certificate_ended_in_a_long_outage_is_spoken_with(
    tmp_path: Path,
) -> None:
    """line, law 2"""
    config = bridge_config(tmp_path)
    ended = int(time.time()) - 1
    certify_again(tmp_path / "identity", TlsName(SITE, TlsRole.BRIDGE, BRIDGE), ended)
    async with (
        bridge_at(tmp_path, config) as (bridge, endpoint),
        hub_at(tmp_path, [endpoint]) as hub,
    ):
        await hub.append(10)
        await until(lambda: hub.way.state.waiting == 0)
        assert len(await bridge.store.read("hub-1", 0, 100)) == 10


@pytest.mark.parametrize("nonsense", [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", bytes(600)])
async def test_a_bridge_that_says_nonsense_is_left(tmp_path: Path, nonsense: bytes) -> None:
    """line, law 3"""
    shown = tls_files(tmp_path / "bridge", TlsName(SITE, TlsRole.BRIDGE, BRIDGE))
    visits = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        writer.write(nonsense)
        try:
            await reader.read(-1)
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    endpoint = Endpoint(BRIDGE, "127.0.0.1", server.sockets[0].getsockname()[1])
    async with hub_at(tmp_path, [endpoint]) as hub:
        await until(lambda: visits > 2)
        assert hub.way.state.phase in ("down", "greeting")
    server.close()


class Counting(FakeUplinkListener):
    """Sees how much came without a turn for others."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.at: dict[int, int] = {}

    def turn(self) -> None:
        self.turns += 1
        asyncio.get_running_loop().call_soon(self.turn)

    def received(self, message: bytes) -> None:
        self.at[self.turns] = self.at.get(self.turns, 0) + 1


async def test_a_bridge_that_floods_leaves_others_their_turn(tmp_path: Path) -> None:
    """line, law 6"""
    shown = tls_files(tmp_path / "bridge", TlsName(SITE, TlsRole.BRIDGE, BRIDGE))
    count = 20_000

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(b"\x00") * count)
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    endpoint = Endpoint(BRIDGE, "127.0.0.1", server.sockets[0].getsockname()[1])
    hub = tmp_path / "of-hub"
    line = TlsBridgeLine([endpoint], SITE, AUTHORITY.document, lambda: context_of(hub), TIMES)
    listener = Counting()
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        listener.turn()
        task = group.create_task(line.serve(listener))
        await until(lambda: bool(listener.whys))
        task.cancel()
    server.close()
    assert sum(listener.at.values()) >= count
    assert max(listener.at.values()) <= MESSAGES_AT_ONCE


async def test_a_bridge_that_does_not_read_fills_no_memory(tmp_path: Path) -> None:
    """line, law 4"""
    shown = tls_files(tmp_path / "bridge", TlsName(SITE, TlsRole.BRIDGE, BRIDGE))
    end = asyncio.Event()

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await end.wait()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    endpoint = Endpoint(BRIDGE, "127.0.0.1", server.sockets[0].getsockname()[1])
    hub = tmp_path / "of-hub"
    line = TlsBridgeLine([endpoint], SITE, AUTHORITY.document, lambda: context_of(hub), TIMES)
    listener = Counting()
    message = bytes(4096)
    most = 64 * UNSENT_BYTES // len(message)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        task = group.create_task(line.serve(listener))
        await until(lambda: listener.ups == 1)
        sent = 0
        while line.send(message) and sent < most:
            sent += 1
            await asyncio.sleep(0)
        assert sent < most
        end.set()
        task.cancel()
    server.close()
