"""Cards at readers: from a number on a page, or from a reader, to a row of the policy."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.cards import CardNumber, card_digest
from hubcore.access.claim import Strength
from hubcore.access.grant import Access
from hubcore.calendar.schedule import ALWAYS
from hubcore.codec.cose import SigningKey
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.issuing.cardasks import CARD_BITS_ASKED, CardAsk, digest_of_card
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubsim.site.documents import make_key
from hubsite.acts.models import Act
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.pages.phones.held import KINDS
from hubsite.phones.atreaders.met import met_at_readers
from hubsite.phones.atreaders.numbers import read_number
from hubsite.records import kept as records
from hubsite.register import changes, models
from hubsite.rules.cards import OPEN, Carded, row_of
from hubsite.rules.issuing import DAY, PHONE_SECONDS, Granting
from tests.site.browser import Browser, at_work
from tests.site.chains import message, told

pytestmark = pytest.mark.once

ISSUER: SigningKey = make_key()
CARD_KEY = b"c" * 32
USUAL = CardNumber.of_facility(12, 34567)


@pytest.fixture
def office() -> Office:
    made = Office("acme", FileSigner(ISSUER, CARD_KEY))
    settings.HUBSITE_RUNNING.begin(made, None)
    return made


def now() -> int:
    return int(time.time())


def digest_of(number: CardNumber) -> bytes:
    return card_digest(CARD_KEY, number.bits, number.data)


def anna_with_a_door() -> models.Person:
    door = models.Door.objects.create(name="Front")
    point = models.AccessPoint.objects.create(number=10, name="inward", door=door)
    anna = models.Person.objects.create(name="Anna")
    begins = datetime.now(UTC) - timedelta(hours=1)
    models.Grant.objects.create(person=anna, begins=begins).points.add(point)
    return anna


def added(browser: Browser, person: models.Person, **typed: str) -> str:
    browser.get(f"/person/{person.pk}/card")
    return browser.submit(**{"label": "Anna's card", **typed}).text


def policy() -> Policy:
    newest = models.SignedPolicy.objects.order_by("-version").first()
    return document.read(bytes(newest.document), ISSUER.verify_key, "acme")


def asked(text: str) -> bytes:
    """The digest of what was typed."""
    typed = read_number(text)
    return digest_of_card(CardAsk(1, typed.what, typed.data), CARD_KEY)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12/34567", USUAL),
        (" 012, 34567\n", USUAL),
        ("04:A1:B2:C3", CardNumber(32, bytes.fromhex("04a1b2c3"))),
        ("0x04a1b2c3d4e5f6", CardNumber(56, bytes.fromhex("04a1b2c3d4e5f6"))),
        ("1BAD C0FF C0/34", CardNumber(34, bytes.fromhex("1badc0ffc0"))),
        ("1badc0ff c", CardNumber(36, bytes.fromhex("1badc0ffc0"))),
        ("f" * 64, CardNumber(256, b"\xff" * 32)),
    ],
)
def test_a_number_is_read_as_it_is_printed_or_as_readers_tell_it(
    text: str, number: CardNumber
) -> None:
    """numbers, law 1"""
    assert asked(text) == digest_of(number)


@given(
    st.sampled_from(CARD_BITS_ASKED).flatmap(
        lambda bits: st.tuples(st.just(bits), st.integers(0, (1 << bits) - 1))
    )
)
def test_what_a_reader_tells_is_the_same_bits_when_it_is_typed(told_bits: tuple[int, int]) -> None:
    """numbers, law 2"""
    bits, value = told_bits
    number = CardNumber.of(value, bits)
    assert asked(f"{number.data.hex()}/{bits}") == digest_of(number)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("256/1", "facility of 0..255"),
        ("1/65536", "number of 0..65535"),
        ("12/", "type facility/number"),
        ("card", "type facility/number"),
        ("<script>", "type facility/number"),
        ("12ab", "26 to 256 bits here, and this one 16"),
        ("f" * 65, "64 digits at most, and this one 65"),
        ("1badc0ffc0/26", "26 bits are 8 digits, and these are 10"),
        ("1badc0ffc1/34", "something behind the first 34 bits"),
        ("1badc0ffc0/0", "0 bits are 0 digits"),
    ],
)  # fmt: skip
def test_what_is_no_card_is_refused_with_its_cause(office: Office, text: str, why: str) -> None:
    """numbers, law 1"""
    assert why in added(at_work(), anna_with_a_door(), typed=text)
    assert not models.Credential.objects.exists()


def test_a_card_opens_the_doors_of_its_holder_and_its_number_lies_nowhere(office: Office) -> None:
    """adding, law 2"""
    anna = anna_with_a_door()
    text = added(at_work(), anna, typed="12/34567")
    card = models.Credential.objects.get()
    assert "Front, inward" in text
    assert "Its number is kept nowhere" in text
    assert "Issue a grant" not in text
    assert (card.kind, bytes(card.key), card.ends) == ("card", b"", None)
    assert office.renew_policy(now()) is not None
    (row,) = policy().cards.values()
    assert (row.digest, row.credential, row.pin) == (digest_of(USUAL), card.pk, None)
    assert row.access == (Access(10, OPEN, ALWAYS),)
    act = Act.objects.order_by("-number").first().said
    assert (act["kind"], act["credential_kind"]) == ("credential-made", "card")
    assert act["digest"] == digest_of(USUAL)
    assert "34567" not in repr(list(models.Credential.objects.values())) + repr(act)
    assert "Anna's card" in at_work("bella").get(f"/person/{anna.pk}").text


def test_its_end_goes_first_and_another_persons_it_is_only_then(office: Office) -> None:
    """adding, law 1"""
    anna = anna_with_a_door()
    added(at_work(), anna, typed="12/34567")
    card = models.Credential.objects.get()
    office.renew_policy(now())
    bert = models.Person.objects.create(name="Bert")
    assert "it is one person" in added(at_work("bella"), bert, typed="12/34567")
    changes.revoke_credential("olga", card, card.revision)
    assert office.renew_at_once(now()) is not None
    assert policy().revoked_credentials == {card.pk}
    assert "Nothing is granted" in added(at_work("bella"), bert, typed="12/34567")


def test_an_end_is_in_the_row_and_then_there_is_none(office: Office) -> None:
    """rules of cards, law 2"""
    anna = anna_with_a_door()
    ends = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=2)
    over = ends - timedelta(days=3)
    assert "This end is over" in added(
        at_work(), anna, typed="12/34567", ends=f"{over:%Y-%m-%dT%H:%M}"
    )
    added(at_work(), anna, typed="12/34567", ends=f"{ends:%Y-%m-%dT%H:%M}")
    card = models.Credential.objects.get()
    assert card.ends == ends
    assert Act.objects.order_by("-number").first().said["ends"] == int(ends.timestamp())
    office.renew_policy(now())
    assert policy().cards[digest_of(USUAL)].expires == int(ends.timestamp())
    office.renew_policy(int(ends.timestamp()))
    assert policy().cards == {}
    models.Credential.objects.update(ends=over)
    text = at_work("bella").get(f"/phone/{card.pk}").text
    assert "It has ended on" in text
    assert "revoke it here first" in text


@given(
    st.none() | st.integers(-100, 40 * DAY),
    st.lists(st.none() | st.integers(1, 40 * DAY), min_size=1, max_size=3),
)
def test_over_all_ends_a_row_outlasts_neither_its_card_nor_its_grants(
    own: int | None, grants: list[int | None]
) -> None:
    """rules of cards, law 2"""
    at = 1_800_000_000
    grantings = tuple(
        Granting((10,), None, at - 60, None if end is None else at + end) for end in grants
    )
    row = row_of(Carded(b"d" * 16, "anna", grantings, None if own is None else at + own), at)
    if own is not None and own <= 0:
        assert row is None
        return
    assert row is not None
    assert at < row.expires <= at + PHONE_SECONDS
    assert own is None or row.expires <= at + own


def denied(number: int, path: Strength, reader: str = "front") -> dict[str, object]:
    return {
        "kind": RecordKind.ACCESS,
        Fact.ASKER: f"reader/{reader}",
        Fact.POINT: 10,
        Fact.ALLOWED: False,
        Fact.WHY: "unknown-credential",
        Fact.GRANT: bytes([number]) * 16,
        Fact.PATH: str(path),
        Fact.READER: reader,
    }


def test_a_card_that_was_just_held_to_a_reader_is_offered_as_a_card_alone(office: Office) -> None:
    """met, law 4"""
    anna = anna_with_a_door()
    browser = at_work()
    assert "is offered here for ten minutes" in browser.get(f"/person/{anna.pk}/card").text
    at = now() - 60
    both = (denied(7, Strength.CARD), denied(8, Strength.PKOC, "pkoc"))
    records.take([message(1, told(*both, at=at), at=at)], at + 60)
    assert [one.digest[0] for one in met_at_readers(at + 60, Strength.CARD)] == [7]
    assert [one.digest[0] for one in met_at_readers(at + 60, Strength.PKOC)] == [8]
    assert "10 inward, at " in browser.get(f"/person/{anna.pk}/card").text
    browser.submit(label="Anna's card", shown=(b"\x07" * 16).hex())
    card = models.Credential.objects.get()
    assert (card.kind, card.digest) == ("card", (b"\x07" * 16).hex())
    forged = added(browser, anna, shown=(b"\x08" * 16).hex())
    assert "one of both" in forged
    assert models.Credential.objects.count() == 1


def guest(uses: int | None) -> models.Person:
    door = models.Door.objects.create(name="Front")
    point = models.AccessPoint.objects.create(number=10, name="inward", door=door)
    person = models.Person.objects.create(name="Gustav", is_guest=True)
    ends = datetime.now(UTC) + timedelta(days=1)
    link = models.GuestLink.objects.create(digest="d", person=person, ends=ends, uses=uses)
    link.points.add(point)
    return person


def test_a_guest_has_a_card_until_the_link_ends(office: Office) -> None:
    person = guest(None)
    link = person.guest_link
    browser = at_work()
    assert "Add a card" in browser.get(f"/guest/{link.pk}").text
    assert "Front, inward" in added(browser, person, typed="12/34567")
    card = models.Credential.objects.get()
    office.renew_policy(now())
    assert policy().cards[digest_of(USUAL)].expires == int(link.ends.timestamp())
    changes.end_guest_link("olga", link, link.revision)
    office.renew_policy(now())
    assert (policy().cards, policy().revoked_credentials) == ({}, {card.pk})
    assert "Add a card" not in browser.get(f"/guest/{link.pk}").text


def test_a_guest_whose_uses_are_counted_has_none(office: Office) -> None:
    """adding, law 4; rules of cards, law 5"""
    person = guest(3)
    browser = at_work()
    assert "Add a card" not in browser.get(f"/guest/{person.guest_link.pk}").text
    assert browser.get(f"/person/{person.pk}/card").status == 404
    person.credentials.create(kind="card", label="C", key=b"", digest=(b"\x07" * 16).hex())
    office.renew_policy(now())
    assert policy().cards == {}


def test_each_kind_that_hubs_know_by_a_digest_has_its_page() -> None:
    """held, the law"""
    assert set(KINDS) == set(models.BY_DIGEST)
    for kind, its in KINDS.items():
        assert its.kind == kind
