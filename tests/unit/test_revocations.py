"""Signed lists of revocations: what proves one, and which of them count."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.access.revocations import (
    BYTES_MAX,
    LISTS_MAX,
    NAMES_MAX,
    TYPE,
    CarriedRevocations,
    Revocations,
    issue,
    read,
)
from hubcore.codec import cbor, cwt
from hubcore.errors import ProofError
from hubsim import site

SITE = "site-1"
ISSUER = site.make_key()
LIST = issue(SITE, 7, 1_800_000_000, ["anna", b"grant-01"], ISSUER)


def test_a_list_says_what_its_issuer_signed() -> None:
    found = read(LIST, ISSUER.verify_key, SITE)
    assert (found.version, found.issued_at) == (7, 1_800_000_000)
    assert (found.credentials, found.grants) == (("anna",), (b"grant-01",))
    assert found.document == LIST


@given(at=st.integers(0, len(LIST) - 1), bit=st.integers(0, 7))
def test_a_list_with_any_bit_changed_proves_nothing(at: int, bit: int) -> None:
    changed = bytearray(LIST)
    changed[at] ^= 1 << bit
    with pytest.raises(ProofError):
        read(bytes(changed), ISSUER.verify_key, SITE)


def test_another_issuer_or_site_proves_nothing() -> None:
    with pytest.raises(ProofError):
        read(LIST, site.make_key().verify_key, SITE)
    with pytest.raises(ProofError, match="another site"):
        read(LIST, ISSUER.verify_key, "site-2")


@pytest.mark.parametrize(
    "claims",
    [
        {-65538: 0},
        {-65538: -1},
        {-65538: 1 << 63},
        {-65538: True},
        {6: -1},
        {-65539: "anna"},
        {-65539: [b"anna"]},
        {-65539: [""]},
        {-65539: ["a" * 33]},
        {-65540: [b"short"]},
        {-65540: [bytes(17)]},
        {-65540: {}},
        {99: 1},
    ],
)
def test_claims_of_another_shape_prove_nothing(claims: dict[int, object]) -> None:
    good: dict[int, object] = {1: SITE, 6: 1, -65538: 7, -65539: ["anna"], -65540: []}
    document = cwt.issue(TYPE, {**good, **claims}, ISSUER, ISSUER.verify_key.kid)
    with pytest.raises(ProofError):
        read(document, ISSUER.verify_key, SITE)


def test_a_document_of_another_kind_proves_nothing() -> None:
    claims: dict[int, object] = {1: SITE, 6: 1, -65538: 7, -65539: ["anna"], -65540: []}
    document = cwt.issue("application/hub-policy+cwt", claims, ISSUER, ISSUER.verify_key.kid)
    with pytest.raises(ProofError):
        read(document, ISSUER.verify_key, SITE)


def test_what_is_too_long_is_not_read() -> None:
    names = ["a" * 32] * 40
    claims: dict[int, object] = {1: SITE, 6: 1, -65538: 7, -65539: names, -65540: []}
    document = cwt.issue(TYPE, claims, ISSUER, ISSUER.verify_key.kid)
    assert len(document) > BYTES_MAX
    with pytest.raises(ProofError, match=f"over {BYTES_MAX}"):
        read(document, ISSUER.verify_key, SITE)


@given(st.lists(st.text("abcdef", min_size=1, max_size=32), max_size=80, unique=True))
@example([f"{number:032}" for number in range(80)])
def test_a_list_holds_the_newest_that_fit(names: list[str]) -> None:
    document = issue(SITE, 1, 0, names, ISSUER)
    assert len(document) <= BYTES_MAX
    held = read(document, ISSUER.verify_key, SITE).credentials
    assert list(held) == names[: len(held)]
    one_more = names[: len(held) + 1]
    if len(held) < min(len(names), NAMES_MAX):
        claims: dict[int, object] = {1: SITE, 6: 0, -65538: 1, -65539: one_more, -65540: []}
        assert len(cwt.issue(TYPE, claims, ISSUER, ISSUER.verify_key.kid)) > BYTES_MAX


def a_list(version: int, names: Sequence[int]) -> Revocations:
    """Return a list that names credentials by number; no carrier looks at its document."""
    return Revocations(SITE, version, 0, tuple(map(str, names)), (), cbor.encode(version))


REVOKED_AT = {name: 1 + name % 12 for name in range(24)}
"""The world of the property: by credential, the version of the policy that revokes it first."""


@st.composite
def lists(draw: st.DrawFn) -> Revocations:
    """Draw a true list: it names only what the policy of its version revokes."""
    version = draw(st.integers(1, 12))
    known = [name for name, at in REVOKED_AT.items() if at <= version]
    return a_list(version, draw(st.lists(st.sampled_from(known), unique=True)))


@given(st.lists(st.one_of(lists(), st.integers(1, 12)), max_size=40), st.integers(1, LISTS_MAX))
def test_what_a_list_named_stays_revoked_in_every_order(
    events: list[Revocations | int], lists_max: int
) -> None:
    """Lists and policies come in any order: what counted once counts until the policy says it."""
    carried = CarriedRevocations(lists_max=lists_max)
    in_force = 0
    named: set[str] = set()
    for event in events:
        if isinstance(event, int):
            in_force = max(in_force, event)
            carried.policy_in_force(in_force)
        else:
            was_full = carried.is_full
            if carried.take(event, in_force) or not was_full:
                named.update(event.credentials)
        assert len(carried.lists) <= lists_max
        for name, at in REVOKED_AT.items():
            by_policy = at <= in_force
            if str(name) in named:
                assert by_policy or carried.revoked(str(name), b"")
            else:
                assert not carried.revoked(str(name), b"")


def test_a_list_beyond_the_room_is_refused_and_nothing_is_forgotten() -> None:
    carried = CarriedRevocations()
    for number in range(LISTS_MAX):
        assert carried.take(a_list(number + 1, [number]), 0)
    assert carried.is_full
    assert not carried.take(a_list(99, [99]), 0)
    assert all(carried.revoked(str(number), b"") for number in range(LISTS_MAX))
    assert carried.take(a_list(99, range(LISTS_MAX)), 0)
    assert len(carried.lists) == 1


# access.revocations, law 6
def test_lists_of_the_newest_that_move_on_by_one_name_never_fill_the_room() -> None:
    """The issuer's lists hold the newest NAMES_MAX: none of them names all of an earlier one."""
    carried = CarriedRevocations()
    last = NAMES_MAX + 5 * LISTS_MAX
    for newest in range(NAMES_MAX, last + 1):
        new = a_list(newest, range(newest - NAMES_MAX, newest))
        assert carried.take(new, 0), newest
    assert len(carried.lists) <= LISTS_MAX
    assert all(carried.revoked(str(number), b"") for number in range(last))


# access.revocations, law 5
def test_what_several_lists_say_together_is_not_new() -> None:
    carried = CarriedRevocations()
    assert carried.take(a_list(1, [1, 3]), 0)
    assert carried.take(a_list(2, [2, 4]), 0)
    assert not carried.take(a_list(3, [1, 2]), 0)
    assert carried.says_all_of(a_list(3, [1, 2]))
    assert not carried.says_all_of(a_list(3, [1, 2, 5]))


def test_an_old_list_says_nothing_new() -> None:
    carried = CarriedRevocations()
    assert not carried.take(a_list(5, [1]), 5)
    assert carried.take(a_list(6, [1]), 5)
    assert not carried.take(a_list(6, [1]), 5)
    assert carried.policy_in_force(6)
    assert not carried.policy_in_force(6)
    assert not carried.lists
