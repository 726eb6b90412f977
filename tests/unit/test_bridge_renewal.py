"""A hub's newer certificates over its bridge: `backend.renewal`, `hubs.renewing`, `hubd.bridge`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.app import Bridge, open_bridge, read_files
from hubbridge.backend.papers import PapersOfBackend
from hubbridge.hubs.renewing import REQUESTS_EACH, Renewals
from hubbridge.port.hubsport import Visit
from hubbridge.rules.peers import May
from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.backend.renewal import prove_renewal, sign_renewal
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_backend import Certificate, Pong, TlsCertificate
from hubcore.backend.uplink.from_hub import CertificateRequest, Notice, Ping
from hubcore.bridge.backend.from_backend import CertificateOfHub
from hubcore.bridge.backend.from_bridge import RequestOfHub
from hubcore.bridge.backend.talk.apart import SaidApart
from hubcore.bridge.ends import Ends
from hubcore.bridge.from_bridge import BridgeWelcome, RenewFirst
from hubcore.bridge.from_hub import CarriedRequest
from hubcore.bridge.witness import Doubt
from hubcore.codec.tls import TlsInForce, TlsName, TlsRole, read_certificate
from hubcore.codec.tlsauthority import certify
from hubcore.errors import LinkError, ProofError, SequenceError
from hubcore.evidence.records import Head
from hubcore.phone.certificates import CertificateInForce
from hubd.bridge.certificates import CAME_BACK, SIGNED, BridgeCertificates, OwnCertificates
from hubsim.site.authority import public_of
from hubsim.site.documents import Validity, certify_hub, make_key
from hubtls.peers import Peer
from tests.fakes.bridgedhub import (
    AUTHORITY,
    ENDS,
    ISSUER,
    PATIENCE_SECONDS,
    SITE,
    BridgedHub,
    bridge_config,
    hub_files,
    make_log,
)
from tests.fakes.clock import NOON, FakeClock

HUB = HubName(SITE, "hub-1")
KEY = make_key()
TLS_KEY = make_key()
DAY = 86_400
REQUEST = CertificateRequest(bytes(range(32)), ENDS)
BEGAN = NOON - 300 * DAY
AFTER_THE_END = ENDS + 10.0


async def until(true: Callable[[], bool]) -> None:
    """Wait until this is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


# The request.


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1))
def test_a_request_says_what_the_hub_signed(digest: bytes, expires: int) -> None:
    request = CertificateRequest(digest, expires)
    assert prove_renewal(sign_renewal(HUB, request, KEY), HUB, KEY.verify_key) == request


def test_a_request_by_another_key_or_for_another_hub_proves_nothing() -> None:
    document = sign_renewal(HUB, REQUEST, KEY)
    for hub, key in (
        (HUB, TLS_KEY),
        (HubName(SITE, "hub-2"), KEY),
        (HubName("site-2", "hub-1"), KEY),
    ):
        with pytest.raises(ProofError):
            prove_renewal(document, hub, key.verify_key)
    with pytest.raises(ProofError):
        prove_renewal(document + bytes(1024), HUB, KEY.verify_key)


@given(st.data())
def test_one_bit_that_a_bridge_changes_is_seen(data: st.DataObject) -> None:
    document = bytearray(sign_renewal(HUB, REQUEST, KEY))
    at = data.draw(st.integers(0, len(document) - 1))
    document[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ProofError):
        prove_renewal(bytes(document), HUB, KEY.verify_key)


# The hub.


def hub_certificate(begins: float) -> bytes:
    return certify_hub(
        ISSUER,
        site=SITE,
        hub="hub-1",
        key=KEY.verify_key,
        points=(1,),
        validity=Validity(int(begins), int(begins) + 365 * DAY),
    )


def tls_certificate(begins: float, days: int = 365) -> bytes:
    ends = int(begins) + days * DAY
    return certify(AUTHORITY, NAME, public_of(TLS_KEY), int(begins), ends)


NAME = TlsName(SITE, TlsRole.HUB, "hub-1")


