"""A bridge's own key and certificate: what it takes; a power cut anywhere leaves a pair."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbridge.renewal.files import OwnFiles
from hubbridge.renewal.own import Connection, OwnRenewal, load_pairs
from hubbridge.rules.nextkey import (
    Greeting,
    Happened,
    NextKey,
    NextPhase,
    Now,
    RenewalPace,
    Shown,
    Step,
)
from hubcore.bridge.backend.from_bridge import FromBridge, OnlyKey, OwnRequest
from hubcore.bridge.backend.ownrequest import prove_own_request
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, TlsRole, pem_of
from hubcore.codec.tlsauthority import Authority, begin_authority, certify
from hubcore.errors import StoreError
from hubcore.ports.clock import ClockState
from hubsim.site.documents import make_key
from hubtls.identity import Identity
from hubtls.keys import read_signing_key
from tests.fakes.bridgedhub import AUTHORITY, BEGINS, BRIDGE, ENDS, SITE, certify_again, tls_files
from tests.fakes.clock import FakeClock
from tests.unit.backendway.renewaldesk import public

NAME = TlsName(SITE, TlsRole.BRIDGE, BRIDGE)
DUE = ENDS - 1000
KEYS = [make_key() for _ in range(6)]
"""Those that a bridge makes, one after the other."""


class PowerCutError(Exception):
    """The power is gone."""


class Disk(OwnFiles):
    """The power goes before or after the write with this number."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cut: tuple[int, bool] | None = None
        self.fails = 0
        self.writes = 0

    def put(self, path: Path, pair: bytes) -> None:
        self._write(lambda: super(Disk, self).put(path, pair))

    def drop_next(self) -> None:
        self._write(super().drop_next)

    def _write(self, write: Callable[[], None]) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreError("the disk is full")
        self.writes += 1
        if self.cut == (self.writes, False):
            raise PowerCutError
        write()
        if self.cut == (self.writes, True):
            raise PowerCutError


@dataclass
class Gateway:
    """What gateway, engine and issuer know of the bridge."""

    known: bytes
    follows: bytes = b""
    document: bytes = b""
    certified: bytes = b""
    wanted: bytes = b""
    only: int = 0
    signed: int = 0

    def lets(self, identity: Identity) -> bool:
        follows = self.known in (self.follows, self.certified)
        return identity.key == self.known or (follows and identity.key == self.certified)

    def hear(self, identity: Identity, message: FromBridge) -> None:
        if isinstance(message, OnlyKey):
            self.only += 1
            self.known = identity.key
        elif isinstance(message, OwnRequest):
            assert identity.key == self.known
            self.wanted = prove_own_request(message.document, NAME, identity.key)

    def sign(self) -> None:
        """The issuer signs what was asked for last, each time until 1,000 s later."""
        if self.wanted and self.wanted != self.certified:
            self.signed += 1
            expires = ENDS + 1000 * self.signed
            self.follows = self.known
            self.certified = self.wanted
            self.document = certify(AUTHORITY, NAME, self.wanted, DUE, expires)


