"""The rules by which the issuer signs for a site's server: each alone, and over all orders."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.cards import Card
from hubcore.access.grant import TYPE, Access, Grant, read_grant
from hubcore.bridge.ceilings.guests import GuestCeiling
from hubcore.bridge.mandate import Use
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey
from hubcore.errors import HubError
from hubcore.issuing.limits import A_DAY, EACH, VERSION_STEP
from hubcore.issuing.standing import REVOKING, Signed, Standing
from hubcore.issuing.unsigned import Unsigned
from hubcore.issuing.wanted import Wanted
from hubcore.issuing.words import DAY_SECONDS, DocumentKind, Refusal, RefusedError
from hubcore.policy.policy import ALL_RIGHTS, HoldOpen, Operator, OperatorRight, PointRules
from hubsim.site.documents import make_key
from tests.unit.issuer.issuingdesk import (
    IN_FORCE,
    LIMITS,
    MANDATE,
    NOW,
    READER,
    Signer,
    brought,
    certificate,
    few_a_day,
    grant,
    in_force,
    listed,
    mandate,
    policy,
)

pytestmark = pytest.mark.once

OTHER = make_key()
HELD = {2: PointRules(hold_open=HoldOpen(1))}


def card(point: int) -> dict[bytes, Card]:
    digest = bytes(15) + b"\x01"
    access = (Access(point, 1, ()),)
    return {digest: Card(digest, "ella", NOW, NOW + 1000, access)}


def refused(signer: Signer, document: Unsigned, why: str, now: float = NOW) -> Refusal:
    before = list(signer.log)
    with pytest.raises(RefusedError, match=why) as found:
        signer.ask(document, now)
    assert signer.log == before
    return found.value.refusal


SOUND = [
    brought(policy(7)),
    brought(policy(8, revoked_credentials=frozenset({"bert"}), operators=LIMITS.operators)),
    brought(policy(9, points=HELD, cards=card(1), revoked_credentials=frozenset({"bert"}))),
    brought(grant()),
    listed(8, "bert"),
    brought(certificate()),
    brought(mandate()),
]


def test_what_is_sound_is_signed_and_its_log_makes_the_same_state() -> None:
    """issuing.standing, law 1"""
    signer = Signer()
    for document in SOUND:
        signer.ask(document)
    again = Standing(LIMITS.a_day)
    for fact in signer.log:
        again.take(fact)
    assert vars(again) == vars(signer.standing)
    assert [fact.kind for fact in signer.log].count(DocumentKind.POLICY) == 3


def test_a_kind_that_is_not_signed_at_all() -> None:
    """law 1: a ceiling of none"""
    signer = Signer(few_a_day(DocumentKind.CERTIFICATE, 0))
    assert refused(signer, brought(certificate()), "ceiling") is Refusal.CEILING


def test_no_more_is_remembered_than_a_day_may_have() -> None:
    """issuing.standing, laws 2 and 3"""
    limits = few_a_day(DocumentKind.GRANT, 3)
    standing = Standing(limits.a_day)
    for at in range(10):
        standing.take(Signed(DocumentKind.GRANT, 1000 * (NOW + at), "anna", 0, bytes(32)))
    assert standing.within_a_day(DocumentKind.GRANT, 1000 * NOW) == 3
    assert sum(len(times) for times in standing._times.values()) == 3
    assert standing.moment(0) == 1000 * (NOW + 9)


@pytest.mark.parametrize("kind", DocumentKind)
def test_of_each_kind_a_day_has_so_many(kind: DocumentKind) -> None:
    """law 1"""
    signer = Signer(few_a_day(kind, 2))
    document = {
        DocumentKind.POLICY: brought(policy(7)),  # the same again counts, too
        DocumentKind.GRANT: brought(grant(3 * DAY_SECONDS)),
        DocumentKind.REVOCATIONS: listed(7),
        DocumentKind.CERTIFICATE: brought(certificate(), in_force(certificate())),
        DocumentKind.MANDATE: brought(mandate()),
    }[kind]
    if kind is DocumentKind.REVOCATIONS:
        signer.ask(brought(policy(7)))
    signer.ask(document)
    second = brought(mandate(version=1000 * NOW + 1)) if kind is DocumentKind.MANDATE else document
    signer.ask(second, NOW + 100)
    assert refused(signer, document, "ceiling", NOW + 200) is Refusal.CEILING
    assert refused(signer, document, "ceiling", NOW + DAY_SECONDS - 1) is Refusal.CEILING
    if kind is DocumentKind.GRANT:  # the others say another moment of issue by then, or ended
        signer.ask(document, NOW + DAY_SECONDS + 1)
        assert refused(signer, document, "ceiling", NOW + DAY_SECONDS + 2) is Refusal.CEILING


def _burnt() -> Signer:
    """A signer of two policies a day, and one that revokes; the two are signed."""
    signer = Signer(replace(few_a_day(DocumentKind.POLICY, 2), revoking_a_day=1))
    signer.ask(brought(policy(7)))
    signer.ask(brought(policy(8, disabled=frozenset({"anna"}), cards=card(1))))
    changed = brought(policy(9, disabled=frozenset({"anna"}), cards=card(2)))
    assert refused(signer, changed, "policy: 2 were signed") is Refusal.CEILING
    return signer


@pytest.mark.parametrize(
    "more",
    [
        {"revoked_credentials": frozenset({"bert"}), "disabled": frozenset({"anna"})},
        {"revoked_credentials": frozenset({"anna"})},
        {"revoked_grants": frozenset({b"grant-01"}), "disabled": frozenset({"anna"})},
        {"disabled": frozenset({"anna", "bert"})},
    ],
)
def test_who_uses_up_the_policies_of_a_day_keeps_nobody_from_being_revoked(
    more: dict[str, object],
) -> None:
    """law 1"""
    signer = _burnt()
    signer.ask(brought(policy(9, cards=card(1), **more)))
    more = {**more, "disabled": frozenset({"anna", "bert", "carl"})}
    again = brought(policy(10, cards=card(1), **more))
    assert refused(signer, again, "that only revokes: 1 were") is Refusal.CEILING
    kept = Standing(signer.limits.a_day, signer.limits.revoking_a_day)
    for fact in signer.log:
        kept.take(fact)
    assert vars(kept) == vars(signer.standing)


def test_a_higher_ceiling_holds_at_once_over_the_same_log() -> None:
    """The way out of a ceiling (docs/backend.md): another number, and the same log."""
    burnt = _burnt()
    signer = Signer(replace(burnt.limits, a_day={**A_DAY, DocumentKind.POLICY: 3}))
    for fact in burnt.log:
        signer.standing.take(fact)
    signer.last = burnt.last
    signer.ask(brought(policy(9)))
    refused(signer, brought(policy(10, cards=card(1))), "policy: 3 were signed")


@pytest.mark.parametrize(
    "other",
    [
        {"disabled": frozenset({"anna"})},  # nobody more
        {"disabled": frozenset({"bert"})},  # somebody is let in again
        {"disabled": frozenset({"anna", "bert"}), "cards": card(2)},
        {"disabled": frozenset({"anna", "bert"}), "operators": LIMITS.operators},
    ],
)
def test_a_policy_that_does_more_than_to_revoke_has_no_ceiling_of_its_own(
    other: dict[str, object],
) -> None:
    """law 1"""
    refused(_burnt(), brought(policy(9, **{"cards": card(1), **other})), "policy: 2 were signed")


def test_a_clock_that_was_set_back_signs_nothing() -> None:
    """law 1: a day would have more than its ceiling"""
    signer = Signer()
    signer.ask(brought(grant()))
    signer.ask(brought(grant()), NOW - 299)
    assert refused(signer, brought(grant()), "behind its own log", NOW - 301) is Refusal.CLOCK


@pytest.mark.parametrize("version", [6, 7, 8 + VERSION_STEP, (1 << 63) - 1])
def test_a_policy_goes_on_by_small_steps(version: int) -> None:
    """law 2"""
    signer = Signer()
    signer.ask(brought(policy(7)))
    refused(signer, brought(policy(version, disabled=frozenset({"x"}))), "no next one")


def test_the_first_policy_follows_what_was_signed_elsewhere() -> None:
    """law 2"""
    signer = Signer(replace(LIMITS, policy_version=40))
    refused(signer, brought(policy(40)), "no next one")
    signer.ask(brought(policy(41)))
    signer.ask(brought(policy(41 + VERSION_STEP)))


def test_the_last_policy_is_signed_again_and_no_other_of_its_version() -> None:
    """law 2"""
    signer = Signer()
    signer.ask(brought(policy(7)))
    signer.ask(brought(policy(7)), NOW + DAY_SECONDS)
    other = brought(policy(7, disabled=frozenset({"x"})))
    refused(signer, other, "no next one", NOW + DAY_SECONDS)


def test_who_was_revoked_stays_revoked() -> None:
    """law 3: a credential; a grant's end is the server's to take back"""
    names = frozenset({"bert", "carl"})
    ids = frozenset({b"grant-01", b"grant-02"})
    signer = Signer()
    signer.ask(brought(policy(7, revoked_credentials=names, revoked_grants=ids)))
    refused(signer, brought(policy(8, revoked_credentials=names - {"carl"})), "1 credentials")
    refused(signer, brought(policy(8)), "2 credentials")
    signer.ask(brought(policy(8, revoked_credentials=names | {"dora"})))


@pytest.mark.parametrize(
    ("name", "operator", "why"),
    [
        ("mallory", Operator(OperatorRight.RELEASE, frozenset({1})), "no operator"),
        ("hubsite", Operator(OperatorRight.HOLD_OPEN, frozenset({1})), "a right more"),
        ("hubsite", Operator(OperatorRight.RELEASE, frozenset({1, 3})), "access point more"),
        ("hubsite", Operator(OperatorRight.RELEASE), "access point more"),
    ],
)
def test_operators_are_those_of_the_limits(name: str, operator: Operator, why: str) -> None:
    """law 4: no access point named means all of them"""
    refused(Signer(), brought(policy(7, operators={name: operator})), why)
    fewer = Operator(OperatorRight.RELEASE, frozenset({1}))
    Signer().ask(brought(policy(7, operators={"hubsite": fewer})))


def test_an_operator_of_all_doors_may_be_named_for_some_or_all() -> None:
    """law 4"""
    shuts = Operator(OperatorRight.LOCK_DOWN)
    signer = Signer(replace(LIMITS, operators={"hubsite": shuts}))
    signer.ask(brought(policy(7, operators={"hubsite": shuts})))
    some = Operator(OperatorRight.LOCK_DOWN, frozenset({5, 9}))
    signer.ask(brought(policy(8, operators={"hubsite": some})))


@pytest.mark.parametrize("right", [OperatorRight.RELEASE, OperatorRight.HOLD_OPEN])
def test_who_may_open_doors_has_them_named_and_none_is_apart(right: OperatorRight) -> None:
    """law 4: whatever the limits say"""
    most = Operator(ALL_RIGHTS)
    for name in ("hubsite", "olga"):
        signer = Signer(replace(LIMITS, operators={"hubsite": most, EACH: most}))
        both = right | OperatorRight.LOCK_DOWN
        for points, why in (((), "none is named"), ((1, 9), "access point 9, which is apart")):
            operator = Operator(both, frozenset(points))
            refused(signer, brought(policy(7, operators={name: operator})), why)
        named = Operator(both, frozenset({1, 2}))
        signer.ask(brought(policy(7, operators={name: named})))


def test_whoever_is_not_named_may_have_limits_of_his_own() -> None:
    """law 4: EACH"""
    each = Operator(OperatorRight.LOCK_DOWN)
    signer = Signer(replace(LIMITS, operators={**LIMITS.operators, EACH: each}))
    named = {"olga": each, "hubsite": Operator(OperatorRight.LOCK_DOWN, frozenset({1}))}
    signer.ask(brought(policy(7, operators=named)))
    more = {"olga": Operator(OperatorRight.COMMAND)}
    refused(signer, brought(policy(8, operators=more)), "a right more")
    refused(signer, brought(policy(8, operators={"hubsite": each})), "access point more")


def test_only_doors_of_the_limits_are_held_open() -> None:
    """law 5"""
    held = {3: PointRules(hold_open=HoldOpen(1))}
    refused(Signer(), brought(policy(7, points=held)), "access point 3 may not be held open")
    Signer().ask(brought(policy(7, points=HELD)))


def test_a_grant_has_its_ceiling() -> None:
    """law 6"""
    most = LIMITS.grant_seconds
    signer = Signer()
    signer.ask(brought(grant(most)))
    refused(signer, brought(grant(most + 301)), "ends later")
    later = grant(not_before=NOW + most, expires=NOW + most + 301)
    refused(signer, brought(later), "ends later")
    refused(signer, brought(grant(not_before=NOW - 10, expires=NOW)), "ended already")


def test_no_grant_is_signed_for_who_is_revoked() -> None:
    """law 6"""
    signer = Signer()
    signer.ask(brought(policy(7, revoked_credentials=frozenset({"anna"}))))
    refused(signer, brought(grant()), "revokes its credential")
    signer.ask(brought(grant(credential="bert")))
    signer = Signer()
    signer.ask(brought(policy(7, revoked_grants=frozenset({b"grant-01"}))))
    refused(signer, brought(grant()), "of this id")


def test_a_door_that_is_apart_is_opened_by_nothing() -> None:
    """law 7"""
    refused(Signer(), brought(grant(points=(1, 9))), "access point 9, which is apart")
    refused(Signer(), brought(policy(7, cards=card(9))), "access point 9, which is apart")
    Signer().ask(brought(policy(7, cards=card(1))))


@pytest.mark.parametrize(("most", "there"), [(0, 1), (2, 3)])
def test_a_policy_has_no_more_cards_than_the_limits_say(most: int, there: int) -> None:
    """law 5"""
    (one,) = card(1).values()
    many = {bytes([number]) * 16: one for number in range(1, there + 1)}
    cards = {digest: replace(one, digest=digest) for digest in many}
    signer = Signer(replace(LIMITS, cards=most))
    refused(signer, brought(policy(7, cards=cards)), f"names {there} cards, and the limits allow")
    cards.popitem()
    signer.ask(brought(policy(7, cards=cards)))


def test_more_cards_than_the_limits_say_keep_nobody_from_being_revoked() -> None:
    """law 5: the limits were made smaller since the last policy"""
    signer = Signer()
    signer.ask(brought(policy(7, cards=card(1))))
    signer.limits = replace(LIMITS, cards=0)
    refused(signer, brought(policy(8, cards=card(1), points=HELD)), "the limits allow 0")
    signer.ask(brought(policy(8, cards=card(1), revoked_credentials=frozenset({"ella"}))))


def test_a_list_of_revocations_says_what_the_policy_says() -> None:
    """law 8"""
    signer = Signer()
    refused(signer, listed(7, "bert"), "no policy of that version")
    revoked = policy(
        7, revoked_credentials=frozenset({"bert"}), revoked_grants=frozenset({b"grant-01"})
    )
    signer.ask(brought(revoked))
    signer.ask(listed(7, "bert", b"grant-01"))
    refused(signer, listed(8, "bert"), "no policy of that version")
    refused(signer, listed(7, "anna"), "a credential that")
    refused(signer, listed(7, b"grant-02"), "a grant that")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (certificate(hub="hub-b"), "another hub or key"),
        (certificate(key=OTHER.verify_key), "another hub or key"),
        (certificate(access_points=(1, 2, 3)), "access point more"),
        (certificate(not_before=IN_FORCE.not_before - 1), "before the one in force"),
        (certificate(not_before=NOW + 301), "begins later"),
        (certificate(expires=NOW + LIMITS.certificate_seconds + 301), "ends later"),
        (certificate(expires=NOW), "ended already"),
    ],
)
def test_a_hubs_certificate_is_renewed_and_no_more(made: object, why: str) -> None:
    """law 9"""
    refused(Signer(), brought(made), why)
    Signer().ask(brought(certificate(access_points=(1,))))


def test_an_older_certificate_is_none_to_go_on_from() -> None:
    """law 9"""
    signer = Signer()
    signer.ask(brought(certificate()))
    refused(signer, brought(certificate()), "not the newest")
    signer.ask(brought(certificate(), in_force(certificate())))
    of_old_machine = replace(IN_FORCE, key=OTHER.verify_key, not_before=NOW)
    again = certificate(key=OTHER.verify_key)
    refused(signer, brought(again, in_force(of_old_machine)), "not the newest")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (mandate(holder="mallory"), "another holder"),
        (mandate(key=OTHER.verify_key), "another holder"),
        (mandate(guests=GuestCeiling(5, 3600, None, (1,))), "another holder"),
        (mandate(use=Use.RECEIPTS), "have none"),
        (mandate(version=MANDATE.version), "no next one"),
        (mandate(version=1000 * (NOW + 301)), "moment of issue"),
        (mandate(not_before=NOW + 301), "begins later"),
        (mandate(expires=NOW + LIMITS.mandate_seconds + 301), "ends later"),
    ],
)
def test_a_mandate_keeps_its_limits(made: object, why: str) -> None:
    """law 10"""
    refused(Signer(), brought(made), why)
    Signer().ask(brought(mandate()))


def test_a_mandate_goes_on_from_the_newest() -> None:
    """law 10"""
    signer = Signer()
    signer.ask(brought(mandate()))
    refused(signer, brought(mandate()), "no next one")
    signer.ask(brought(mandate(version=1000 * NOW + 1)))


@pytest.mark.parametrize("away", [-301, 301])
def test_the_moment_of_issue_is_now(away: int) -> None:
    """law 11"""
    signer = Signer()
    refused(signer, brought(policy(7, issued_at=NOW + away)), "moment of issue")
    signer.ask(brought(policy(7)))
    refused(signer, listed(7, issued_at=NOW + away), "moment of issue")


def test_what_is_of_another_site_kind_or_issuer_is_not_read() -> None:
    """issuing.wanted, laws 1 to 3"""
    signer = Signer()
    for document in (
        brought(policy(7, site="other")),
        brought(grant(site="other")),
        brought(certificate(site="other")),
        brought(mandate(site="other")),
        brought(certificate(), in_force(replace(IN_FORCE, site="other"))),
        brought(certificate(), in_force(issuer=OTHER)),
        brought(certificate(), b""),
        Unsigned(DocumentKind.POLICY, brought(grant()).claims),
        Unsigned(DocumentKind.GRANT, brought(policy(7)).claims),
        Unsigned(DocumentKind.GRANT, b"\xff"),
        Unsigned(DocumentKind.GRANT, brought(grant()).claims, b"along"),
    ):
        assert refused(signer, document, ".") is Refusal.UNREADABLE


def test_no_row_of_a_policy_is_signed_unread() -> None:
    """issuing.wanted, law 2"""
    whole = brought(policy(7, revoked_credentials=frozenset({"anna"})))
    assert whole.along
    assert refused(Signer(), replace(whole, along=b""), "pieces") is Refusal.UNREADABLE
    Signer().ask(whole)


@settings(deadline=None)
@given(st.binary(max_size=64), st.sampled_from(DocumentKind), st.integers(0, 400))
def test_hostile_bytes_are_refused_and_nothing_else(
    junk: bytes, kind: DocumentKind, at: int
) -> None:
    sound = {one.kind: one for one in SOUND}[kind]
    cut = at % (len(sound.claims) + 1)
    claims = sound.claims[:cut] + junk + sound.claims[cut + len(junk) :]
    if claims == sound.claims:
        return
    try:
        READER.read(kind, claims, sound.along)
    except RefusedError as error:
        assert error.refusal is Refusal.UNREADABLE  # noqa: PT017


class _SignsNothing(SigningKey):
    def sign(self, data: bytes) -> bytes:
        raise AssertionError(data)


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(0, 400))
def test_a_grant_is_read_as_a_hub_would_read_it_signed(junk: bytes, at: int) -> None:
    """issuing.wanted: its claims are under no signature, and are judged as if they were"""
    reader = replace(READER, trial=_SignsNothing(OTHER.private))
    sound = brought(grant()).claims
    cut = at % (len(sound) + 1)
    claims = sound[:cut] + junk + sound[cut + len(junk) :]
    signed = cwt.sign(TYPE, claims, OTHER, OTHER.verify_key.kid)
    wanted: Grant | None = None
    with suppress(HubError):
        wanted = read_grant(signed, OTHER.verify_key, READER.site)
    found: Wanted | None = None
    with suppress(RefusedError):
        found = reader.read(DocumentKind.GRANT, claims, b"")
    assert found == wanted


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["policy", "grant", "revoke", "list", "certificate", "mandate"]),
        st.integers(0, 6),
        st.integers(-400, 2 * DAY_SECONDS // 3),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(STEPS)
def test_over_all_orders_the_laws_hold(steps: list[tuple[str, int, int]]) -> None:
    limits = replace(LIMITS, a_day=dict.fromkeys(DocumentKind, 3), revoking_a_day=3)
    signer = Signer(limits)
    now = NOW
    signed = []
    for what, number, later in steps:
        now += later
        names = frozenset({"anna", "bert", "carl"} if number % 2 else {"anna"})
        document = {
            "policy": lambda n=number, at=now: brought(policy(n, issued_at=at)),
            "revoke": lambda n=number, at=now, who=names: brought(
                policy(n, issued_at=at, revoked_credentials=who)
            ),
            "grant": lambda n=number, at=now: brought(grant(expires=at + n * 10 * DAY_SECONDS)),
            "list": lambda n=number, at=now, who=names: listed(n, *who, issued_at=at),
            "certificate": lambda n=number, at=now: brought(
                certificate(not_before=at, expires=at + n * 100 * DAY_SECONDS)
            ),
            "mandate": lambda n=number, at=now: brought(
                mandate(version=1000 * at, not_before=at, expires=at + n * 100 * DAY_SECONDS)
            ),
        }[what]()
        try:
            signed.append((now, signer.ask(document, now)))
        except RefusedError:
            continue
    _hold(signer, signed)


def _hold(signer: Signer, signed: list[tuple[int, object]]) -> None:
    facts = signer.log
    counted = [(kind, False) for kind in DocumentKind] + [(DocumentKind.POLICY, True)]
    for kind, is_revoking in counted:
        times = [
            fact.at_ms
            for fact in facts
            if fact.kind is kind and (fact.of == REVOKING) is is_revoking
        ]
        assert times == sorted(times)
        for before, after in zip(times, times[3:], strict=False):
            assert after - before >= 1000 * DAY_SECONDS
    policies = [one.policy for _, one in signed if hasattr(one, "policy")]
    for before, after in pairwise(policies):
        assert before == after or before.version < after.version
        assert before.revoked_credentials <= after.revoked_credentials
    for at, one in signed:
        if type(one).__name__ == "Grant":
            assert at < one.expires <= at + LIMITS.grant_seconds + 300
    mandates = [fact.number for fact in facts if fact.kind is DocumentKind.MANDATE]
    assert mandates == sorted(set(mandates))
