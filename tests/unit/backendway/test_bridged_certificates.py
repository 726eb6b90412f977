"""What a gateway answers to a request for certificates that a bridge has carried."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from hubcore.access.words import HubName
from hubcore.backend.renewal import sign_renewal
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_backend import Certificate, TlsCertificate
from hubcore.backend.uplink.from_hub import CertificateRequest
from hubcore.bridge.backend.from_backend import CertificateOfHub, FromBackend
from hubcore.bridge.backend.from_bridge import RequestOfHub
from hubcore.bridge.ends import Ends
from hubcore.codec.cose import SigningKey
from hubcore.errors import LinkError
from hubgateway.bridges.certificates import EACH, OF_BRIDGE, WHOLE, BridgedCertificates
from hubgateway.rules import names
from hubsim.site.documents import Validity, certify_hub, make_key
from tests.fakes.bridgedhub import BRIDGE, ISSUER, SITE
from tests.fakes.clock import NOON, FakeClock
from tests.unit.backendway.test_gateway_of_bridges import HubRows

HUB = "hub-1"
KEY = make_key()
DAY = 86_400


def certificate(
    begins: float, key: SigningKey = KEY, hub: str = HUB, issuer: SigningKey = ISSUER
) -> bytes:
    return certify_hub(
        issuer,
        site=SITE,
        hub=hub,
        key=key.verify_key,
        points=(1,),
        validity=Validity(int(begins), int(begins) + DAY),
    )


OLD = certificate(NOON - 30 * DAY)
NEW = certificate(NOON)
TLS = b"\x30\x01"


@dataclass
class FakeBuckets:
    """The buckets of an engine."""

    values: dict[str, dict[str, bytes]] = field(default_factory=dict)

    async def snapshot(self, bucket: str, _wanted: str) -> dict[str, bytes]:
        return dict(self.values.get(bucket, {}))


@dataclass
class EngineOfBuckets:
    """An engine that is up, or is not, and notes what is published."""

    buckets: FakeBuckets = field(default_factory=FakeBuckets)
    subjects: list[str] = field(default_factory=list)
    is_up: bool = True
    generation: int = 1

    async def listen(self, _subject: str, _heard: object) -> None:
        """Nothing is published by itself here."""

    async def tell(self, subject: str, _data: bytes) -> None:
        self.subjects.append(subject)


@dataclass
class CertificateDesk:
    """A gateway's answers, and what is said of its own accord."""

    clock: FakeClock = field(default_factory=FakeClock)
    rows: HubRows = field(default_factory=HubRows)
    ends: Ends = field(default_factory=Ends)
    engine: EngineOfBuckets = field(default_factory=EngineOfBuckets)
    told: list[tuple[str, str]] = field(default_factory=list)
    said: list[tuple[str, FromBackend]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.certificates = BridgedCertificates(
            site=SITE,
            issuer=ISSUER.verify_key,
            engine=self.engine,  # type: ignore[arg-type]
            is_known=self.rows.is_known,
            ends=lambda: self.ends,
            say=lambda bridge, message: self.said.append((bridge, message)),
            tell=lambda source, what: self.told.append((source, what)),
            clock=self.clock,
        )

    async def has(self, document: bytes | None, tls: bytes | None = None) -> None:
        """The engine has these certificates of the hub."""
        for bucket, value in ((names.CERTIFICATES_BUCKET, document), (names.TLS_BUCKET, tls)):
            self.engine.buckets.values[bucket] = {} if value is None else {HUB: value}
        for mirror in self.certificates.mirrors:
            await mirror.start()

    async def ask(
        self,
        digest_of: bytes = OLD,
        key: SigningKey = KEY,
        signed_for: HubName = HubName(SITE, HUB),  # noqa: B008 - it is frozen
        hub: str = HUB,
        bridge: str = BRIDGE,
    ) -> list[Certificate | TlsCertificate]:
        """Ask by a bridge; return what comes for this hub."""
        request = CertificateRequest(sha256(digest_of).digest(), int(NOON))
        said = RequestOfHub(hub, sign_renewal(signed_for, request, key))
        found = []
        for one in await self.certificates.answer(bridge, said):
            assert isinstance(one, CertificateOfHub)
            assert one.hub == hub
            found.append(uplink.decode_from_backend(one.message))
        return found  # type: ignore[return-value]


async def test_a_hub_gets_the_newest_of_both() -> None:
    """laws 2 and 5: also when the one that it has ended long ago"""
    desk = CertificateDesk()
    await desk.has(NEW, TLS)
    assert await desk.ask() == [TlsCertificate(TLS), Certificate(NEW)]
    assert desk.engine.subjects == []
    assert await desk.ask(digest_of=NEW) == [TlsCertificate(TLS)]
    assert desk.told == []


async def test_who_has_the_newest_is_told_of_and_gets_the_next_one() -> None:
    """law 3"""
    desk = CertificateDesk()
    await desk.has(OLD)
    assert await desk.ask() == []
    assert desk.engine.subjects == [names.subject(names.RENEWALS, HUB)]
    assert desk.said == []
    await desk.has(NEW, TLS)
    assert sorted(desk.said, key=str) == sorted(
        [
            (BRIDGE, CertificateOfHub(HUB, uplink.encode(Certificate(NEW)))),
            (BRIDGE, CertificateOfHub(HUB, uplink.encode(TlsCertificate(TLS)))),
        ],
        key=str,
    )


@pytest.mark.parametrize(
    ("has", "asks"),
    [
        (NEW, {"key": make_key()}),
        (NEW, {"signed_for": HubName(SITE, "hub-2")}),
        (NEW, {"signed_for": HubName("site-2", HUB)}),
        (certificate(NOON, make_key()), {}),
        (certificate(NOON, hub="hub-2"), {}),
        (certificate(NOON, issuer=make_key()), {}),
        (b"none", {}),
        (None, {}),
    ],
    ids=["key", "hub", "site", "replaced", "other's", "forged", "noise", "nothing"],
)
async def test_a_request_that_proves_nothing_gets_nothing(
    has: bytes | None, asks: dict[str, object]
) -> None:
    """law 1"""
    desk = CertificateDesk()
    await desk.has(has, TLS)
    assert await desk.ask(**asks) == []  # type: ignore[arg-type]
    assert [source for source, _ in desk.told] == [HUB]
    assert desk.engine.subjects == []
    await desk.has(NEW, TLS)
    assert desk.said == []  # nobody is remembered


async def test_who_is_not_known_or_was_ended_gets_nothing_and_leaves_nothing() -> None:
    """law 1"""
    desk = CertificateDesk()
    await desk.has(NEW, TLS)
    assert await desk.ask(hub="hub-9") == []
    desk.ends = Ends(1, frozenset({HUB}))
    assert await desk.ask() == []
    assert desk.told == []
    assert desk.engine.subjects == []


async def test_while_the_engine_is_away_nobody_is_answered() -> None:
    desk = CertificateDesk()
    with pytest.raises(LinkError):
        await desk.ask()
    await desk.has(NEW)
    desk.engine.is_up = False
    with pytest.raises(LinkError):
        await desk.ask()


async def test_one_hub_sets_no_pace_of_others() -> None:
    """law 4"""
    desk = CertificateDesk()
    await desk.has(OLD)
    for _ in range(50):
        await desk.ask()
    assert len(desk.engine.subjects) == EACH.burst
    assert await desk.ask(bridge="bridge-2") == []  # one bridge has not used up the pace of another
    assert len(desk.engine.subjects) == EACH.burst + 1
    desk.clock.advance(1 / EACH.per_second)
    await desk.ask()
    assert len(desk.engine.subjects) == EACH.burst + 2


async def test_a_bridge_that_names_many_hubs_delays_its_own_alone() -> None:
    """law 4"""
    desk = CertificateDesk()
    await desk.has(OLD)
    many = [f"hub-{number}" for number in range(100, 100 + int(WHOLE.burst))]
    desk.rows.known.update(many)
    for hub in many:
        assert await desk.ask(hub=hub, bridge="rogue") == []
    assert len(desk.told) == OF_BRIDGE.burst
    assert await desk.ask() == []
    assert desk.engine.subjects == [names.subject(names.RENEWALS, HUB)]