@dataclass
class World:
    """A bridge on a disk; it can be started again."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    said: list[FromBridge] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    seen: list[Identity] = field(default_factory=list)
    made: int = 0
    left: int = 0
    shown: Identity | None = None

    def __post_init__(self) -> None:
        self.files = tls_files(self.folder / "given", NAME)
        self.is_at(DUE)
        self.start()
        self.gateway = Gateway(self.renewal.identity.key)

    def start(self) -> None:
        self.disk = Disk(self.folder)
        self.shown = None
        self.renewal = OwnRenewal(
            load_pairs(NAME, self.files, self.disk),
            configured=self.files,
            own=self.disk,
            make_key=self._make,
            put_in_force=self.seen.append,
            told=self,
            clock=self.clock,
        )
        self.renewal.joins(Connection(self._say, self._leave))

    def is_at(self, wall: float) -> None:
        """It is this time."""
        self.clock.offset = wall - self.clock.monotonic()

    def trouble(self, what: str) -> None:
        self.told.append(what)

    def note(self, what: str) -> None:
        self.told.append(what)

    def _make(self) -> SigningKey:
        self.made += 1
        return KEYS[self.made % len(KEYS)]

    def _say(self, message: FromBridge) -> bool:
        if self.shown is None:
            return False
        self.said.append(message)
        self.gateway.hear(self.shown, message)
        return True

    def _leave(self) -> None:
        self.left += 1
        self.hang_up()

    def hang_up(self) -> None:
        self.shown = None
        self.renewal.ended()

    def call(self, greeting: Greeting = Greeting.WELCOME) -> bool:
        """Call a gateway; tell whether it greeted."""
        shown = self.renewal.for_call()
        if not self.gateway.lets(shown):
            self.renewal.ended()
            return False
        self.shown = shown
        self.renewal.greeted(greeting)
        return True

    async def renew(self) -> None:
        """Do all, with no fault: ask, be answered, come again."""
        self.call()
        await self.renewal.look()
        self.gateway.sign()
        await self.renewal.take(self.gateway.document)
        await self.renewal.look()
        self.call()
        await self.renewal.look()


def identities(world: World) -> set[bytes]:
    """Return the keys by which a bridge that starts now may call."""
    pairs = load_pairs(NAME, world.files, OwnFiles(world.folder))
    following = () if pairs.next is None else (pairs.next.identity.key,)
    return {pairs.in_force.identity.key, *following}


async def test_a_bridge_renews_its_key_and_certificate(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.renewal.identity
    await world.renew()
    second = world.renewal.identity
    assert second.key != first.key
    assert second.expires == ENDS + 1000
    assert world.seen == [second]
    assert world.gateway.known == second.key
    assert [type(one) for one in world.said] == [OnlyKey, OwnRequest, OnlyKey]
    assert world.left == 1
    world.start()
    assert world.renewal.identity.key == second.key
    assert world.renewal.phase is NextPhase.NONE
    assert oct((tmp_path / "own.pem").stat().st_mode & 0o777) == oct(0o600)
    world.is_at(ENDS + 900)
    await world.renew()  # and once more, by the key that it has made itself
    assert world.renewal.identity.key not in (first.key, second.key)


OTHER = begin_authority(SITE, make_key(), BEGINS - 1000)


@pytest.mark.parametrize(
    ("name", "authority", "begins", "expires", "own_key"),
    [
        (TlsName(SITE, TlsRole.BRIDGE, "bridge-2"), AUTHORITY, DUE, ENDS + 1000, True),
        (TlsName("site-2", TlsRole.BRIDGE, BRIDGE), AUTHORITY, DUE, ENDS + 1000, True),
        (TlsName(SITE, TlsRole.HUB, BRIDGE), AUTHORITY, DUE, ENDS + 1000, True),
        (TlsName(SITE, TlsRole.BACKEND, BRIDGE), AUTHORITY, DUE, ENDS + 1000, True),
        (NAME, OTHER, DUE, ENDS + 1000, True),
        (NAME, AUTHORITY, DUE, ENDS + 1000, False),
        (NAME, AUTHORITY, DUE, ENDS, True),
        (NAME, AUTHORITY, DUE, ENDS - 1, True),
        (NAME, AUTHORITY, BEGINS - 1, ENDS + 1000, True),
    ],
)
async def test_a_certificate_that_is_not_for_it_is_refused(
    tmp_path: Path, name: TlsName, authority: Authority, begins: int, expires: int, own_key: bool
) -> None:
    """own, law 2"""
    world = World(tmp_path)
    world.call()
    await world.renewal.look()
    wanted = world.gateway.wanted if own_key else public(make_key())
    told = len(world.told)
    writes = world.disk.writes
    await world.renewal.take(certify(authority, name, wanted, begins, expires))
    await world.renewal.take(b"nonsense")
    assert world.renewal.phase is NextPhase.ASKED
    assert world.disk.writes == writes
    assert [one.startswith("a certificate for this bridge is refused") for one in world.told[told:]]
    assert len(world.told) == told + 2
    assert world.renewal.for_call() is world.renewal.identity


async def test_one_that_did_not_ask_takes_none_and_its_own_again_changes_nothing(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    await world.renewal.take(certify(AUTHORITY, NAME, public(KEYS[0]), DUE, ENDS + 1000))
    assert world.disk.writes == 0
    await world.renew()
    writes = world.disk.writes
    told = len(world.told)
    await world.renewal.take(world.gateway.document)
    assert (world.disk.writes, len(world.told)) == (writes, told)


async def test_a_next_pair_that_does_not_work_is_tried_again_later(tmp_path: Path) -> None:
    """nextkey, law 3"""
    world = World(tmp_path)
    world.call()
    await world.renewal.look()
    world.gateway.sign()
    await world.renewal.take(world.gateway.document)
    await world.renewal.look()
    world.gateway.certified = b""  # a gateway of an older version knows nothing of it
    tried_at = []
    for _ in range(9):
        while world.call():
            world.hang_up()
            world.clock.advance(10)
        tried_at.append(world.clock.monotonic())
    pauses = [round(later - before) for before, later in pairwise(tried_at)]
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_a_disk_that_fails_is_tried_again(tmp_path: Path) -> None:
    """own, law 4"""
    world = World(tmp_path)
    world.call()
    world.disk.fails = 1
    with pytest.raises(StoreError):
        await world.renewal.look()
    await world.renewal.look()
    world.gateway.sign()
    world.disk.fails = 1
    with pytest.raises(StoreError):
        await world.renewal.take(world.gateway.document)
    await world.renewal.take(world.gateway.document)
    await world.renewal.look()
    world.call()
    before = world.renewal.identity
    world.disk.fails = 1
    with pytest.raises(StoreError):
        await world.renewal.look()
    assert world.renewal.identity is before
    await world.renewal.look()
    assert world.renewal.identity is not before


async def test_without_a_clock_no_key_is_made(tmp_path: Path) -> None:
    """nextkey, law 6"""
    world = World(tmp_path)
    world.clock.trust = ClockState.BEFORE_BUILD
    world.call()
    await world.renewal.look()
    assert world.made == 0
    world.clock.trust = ClockState.TRUSTED
    await world.renewal.look()
    assert world.made == 1


async def test_a_certificate_that_comes_while_the_next_pair_is_put_in_force_waits(
    tmp_path: Path,
) -> None:
    """own, law 5"""
    world = World(tmp_path)
    world.call()
    await world.renewal.look()
    world.gateway.sign()
    await world.renewal.take(world.gateway.document)
    await world.renewal.look()
    world.call()
    later = certify(AUTHORITY, NAME, world.gateway.certified, DUE, ENDS + 9000)
    await asyncio.gather(world.renewal.look(), world.renewal.take(later))
    assert world.renewal.phase is NextPhase.NONE
    assert world.renewal.identity.key == world.gateway.certified
    assert world.renewal.identity.expires == ENDS + 1000


async def test_before_it_is_time_nothing_is_asked(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.is_at(ENDS - (ENDS - BEGINS) / 3 - 1)
    world.call()
    await world.renewal.look()
    assert [type(one) for one in world.said] == [OnlyKey]
    world.clock.advance(1)
    await world.renewal.look()
    assert [type(one) for one in world.said] == [OnlyKey, OwnRequest]
    world.clock.advance(RenewalPace().again_seconds - 1)
    await world.renewal.look()
    assert len(world.said) == 2
    world.clock.advance(1)
    await world.renewal.look()
    assert len(world.said) == 3


async def test_a_gateway_that_says_renew_first_for_ever_has_few_keys_made(tmp_path: Path) -> None:
    """nextkey, laws 4 and 5"""
    world = World(tmp_path)
    for _ in range(60):
        world.call(Greeting.RENEW_FIRST)
        await world.renewal.look()
        world.gateway.sign()
        await world.renewal.take(world.gateway.document)
        await world.renewal.look()
        world.call(Greeting.RENEW_FIRST)
        await world.renewal.look()
        world.clock.advance(1)
    assert world.made <= 2
    world.clock.advance(3600)
    await world.renew()
    world.call()
    await world.renewal.look()
    assert world.gateway.lets(world.renewal.identity)


async def test_what_a_person_brings_later_counts_before_its_own(tmp_path: Path) -> None:
    """own, law 3"""
    world = World(tmp_path)
    await world.renew()
    own = world.renewal.identity
    (tmp_path / "own-next.pem").write_bytes((tmp_path / "own.pem").read_bytes())
    world.start()
    assert world.renewal.identity.key == own.key
    assert world.renewal.phase is NextPhase.NONE, "the next one is the one in force"
    for damaged in (b"", b"x" * 10_000, (tmp_path / "own.pem").read_bytes()[:-200]):
        (tmp_path / "own-next.pem").write_bytes(damaged)
        (tmp_path / "own-next.pem").chmod(0o600)
        world.start()
        assert world.renewal.identity.key == own.key
    certify_again(tmp_path / "given", NAME, ENDS + 5000)  # it begins earlier than its own
    world.start()
    assert world.renewal.identity.key == own.key
    given = tmp_path / "given"
    key = public(read_signing_key(given / "tls.key"))
    (given / "tls.pem").write_bytes(pem_of(certify(AUTHORITY, NAME, key, DUE + 1, ENDS)))
    world.start()
    assert world.renewal.identity.key == key, "a person has brought it later"
    certify_again(given, NAME, ENDS)
    (tmp_path / "own.pem").write_bytes(b"damaged")
    world.start()
    assert world.renewal.identity.key != own.key, "that of the configuration"


def test_what_is_not_in_the_table_is_refused() -> None:
    """nextkey, law 1"""
    now = Now(0.0, 0.0)
    taken = 0
    for phase, what in product(NextPhase, Happened):
        rules = NextKey(phase, RenewalPace())
        try:
            rules.happened(what, now)
        except KeyError:
            assert rules.phase is phase
        else:
            taken += 1
    assert taken == 6
    assert NextKey(NextPhase.ASKED, RenewalPace()).to_show(now) is Shown.IN_FORCE
    assert NextKey(NextPhase.CERTIFIED, RenewalPace()).step(0.0, now) is Step.WAIT


EVENTS = ("call", "call renew first", "hang up", "look", "sign", "take", "start", "time", "fail")


@settings(max_examples=20, deadline=None)
@given(
    events=st.lists(st.sampled_from(EVENTS), max_size=40),
    cut=st.none() | st.tuples(st.integers(1, 6), st.booleans()),
)
def test_events_and_power_cuts_in_any_order_leave_a_pair_that_works(
    events: list[str], cut: tuple[int, bool] | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(World(Path(folder)), events, cut))


async def play(world: World, events: list[str], cut: tuple[int, bool] | None) -> None:
    """Play, then let all be well: the bridge speaks by a pair that it has made itself."""
    world.disk.cut = cut
    for event in events:
        try:
            await one_event(world, event)
        except PowerCutError:
            world.start()
        except StoreError:
            pass
        assert any(key == world.gateway.known for key in identities(world)), event
        assert world.renewal.identity.key in identities(world)
    world.disk.cut = None
    world.disk.fails = 0
    world.is_at(ENDS + 900)
    for _ in range(4):
        world.hang_up()
        world.clock.advance(4000)
        await world.renew()
    world.call()
    await world.renewal.look()
    assert world.gateway.lets(world.renewal.identity)
    assert world.gateway.known == world.renewal.identity.key
    assert world.renewal.identity.expires > ENDS


async def one_event(world: World, event: str) -> None:
    match event:
        case "call":
            world.hang_up()
            world.call()
        case "call renew first":
            world.hang_up()
            world.call(Greeting.RENEW_FIRST)
        case "hang up":
            world.hang_up()
        case "look":
            await world.renewal.look()
        case "sign":
            world.gateway.sign()
        case "take":
            if world.gateway.document:
                await world.renewal.take(world.gateway.document)
        case "start":
            world.start()
        case "time":
            world.clock.advance(120)
        case "fail":
            world.disk.fails = 1
