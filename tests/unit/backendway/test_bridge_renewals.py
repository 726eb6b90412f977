"""A bridge's request for a certificate at the gateway and at the issuer, and who speaks by it."""

from __future__ import annotations

import pytest

from hubcore.backend.uplink.from_backend import TlsCertificate
from hubcore.bridge.backend.ownrequest import sign_own_request
from hubcore.bridge.ends import Ends, Whom, issue_ends
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.codec.tlsauthority import Authority, begin_authority, certify
from hubgateway.bridges.directory import BridgeEntry, certificate_key, write_certificate
from hubgateway.bridges.renewals import EACH
from hubgateway.issuer.office.bridges import BridgeOffice
from hubgateway.issuer.office.words import NoError, Validity
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from hubsim.site.documents import make_key
from tests.fakes.bridgedhub import AUTHORITY, BEGINS, BRIDGE, ENDS, ISSUER, SITE
from tests.fakes.clock import FakeClock
from tests.unit.backendway.renewaldesk import RenewalDesk, digest, public

NAME = TlsName(SITE, TlsRole.BRIDGE, BRIDGE)
VALID = Validity(BEGINS, ENDS)
OLD = make_key()
NEW = make_key()
STRANGER = make_key()
REQUEST = sign_own_request(NAME, OLD, NEW)


def office(desk: RenewalDesk) -> BridgeOffice:
    return BridgeOffice(desk.table, ISSUER, AUTHORITY, SITE, wall=lambda: BEGINS)


async def a_desk() -> RenewalDesk:
    desk = RenewalDesk(FakeClock())
    await desk.know(OLD)
    return desk


async def renewed(desk: RenewalDesk) -> bytes:
    """Ask, and let the issuer answer; return the certificate."""
    assert await desk.renewals.requested(BRIDGE, public(OLD), REQUEST) == []
    made = await office(desk).renew_bridge(BRIDGE, VALID)
    await desk.read()
    return made.document


async def test_what_a_bridge_asks_for_comes_to_it_and_lets_it_speak() -> None:
    """renewals, laws 1 to 3"""
    desk = await a_desk()
    with pytest.raises(NoError, match="has not asked"):
        await office(desk).renew_bridge(BRIDGE, VALID)
    assert not desk.may(NEW)
    document = await renewed(desk)
    assert desk.said == [(BRIDGE, TlsCertificate(document))]
    again = sign_own_request(NAME, OLD, NEW)  # another signature, the same key
    assert await desk.renewals.requested(BRIDGE, public(OLD), again) == [TlsCertificate(document)]
    assert await office(desk).asking_bridges() == []
    assert desk.may(OLD)
    assert desk.may(NEW)
    assert not desk.may(STRANGER)
    await desk.renewals.only_key(BRIDGE, public(OLD))
    assert desk.known() == BridgeEntry(Standing.ENROLLED, digest(OLD).hex())
    await desk.renewals.only_key(BRIDGE, public(STRANGER))
    assert desk.known() == BridgeEntry(Standing.ENROLLED, digest(OLD).hex())
    await desk.renewals.only_key(BRIDGE, public(NEW))
    await desk.read()
    assert desk.known() == BridgeEntry(Standing.ENROLLED, digest(NEW).hex())
    assert desk.may(NEW)
    assert not desk.may(OLD)


@pytest.mark.parametrize(
    ("document", "by"),
    [
        (REQUEST, STRANGER),
        (sign_own_request(NAME, STRANGER, NEW), OLD),
        (sign_own_request(TlsName(SITE, TlsRole.BRIDGE, "bridge-2"), OLD, NEW), OLD),
        (sign_own_request(TlsName("site-2", TlsRole.BRIDGE, BRIDGE), OLD, NEW), OLD),
        (sign_own_request(NAME, OLD, OLD), OLD),
        (b"nonsense", OLD),
        (REQUEST[:-1], OLD),
    ],
)
async def test_a_request_that_proves_nothing_is_not_kept(document: bytes, by: SigningKey) -> None:
    """renewals, law 1"""
    desk = await a_desk()
    writes = desk.table.writes
    assert await desk.renewals.requested(BRIDGE, public(by), document) == []
    assert desk.table.writes == writes
    assert len(desk.told) == 1


async def test_the_same_request_is_written_once_and_a_newer_one_takes_its_place() -> None:
    desk = await a_desk()
    for _ in range(3):
        await desk.renewals.requested(BRIDGE, public(OLD), sign_own_request(NAME, OLD, NEW))
    assert desk.table.writes == 1
    third = make_key()
    await desk.renewals.requested(BRIDGE, public(OLD), sign_own_request(NAME, OLD, third))
    made = await office(desk).renew_bridge(BRIDGE, VALID)
    assert made.key == public(third)


