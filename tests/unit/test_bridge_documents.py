"""What others sign and a bridge carries: mandates, receipts, testimonies and orders of a site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.precedence import DoorOrder
from hubcore.access.words import HubName
from hubcore.bridge.mandate import (
    BRIDGES_MAX,
    Mandate,
    Mandates,
    Use,
    issue_mandate,
    prove_mandate,
)
from hubcore.bridge.signedhead import (
    USE_OF,
    HeadKind,
    SignedHead,
    prove_head,
    prove_own_head,
    sign_head,
)
from hubcore.bridge.site.order import (
    DISABLED_SECONDS_MAX,
    LIFE_SECONDS_MAX,
    TAKE_SECONDS_MAX,
    CredentialDisabled,
    DoorsOrder,
    Ordered,
    SiteOrder,
    SiteRelease,
    issue_site_order,
    prove_site_order,
)
from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import SigningKey
from hubcore.errors import ProofError, RollbackError
from hubcore.evidence.records import Head
from tests.vectors import world

NOW = 1_800_000_000
DAY = 86_400
HUB = HubName("site-1", "hub-1")
ISSUER = world.signer("issuer")


@cache
def key(name: str) -> SigningKey:
    """A key of this run, the same one for each name."""
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def mandate(use: Use, holder: str = "bridge-1", version: int = 1) -> Mandate:
    return Mandate(
        site="site-1",
        holder=holder,
        use=use,
        version=version,
        key=key(f"{use.name} {version}").verify_key,
        not_before=NOW - DAY,
        expires=NOW + 90 * DAY,
    )


def reissued(data: bytes, typ: str, signer: SigningKey, label: int, value: object) -> bytes:
    """The same document with another claim, signed anew by the same key."""
    document = cbor.decode(data, frozenset({cose.SIGN1_TAG})).value
    claims = cbor.decode(document[2])
    claims[label] = value
    return cwt.issue(typ, claims, signer, signer.verify_key.kid)


# ---- mandates


@pytest.mark.parametrize("use", list(Use))
def test_a_mandate_says_what_the_issuer_signed(use: Use) -> None:
    said = mandate(use)
    document = issue_mandate(said, ISSUER)
    assert len(document) <= DOCUMENT_BYTES
    assert prove_mandate(document, "site-1", ISSUER.verify_key) == said


def test_a_mandate_by_another_key_or_of_another_site_proves_nothing() -> None:
    document = issue_mandate(mandate(Use.ORDERS), ISSUER)
    with pytest.raises(ProofError):
        prove_mandate(document, "site-1", key("stranger").verify_key)
    with pytest.raises(ProofError):
        prove_mandate(document, "site-2", ISSUER.verify_key)
    with pytest.raises(ProofError):
        prove_mandate(document + bytes(DOCUMENT_BYTES), "site-1", ISSUER.verify_key)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (-65538, 0),
        (-65538, 2**63),
        (-65538, "1"),
        (-65539, 0),
        (-65539, 4),
        (-65539, None),
        (2, ""),
        (3, "site-2"),
        (4, NOW - 2 * DAY),
        (8, {1: {1: 2}}),
        (8, {2: bytes(8)}),
        (-65550, 1),
    ],
)
def test_a_mandate_out_of_shape_proves_nothing(label: int, value: object) -> None:
    document = issue_mandate(mandate(Use.ORDERS), ISSUER)
    wrong = reissued(document, "application/hub-mandate+cwt", ISSUER, label, value)
    with pytest.raises(ProofError):
        prove_mandate(wrong, "site-1", ISSUER.verify_key)


@given(st.permutations(range(1, 7)), st.sampled_from(Use))
def test_in_any_order_the_highest_version_holds(versions: list[int], use: Use) -> None:  # law 3
    standing = Mandates()
    highest = 0
    for version in versions:
        if version < highest:
            with pytest.raises(RollbackError):
                standing.with_one(mandate(use, version=version))
        else:
            standing = standing.with_one(mandate(use, version=version))
            highest = version
        found = standing.find(use, "bridge-1")
        assert found is not None
        assert found.version == highest
    assert len(standing.standing) == 1


def test_the_same_mandate_again_changes_nothing_and_another_of_its_version_is_refused() -> None:
    standing = Mandates().with_one(mandate(Use.ORDERS))
    assert standing.with_one(mandate(Use.ORDERS)) is standing
    with pytest.raises(RollbackError):
        standing.with_one(replace(mandate(Use.ORDERS), key=key("another").verify_key))


def test_one_key_for_orders_and_one_for_each_bridge() -> None:  # law 2
    standing = Mandates()
    for number in range(BRIDGES_MAX):
        standing = standing.with_one(mandate(Use.TESTIMONY, f"bridge-{number}"))
    with pytest.raises(RollbackError):
        standing.with_one(mandate(Use.TESTIMONY, "one-too-many"))
    standing = standing.with_one(mandate(Use.ORDERS, "office"))
    standing = standing.with_one(mandate(Use.ORDERS, "porter", version=2))
    assert standing.find(Use.ORDERS) == mandate(Use.ORDERS, "porter", version=2)
    assert standing.find(Use.TESTIMONY, "bridge-3") == mandate(Use.TESTIMONY, "bridge-3")
    assert standing.find(Use.TESTIMONY, "bridge-9") is None
    assert standing.find(Use.RECEIPTS) is None


# ---- signed heads


def head_of(kind: HeadKind) -> tuple[SignedHead, bytes]:
    by = HUB.hub if kind is HeadKind.OWN else "bridge-1"
    said = SignedHead(kind, by, HUB, Head(12, bytes(range(32))), NOW)
    return said, sign_head(said, key("OWN" if kind is HeadKind.OWN else f"{USE_OF[kind].name} 1"))


def test_each_kind_but_the_hubs_own_needs_a_mandate() -> None:
    assert set(HeadKind) - set(USE_OF) == {HeadKind.OWN}
    assert len(set(USE_OF.values())) == len(USE_OF)


def test_a_hub_signs_of_itself_alone_and_its_clock_is_not_judged() -> None:  # laws 1, 2 and 5
    said, document = head_of(HeadKind.OWN)
    own = key("OWN")
    assert prove_own_head(document, HUB, own.verify_key) == said
    early = replace(said, at=1)
    assert prove_own_head(sign_head(early, own), HUB, own.verify_key) == early
    wrong = [
        sign_head(said, key("RECEIPTS 1")),
        sign_head(replace(said, kind=HeadKind.RECEIPT), own),
        sign_head(replace(said, kind=HeadKind.TESTIMONY), own),
        sign_head(replace(said, by="hub-2"), own),
        sign_head(replace(said, hub=HubName(HUB.site, "hub-2")), own),
        sign_head(replace(said, hub=HubName("site-2", HUB.hub)), own),
        document + b"\x00",
        bytes(DOCUMENT_BYTES + 1),
    ]
    for one in wrong:
        with pytest.raises(ProofError):
            prove_own_head(one, HUB, own.verify_key)
    for use in Use:  # no mandate makes it a receipt or a testimony
        with pytest.raises(ProofError):
            prove_head(HeadKind.OWN, document, HUB, mandate(use))


@pytest.mark.parametrize("kind", list(USE_OF))
def test_a_signed_head_says_what_was_signed(kind: HeadKind) -> None:
    said, document = head_of(kind)
    assert len(document) <= DOCUMENT_BYTES
    assert prove_head(kind, document, HUB, mandate(USE_OF[kind])) == said


def test_a_testimony_is_no_receipt_even_by_the_key_for_receipts() -> None:  # law 1
    said, document = head_of(HeadKind.TESTIMONY)
    with pytest.raises(ProofError):
        prove_head(HeadKind.RECEIPT, document, HUB, mandate(Use.TESTIMONY))  # law 2
    by_bridges_key = sign_head(replace(said, kind=HeadKind.RECEIPT), key("TESTIMONY 1"))
    with pytest.raises(ProofError):
        prove_head(HeadKind.RECEIPT, by_bridges_key, HUB, mandate(Use.TESTIMONY))  # law 2
    by_receipts_key = sign_head(said, key("RECEIPTS 1"))
    with pytest.raises(ProofError):
        prove_head(HeadKind.RECEIPT, by_receipts_key, HUB, mandate(Use.RECEIPTS))


@pytest.mark.parametrize(
    "hub", [HubName("site-1", "hub-2"), HubName("site-2", "hub-1")], ids=lambda hub: str(hub)
)
def test_a_signed_head_of_another_hub_or_site_proves_nothing(hub: HubName) -> None:  # law 2
    _, document = head_of(HeadKind.RECEIPT)
    of_site = replace(mandate(Use.RECEIPTS), site=hub.site)
    with pytest.raises(ProofError):
        prove_head(HeadKind.RECEIPT, document, hub, of_site)


def test_a_signed_head_outside_the_times_of_its_mandate_proves_nothing() -> None:
    _, document = head_of(HeadKind.RECEIPT)
    for times in ((NOW + 1, NOW + 2), (NOW - 2, NOW - 1)):
        late = replace(mandate(Use.RECEIPTS), not_before=times[0], expires=times[1])
        with pytest.raises(ProofError):
            prove_head(HeadKind.RECEIPT, document, HUB, late)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (-65538, 0),  # law 3
        (-65538, 2**63),
        (-65538, None),
        (-65539, bytes(31)),
        (-65539, "hash"),
        (6, 0),
        (6, "now"),
        (1, "bridge-2"),
        (2, None),
        (7, b"more"),
    ],
)
def test_a_signed_head_out_of_shape_proves_nothing(label: int, value: object) -> None:
    _, document = head_of(HeadKind.RECEIPT)
    wrong = reissued(document, HeadKind.RECEIPT.value, key("RECEIPTS 1"), label, value)
    with pytest.raises(ProofError):
        prove_head(HeadKind.RECEIPT, wrong, HUB, mandate(Use.RECEIPTS))


# ---- orders of a site

WHATS: list[Ordered] = [
    SiteRelease(1, None),
    SiteRelease(65_535, 3600),
    DoorsOrder(DoorOrder.LOCKDOWN, None, NOW + 7 * DAY),
    DoorsOrder(DoorOrder.HOLD_OPEN, 3, NOW + 3600),
    DoorsOrder(DoorOrder.NO_ENTRY, 3, None),
    CredentialDisabled("c" * 32, NOW + 30 * DAY),
    CredentialDisabled("c", None),
]
SITE_KEY = "ORDERS 1"


def order(what: Ordered, hub: str | None = "hub-1") -> SiteOrder:
    return SiteOrder(bytes(16), hub, 1000 * NOW + 7, NOW + TAKE_SECONDS_MAX, "porter-7", what)


@pytest.mark.parametrize("what", WHATS, ids=str)
def test_an_order_says_what_the_sites_key_signed(what: Ordered) -> None:
    hubs = ["hub-1"] if isinstance(what, SiteRelease) else ["hub-1", None]
    for hub in hubs:
        document = issue_site_order(order(what, hub), "site-1", key(SITE_KEY))
        assert len(document) <= DOCUMENT_BYTES
        assert prove_site_order(document, HUB, mandate(Use.ORDERS)) == order(what, hub)


def test_an_order_proves_itself_by_the_key_for_orders_alone() -> None:  # law 1
    document = issue_site_order(order(WHATS[2]), "site-1", key(SITE_KEY))
    wrong: list[Callable[[], Any]] = [
        lambda: prove_site_order(document, HUB, mandate(Use.ORDERS, version=2)),
        lambda: prove_site_order(
            document, HUB, replace(mandate(Use.TESTIMONY), key=key(SITE_KEY).verify_key)
        ),
        lambda: prove_site_order(document, HubName("site-1", "hub-2"), mandate(Use.ORDERS)),
        lambda: prove_site_order(document, HubName("site-2", "hub-1"), mandate(Use.ORDERS)),
        lambda: prove_site_order(
            document,
            HubName("site-2", "hub-1"),
            replace(mandate(Use.ORDERS), site="site-2"),
        ),
        lambda: prove_site_order(document + b"\x00", HUB, mandate(Use.ORDERS)),
        lambda: prove_site_order(bytes(DOCUMENT_BYTES + 1), HUB, mandate(Use.ORDERS)),
    ]
    for prove in wrong:
        with pytest.raises(ProofError):
            prove()


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_an_order_with_one_bit_turned_proves_nothing(at: int, bit: int) -> None:
    document = bytearray(issue_site_order(order(WHATS[3]), "site-1", key(SITE_KEY)))
    document[at % len(document)] ^= 1 << bit
    with pytest.raises(ProofError):
        prove_site_order(bytes(document), HUB, mandate(Use.ORDERS))


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (7, bytes(15)),
        (7, None),
        (-65539, "x" * 33),
        (-65539, "\x1b[2J"),
        (-65538, -1),
        (4, NOW - 1),
        (4, NOW + TAKE_SECONDS_MAX + 1),  # law 3
        (2, ""),
        (2, 5),
        (-65540, []),
        (-65540, [4, 1]),
        (-65540, [1, 65_536, None]),
        (-65540, [1, None, None]),
        (-65540, [1, 1, 0]),
        (-65540, [1, 1, 3601]),
        (-65540, [2, 5, None, 1, NOW + 60]),  # law 6
        (-65540, [2, 1, None, 1, NOW + 60]),
        (-65540, [2, 4, None, 1]),
        (-65540, [2, 4, None, 1, None]),  # law 4
        (-65540, [2, 4, None, 1, NOW + LIFE_SECONDS_MAX[DoorOrder.LOCKDOWN] + 1]),
        (-65540, [2, 2, None, 1, NOW + LIFE_SECONDS_MAX[DoorOrder.HOLD_OPEN] + 1]),
        (-65540, [2, 4, None, 1, NOW]),
        (-65540, [2, 4, "door", 0]),
        (-65540, [3, "", 0]),
        (-65540, [3, "c", 1, NOW + DISABLED_SECONDS_MAX + 1]),
        (-65540, [3, 7, 0]),
    ],
    ids=str,
)
def test_an_order_out_of_shape_proves_nothing(label: int, value: object) -> None:
    document = issue_site_order(order(WHATS[2]), "site-1", key(SITE_KEY))
    typ = "application/hub-site-order+cwt"
    wrong = reissued(document, typ, key(SITE_KEY), label, value)
    with pytest.raises(ProofError):
        prove_site_order(wrong, HUB, mandate(Use.ORDERS))


def test_no_key_signs_an_order_that_no_hub_takes() -> None:
    for wrong in (
        order(SiteRelease(1, None), hub=None),  # law 2
        order(DoorsOrder(DoorOrder.FIRE, None, NOW + 60)),  # law 6
        replace(order(WHATS[0]), id=b""),
    ):
        with pytest.raises(ProofError):
            issue_site_order(wrong, "site-1", key(SITE_KEY))


def test_what_opens_is_known_for_each_order_and_its_end() -> None:
    opening: list[Ordered] = [
        SiteRelease(1, None),
        DoorsOrder(DoorOrder.HOLD_OPEN, 1, NOW + 60),
        DoorsOrder(DoorOrder.LOCKDOWN, None, None),
        DoorsOrder(DoorOrder.NO_ENTRY, None, None),
        CredentialDisabled("c", None),
    ]
    shutting: list[Ordered] = [
        DoorsOrder(DoorOrder.HOLD_OPEN, 1, None),
        DoorsOrder(DoorOrder.LOCKDOWN, None, NOW + 60),
        DoorsOrder(DoorOrder.NO_ENTRY, None, NOW + 60),
        CredentialDisabled("c", NOW + 60),
    ]
    assert [order(what).opens for what in opening] == [True] * len(opening)
    assert [order(what).opens for what in shutting] == [False] * len(shutting)
