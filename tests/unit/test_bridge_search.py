"""The search for a bridge: packets of anybody, the answers of a real bridge, and liars."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.config import load
from hubbridge.port.announcer import ANSWERS, Announcer
from hubcore.bridge.search.dns import (
    ITEMS_MAX,
    LABELS_MAX,
    PACKET_BYTES,
    UNICAST,
    Kind,
    Packet,
    Question,
    Service,
    name_of,
    read,
    write_answer,
    write_question,
)
from hubcore.bridge.search.service import (
    ANSWER_BYTES,
    ANSWER_FACTOR,
    KIND,
    answer_to,
    ask_for,
    bridge_name,
    port_in,
)
from hubcore.errors import ConfigError, FrameError, LinkError
from hubcore.ports.bridge import LineFault
from hubd.adapters.bridge.line import Endpoint, TlsBridgeLine
from hubd.adapters.bridge.search import (
    ANSWERS_MAX,
    PLACES_MAX,
    SEARCH_SECONDS,
    Place,
    Sought,
    search,
)
from hubd.config.bridges import Bridge, check_bridges
from hubd.config.mistakes.sentences import WrongValueError
from hubd.netcheck.bridge import CONNECT, SEARCH, TLS, BridgeTarget, walk_to_bridge
from hubd.netcheck.causes import Cause
from hubd.netcheck.steps import Limits
from tests.fakes.bridgedhub import AUTHORITY, BRIDGE, SITE, bridge_config
from tests.fakes.clock import FakeClock
from tests.fakes.uplink import FakeUplinkListener
from tests.scenario.test_bridge import TIMES, bridge_at, context_of, until

HOST = "127.0.0.1"
OWN = socket.inet_aton(HOST)
ASKED = read(ask_for(BRIDGE))
LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=63)
HEAD = struct.pack("!6H", 0, 0, 1, 0, 0, 0)
LONG = b"\x3f" + bytes(63)


def test_what_a_hub_asks_a_bridge_answers_with_its_port() -> None:
    answer = answer_to(ASKED, BRIDGE, 7715, OWN)
    assert answer is not None
    assert port_in(read(answer), BRIDGE) == 7715
    assert ASKED.questions == (Question(bridge_name(BRIDGE), Kind.SRV, unicast=True),)


def test_who_asks_for_all_bridges_is_answered_too() -> None:
    asked = read(write_question(Question(KIND, Kind.PTR)))
    assert answer_to(asked, BRIDGE, 7715, OWN) is not None


@pytest.mark.parametrize(
    "question",
    [
        Question(bridge_name("bridge-2"), Kind.SRV),
        Question(name_of("_ipp", "_tcp", "local"), Kind.PTR),
        Question(bridge_name(BRIDGE), 1),
        Question(KIND, Kind.SRV),
    ],
)
def test_what_is_asked_of_others_is_not_answered(question: Question) -> None:
    """service, law 3"""
    assert answer_to(read(write_question(question)), BRIDGE, 7715, OWN) is None


def test_an_answer_is_no_question_and_a_question_no_answer() -> None:
    answer = answer_to(ASKED, BRIDGE, 7715, OWN)
    assert answer is not None
    assert answer_to(read(answer), BRIDGE, 7715, OWN) is None
    assert port_in(ASKED, BRIDGE) is None
    assert port_in(read(answer), "bridge-2") is None


def test_capitals_make_no_other_name() -> None:
    """dns, law 4"""
    asked = write_question(Question(bridge_name(BRIDGE), Kind.SRV))
    shouted = asked.replace(b"bridge", b"BRIDGE")
    assert shouted != asked
    assert read(shouted).questions == read(asked).questions


@given(st.lists(LABELS, min_size=1, max_size=3), st.integers(1, 65535), st.booleans())
def test_what_was_written_is_read(labels: list[str], port: int, unicast: bool) -> None:
    name = name_of(*labels)
    question = Question(name, Kind.SRV, unicast)
    asked = Packet(7, is_answer=False, questions=(question,))
    assert read(write_question(question)).questions == (question,)
    answer = read(write_answer(asked, Service(name, port), name_of("x"), OWN, 10))
    assert answer == Packet(7, True, (question,), (Service(name, port),))


@given(st.binary(max_size=PACKET_BYTES + 10))
def test_any_bytes_are_a_packet_or_a_frame_error(data: bytes) -> None:
    """dns, law 3; service, law 4"""
    try:
        packet = read(data)
    except FrameError:
        return
    assert len(data) <= PACKET_BYTES
    assert len(packet.questions) + len(packet.services) <= ITEMS_MAX
    answer = answer_to(packet, BRIDGE, 7715, OWN)
    assert answer is None or len(answer) <= ANSWER_FACTOR * len(data) + ANSWER_BYTES


@given(st.data())
def test_an_answer_that_was_changed_is_read_or_refused(data: st.DataObject) -> None:
    answer = answer_to(ASKED, BRIDGE, 7715, OWN)
    assert answer is not None
    changed = bytearray(answer)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        packet = read(bytes(changed))
    except FrameError:
        return
    assert len(packet.services) <= 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        HEAD + b"\x03ab",
        HEAD + b"\xc0\x0c\0\0\0\0",  # a pointer to itself
        HEAD + b"\xc0\x20\0\0\0\0" + bytes(32),  # a pointer that leads on
        HEAD + b"\x01a\xc0\x0c\0\0\0\0",  # a circle
        HEAD + b"\x40a\0\0\0\0\0",
        HEAD + b"\x01a" * (LABELS_MAX + 1) + b"\0\0\0\0\0",
        HEAD + LONG * 4 + b"\0\0\0\0\0",
        struct.pack("!6H", 0, 0, ITEMS_MAX + 1, 0, 0, 0) + b"\0\0\x0c\0\1" * (ITEMS_MAX + 1),
        struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + b"\0" + struct.pack("!2HIH", 33, 1, 1, 200),
        HEAD + b"\0\0\x0c\0\x01" + bytes(PACKET_BYTES),
    ],
)
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    """dns, laws 1 and 2"""
    with pytest.raises(FrameError):
        read(data)


def test_a_name_by_pointers_that_lead_back_is_read() -> None:
    data = struct.pack("!6H", 0, 0, 2, 0, 0, 0)
    data += b"\x05local\0" + struct.pack("!2H", 12, 1)
    data += b"\x04_tcp\xc0\x0c" + struct.pack("!2H", 33, 1 | UNICAST)
    first, second = read(data).questions
    assert (first.name, second.name) == ((b"local",), (b"_tcp", b"local"))
    assert second.unicast


class Trouble:
    """Hears of trouble."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.happened = asyncio.Event()

    def trouble(self, what: str) -> None:
        self.said.append(what)
        self.happened.set()