async def test_requests_have_a_pace() -> None:
    """renewals, law 4"""
    desk = await a_desk()
    for _ in range(int(EACH.burst) + 5):
        await desk.renewals.requested(BRIDGE, public(OLD), b"nonsense")
    assert len(desk.told) == EACH.burst


async def test_who_was_taken_in_again_or_ended_is_not_followed_by_what_was_made_before() -> None:
    """directory, law 5"""
    desk = await a_desk()
    await renewed(desk)
    await desk.know(STRANGER)  # a person has brought another key
    assert not desk.may(NEW)
    await desk.renewals.only_key(BRIDGE, public(NEW))
    assert desk.known() == BridgeEntry(Standing.ENROLLED, digest(STRANGER).hex())
    with pytest.raises(NoError, match="has not asked"):
        await office(desk).renew_bridge(BRIDGE, VALID)
    for key in (OLD, NEW):
        await desk.know(key, Standing.REVOKED)
        assert not desk.may(NEW)
        await desk.renewals.only_key(BRIDGE, public(NEW))
        assert desk.known() == BridgeEntry(Standing.REVOKED, digest(key).hex())
        with pytest.raises(NoError, match="no bridge"):
            await office(desk).renew_bridge(BRIDGE, VALID)


async def test_nobody_speaks_by_a_bucket_that_may_be_old() -> None:
    """renewals, law 5"""
    desk = await a_desk()
    await renewed(desk)
    assert desk.may(NEW)
    desk.engine.generation = 2
    assert not desk.may(NEW)
    desk.engine.is_up = False
    assert not desk.may(NEW)


@pytest.mark.parametrize(
    ("name", "authority"),
    [
        (TlsName(SITE, TlsRole.BRIDGE, "bridge-2"), AUTHORITY),
        (TlsName(SITE, TlsRole.HUB, BRIDGE), AUTHORITY),
        (NAME, begin_authority(SITE, make_key(), BEGINS - 1000)),
    ],
)
async def test_a_certificate_of_somebody_else_lets_nobody_speak(
    name: TlsName, authority: Authority
) -> None:
    """directory, law 4"""
    desk = await a_desk()
    document = certify(authority, name, public(NEW), BEGINS, ENDS)
    row = write_certificate(digest(OLD), document)
    desk.table.put(names.BRIDGE_RENEWALS_BUCKET, certificate_key(BRIDGE), row)
    await desk.read()
    assert not desk.may(NEW)
    assert desk.said == []
    assert any("no certificate of it" in one for one in desk.told)


@pytest.mark.parametrize("value", [b"", b"x", bytes(32), bytes(4096)])
async def test_what_is_no_certificate_lets_nobody_speak(value: bytes) -> None:
    desk = await a_desk()
    for place in (certificate_key(BRIDGE), certificate_key("No Bridge")):
        desk.table.put(names.BRIDGE_RENEWALS_BUCKET, place, value)
    await desk.read()
    assert not desk.may(NEW)


@pytest.mark.parametrize("whom", list(Whom))
@pytest.mark.parametrize("key", [OLD, NEW])
async def test_an_issuer_signs_nothing_for_or_by_a_key_that_was_ended(
    key: SigningKey, whom: Whom
) -> None:
    desk = await a_desk()
    await desk.renewals.requested(BRIDGE, public(OLD), REQUEST)
    assert await office(desk).asking_bridges() == [BRIDGE]
    ends = issue_ends(Ends(1, keys=frozenset({digest(key)}), whom=whom), SITE, ISSUER)
    desk.table.put(names.ENDS_BUCKET, whom.word, ends)
    assert await office(desk).asking_bridges() == []
    with pytest.raises(NoError, match="was ended"):
        await office(desk).renew_bridge(BRIDGE, VALID)


async def test_a_decision_of_a_person_meanwhile_is_not_written_over() -> None:
    """renewals, law 3: the row is written after the revision that was read"""
    desk = await a_desk()
    await renewed(desk)
    read = desk.table.at

    async def at(bucket: str, key: str) -> tuple[bytes | None, int]:
        found = await read(bucket, key)
        await desk.know(OLD, Standing.REVOKED)
        return found

    desk.table.at = at  # type: ignore[method-assign]
    await desk.renewals.only_key(BRIDGE, public(NEW))
    assert desk.known() == BridgeEntry(Standing.REVOKED, digest(OLD).hex())
