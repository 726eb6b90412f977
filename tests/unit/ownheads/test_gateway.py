"""What a gateway takes of a bridge in wrong hands: nothing that the hub did not sign."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.words import HubName
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_hub import Evidence
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend.from_backend import FromBackend, HubHalted
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.codec.tls import TlsName, TlsRole, public_der
from hubcore.codec.tlsauthority import certify
from hubcore.errors import LinkError
from hubcore.evidence.records import Head, StoredRecord, chain_hash
from hubgateway.bridges.evidence.heads import HubKeys, why_not
from hubgateway.bridges.evidence.records import BridgedRecords
from hubgateway.keeper import Keeper
from hubsim.site.documents import make_key
from tests.fakes.bridgedhub import AUTHORITY, BEGINS, ENDS, SITE, head_of, make_log, own_head
from tests.unit.backendway.test_gateway_of_bridges import HUB, HUB_KEY, HubRows, Way, signer
from tests.unit.test_gateway_keeper import FakeChains

LOG = make_log(24)
NAME = HubName(SITE, HUB)
ROGUE = make_key()
OTHER = "hub-2"


def branch(at: int, word: bytes) -> list[StoredRecord]:
    """Return a log that is the hub's up to a record, and invented from there on."""
    log = LOG[:at]
    for number in range(at + 1, len(LOG) + 1):
        before = log[-1].hash if log else Head().hash
        body = word + number.to_bytes(4, "big")
        log.append(StoredRecord(number, body, chain_hash(before, number, body)))
    return log


CHANGED = [StoredRecord(one.number, b"changed", one.hash) for one in LOG]
STORIES = [LOG, branch(0, b"all"), branch(7, b"some"), branch(20, b"few"), CHANGED]
SIGNED = [1, 3, 8, 15, 16, 24]
"""Of these records the hub has signed the heads."""
TRUE_HEADS = {number: own_head(HUB, head_of(LOG[:number]), HUB_KEY) for number in SIGNED}
FALSE_HEADS = [
    *(own_head(HUB, head_of(story), ROGUE) for story in STORIES),
    own_head(OTHER, head_of(STORIES[1]), HUB_KEY),
    sign_head(SignedHead(HeadKind.TESTIMONY, HUB, NAME, head_of(STORIES[1]), BEGINS), HUB_KEY),
    b"no document",
]
HEADS = [*TRUE_HEADS.values(), *FALSE_HEADS]


@dataclass
class World:
    """A gateway with a hub's uplink and a bridge, and what people hear."""

    chains: FakeChains = field(default_factory=lambda: FakeChains([]))
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.uplink = Keeper(self.chains)
        self.records = BridgedRecords(
            SITE, Keeper(self.chains), HubRows(), signer(), lambda _, what: self.told.append(what)
        )

    async def bridge_says(self, story: int, first: int, count: int, head: int) -> None:
        records = STORIES[story][first : first + count]
        await self.records.answer(HUB, 1, Head())
        await self.records.keep(HUB, forwarded(records), HEADS[head])

    async def hub_says(self, last: int) -> None:
        """The hub comes with its own; it is never stopped for it."""
        self.uplink.forget(HUB)
        begins = min(len(self.chains.stored), last)
        kept = await self.uplink.take(HUB, LOG[max(0, begins - 2) : last] or LOG[:1])
        assert kept.stop is None

    def holds_what_the_hub_has_made(self) -> None:
        assert self.chains.stored == LOG[: len(self.chains.stored)]


def forwarded(records: list[StoredRecord]) -> tuple[bytes, ...]:
    return tuple(uplink.encode(Evidence(one.number, one.body, one.hash)) for one in records)


RECORD = st.integers(0, len(LOG) - 1)
BRIDGE_SAYS = st.tuples(
    st.just("bridge"),
    st.integers(0, len(STORIES) - 1),
    RECORD,
    st.integers(1, len(LOG)),
    st.integers(0, len(HEADS) - 1),
)
TRUE_SAYS = st.sampled_from(range(len(SIGNED))).map(
    lambda place: ("bridge", 0, ([0, *SIGNED])[place], SIGNED[place] - ([0, *SIGNED])[place], place)
)
HUB_SAYS = st.tuples(st.just("hub"), st.integers(1, len(LOG)))


