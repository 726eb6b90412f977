"""Tickets of phones that change hands: what comes out is what went in, once, or nothing."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.access.grant import Access, Grant
from hubcore.calendar.schedule import Rule
from hubcore.codec import cbor
from hubcore.codec.cose import Aead, SigningKey, VerifyKey
from hubcore.errors import FrameError, ProofError
from hubcore.phone.tickets import (
    HANDED_BYTES_MAX,
    HANDED_MAX,
    TICKETS_A_CREDENTIAL,
    Ticket,
    TicketTable,
)
from hubsim import site
from tests.pair import rsa_key

NOW = 1_800_000_000
LATER = NOW + 10**6


@cache
def keys() -> list[SigningKey]:
    return [site.make_key(), SigningKey(rsa_key(0))]


@cache
def verify_keys() -> list[VerifyKey]:
    return [key.verify_key for key in keys()]


access = st.builds(
    Access,
    access_point=st.integers(0, 2**32 - 1),
    rights=st.integers(0, 511),
    rules=st.lists(
        st.one_of(st.integers(0, 99), st.builds(Rule, st.integers(1, 127), st.just(0), st.just(9))),
        max_size=3,
    ).map(tuple),
)
grants = st.builds(
    Grant,
    site=st.just("site-1"),
    credential=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    not_before=st.integers(0, NOW),
    expires=st.integers(NOW + 1, LATER),
    grant_id=st.binary(min_size=8, max_size=16),
    key=st.integers(0, 1).map(lambda number: verify_keys()[number]),
    access=st.lists(access, min_size=1, max_size=4, unique_by=lambda a: a.access_point).map(tuple),
    uses=st.none() | st.integers(1, 99),
    site_digest=st.binary(max_size=0) | st.binary(min_size=32, max_size=32),
)


def table(granted: list[Grant]) -> TicketTable:
    made = TicketTable(LATER)
    for number, grant in enumerate(granted):
        id_ = number.to_bytes(8, "big")
        made.issue(id_, bytes(32), Aead.A256GCM, grant, at=NOW, chain_began=NOW - number)
    return made


def tickets(of: TicketTable) -> list[Ticket]:
    found = [of.find(id_, NOW) for id_ in of.ids()]
    return [ticket for ticket in found if ticket is not None]


@pytest.fixture(autouse=True)
def _keys_are_made() -> None:
    """An RSA key takes so long that hypothesis would call the first example slow."""
    verify_keys()


# laws 2 and 7
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(grants, max_size=3))
def test_tickets_come_as_they_went_and_none_stays(granted: list[Grant]) -> None:
    old = table(granted)
    before = tickets(old)
    new = TicketTable(LATER)
    new.take_over(old.hand_over())
    assert tickets(new) == before
    assert len(old) == 0
    assert old.hand_over() == cbor.encode([])


# law 7
def test_the_newest_change_hands() -> None:
    grant = Grant("site-1", "", 0, LATER, bytes(8), verify_keys()[0], (Access(1, 1, ()),))
    many = [
        Grant(**{**_fields(grant), "credential": f"{number:016x}"})
        for number in range(HANDED_MAX + 3)
    ]
    old = table(many)
    newest = tickets(old)[3:]
    handed = old.hand_over()
    assert len(handed) <= HANDED_BYTES_MAX
    new = TicketTable(LATER)
    new.take_over(handed)
    assert tickets(new) == newest


def _fields(grant: Grant) -> dict[str, object]:
    return {name: getattr(grant, name) for name in Grant.__slots__}


# law 7
@settings(max_examples=50)
@given(st.lists(grants, min_size=1, max_size=2), st.data())
def test_any_other_bytes_bring_none_or_other_tickets(
    granted: list[Grant], data: st.DataObject
) -> None:
    handed = bytearray(table(granted).hand_over())
    at = data.draw(st.integers(0, len(handed) - 1))
    handed[at] ^= data.draw(st.integers(1, 255))
    for spoiled in (bytes(handed), bytes(handed[:at])):
        new = TicketTable(LATER)
        try:
            new.take_over(spoiled)
        except (FrameError, ProofError):
            assert len(new) == 0


@settings(max_examples=50)
@given(st.binary(max_size=100))
def test_noise_brings_none(noise: bytes) -> None:
    new = TicketTable(LATER)
    try:
        new.take_over(noise)
    except (FrameError, ProofError):
        assert len(new) == 0


def test_too_much_a_ticket_twice_and_too_many_of_one_credential() -> None:
    new = TicketTable(LATER)
    with pytest.raises(FrameError, match="more tickets"):
        new.take_over(bytes(HANDED_BYTES_MAX + 1))
    grant = Grant("site-1", "ab", 0, LATER, bytes(8), verify_keys()[0], (Access(1, 1, ()),))
    handed = table([grant]).hand_over()
    new.take_over(handed)
    with pytest.raises(FrameError, match="twice"):
        new.take_over(handed)
    assert len(new) == 1
    other = TicketTable(LATER)
    for number in range(1, 4):
        id_ = number.to_bytes(8, "big")
        other.issue(id_, bytes(32), Aead.A128GCM, grant, at=NOW, chain_began=NOW)
    new.take_over(other.hand_over())
    assert len(new) == TICKETS_A_CREDENTIAL
