"""What hub and bridge say to each other, and what is signed beside it, as files.

Law: a signature is random, so a file written again has other bytes and the same meaning; the
committed bytes are what readers are held to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from hubcore.access.grant import Access, Grant, issue_grant
from hubcore.access.precedence import DoorOrder
from hubcore.access.words import HubName
from hubcore.backend.renewal import TYPE as RENEWAL
from hubcore.backend.renewal import sign_renewal
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.from_hub import CertificateRequest, Ping
from hubcore.bridge import codec
from hubcore.bridge.backend.ownrequest import TYPE as OWN_REQUEST
from hubcore.bridge.backend.ownrequest import sign_own_request
from hubcore.bridge.ceilings import devices
from hubcore.bridge.ceilings.devices import DeviceCeiling
from hubcore.bridge.ceilings.guests import GuestCeiling, write_ceiling
from hubcore.bridge.ends import TYPE as ENDS
from hubcore.bridge.ends import Ends, Whom, issue_ends
from hubcore.bridge.frames import frame
from hubcore.bridge.from_bridge import (
    BridgeWelcome,
    CarriedOrder,
    CarriedReceipt,
    Full,
    RenewFirst,
    Witnessed,
)
from hubcore.bridge.from_hub import CarriedRequest, HubHello, OwnHead
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.bridge.site.order import (
    AdmittedGuest,
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    Ordered,
    SiteOrder,
    SiteRelease,
    issue_site_order,
)
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.device.command import Command, Verb
from hubcore.evidence.records import Head
from tests.vectors import world

FOLDER = Path(__file__).parent / "bridge"
Json = dict[str, Any]
NOW = 1_800_000_000
DAY = 86_400
SITE = "site-1"
HUB = HubName(SITE, "hub-1")
HEAD = Head(12, bytes(range(32)))
HELLO = HubHello(
    protocol=1,
    hub="hub-1",
    site=SITE,
    boot_id=bytes(range(16)),
    software="0.1.0",
    policy_version=3,
    policy_digest=bytes(range(32)),
    durable=11,
    durable_hash=bytes(range(1, 33)),
    last_record=12,
    head_hash=HEAD.hash,
    time_ms=1000 * NOW,
)
WELCOME = BridgeWelcome(1, "bridge-1", SITE, 1000 * NOW, 12, HEAD.hash, 30, 11)

REQUEST = CertificateRequest(bytes(range(32)), NOW + DAY)
ISSUER = "issuer"
ORDERS_KEY = "phone"
HUB_KEY = "hub"
"""By which a hub signs its own heads here."""
SIGNERS = {Use.ORDERS: ORDERS_KEY, Use.RECEIPTS: "hub", Use.TESTIMONY: "hub_b"}
"""Test keys of `keys.json`, by what they sign here."""
CEILING = GuestCeiling(guests=3, seconds=DAY, uses=None, access_points=(1, 2))
DEVICES = DeviceCeiling((Verb.CLOSE, Verb.STOP, Verb.SET_LEVEL), ("shutter-2", "light"))
"""Of the mandate for orders."""


def guest(point: int = 1, hours: int = 8, credential: str = "guest.7") -> AdmittedGuest:
    """Return a guest's grant by the site's key; his phone has the test key `hub_b`."""
    phone = world.signer("hub_b")
    grant = Grant(
        site=SITE,
        credential=credential,
        not_before=NOW,
        expires=NOW + 3600 * hours,
        grant_id=bytes(range(8)),
        key=phone.verify_key,
        access=(Access(point, world.OPEN_AND_QUERY, ()),),
        uses=4,
    )
    document = issue_grant(world.signer(ORDERS_KEY), grant, phone.cose_key)
    return AdmittedGuest(replace(grant, site_digest=sha256(document).digest()), document)


def admitted(guest: AdmittedGuest) -> GuestAdmitted:
    """Return what lets a guest in."""
    return GuestAdmitted(guest.grant.grant_id, guest)


WHATS: dict[str, tuple[Ordered, str | None]] = {
    "release": (SiteRelease(1, 5), "hub-1"),
    "lockdown of all doors": (DoorsOrder(DoorOrder.LOCKDOWN, None, NOW + DAY), None),
    "end of a lockdown": (DoorsOrder(DoorOrder.LOCKDOWN, None, None), None),
    "hold open": (DoorsOrder(DoorOrder.HOLD_OPEN, 1, NOW + 3600), "hub-1"),
    "a shutter": (Command("shutter-2", Verb.SET_LEVEL, 30), "hub-1"),
    "credential disabled": (CredentialDisabled(world.CREDENTIAL, NOW + DAY), None),
    "guest": (admitted(guest()), None),
    "end of a guest": (GuestAdmitted(bytes(range(8)), None), None),
}


def mandate(use: Use) -> Mandate:
    """Return the mandate of this use in all files."""
    return Mandate(
        site=SITE,
        holder="bridge-1" if use is Use.TESTIMONY else "office",
        use=use,
        version=1,
        key=world.signer(SIGNERS[use]).verify_key,
        not_before=NOW - DAY,
        expires=NOW + 90 * DAY,
        guests=CEILING if use is Use.ORDERS else None,
        devices=DEVICES if use is Use.ORDERS else None,
    )


def order(what: Ordered, hub: str | None) -> SiteOrder:
    """Return an order as it is in all files."""
    return SiteOrder(bytes(range(16)), hub, 1000 * NOW, NOW + 600, "porter-7", what)


def documents() -> Iterator[Json]:
    """Yield each document, right or wrong; `kind` says what a reader takes it for."""
    issuer = world.signer(ISSUER)
    for use in Use:
        yield _document("mandate", f"for {use.name.lower()}", issue_mandate(mandate(use), issuer))
    good = issue_mandate(mandate(Use.ORDERS), issuer)
    typ = "application/hub-mandate+cwt"
    yield _wrong("mandate", "a use of none", _changed(good, typ, issuer, -65539, 4))
    yield _wrong("mandate", "version 0", _changed(good, typ, issuer, -65538, 0))
    yield _wrong("mandate", "65 guests", _changed(good, typ, issuer, -65540, [65, DAY, None, [1]]))
    unlocking = [[int(Verb.UNLOCK)], None]
    yield _wrong("mandate", "unlocks", _changed(good, typ, issuer, -65541, unlocking))
    other = issue_mandate(mandate(Use.RECEIPTS), issuer)
    ceiling = write_ceiling(CEILING)
    yield _wrong("mandate", "guests by receipts", _changed(other, typ, issuer, -65540, ceiling))
    stranger = world.signer("stranger")
    yield _wrong("mandate", "by a stranger", issue_mandate(mandate(Use.ORDERS), stranger))
    for kind, use in ((HeadKind.RECEIPT, Use.RECEIPTS), (HeadKind.TESTIMONY, Use.TESTIMONY)):
        yield from _heads(kind, use)
    yield from _own_heads()
    yield from _ends()
    yield from _orders()
    yield from _renewals()
    yield from _bridge_renewals()


def ends(whom: Whom) -> Ends:
    """Return the list of whom the site has ended in all files."""
    ended = "hub-7" if whom is Whom.HUBS else "bridge-7"
    return Ends(1000 * NOW, frozenset({ended}), frozenset({HEAD.hash}), whom)


def _ends() -> Iterator[Json]:
    issuer = world.signer(ISSUER)
    for whom in Whom:
        yield _document("ends", whom.name.lower(), issue_ends(ends(whom), SITE, issuer))
    good = issue_ends(ends(Whom.BRIDGES), SITE, issuer)
    wrong: dict[str, tuple[int, object]] = {
        "of another site": (cwt.AUD, "site-2"),
        "version 0": (-65538, 0),
        "of nobody that is known": (-65539, 3),
        "names that are not in order": (-65540, ["b", "a"]),
        "a name twice": (-65540, ["a", "a"]),
        "a name with a dot": (-65540, ["bridge.7"]),
        "a digest of 31 bytes": (-65541, [bytes(31)]),
        "digests that are text": (-65541, ["a"]),
        "257 digests of bridges": (-65541, [one.to_bytes(32, "big") for one in range(257)]),
    }
    for why, (label, value) in wrong.items():
        yield _wrong("ends", why, _changed(good, ENDS, issuer, label, value))
    stranger = world.signer("stranger")
    yield _wrong("ends", "by a stranger", issue_ends(ends(Whom.HUBS), SITE, stranger))


def own_head(key: SigningKey, hub: str = HUB.hub, head: Head = HEAD) -> bytes:
    """Return a head as a hub signs it of itself."""
    return sign_head(SignedHead(HeadKind.OWN, hub, HubName(SITE, hub), head, NOW), key)


def _own_heads() -> Iterator[Json]:
    key = world.signer(HUB_KEY)
    good = own_head(key)
    typ = HeadKind.OWN.value
    yield _document("own-head", "of record 12", good)
    yield _wrong("own-head", "of record 0", _changed(good, typ, key, -65538, 0))
    yield _wrong("own-head", "of another hub", own_head(key, "hub-2"))
    yield _wrong("own-head", "by a hub about another", _changed(good, typ, key, cwt.SUB, "hub-2"))
    yield _wrong("own-head", "of another site", _changed(good, typ, key, cwt.AUD, "site-2"))
    yield _wrong("own-head", "by another key", own_head(world.signer("stranger")))
    testimony = SignedHead(HeadKind.TESTIMONY, HUB.hub, HUB, HEAD, NOW)
    yield _wrong("own-head", "a testimony", sign_head(testimony, key))


def _heads(kind: HeadKind, use: Use) -> Iterator[Json]:
    name = kind.name.lower()
    key = world.signer(SIGNERS[use])
    said = SignedHead(kind, mandate(use).holder, HUB, HEAD, NOW)
    good = sign_head(said, key)
    yield _document(name, "of record 12", good)
    yield _wrong(name, "of record 0", _changed(good, kind.value, key, -65538, 0))
    yield _wrong(name, "of another hub", _changed(good, kind.value, key, cwt.SUB, "hub-2"))
    yield _wrong(name, "by another holder", _changed(good, kind.value, key, cwt.ISS, "bridge-9"))
    other = HeadKind.TESTIMONY if kind is HeadKind.RECEIPT else HeadKind.RECEIPT
    same = SignedHead(other, said.by, HUB, HEAD, NOW)
    yield _wrong(name, f"a {other.name.lower()}", sign_head(same, key))
    late = SignedHead(kind, said.by, HUB, HEAD, NOW + 91 * DAY)
    yield _wrong(name, "after the end of its mandate", sign_head(late, key))


def _orders() -> Iterator[Json]:
    key = world.signer(SIGNERS[Use.ORDERS])
    typ = "application/hub-site-order+cwt"
    for name, (what, hub) in WHATS.items():
        yield _document("site-order", name, issue_site_order(order(what, hub), SITE, key))
    good = issue_site_order(order(*WHATS["lockdown of all doors"]), SITE, key)
    wrong: dict[str, tuple[int, object]] = {
        "fire": (-65540, [2, 5, None, 1, NOW + 60]),
        "a lockdown without an end": (-65540, [2, 4, None, 1, None]),
        "a lockdown for eight days": (-65540, [2, 4, None, 1, NOW + 8 * DAY]),
        "a release for all hubs": (-65540, [1, 1, 5]),
        "for another hub": (cwt.SUB, "hub-2"),
        "of another site": (cwt.AUD, "site-2"),
        "to be taken for 601 s": (cwt.EXP, NOW + 601),
        "an id of 15 bytes": (cwt.CTI, bytes(15)),
        "escapes for a terminal": (-65539, "\x1b[2J"),
        "a door that is unlocked as a device": (-65540, [5, "bolt", 3, None]),
        "a shutter at all hubs": (-65540, [5, "shutter-2", 7, None]),
        "a guest where the mandate allows none": (-65540, _write_guest(guest(point=3))),
        "a guest for 25 h": (-65540, _write_guest(guest(hours=25))),
        "a guest with somebody's credential": (-65540, _write_guest(guest(credential="c0ffee"))),
        "a guest under another id": (-65540, [4, bytes(8), 1, guest().document]),
    }
    for why, (label, value) in wrong.items():
        yield _wrong("site-order", why, _changed(good, typ, key, label, value))
    bridge = world.signer(SIGNERS[Use.TESTIMONY])
    forged = issue_site_order(order(*WHATS["release"]), SITE, bridge)
    yield _wrong("site-order", "by the bridge's key", forged)


def _renewals() -> Iterator[Json]:
    key = world.signer(HUB_KEY)
    good = sign_renewal(HUB, REQUEST, key)
    yield _document("renewal", "of a certificate", good)
    wrong: dict[str, tuple[int, object]] = {
        "of another hub": (cwt.ISS, "hub-2"),
        "of another site": (cwt.AUD, "site-2"),
        "a ping inside": (-65538, uplink.encode(Ping(bytes(8)))),
        "nothing inside": (-65538, b""),
        "text inside": (-65538, "text"),
        "a claim too many": (cwt.EXP, NOW),
    }
    for why, (label, value) in wrong.items():
        yield _wrong("renewal", why, _changed(good, RENEWAL, key, label, value, None))
    stranger = world.signer("stranger")
    yield _wrong("renewal", "by a stranger", sign_renewal(HUB, REQUEST, stranger))


def _bridge_renewals() -> Iterator[Json]:
    """The bridge's key of now is here the one of its testimonies, the next one the phone's."""
    kind = "bridge-renewal"
    now = world.signer(SIGNERS[Use.TESTIMONY])
    following = world.signer("phone")
    stranger = world.signer("stranger")
    name = TlsName(SITE, TlsRole.BRIDGE, "bridge-1")
    other = TlsName(SITE, TlsRole.BRIDGE, "bridge-2")
    good = sign_own_request(name, now, following)
    yield _document(kind, "of the next key", good)
    claims = (cwt.ISS, cwt.AUD, -65538)
    of_other = sign_own_request(other, now, following)
    of_another = cwt.read(OWN_REQUEST, of_other, now.verify_key, None, claims)[-65538]
    wrong: dict[str, tuple[int, object]] = {
        "of another bridge": (cwt.ISS, "bridge-2"),
        "of another site": (cwt.AUD, "site-2"),
        "nothing inside": (-65538, b""),
        "text inside": (-65538, "text"),
        "another bridge's request inside": (-65538, of_another),
        "a claim too many": (cwt.EXP, NOW),
    }
    for why, (label, value) in wrong.items():
        yield _wrong(kind, why, _changed(good, OWN_REQUEST, now, label, value, None))
    yield _wrong(kind, "of the key of now", sign_own_request(name, now, now))
    yield _wrong(kind, "by a stranger", sign_own_request(name, stranger, following))


def _write_guest(guest: AdmittedGuest) -> list[object]:
    return [4, guest.grant.grant_id, 1, guest.document]


def _changed(
    data: bytes,
    typ: str,
    key: SigningKey,
    label: int,
    value: object,
    kid: bytes | None = b"",
) -> bytes:
    """The same document with another claim, signed anew; `kid` "": that of the key."""
    document = cbor.decode(data, frozenset({cose.SIGN1_TAG})).value
    claims = cbor.decode(document[2])
    claims[label] = value
    return cwt.issue(typ, claims, key, key.verify_key.kid if kid == b"" else kid)


def _document(kind: str, shows: str, data: bytes) -> Json:
    return {"verdict": "valid", "kind": kind, "shows": shows, "bytes": data.hex()}


def _wrong(kind: str, why: str, data: bytes) -> Json:
    return {"verdict": "invalid", "kind": kind, "why": why, "bytes": data.hex()}


def given() -> Json:
    """Return what a reader of the documents knows beforehand."""
    keys = {use.name.lower(): SIGNERS[use] for use in Use}
    return {
        "site": HUB.site,
        "hub": HUB.hub,
        "issuer": _cose_key(ISSUER),
        "keys": {use: _cose_key(name) for use, name in keys.items()},
        "not_before": NOW - DAY,
        "expires": NOW + 90 * DAY,
        "guests": write_ceiling(CEILING),
        "devices": devices.write_ceiling(DEVICES),
        "hub_key": _cose_key(HUB_KEY),
        "holders": {"orders": "office", "receipts": "office", "testimony": "bridge-1"},
    }


def _cose_key(name: str) -> str:
    return cbor.encode(world.signer(name).cose_key).hex()


def frames(find: Callable[[str, str], bytes]) -> Iterator[Json]:
    """Yield each own message in its frame; `find` returns a document by kind and what it shows."""
    messages: list[tuple[str, Any]] = [
        ("hub", HELLO),
        ("hub", OwnHead(find("own-head", "of record 12"))),
        ("bridge", WELCOME),
        ("bridge", CarriedReceipt(find("receipt", "of record 12"))),
        ("bridge", CarriedOrder(find("site-order", "lockdown of all doors"))),
        ("bridge", CarriedMandate(find("mandate", "for orders"))),
        ("bridge", CarriedEnds(find("ends", "bridges"))),
        ("bridge", Witnessed(find("testimony", "of record 12"))),
        ("bridge", Full(60)),
        ("hub", CarriedRequest(find("renewal", "of a certificate"))),
        ("bridge", RenewFirst(NOW - DAY, 1000 * NOW)),
    ]
    for said_by, message in messages:
        data = codec.encode(message)
        yield {"from": said_by, "name": type(message).__name__, "frame": frame(data).hex()}


def text() -> str:
    """Return the whole file."""
    listed = list(documents())
    by_name = {(one["kind"], one.get("shows")): bytes.fromhex(one["bytes"]) for one in listed}
    framed = list(frames(lambda kind, shows: by_name[kind, shows]))
    parts = [f'"given": {json.dumps(given())}']
    for name, rows in (("documents", listed), ("frames", framed)):
        parts.append(f'"{name}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]")
    return "{" + ",\n".join(parts) + "}\n"


async def write() -> None:
    """Write the file."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "bridge.json").write_text(text(), encoding="ascii")