def free_group() -> tuple[str, int]:
    """The group of multicast DNS on loopback, at a port that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return "224.0.0.251", probe.getsockname()[1]


@asynccontextmanager
async def announcing(port: int) -> AsyncIterator[tuple[str, int]]:
    """Answer for a bridge at this port; yield the group."""
    group = free_group()
    announcer = Announcer(
        bridge=BRIDGE, address=HOST, port=port, told=Trouble(), clock=FakeClock(), group=group
    )
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(announcer.run())
        await announcer.listening.wait()
        yield group
        task.cancel()


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[str, int]]:
    """Somebody who answers every question with all of this."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
        liar.setblocking(False)
        liar.bind((HOST, 0))

        async def lie_to_all() -> None:
            while True:
                _, asker = await loop.sock_recvfrom(liar, PACKET_BYTES)
                for answer in answers:
                    await loop.sock_sendto(liar, answer, asker)

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(lie_to_all())
            yield liar.getsockname()
            task.cancel()


def one(places: list[Place]) -> bool:
    return bool(places)


async def test_a_hub_finds_its_bridge() -> None:
    async with announcing(7715) as group:
        found = await search(Sought(BRIDGE, HOST), 20, group, one)
        assert found == [Place(HOST, 7715)]
        assert await search(Sought("bridge-2", HOST), 0.2, group) == []


def lie(port: int) -> bytes:
    answer = answer_to(ASKED, BRIDGE, port, socket.inet_aton("192.0.2.1"))
    assert answer is not None
    return answer


async def test_nobody_leads_a_hub_to_another_machine() -> None:
    """search, law 3: the address in the answer is of no account"""
    async with answering(lie(80)) as liar:
        assert await search(Sought(BRIDGE, HOST), 20, liar, one) == [Place(HOST, 80)]


async def test_answers_have_a_ceiling() -> None:
    """search, law 2"""
    async with answering(*(lie(port) for port in range(1, 40))) as liar:
        found = await search(Sought(BRIDGE, HOST), 20, liar)
    assert found == [Place(HOST, port) for port in range(1, PLACES_MAX + 1)]
    junk = [b"\xff" * 100] * ANSWERS_MAX
    async with answering(*junk, lie(80)) as liar:
        assert await search(Sought(BRIDGE, HOST), 20, liar) == []


async def test_a_machine_without_the_address_says_so() -> None:
    """search, law 4"""
    with pytest.raises(LinkError, match=r"192\.0\.2\.9"):
        await search(Sought(BRIDGE, "192.0.2.9"))


async def test_a_bridge_answers_at_a_pace_of_its_own() -> None:
    """announcer, law 2: its clock stands still, so no more than a burst is answered"""
    loop = asyncio.get_running_loop()
    async with announcing(7715) as group:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, OWN)
            asking.bind((HOST, 0))
            for _ in range(int(ANSWERS.burst)):
                asking.sendto(ask_for(BRIDGE), group)
                await loop.sock_recv(asking, PACKET_BYTES)
            asking.sendto(ask_for(BRIDGE), group)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await loop.sock_recv(asking, PACKET_BYTES)


