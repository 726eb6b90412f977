"""Bridges countersign what hubs have recorded, and their word is held against what is here."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.access.words import HubName
from hubcore.bridge.mandate import Mandates, Use, issue_mandate, new_mandate
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.evidence.records import Head
from hubsim.site.documents import make_key
from hubsite.records import kept, witnesses
from hubsite.records.models import Chain, Record, Witness
from hubsite.records.showing import countersigned
from hubsite.records.showing.countersigned import Sight
from hubsite.records.witnesses import Issuer, Said
from tests.site.browser import at_work
from tests.site.chains import NOW, head, message, visits

pytestmark = pytest.mark.once

KEY = make_key()
BRIDGE = make_key()
OTHER = make_key()
ISSUER = Issuer("acme", KEY.verify_key)


def _mandate(use: Use = Use.TESTIMONY, site: str = "acme", key=BRIDGE, by=KEY) -> Said:  # type: ignore[no-untyped-def]
    made = new_mandate(
        site=site,
        holder="bridge-1",
        use=use,
        key=key.verify_key,
        not_before=NOW - 9,
        expires=NOW + 99,
        now_ms=NOW * 1000,
    )
    return Said(1, "testimony.bridge-1", issue_mandate(made, by))


def _said(  # type: ignore[no-untyped-def]
    seen: Head, at: int = NOW, hub: str = "hub-1", key=BRIDGE, kind=HeadKind.TESTIMONY
) -> Said:
    signed = SignedHead(kind, "bridge-1", HubName("acme", hub), seen, at)
    return Said(1, f"bridge-1.{hub}", sign_head(signed, key))


def _take(mandate: Said, *said: Said) -> None:
    standing = witnesses.with_mandates(Mandates(), [mandate], ISSUER)
    witnesses.keep(witnesses.proven(said, standing, "acme"))


def test_a_bridges_word_is_shown_beside_the_records_that_it_is_of() -> None:
    records = visits(4)
    kept.take([message(1, records)], NOW)
    _take(_mandate(), _said(head(records[:3])))
    browser = at_work()
    text = browser.get("/records/hub-1/2").text
    assert "bridge-1 has signed that it saw record 3" in text
    assert "the same records" in text
    assert "bridge-1 has signed" not in browser.get("/records/hub-1/4").text
    assert "nothing that hubs tell of themselves, needs anybody" in browser.get("/").text


@pytest.mark.parametrize("number", [2, 9])
def test_a_bridge_that_has_seen_another_record_is_said(number: int) -> None:
    kept.take([message(1, visits(4))], NOW)
    _take(_mandate(), _said(Head(number, bytes(32))))
    (seen,) = countersigned.seen_of("hub-1")
    Chain.objects.update(heard_at=9)
    text = at_work().get("/").text
    if number == 2:
        assert seen.sight is Sight.OTHER
        assert "bridge-1 has seen another record 2 of hub hub-1 than is here" in text
    else:
        assert seen.sight is Sight.AWAY
        assert "another record" not in text
        assert "bridge-1 has seen record 9 of hub hub-1. Here 4 is the newest" in text
        assert len(countersigned.ahead(9 + countersigned.AHEAD_SECONDS + 1)) == 1
        assert countersigned.ahead(9 + countersigned.AHEAD_SECONDS) == []  # it may be on its way


@pytest.mark.parametrize("column", ["record", "chain_hash"])
def test_a_record_that_was_forged_before_a_bridges_one_is_not_the_same(column: str) -> None:
    """countersigned, law 2"""
    records = visits(4)
    kept.take([message(1, records)], NOW)
    _take(_mandate(), _said(head(records[:3])))
    browser = at_work()
    value = b"x" * 32
    Record.objects.filter(number=2).update(**{column: value})
    assert "what lies between does not follow" in browser.get("/records/hub-1/2").text
    assert "what lies between does not follow" in browser.get("/records/hub-1/1").text
    (seen,) = countersigned.seen_of("hub-1", 3)
    assert seen.sight is (Sight.AGREES if column == "record" else Sight.BROKEN)


def test_a_bridges_word_far_behind_a_record_is_of_that_one_alone() -> None:
    """countersigned, law 2"""
    records = visits(4)
    kept.take([message(1, records)], NOW)
    _take(_mandate(), _said(head(records)))
    assert countersigned.seen_of("hub-1", 2, most=2)[0].sight is Sight.FAR
    assert countersigned.seen_of("hub-1", 3, most=2)[0].sight is Sight.AGREES


@pytest.mark.parametrize(
    ("mandate", "said"),
    [
        (_mandate(use=Use.RECEIPTS), _said(Head(1, bytes(32)))),
        (_mandate(site="other"), _said(Head(1, bytes(32)))),
        (_mandate(by=OTHER), _said(Head(1, bytes(32)))),
        (_mandate(key=OTHER), _said(Head(1, bytes(32)))),
        (_mandate(), _said(Head(1, bytes(32)), key=OTHER)),
        (_mandate(), _said(Head(1, bytes(32)), at=NOW + 100)),
        (_mandate(), _said(Head(1, bytes(32)), kind=HeadKind.RECEIPT)),
        (_mandate(), _said(Head(1, bytes(32)), hub="hub-9")),
        (_mandate(), Said(1, "bridge-1.hub-2", _said(Head(1, bytes(32))).document)),
        (_mandate(), Said(1, "bridge-1.hub-1", b"\xff")),
        (_mandate(), Said(1, "x", _said(Head(1, bytes(32))).document)),
        (Said(1, "testimony.bridge-1", b"\xff"), _said(Head(1, bytes(32)))),
    ],
)
def test_what_no_mandate_proves_is_left(mandate: Said, said: Said) -> None:
    """witnesses, law 1"""
    kept.take([message(1, visits(1)), message(2, visits(1), hub="hub-2")], NOW)
    _take(mandate, said)
    assert not Witness.objects.exists()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations([1, 2, 3, 4]))
def test_the_newest_word_counts_in_whatever_order_they_come(order: list[int]) -> None:
    """witnesses, law 2"""
    Record.objects.all().delete()
    Chain.objects.all().delete()
    Witness.objects.all().delete()
    records = visits(4)
    kept.take([message(1, records)], NOW)
    for number in order:
        _take(_mandate(), _said(head(records[:number]), at=NOW + number))
    assert Witness.objects.get().number == 4
