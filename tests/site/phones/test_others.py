"""Phones that others make (PKOC): from a key on a page to the row of a policy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from hubcore.access import revocations
from hubcore.access.cards import Card, public_key_digest
from hubcore.access.claim import Strength
from hubcore.access.grant import ACCESS_ENTRIES, Access
from hubcore.calendar.schedule import ALWAYS
from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.issuing.cardasks import CardAsk, Shown, judge_card
from hubcore.issuing.limits import Limits
from hubcore.policy import document
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubsim.site.documents import make_key
from hubsite import config
from hubsite.acts.models import Act
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.phones.atreaders import keys
from hubsite.phones.atreaders.adding import HELD, MEANWHILE, Holding, add_met, add_typed
from hubsite.phones.atreaders.met import SECONDS, met_at_readers
from hubsite.records import kept as records
from hubsite.register import changes, models
from hubsite.rules.cards import AHEAD_SECONDS, OPEN, WEEK, Carded, cards_of, row_of
from hubsite.rules.issuing import DAY, PHONE_SECONDS, Granting, access_of
from tests.site.browser import Browser, at_work
from tests.site.chains import message, told
from tests.site.server import make_folder

pytestmark = pytest.mark.once

ISSUER: SigningKey = make_key()
CARD_KEY = b"c" * 32
NOW = int(time.time())
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
DIGITS = keys.point_of(KEY).hex()
DIGEST = public_key_digest(CARD_KEY, keys.point_of(KEY))
PEM = KEY.public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
).decode()
_EARLIER = datetime.now(UTC) - timedelta(hours=1)
WEEK_OF_NOW = NOW - NOW % WEEK
LATEST = WEEK_OF_NOW + PHONE_SECONDS
FOR_EVER = Granting((10,), None, NOW - DAY)


@pytest.fixture
def office() -> Office:
    made = Office("acme", FileSigner(ISSUER, CARD_KEY))
    settings.HUBSITE_RUNNING.begin(made, None)
    return made


def _anna() -> models.Person:
    """Somebody with a grant for access point 10."""
    door = models.Door.objects.create(name="Front")
    point = models.AccessPoint.objects.create(number=10, name="inward", door=door)
    anna = models.Person.objects.create(name="Anna")
    models.Grant.objects.create(person=anna, begins=_EARLIER).points.add(point)
    return anna


def held(person: models.Person, label: str) -> Holding:
    return Holding(person, models.CredentialKind.PKOC, label)


def _policy() -> Policy:
    newest = models.SignedPolicy.objects.order_by("-version").first()
    return document.read(bytes(newest.document), ISSUER.verify_key, "acme")


def _added(browser: Browser, person: models.Person, **typed: str) -> str:
    browser.get(f"/person/{person.pk}/pkoc")
    return browser.submit(**{"label": "Anna's phone", "typed": DIGITS, **typed}).text


def _spaced(digits: str) -> str:
    return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4)).upper()


@pytest.mark.parametrize("typed", [DIGITS, _spaced(DIGITS), f"0x{DIGITS}\n", PEM, f"\n{PEM}\n"])
def test_a_key_is_read_as_apps_show_it(typed: str) -> None:
    assert keys.point_of(keys.read_key(typed)).hex() == DIGITS


def _other_pem(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    made = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return made.decode()


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (DIGITS[:-2], "This one has 128 and begins with 04"),
        (DIGITS[2:], "This one has 128"),
        ("02" + DIGITS[2:66], "This one has 66 and begins with 02"),
        ("05" + DIGITS[2:], "begins with 05"),
        ("04" + "00" * 31 + "05" + "00" * 31 + "01", "not on the curve"),
        ("zz" + DIGITS[2:], "digits 0 to 9"),
        ("-----BEGIN PUBLIC KEY-----\nno\n-----END PUBLIC KEY-----", "no public key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\nä", "no public key in PEM"),
        (_other_pem(ec.generate_private_key(ec.SECP384R1()).public_key()), "of another kind"),
        (_other_pem(ed25519.Ed25519PrivateKey.generate().public_key()), "of another kind"),
    ],
    ids=range(10),
)
def test_what_is_no_key_is_refused_with_its_cause(office: Office, typed: str, why: str) -> None:
    """keys, the law"""
    assert why in _added(at_work(), _anna(), typed=typed)
    assert not models.Credential.objects.exists()


def test_a_key_that_is_typed_is_in_the_policy_with_the_grants_of_its_holder(
    office: Office,
) -> None:
    browser = at_work()
    anna = _anna()
    text = _added(browser, anna)
    phone = models.Credential.objects.get()
    assert "Front, inward" in text
    assert f"begins with {DIGITS[:10]} and ends with {DIGITS[-8:]}" in text
    assert DIGITS not in text
    assert "Issue a grant" not in text
    assert office.renew_policy(NOW) is not None
    (row,) = _policy().cards.values()
    assert (row.digest, row.credential, row.pin) == (DIGEST, phone.pk, None)
    assert row.access == (Access(10, OPEN, ALWAYS),)
    assert row.expires == LATEST
    assert row.not_before <= NOW - 60
    assert office.renew_policy(NOW) is None, "the same rows are the same policy"
    act = Act.objects.order_by("-number").first().said
    assert (act["kind"], act["digest"]) == ("credential-made", DIGEST)
    assert "key" not in act
    assert phone.label in browser.get(f"/person/{anna.pk}").text


def test_its_end_goes_first_and_for_ever_and_with_its_person(office: Office) -> None:
    """office, law 5"""
    anna = _anna()
    _added(at_work(), anna)
    phone = models.Credential.objects.get()
    office.renew_policy(NOW)
    changes.revoke_credential("olga", phone, phone.revision)
    with CaptureQueriesContext(connection) as said:
        assert office.renew_at_once(NOW) is not None
    assert not [one["sql"] for one in said if '"register_grant"' in one["sql"]]
    assert _policy().revoked_credentials == {phone.pk}
    assert _policy().cards.keys() == {DIGEST}, "its row goes with the whole policy"
    office.renew_policy(NOW)
    assert _policy().cards == {}
    assert _policy().revoked_credentials == {phone.pk}
    again = add_typed("olga", office, held(anna, "again"), keys.typed_of(KEY))
    office.renew_policy(NOW)
    assert _policy().cards[DIGEST].credential == again.pk
    changes.end_person("olga", anna, anna.revision)
    office.renew_policy(NOW)
    assert (_policy().cards, _policy().revoked_credentials) == ({}, {phone.pk, again.pk})


def test_phones_carry_its_revocation_to_hubs_that_are_offline(office: Office) -> None:
    phone = add_typed("olga", office, held(_anna(), "phone"), keys.typed_of(KEY))
    changes.revoke_credential("olga", phone, phone.revision)
    office.renew_policy(NOW)
    office.renew_list(NOW)
    signed = models.SignedPolicy.objects.get()
    listed = revocations.read(bytes(signed.revocations), ISSUER.verify_key, "acme")
    assert listed.credentials == (phone.pk,)
    models.SignedPolicy.objects.update(revocations=None)
    office.renew_list(NOW + 32 * DAY)
    assert bytes(models.SignedPolicy.objects.get().revocations) == b"", "it is not named for ever"


def test_it_may_what_its_holder_may_from_the_next_policy_on(office: Office) -> None:
    anna = _anna()
    add_typed("olga", office, held(anna, "phone"), keys.typed_of(KEY))
    office.renew_policy(NOW)
    changes.revoke_grant("olga", anna.grants.get(), 1)
    office.renew_policy(NOW)
    assert _policy().cards == {}
    group = models.Group.objects.create(name="Tenants")
    schedule = models.Schedule.objects.create(name="Office")
    grant = models.Grant.objects.create(group=group, schedule=schedule, begins=_EARLIER)
    grant.points.set(models.AccessPoint.objects.all())
    anna.groups.add(group)
    office.renew_policy(NOW + 5)
    assert _policy().cards[DIGEST].access == (Access(10, OPEN, (schedule.pk,)),)
    disabled = models.Credential.objects.get()
    changes.disable_credential("olga", disabled, disabled.revision)
    office.renew_policy(NOW + 5)
    assert _policy().disabled == {disabled.pk}


def test_a_key_is_one_persons_also_of_two_at_the_same_moment(office: Office) -> None:
    """adding, law 1"""
    anna = _anna()
    _added(at_work(), anna)
    bert = models.Person.objects.create(name="Bert")
    text = _added(at_work("bella"), bert)
    assert HELD in text
    assert "Anna" not in text.replace("Anna's phone", "")
    assert models.Credential.objects.count() == 1
    with pytest.raises(ValueError, match="one person's"):
        add_typed("olga", office, held(bert, "phone"), keys.typed_of(KEY))
    kinds = [act.said["kind"] for act in Act.objects.all()]
    assert kinds.count("credential-made") == 1


class _Limited(FileSigner):
    """Signs policies with two phones of others at the most; somebody acts before it answers."""

    between: Callable[[], object] | None = None

    def digest(self, ask: CardAsk) -> bytes:
        judge_card(ask, Limits("acme", cards=2))
        meanwhile = self.between
        self.between = None
        if meanwhile is not None:
            meanwhile()
        return super().digest(ask)

    def policy(self, policy: Policy) -> Issued:
        judge_card(CardAsk(len(policy.cards), Shown.RECORDED, b"x" * 16), Limits("acme", cards=2))
        return super().policy(policy)


def test_two_who_add_one_at_the_limit_do_not_pass_it_together() -> None:
    """adding, law 3; office, law 7"""
    signer = _Limited(ISSUER, CARD_KEY)
    office = Office("acme", signer)
    settings.HUBSITE_RUNNING.begin(office, None)
    anna = _anna()
    add_met("olga", office, held(anna, "first"), b"1" * 16)
    signer.between = lambda: add_met("bella", office, held(anna, "second"), b"2" * 16)
    text = _added(at_work(), anna)
    assert MEANWHILE in text
    assert {one.label for one in models.Credential.objects.all()} == {"first", "second"}
    kinds = [act.said["kind"] for act in Act.objects.all()]
    assert kinds.count("credential-made") == 2
    assert office.renew_policy(NOW) is not None
    assert len(_policy().cards) == 2
    assert "3 cards and phones of others, and the signer's limits allow 2" in _added(
        at_work("bert"), anna
    )


def test_no_grant_is_signed_for_it_also_when_asked_by_force(office: Office) -> None:
    """office, law 6"""
    browser = at_work()
    _added(browser, _anna())
    phone = models.Credential.objects.get()
    browser.get(f"/phone/{phone.pk}")
    answer = browser.submit(button="grant")
    assert answer.status == 409
    assert "It takes no grant" in answer.text
    assert not models.SignedGrant.objects.exists()


def _denied(number: int, **more: object) -> dict[str, object]:
    """What a hub records of a key that nobody has."""
    return {
        "kind": RecordKind.ACCESS,
        Fact.ASKER: "reader/pkoc",
        Fact.POINT: 10,
        Fact.ALLOWED: False,
        Fact.WHY: "unknown-credential",
        Fact.GRANT: bytes([number]) * 16,
        Fact.PATH: "pkoc",
        Fact.READER: "pkoc",
        **more,
    }


def _recorded(*said: dict[str, object], now: int = NOW) -> None:
    """Have a hub's records of a minute ago; pages go by the clock, and not by this file's NOW."""
    at = now - 60
    records.take([message(1, told(*said, at=at), at=at)], now)


def test_a_phone_that_was_just_shown_is_added_without_a_key_that_anybody_types(
    office: Office,
) -> None:
    anna = _anna()
    browser = at_work()
    assert "is offered here for ten minutes" in browser.get(f"/person/{anna.pk}/pkoc").text
    _recorded(_denied(7), now=int(time.time()))
    text = browser.get(f"/person/{anna.pk}/pkoc").text
    assert "10 inward, at " in text
    answer = browser.submit(label="Anna's phone", shown=(b"\x07" * 16).hex())
    assert "known by what a reader has recorded" in answer.text
    office.renew_policy(NOW)
    (row,) = _policy().cards.values()
    assert (row.digest, row.credential) == (b"\x07" * 16, models.Credential.objects.get().pk)
    browser.get(f"/person/{anna.pk}/pkoc")
    assert browser.page is not None
    assert "shown" not in browser.page.form("").values


def test_what_readers_met_is_offered_for_ten_minutes_and_nothing_else_is() -> None:
    """met, laws 1, 2 and 4"""
    models.Credential.objects.create(
        person=_anna(), kind="pkoc", label="P", key=b"", digest=(b"\x01" * 16).hex()
    )
    _recorded(
        _denied(9),
        _denied(1),
        _denied(2, **{Fact.PATH: "card"}),
        _denied(3, **{Fact.WHY: "no-grant"}),
        _denied(4, **{Fact.GRANT: b"short"}),
        _denied(5, **{Fact.GRANT: "text"}),
        _denied(6, **{Fact.POINT: 77}),
        _denied(9),
    )
    found = [(one.digest[0], one.where, one.at) for one in met_at_readers(NOW, Strength.PKOC)]
    assert found == [(9, "10 inward", NOW - 53), (6, "access point 77", NOW - 54)]
    assert met_at_readers(NOW + SECONDS, Strength.PKOC) == []


def test_a_hub_whose_clock_is_of_tomorrow_offers_nothing_for_ever() -> None:
    """met, law 1"""
    records.take([message(1, told(_denied(7), at=NOW + DAY), at=NOW - SECONDS - 1)], NOW)
    assert met_at_readers(NOW, Strength.PKOC) == []


def test_one_of_both_is_asked_for_and_only_what_was_shown_counts(office: Office) -> None:
    anna = _anna()
    assert "one of both" in _added(at_work(), anna, typed=" ")
    _recorded(_denied(7), now=int(time.time()))
    assert "one of both" in _added(at_work(), anna, shown=(b"\x07" * 16).hex())
    forged = _added(at_work(), anna, typed="", shown=(b"\x08" * 16).hex())
    assert "Select a valid choice" in forged
    assert not models.Credential.objects.exists()


def test_without_a_card_key_it_is_said_and_nothing_is_kept() -> None:
    settings.HUBSITE_RUNNING.begin(Office("acme", FileSigner(ISSUER)), None)
    assert "this server's file has no card_key" in _added(at_work(), _anna())
    settings.HUBSITE_RUNNING.begin(None, None)
    assert (
        "Nobody signs for this server"
        in at_work().get(f"/person/{models.Person.objects.get().pk}/pkoc").text
    )
    assert not models.Credential.objects.exists()


def test_more_doors_than_a_row_holds_are_said_and_stop_no_policy(office: Office) -> None:
    """cards, law 4"""
    anna = _anna()
    door = models.Door.objects.get()
    many = [
        models.AccessPoint(number=100 + number, name="x", door=door)
        for number in range(ACCESS_ENTRIES)
    ]
    models.AccessPoint.objects.bulk_create(many)
    grant = models.Grant.objects.create(person=anna, begins=_EARLIER)
    grant.points.set(models.AccessPoint.objects.exclude(number=10))
    assert "33 access points are granted" in _added(at_work(), anna)
    assert office.renew_policy(NOW + 5) is not None
    assert _policy().cards == {}


_grantings = st.lists(
    st.builds(
        Granting,
        points=st.lists(st.integers(1, 4), max_size=3, unique=True).map(tuple),
        schedule=st.none() | st.integers(1, 3),
        begins=st.integers(NOW - 500, NOW + 500),
        ends=st.none() | st.integers(NOW - 500, NOW + 900),
    ),
    max_size=5,
).map(tuple)


@settings_of(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_grantings)
def test_over_all_grants_a_row_says_no_more_than_they_do(grantings: tuple[Granting, ...]) -> None:
    """cards, laws 2 to 4"""
    row = row_of(Carded(DIGEST, "anna", grantings), NOW)
    counting = [one for one in grantings if one.counts(NOW) and one.points]
    assert (row is None) == (not counting)
    if row is None:
        return
    may = {entry.access_point: entry for entry in access_of(counting, NOW)}
    assert {entry.access_point for entry in row.access} <= may.keys()
    lasting = [one for one in counting if one.ends is None or one.ends > NOW + AHEAD_SECONDS]
    behind = lasting or counting
    assert row.expires == min([LATEST, *(one.ends or LATEST for one in behind)])
    assert row.expires > NOW
    assert row.expires > NOW + AHEAD_SECONDS or not lasting
    assert all(entry.rights == OPEN for entry in row.access)
    assert row.not_before <= NOW


@settings_of(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_grantings, st.integers(0, 59))
def test_the_same_grants_are_the_same_row_while_they_last(
    grantings: tuple[Granting, ...], later: int
) -> None:
    """cards, law 1"""
    edges = [NOW, *range(NOW, NOW + later + 1)]
    moments = {one.begins for one in grantings} | {one.ends or 0 for one in grantings}
    moments |= {(one.ends or 0) - AHEAD_SECONDS for one in grantings}
    is_one_week = (NOW + later) // WEEK == NOW // WEEK
    if is_one_week and not moments.intersection(edges):
        one = Carded(DIGEST, "anna", grantings)
        assert row_of(one, NOW) == row_of(one, NOW + later)


def test_a_grant_that_ends_shuts_no_other_door() -> None:
    """cards, law 3"""
    ends = replace(FOR_EVER, points=(11,), ends=NOW + 1000)
    one = Carded(DIGEST, "anna", (FOR_EVER, ends))

    def doors(at: int) -> tuple[set[int], int]:
        row = cards_of([one], at)[DIGEST]
        return {entry.access_point for entry in row.access}, row.expires

    assert doors(NOW) == ({10, 11}, NOW + 1000)
    assert doors(NOW + 1000 - AHEAD_SECONDS - 1) == ({10, 11}, NOW + 1000)
    assert doors(NOW + 1000 - AHEAD_SECONDS) == ({10}, LATEST)
    alone = Carded(DIGEST, "anna", (ends,))
    assert isinstance(row_of(alone, NOW + 999), Card)
    assert row_of(alone, NOW + 1000) is None


@pytest.mark.parametrize("at", [0, 1, WEEK // 2, WEEK - 1])
def test_no_row_is_longer_than_a_phones_grant_and_each_is_made_again_in_time(at: int) -> None:
    """cards, laws 1 and 2: a hub refuses what is longer (`grant_days_max`)"""
    one = Carded(DIGEST, "anna", (replace(FOR_EVER, begins=0),))
    row = row_of(one, WEEK_OF_NOW + at)
    assert row is not None
    assert row.expires - row.not_before <= PHONE_SECONDS + 60
    assert row.not_before < WEEK_OF_NOW + at
    assert row.expires - (WEEK_OF_NOW + at) >= PHONE_SECONDS - WEEK
    assert row == row_of(one, WEEK_OF_NOW)
    assert row != row_of(one, WEEK_OF_NOW + WEEK)


def test_rows_are_in_order_and_each_is_one_credentials() -> None:
    """cards, law 1"""
    both = [Carded(b"b" * 16, "bert", (FOR_EVER,)), Carded(b"a" * 16, "anna", (FOR_EVER,))]
    assert list(cards_of(both, NOW)) == [b"a" * 16, b"b" * 16]
    assert cards_of(both, NOW) == cards_of(reversed(both), NOW)


@pytest.mark.parametrize(
    ("there", "why"), [(None, "card_key"), (31, "has 31 bytes, not 32"), (32, "")]
)
def test_the_card_key_is_in_a_file_beside_the_issuers(
    tmp_path, there: int | None, why: str
) -> None:  # type: ignore[no-untyped-def]
    file = make_folder(tmp_path / "s")
    text = file.read_text()
    file.write_text(f'card_key = "c"\n{text}')
    if there is not None:
        (file.parent / "c").write_bytes(bytes(there))
        (file.parent / "c").chmod(0o600)
    site = config.load(file)
    if why:
        with pytest.raises(ConfigError, match=why):
            config.card_key_of(site)
    else:
        assert config.card_key_of(site) == bytes(32)
    file.write_text(f'card_key = "c"\n{text}[signing]\nissuer = "i"\nsocket = "s"\n')
    with pytest.raises(ConfigError, match="the card key is the signer's"):
        config.load(file)