async def test_a_flood_leaves_the_bridge_its_turns() -> None:
    """announcer, law 4: what stands in line is read one by one, and others run in between"""
    loop = asyncio.get_running_loop()
    turns = 0
    async with announcing(7715) as group:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, OWN)
            asking.bind((HOST, 0))
            for _ in range(100):
                asking.sendto(b"\xff" * 100, group)
            asking.sendto(ask_for(BRIDGE), group)
            answer = loop.create_task(loop.sock_recv(asking, PACKET_BYTES))
            while not answer.done():
                await asyncio.sleep(0)
                turns += 1
    assert turns >= 100


async def test_an_address_that_is_away_is_told_and_ends_nothing() -> None:
    """announcer, law 5"""
    told = Trouble()
    announcer = Announcer(
        bridge=BRIDGE, address="192.0.2.9", port=1, told=told, clock=FakeClock(), group=free_group()
    )
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(announcer.run())
        await told.happened.wait()
        assert not task.done()
        task.cancel()
    assert "search" in told.said[0]


@asynccontextmanager
async def line_that_searches(
    folder: Path, *places: Place
) -> AsyncIterator[tuple[TlsBridgeLine, FakeUplinkListener]]:
    """The hub's connection, whose search is answered so."""

    async def searching(_: Sought) -> list[Place]:
        return list(places)

    hub = folder / "of-hub"
    line = TlsBridgeLine(
        [Sought(BRIDGE, HOST)],
        SITE,
        AUTHORITY.document,
        lambda: context_of(hub),
        TIMES,
        searching,
    )
    listener = FakeUplinkListener()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(line.serve(listener))
        yield line, listener
        task.cancel()


async def test_the_certificate_decides_among_those_who_answer(tmp_path: Path) -> None:
    """line, law 8: a liar has answered before the bridge"""
    with socket.create_server((HOST, 0)) as closed:
        liar = Place(HOST, closed.getsockname()[1])
    async with bridge_at(tmp_path, bridge_config(tmp_path)) as (_, endpoint):
        true = Place(HOST, endpoint.port)
        async with line_that_searches(tmp_path, liar, true) as (line, listener):
            await until(lambda: listener.ups == 1)
            assert line.place().endpoint == str(Endpoint(BRIDGE, HOST, endpoint.port))


async def test_a_search_without_an_answer_is_told(tmp_path: Path) -> None:
    async with line_that_searches(tmp_path) as (line, _):
        await until(lambda: bool(line.place().faults))
        assert line.place().faults == {BRIDGE: LineFault.SILENT}
        assert "nobody answers the search" in line.place().failures[0]


async def test_netcheck_searches_too(tmp_path: Path) -> None:
    target = BridgeTarget(SITE, BRIDGE, "", 0, AUTHORITY.document, search_from=HOST)
    async with bridge_at(tmp_path, bridge_config(tmp_path)) as (_, endpoint):

        async def found(_: Sought) -> list[Place]:
            return [Place(HOST, endpoint.port)]

        steps = await walk_to_bridge(target, Limits(), 1.8e9, found)
    went = [(step.id, step.cause) for step in steps]
    assert went == [(SEARCH, None), (CONNECT, None), (TLS, None)]

    async def nobody(_: Sought) -> list[Place]:
        return []

    (step,) = await walk_to_bridge(target, Limits(), 1.8e9, nobody)
    assert (step.id, step.cause) == (SEARCH, Cause.NOT_FOUND)
    assert "announce" in (step.remedy or "")


@pytest.mark.parametrize(
    "wrong",
    [
        Bridge(BRIDGE),
        Bridge(BRIDGE, search_from="here"),
        Bridge(BRIDGE, search_from="fe80::1"),
        Bridge(BRIDGE, search_from="224.0.0.251"),
        Bridge(BRIDGE, address="10.20.0.2", search_from="10.20.0.7"),
    ],
)
def test_a_bridge_has_an_address_or_is_searched_for(wrong: Bridge) -> None:
    check_bridges((Bridge(BRIDGE, search_from="10.20.0.7"), Bridge("b-2", address="10.20.0.2")))
    with pytest.raises(WrongValueError):
        check_bridges((wrong,))


def test_the_page_has_the_bounds_of_a_search() -> None:
    page = (Path(__file__).parents[2] / "docs/bridge.md").read_text(encoding="utf-8")
    said = " ".join(page.split())
    assert f"within {SEARCH_SECONDS:g} s: at most {PLACES_MAX} places" in said


def test_only_an_address_of_ipv4_is_announced(tmp_path: Path) -> None:
    least = (
        'site = "s"\nname = "b"\nlisten = "LISTEN"\ntls_key = "k"\ntls_certificate = "c"\n'
        'tls_authority = "a"\nissuer = "i"\nannounce = true\n'
    )
    file = tmp_path / "hubbridge.toml"
    file.write_text(least.replace("LISTEN", "10.20.0.2"))
    assert load(file).announce
    file.write_text(least.replace("LISTEN", "fd00::2"))
    with pytest.raises(ConfigError, match="IPv4"):
        load(file)