@settings(deadline=None)
@given(st.lists(st.one_of(BRIDGE_SAYS, TRUE_SAYS, HUB_SAYS), max_size=25))
def test_no_order_of_words_makes_a_record_that_the_hub_did_not_sign(
    steps: list[tuple[object, ...]],
) -> None:
    """records, law 6; heads, law 1: true and invented records, heads of any age and key"""

    async def play() -> None:
        world = World()
        by_uplink = 0
        for what, *how in steps:
            if what == "hub":
                by_uplink = max(by_uplink, int(str(how[0])))
                await world.hub_says(int(str(how[0])))
            else:
                await world.bridge_says(*(int(str(one)) for one in how))
            world.holds_what_the_hub_has_made()
            newest = len(world.chains.stored)
            assert newest <= by_uplink or newest in SIGNED
        await world.hub_says(len(LOG))
        assert world.chains.stored == LOG

    asyncio.run(play())


@pytest.mark.parametrize("head", range(len(SIGNED), len(HEADS)))
async def test_what_a_hub_did_not_sign_is_told_and_stops_this_way(head: int) -> None:
    """records, law 6"""
    way = Way()
    said = await way.records.keep(HUB, forwarded(STORIES[1]), HEADS[head])
    halted(said, None)
    assert way.chains.stored == []
    assert [source for source, _ in way.told] == [HUB]


def halted(said: list[FromBackend], cause: Cause | None) -> None:
    (only,) = said
    assert isinstance(only, HubHalted)
    assert only.cause is cause


async def test_a_turned_back_hub_is_the_fork_of_its_way_alone() -> None:
    """its disk was set back to record 7, its key is the same: what it signs is true, and another"""
    way = Way()
    await way.keep(LOG[:12])
    back = STORIES[2]
    halted(await way.keep(back[:10]), Cause.FORK)
    assert way.chains.stored == LOG[:12]
    assert "FORK" in way.told[-1][1]


async def test_a_hub_whose_certificate_is_not_known_brings_nothing() -> None:
    """records, law 4; heads, law 3"""
    way = Way()
    way.rows.keys.clear()
    halted(await way.keep(LOG[:3]), None)
    halted(await way.records.answer(HUB, 1, Head()), None)
    assert way.chains.stored == []
    assert "hub_tls_certificates" in way.told[-1][1]


def test_a_batch_counts_whole() -> None:
    """heads, law 1"""
    key = HUB_KEY.verify_key
    good = TRUE_HEADS[8]
    assert why_not(NAME, key, LOG[:8], good) == ""
    assert why_not(NAME, key, LOG[7:8], good) == ""
    wrong = [
        LOG[:7],
        LOG[:9],
        [LOG[0], *LOG[2:8]],
        [*LOG[:6], STORIES[1][6], LOG[7]],
        [*LOG[:7], StoredRecord(8, b"other bytes", LOG[7].hash)],
        LOG[7::-1],
    ]
    for records in wrong:
        assert why_not(NAME, key, records, good)


@dataclass
class Certificates:
    """The bucket of TLS certificates, as it is mirrored."""

    fresh: bool = True
    values: dict[str, bytes] = field(default_factory=dict)


def test_the_key_is_that_of_the_newest_certificate_by_the_sites_authority() -> None:
    """heads, law 2"""
    own = make_key()
    new = make_key()

    def certified(key: object, hub: str = HUB) -> bytes:
        name = TlsName(SITE, TlsRole.HUB, hub)
        public = public_der(key.private.public_key())  # type: ignore[attr-defined]
        return certify(AUTHORITY, name, public, BEGINS, ENDS)

    bucket = Certificates()
    keys = HubKeys(bucket, SITE, AUTHORITY.document)
    assert keys.key_of(HUB) is None
    for key in (own, new):
        bucket.values[HUB] = certified(key)
        found = keys.key_of(HUB)
        assert found is not None
        assert found.kid == key.verify_key.kid
        assert keys.key_of(HUB) is found
    for wrong in (certified(own, OTHER), b"none", b""):
        bucket.values[HUB] = wrong
        assert keys.key_of(HUB) is None
    del bucket.values[HUB]
    assert keys.key_of(HUB) is None
    assert keys.key_of("no.name") is None
    bucket.fresh = False
    with pytest.raises(LinkError):
        keys.key_of(HUB)