@dataclass
class OneHub:
    """A hub's certificates before a bridge that notes what is said."""

    clock: FakeClock
    begins: float = BEGAN
    tls_days: int = 365
    said: list[bytes] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    is_up: bool = True
    signed: int = 0

    def __post_init__(self) -> None:
        self.in_force = CertificateInForce.of(hub_certificate(self.begins), ISSUER.verify_key)
        document = tls_certificate(self.begins, self.tls_days)
        first = read_certificate(document, AUTHORITY.document, NAME)
        self.tls = TlsInForce(first, AUTHORITY.document, NAME)
        own = OwnCertificates(KEY, self.in_force, self.tls, self._take, self._take_tls)
        self.certificates = BridgeCertificates(
            own,
            hub=HUB,
            clock=self.clock,
            pace=Pace(),
            counters=self.counters,
            say=self._say,
            leave_if_refused=self.left.append,
        )

    def _say(self, message: CarriedRequest) -> bool:
        self.signed += 1
        if self.is_up:
            self.said.append(message.document)
        return self.is_up

    async def _take(self, document: bytes) -> None:
        new = self.in_force.newer(document, ISSUER.verify_key, (1,))
        self.in_force.renew(document, new)

    async def _take_tls(self, document: bytes) -> None:
        self.tls.renew(self.tls.newer(document))

    def asked(self) -> list[CertificateRequest]:
        """Return what was asked, each proven by the hub's key."""
        return [prove_renewal(one, HUB, KEY.verify_key) for one in self.said]


def test_a_hub_asks_by_its_own_signature_when_it_is_time() -> None:
    """certificates, laws 1 and 3"""
    early = OneHub(FakeClock(), begins=NOON - DAY)
    assert early.certificates.ask() is not None
    assert early.said == []
    hub = OneHub(FakeClock())
    again_at = hub.certificates.ask()
    assert again_at is not None
    assert again_at > hub.clock.monotonic()
    wanted = CertificateRequest(hub.in_force.digest, hub.in_force.certified.expires)
    assert hub.asked() == [wanted]
    hub.certificates.ask()
    assert len(hub.said) == 1
    hub.certificates.rewind()
    hub.certificates.ask()
    assert hub.asked() == [wanted, wanted]


def test_a_hub_asks_for_the_sake_of_either_certificate() -> None:
    """certificates, law 3"""
    hub = OneHub(FakeClock(), begins=NOON - DAY, tls_days=1)
    hub.certificates.ask()
    assert len(hub.asked()) == 1


def test_a_bridge_that_takes_nothing_else_gets_the_request_each_time() -> None:
    """certificates, law 3"""
    hub = OneHub(FakeClock(), begins=NOON - DAY)
    for _ in range(3):
        hub.certificates.ask_now()
    assert len(hub.asked()) == 3


def test_a_bridge_that_says_so_again_and_again_gets_few_signatures() -> None:
    """certificates, law 3: each takes a small board's time, and its doors wait for that"""
    hub = OneHub(FakeClock(), begins=NOON - DAY)
    for _ in range(100):
        hub.certificates.ask_now()
    assert len(hub.said) == SIGNED.burst
    hub.clock.advance(1 / SIGNED.per_second)
    hub.certificates.ask_now()
    assert len(hub.said) == SIGNED.burst + 1


def test_a_bridge_that_reads_nothing_costs_few_signatures() -> None:
    """certificates, law 3: it is asked each time that something comes"""
    hub = OneHub(FakeClock(), is_up=False)
    for _ in range(100):
        hub.certificates.ask()
    assert hub.signed == SIGNED.burst
    assert hub.said == []
    hub.is_up = True
    hub.clock.advance(1 / SIGNED.per_second)
    hub.certificates.ask()
    assert len(hub.asked()) == 1


async def test_a_hub_comes_back_with_its_newer_tls_certificate() -> None:
    """certificates, laws 2 and 4"""
    hub = OneHub(FakeClock())
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        running = group.create_task(hub.certificates.run())
        newer = hub_certificate(NOON)
        hub.certificates.let_wait(Certificate(newer))
        await until(lambda: hub.in_force.document == newer)
        assert hub.left == []
        hub.certificates.let_wait(TlsCertificate(hub.tls.certified.document))  # no news
        await asyncio.sleep(0)
        newer = tls_certificate(NOON)
        hub.certificates.let_wait(TlsCertificate(newer))
        await until(lambda: hub.left == [CAME_BACK])
        assert hub.tls.certified.document == newer
        hub.certificates.let_wait(TlsCertificate(b"forged"))
        await until(lambda: hub.counters["certificates_refused"] == 1)
        assert hub.tls.certified.document == newer
        running.cancel()


