"""The grant by itself: the bytes of its scope, what is refused there, and its way out and back.

What a document of any kind refuses (headers, claims, signers) stands in `test_tokens.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.access.grant import (
    ACCESS_ENTRIES,
    ACCESS_POINT_MAX,
    GRANT_ID_BYTES,
    KEY_ASKS,
    RULES_AN_ENTRY,
    Access,
    Grant,
    entry_in,
    issue_grant,
    key_asks,
    read_grant,
    read_scope,
    write_scope,
)
from hubcore.calendar.schedule import Rule
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.errors import ProofError

ISSUER = SigningKey(ec.generate_private_key(ec.SECP256R1()))
PHONE = SigningKey(ec.generate_private_key(ec.SECP256R1()))
LOBBY = Access(access_point=1, rights=9, rules=())
LAB = Access(access_point=ACCESS_POINT_MAX, rights=KEY_ASKS | 1, rules=(7, Rule(31, 480, 1020)))
GRANT = Grant(
    site="site-1",
    credential="anna",
    not_before=100,
    expires=200,
    grant_id=b"grant-01",
    key=PHONE.verify_key,
    access=(LOBBY, LAB),
)


def test_a_scope_has_the_bytes_of_the_documents() -> None:
    items = [[1, 9, []], [ACCESS_POINT_MAX, 257, [7, [31, 480, 1020]]]]
    assert write_scope(GRANT.access) == cbor.encode(items)
    assert read_scope(cbor.encode(items)) == GRANT.access


@pytest.mark.parametrize("length", [GRANT_ID_BYTES[0], GRANT_ID_BYTES[-1]])
def test_a_grant_goes_out_and_comes_back(length: int) -> None:
    grant = replace(GRANT, grant_id=bytes(length))
    document = issue_grant(ISSUER, grant, PHONE.cose_key)
    assert read_grant(document, ISSUER.verify_key, "site-1") == grant
    with pytest.raises(ProofError):
        read_grant(document, PHONE.verify_key, "site-1")
    with pytest.raises(ProofError, match=r"^grant: for another site$"):
        read_grant(document, ISSUER.verify_key, "site-2")


@pytest.mark.parametrize("grant_id", [bytes(7), bytes(17), "grant-01"])
def test_a_grants_id_has_8_to_16_bytes(grant_id: Any) -> None:
    document = issue_grant(ISSUER, replace(GRANT, grant_id=grant_id), PHONE.cose_key)
    with pytest.raises(ProofError, match=r"^grant: its id has not 8\.\.16 bytes$"):
        read_grant(document, ISSUER.verify_key, "site-1")


def test_a_grant_without_a_holder_is_refused() -> None:
    document = issue_grant(ISSUER, replace(GRANT, credential=""), PHONE.cose_key)
    with pytest.raises(ProofError, match=r"^document: credential is no text of 1"):
        read_grant(document, ISSUER.verify_key, "site-1")


NO_UINT = [None, "1", b"1", -1, [], {}]


@pytest.mark.parametrize("wrong", NO_UINT)
@pytest.mark.parametrize("place", range(3))
def test_a_rule_has_three_numbers_whatever_stands_there(wrong: Any, place: int) -> None:
    rule: list[Any] = [31, 480, 1020]
    rule[place] = wrong
    with pytest.raises(ProofError, match=r"^grant: a rule is no .* and no schedule's number$"):
        read_scope(cbor.encode([[1, 9, [rule]]]))


@pytest.mark.parametrize("rule", [[], [31], [31, 480], [31, 480, 1020, 0], "31", -1, None])
def test_what_is_no_rule_is_refused(rule: Any) -> None:
    with pytest.raises(ProofError, match=r"^grant: a rule is no .* and no schedule's number$"):
        read_scope(cbor.encode([[1, 9, [7, rule]]]))


def test_a_rule_without_sense_is_refused_with_its_reason() -> None:
    with pytest.raises(ProofError, match=r"^grant: days 128 is not within 0\.\.127$"):
        read_scope(cbor.encode([[1, 9, [[128, 0, 1]]]]))


@pytest.mark.parametrize(
    "entry",
    [
        [],
        [1, 9],
        [1, 9, [], 0],
        [-1, 9, []],
        [ACCESS_POINT_MAX + 1, 9, []],
        ["1", 9, []],
        [1, -1, []],
        [1, "9", []],
        [1, 9, 7],
        [1, 9, None],
        [1, 9, [7] * (RULES_AN_ENTRY + 1)],
        "entry",
    ],
)
def test_what_is_no_entry_is_refused(entry: Any) -> None:
    with pytest.raises(ProofError, match=r"^grant: an entry of access is no .*rules"):
        read_scope(cbor.encode([[2, 9, []], entry]))


def test_an_entry_has_so_many_rules_and_a_grant_so_many_entries() -> None:
    full = [
        Access(point, 1, (Rule(31, 480, 1020),) * RULES_AN_ENTRY) for point in range(ACCESS_ENTRIES)
    ]
    assert read_scope(write_scope(full)) == tuple(full)
    more = Access(ACCESS_ENTRIES, 1, ())
    for entries in ([*full[:-1], LOBBY, more], [], full[:1] * 2):
        with pytest.raises(ProofError):
            read_scope(write_scope(entries))
    one_more = [Access(point, 1, ()) for point in range(ACCESS_ENTRIES + 1)]
    assert len(read_scope(write_scope(one_more[:-1]))) == ACCESS_ENTRIES
    with pytest.raises(ProofError, match=r"^grant: not 1\.\.32 entries of access$"):
        read_scope(write_scope(one_more))
    with pytest.raises(ProofError, match=r"^grant: not 1\.\.32 entries of access$"):
        read_scope(cbor.encode({1: 2}))


def test_an_access_point_stands_once() -> None:  # law 3
    with pytest.raises(ProofError, match=r"^grant: an access point twice$"):
        read_scope(write_scope([LOBBY, LAB, replace(LOBBY, rights=1)]))


def test_an_entry_is_found_by_its_access_point() -> None:
    assert entry_in(GRANT.access, 1) is LOBBY
    assert entry_in(GRANT.access, ACCESS_POINT_MAX) is LAB
    assert entry_in(GRANT.access, 2) is None
    assert entry_in((), 1) is None


def test_a_key_asks_where_the_entry_says_so() -> None:
    assert key_asks(LAB)
    assert not key_asks(LOBBY)
    assert not key_asks(None)