# The bridge.


@dataclass
class NotedUpward:
    """A way to the backend that notes who asks."""

    asked: list[tuple[str, bytes]] = field(default_factory=list)
    grown: list[str] = field(default_factory=list)

    def age_seconds(self) -> int | None:
        return None

    def grew(self, hub: str) -> None:
        self.grown.append(hub)

    def ahead(self, hub: str, notice: Notice) -> None:
        raise AssertionError("no alarm comes")

    def testified(self, hub: str, document: bytes) -> None:
        raise AssertionError("nobody bears witness")

    def doubted(self, hub: str, doubt: Doubt, seen: Head) -> None:
        raise AssertionError("nobody is doubted")

    def requested(self, hub: str, document: bytes) -> None:
        self.asked.append((hub, document))

    def receipt(self, hub: str) -> bytes | None:
        return None


@asynccontextmanager
async def running(
    folder: Path, clock: FakeClock
) -> AsyncIterator[tuple[Bridge, NotedUpward, Callable[[], Awaitable[BridgedHub]]]]:
    """Run a bridge; yield what comes to it as hub-1, too."""
    files = read_files(bridge_config(folder), folder / "hubbridge.toml")
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    shown = hub_files(folder / "of-hub", "hub-1")
    upward = NotedUpward()
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        open_bridge(files, clock) as bridge,
        asyncio.TaskGroup() as group,
    ):
        bridge.talks.reports_to(upward)
        task = group.create_task(bridge.run(ready.set_result))
        port = await ready
        yield bridge, upward, lambda: BridgedHub.connect("hub-1", shown, port)
        task.cancel()


def request() -> CarriedRequest:
    return CarriedRequest(sign_renewal(HUB, REQUEST, KEY))


async def test_a_request_goes_on_as_it_came_and_the_answer_too(tmp_path: Path) -> None:
    """renewing, law 1"""
    async with running(tmp_path, FakeClock()) as (bridge, upward, come):
        with closing(await come()) as hub:
            await hub.greet([])
            asked = request()
            hub.say(asked)
            await until(lambda: upward.asked == [("hub-1", asked.document)])
            assert bridge.talks.say_certificate("hub-1", Certificate(b"newer"))
            assert await hub.until(Certificate) == Certificate(b"newer")
            assert not bridge.talks.say_certificate("hub-2", Certificate(b"newer"))


def test_what_a_hub_asks_again_goes_up_again() -> None:
    """apart, law 1: the backend may not have answered it, and nothing else says so"""
    apart = SaidApart(1, Counter())
    for _ in range(2):
        assert apart.request("hub-1", b"request") == RequestOfHub("hub-1", b"request")
    assert apart.request("hub-2", b"request") is None
    assert apart.again() == [RequestOfHub("hub-1", b"request")]


async def test_a_hub_that_asks_and_asks_is_left_out(tmp_path: Path) -> None:
    """renewing, law 2"""
    clock = FakeClock()
    async with running(tmp_path, clock) as (_, upward, come):
        with closing(await come()) as hub:
            await hub.greet([])
            hub.say(*[request() for _ in range(50)], Ping(bytes(8)))
            await hub.until(Pong)
            assert len(upward.asked) == REQUESTS_EACH.burst
            clock.advance(1 / REQUESTS_EACH.per_second)
            hub.say(request(), Ping(bytes(8)))
            await hub.until(Pong)
            assert len(upward.asked) == REQUESTS_EACH.burst + 1


async def test_who_comes_after_the_end_may_renew_and_nothing_else(tmp_path: Path) -> None:
    """renewing, law 3"""
    clock = FakeClock(offset=AFTER_THE_END)
    async with running(tmp_path, clock) as (bridge, upward, come):
        with closing(await come()) as hub:
            log = make_log(3)
            hub.say(hub.hello(log))
            first = await hub.until(RenewFirst)
            assert first == RenewFirst(ENDS, int(1000 * clock.wall()))
            hub.send(log)
            hub.say(Ping(bytes(8)), request(), hub.hello(log))
            assert await hub.until(RenewFirst) == first  # all before it was looked at
            assert len(upward.asked) == 1
            assert upward.grown == []
            assert bridge.talks.connected() == ()
            bridge.talks.say_mandate(b"mandate")
            assert bridge.talks.say_certificate("hub-1", TlsCertificate(b"newer"))
            await hub.until(TlsCertificate)
            others = {type(one) for one in hub.heard} - {RenewFirst, TlsCertificate}
            assert others == set(), "no Welcome, no mandate, no record held"
            assert "hub-1" not in bridge.store.hubs
            assert bridge.states.of("hub-1").certificate_ends == ENDS
            bridge.port.take_ends(Ends(1, frozenset({"hub-1"})))  # law 4
            while await hub.next() is not None:
                pass
        assert not bridge.talks.say_certificate("hub-1", TlsCertificate(b"newer"))


@dataclass
class OneLine:
    """A hub's connection that says these messages, and then has ended."""

    messages: list[list[object]]
    said: list[object] = field(default_factory=list)

    def say(self, message: object) -> bool:
        self.said.append(message)
        return True

    async def next(self) -> list[object]:
        if not self.messages:
            raise LinkError("it has ended")
        return self.messages.pop(0)


async def test_who_may_nothing_any_more_is_cut_at_his_next_message() -> None:
    """renewing, law 4"""
    answers = [May.RENEW, May.NOTHING]
    peer = Peer(NAME, bytes(32), ENDS, bytes(91))
    visit = Visit(peer, None, None, lambda: answers.pop(0))  # type: ignore[arg-type]
    line = OneLine([[request()], [request()]])
    upward = NotedUpward()
    with pytest.raises(SequenceError):
        await Renewals(FakeClock(), 8).serve(visit, line, upward)  # type: ignore[arg-type]
    assert len(upward.asked) == 1


async def test_a_certificate_that_ends_meanwhile_is_cut_and_comes_back_to_renew(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with running(tmp_path, clock) as (_, upward, come):
        with closing(await come()) as hub:
            await hub.greet([])
            clock.offset = AFTER_THE_END
            hub.say(request())
            while await hub.next() is not None:
                pass
            assert upward.asked == []
        with closing(await come()) as hub:
            hub.say(hub.hello([]))
            await hub.until(RenewFirst)
            hub.say(request())
            await until(lambda: len(upward.asked) == 1)


async def test_a_bridge_that_was_wrong_about_the_time_welcomes_at_the_next_visit(
    tmp_path: Path,
) -> None:
    clock = FakeClock(offset=AFTER_THE_END)
    async with running(tmp_path, clock) as (_, _, come):
        with closing(await come()) as hub:
            hub.say(hub.hello([]))
            await hub.until(RenewFirst)
        clock.offset = NOON
        with closing(await come()) as hub:
            hub.say(hub.hello([]))
            await hub.until(BridgeWelcome)


@pytest.mark.parametrize(
    ("message", "is_told"),
    [
        (uplink.encode(Pong(bytes(8), 1)), True),
        (b"noise", True),
        (uplink.encode(Certificate(b"newer")), False),
    ],
)
async def test_a_backend_brings_certificates_and_nothing_else_by_that_name(
    tmp_path: Path, message: bytes, is_told: bool
) -> None:
    """papers, law 4"""
    told: list[str] = []
    said: list[object] = []

    class Hubs:
        def say_certificate(self, hub: str, one: object) -> bool:
            said.append((hub, one))
            return True

    class Told:
        def trouble(self, what: str) -> None:
            told.append(what)

    papers = PapersOfBackend(
        site=SITE,
        issuer=ISSUER.verify_key,
        store=None,  # type: ignore[arg-type]
        mandates=None,  # type: ignore[arg-type]
        ended=None,  # type: ignore[arg-type]
        hubs=Hubs(),  # type: ignore[arg-type]
        port=None,  # type: ignore[arg-type]
        told=Told(),
    )
    papers.bring_certificate(CertificateOfHub("hub-1", message))
    assert bool(told) is is_told
    assert said == ([] if is_told else [("hub-1", Certificate(b"newer"))])
