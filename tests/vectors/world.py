"""The site of the vector files: its keys, documents and messages, right ones and wrong ones.

A wrong one breaks one rule.

Law: keys are made once and kept in `keys.json`; they open nothing anywhere.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hubcore.access.grant import Access, Grant, ScheduleRef, issue_grant
from hubcore.access.words import Action
from hubcore.calendar.schedule import Rule
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import Aead, SigningKey
from hubcore.phone import sealing
from hubcore.phone.certificates import (
    EpochCertificate,
    HubCertificate,
    issue_epoch_certificate,
    issue_hub_certificate,
)
from hubcore.phone.messages import Resume, ResumeRequest, encode_to_hub
from tests.vectors.form import WALL, Json, pem, private_key, rsa_key

SITE = "site-1"
HUB = "hub-1"
HUB_B = "hub-2"
DAY = 86_400
CREDENTIAL = "c0ffee0123456789"
GRANT_ID = bytes.fromhex("1122334455667788")
KEYS = Path(__file__).parent / "keys.json"
EC_KEYS = ("issuer", "stranger", "hub", "hub_b", "phone", "phone_2")
RSA_KEYS = {
    "issuer_rsa": 3072,
    "phone_rsa": 3072,
    "epoch": 3072,
    "epoch_b": 3072,
    "epoch_2048": 2048,
}
ALL_AEADS = (Aead.A256GCM, Aead.A192GCM, Aead.A128GCM)
OPEN_AND_QUERY = 0b1001
POINTS = (1, 2, 3, 4)


def make_keys() -> None:
    """Make the keys that are not there yet."""
    keys = json.loads(KEYS.read_text()) if KEYS.exists() else {}
    for name in EC_KEYS:
        keys.setdefault(name, pem(SigningKey(ec.generate_private_key(ec.SECP256R1()))))
    for name, bits in RSA_KEYS.items():
        if name not in keys:
            keys[name] = pem(rsa.generate_private_key(65537, bits))
    KEYS.write_text(json.dumps(keys, indent=1) + "\n")


@cache
def key_text(name: str) -> str:
    """Return a key's PEM."""
    return str(json.loads(KEYS.read_text())[name])


def signer(name: str) -> SigningKey:
    """Return a signature key."""
    return SigningKey(private_key(key_text(name)))


def epoch_key(name: str = "epoch") -> rsa.RSAPrivateKey:
    """Return an epoch's private key."""
    return rsa_key(key_text(name))


def fixed(label: str, size: int) -> bytes:
    """Return bytes that look random, always the same for a label."""
    return hashlib.shake_256(f"hub/1 vectors/{label}".encode()).digest(size)


_made: dict[object, bytes] = {}


def once(make: Callable[..., bytes]) -> Callable[..., bytes]:
    """Sign a document once for all files of a run, by its arguments as bound."""
    signature = inspect.signature(make)

    def made(*args: Any, **kwargs: Any) -> bytes:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        key = (make.__name__, *bound.args)
        if key not in _made:
            _made[key] = make(*bound.args)
        return _made[key]

    return made


@once
def hub_certificate(
    hub: str = HUB, key: str = "hub", issuer: str = "issuer", site: str = SITE,
    points: tuple[int, ...] = POINTS,
    expires: int = WALL + 300 * DAY,
) -> bytes:  # fmt: skip
    """Return a hub's certificate, signed once for all files of a run."""
    identity = signer(key)
    span = (WALL - 10 * DAY, expires)
    document = HubCertificate(site, hub, *span, identity.verify_key, points)
    return issue_hub_certificate(signer(issuer), document, identity.cose_key)


@once
def epoch_certificate(
    key: str = "epoch", hub: str = HUB, identity: str = "hub", aeads: tuple[Aead, ...] = ALL_AEADS,
    began: int = WALL - 60, life: int = 3900,
) -> bytes:  # fmt: skip
    """Return an epoch's certificate."""
    public = cose.write_encryption_key(epoch_key(key).public_key())
    document = EpochCertificate(hub, SITE, began, began + life, public[2], public[-1], aeads)
    return issue_epoch_certificate(signer(identity), document)


def access(*points: int, rules: tuple[ScheduleRef, ...] = ()) -> tuple[Access, ...]:
    """Return entries for access points, with the right to open and to ask."""
    return tuple(Access(point, OPEN_AND_QUERY, rules) for point in points)


EVERYWHERE = (Access(1, 9, ()), Access(2, 9, (Rule(31, 480, 1080),)), Access(3, 9, (7,)))


@once
def grant(
    key: str = "phone", issuer: str = "issuer", entries: tuple[Access, ...] = EVERYWHERE,
    span: tuple[int, int] = (WALL - DAY, WALL + 30 * DAY), credential: str = CREDENTIAL,
    grant_id: bytes = GRANT_ID,
) -> bytes:  # fmt: skip
    """Return a grant."""
    phone = signer(key)
    document = Grant(SITE, credential, *span, grant_id, phone.verify_key, entries)
    return issue_grant(signer(issuer), document, phone.cose_key)


def grant_with_uses(uses: int) -> bytes:
    """Return a grant with a number of uses."""
    phone = signer("phone")
    span = (WALL - DAY, WALL + 30 * DAY)
    document = Grant(SITE, CREDENTIAL, *span, GRANT_ID, phone.verify_key, EVERYWHERE, uses)
    return issue_grant(signer("issuer"), document, phone.cose_key)


def grant_claims(key: str = "phone") -> dict[int, Any]:
    """Return a right grant's claims, to be changed."""
    claims: dict[int, Any] = cbor.decode(cbor.decode(grant(key), frozenset({18})).value[2])
    return claims


def document(typ: str, claims: dict[int, Any], issuer: str = "issuer", kid: bool = True) -> bytes:
    """Return claims signed as a document of kind `typ`."""
    key = signer(issuer)
    return cwt.issue(f"application/hub-{typ}+cwt", claims, key, key.verify_key.kid if kid else None)


def _same(data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class Plan:
    """An open to be made: all is right by default, each field may break one rule.

    `payload` and `plaintext` change the request's bytes before they are signed and before they are
    sealed; `outer` changes the message; `wrap` makes the encrypted key of (public key, content
    key); `message_iv` and `tag` what is sent of IV and ciphertext.
    """

    challenge: bytes
    label: str
    grant: bytes = b""
    key: str = "phone"
    op: bytes = b""
    point: int = 1
    action: int = int(Action.OPEN)
    aead: Aead = Aead.A256GCM
    transport: str = sealing.BLE_GATT
    epoch: str = "epoch"
    certificate: bytes = b""
    kid: bytes = b""
    protected: bytes | None = None
    unprotected: dict[int, Any] = field(default_factory=dict)
    payload: Callable[[bytes], bytes] = _same
    plaintext: Callable[[bytes], bytes] = _same
    ciphertext: Callable[[bytes], bytes] = _same
    content_key: bytes = b""
    wrap: Callable[[rsa.RSAPublicKey, bytes], bytes] = cose.wrap_key
    signed_certificate: bytes = b""
    signed_challenge: bytes = b""
    signed_aead: Aead | None = None
    outer: Callable[[list[Any]], Any] | None = None
    raw: Callable[[bytes], bytes] = _same

    @property
    def secret(self) -> bytes:
        """The request's secret."""
        return fixed(f"{self.label}/secret", 32)


def request_fields(plan: Plan) -> dict[int, Any]:
    """Return the request's map without its padding."""
    op = plan.op or fixed(f"{plan.label}/op", 8)
    return {1: plan.grant or grant(plan.key), 2: op, 3: plan.point, 4: plan.action, 5: plan.secret}


def signed(plan: Plan, bound: bytes) -> bytes:
    """Return the plaintext of an open: the COSE_Sign1, padded to a multiple of 256 bytes."""
    key = signer(plan.key)
    protected = (
        cwt.header(key.alg, sealing.REQUEST_TYPE) if plan.protected is None else plan.protected
    )
    zeros = 0
    plaintext = b""
    while not plaintext or (len(plaintext) % 256 and zeros < 512 and plan.payload is _same):
        payload = plan.payload(cbor.encode({**request_fields(plan), 6: bytes(zeros)}))
        document = cose.sign1(protected, payload, key, bound)
        plaintext = cbor.encode([protected, plan.unprotected, payload, document[3]])
        zeros += max(1, -len(plaintext) % 256 - 3) if zeros == 0 else 1
    return plan.plaintext(plaintext)


def make_open(plan: Plan) -> bytes:
    """Return the message that a plan describes."""
    certificate = plan.certificate or epoch_certificate(plan.epoch)
    public = epoch_key(plan.epoch).public_key()
    bound = binding(plan, certificate, plan.challenge, plan.aead)
    signed_certificate = plan.signed_certificate or certificate
    signed_over = binding(
        plan,
        signed_certificate,
        plan.signed_challenge or plan.challenge,
        plan.signed_aead or plan.aead,
    )
    plaintext = signed(plan, signed_over)
    content_key = plan.content_key or fixed(f"{plan.label}/content key", plan.aead.key_bytes)
    iv = fixed(f"{plan.label}/iv", 12)
    ciphertext = plan.ciphertext(
        cose.seal(plan.aead, _fit(content_key, plan.aead), iv, plaintext, bound)
    )
    kid = plan.kid or cose.write_encryption_key(public)[2]
    recipient = [b"", {1: cose.RSAES_OAEP_SHA256, 4: kid}, plan.wrap(public, content_key)]
    message: Any = [2, [plan.aead.protected, {5: iv}, ciphertext, [recipient]]]
    if plan.outer is not None:
        message = plan.outer(message)
    return plan.raw(cbor.encode(message))


def binding(plan: Plan, certificate: bytes, challenge: bytes, aead: Aead) -> bytes:
    """Return what an open under a plan is bound to."""
    return sealing.binding(plan.transport, challenge, hashlib.sha256(certificate).digest(), aead)


def _fit(key: bytes, aead: Aead) -> bytes:
    return (key + bytes(32))[: aead.key_bytes]


@dataclass(frozen=True)
class TicketPlan:
    """A ticket that a hub holds and a phone keeps."""

    label: str = "ticket"
    aead: Aead = Aead.A256GCM
    grant: bytes = b""
    issued_at: int = WALL - 3600
    chain_began: int = WALL - 3600

    @property
    def id(self) -> bytes:
        """Its id."""
        return fixed(f"{self.label}/id", 16)

    @property
    def secret(self) -> bytes:
        """Its ratchet secret."""
        return fixed(f"{self.label}/rs", 32)

    def at_hub(self) -> Json:
        """Return it as a hub's file gives it."""
        entry = {"id": self.id.hex(), "secret": self.secret.hex(), "aead": int(self.aead)}
        times = {"issued_at": self.issued_at, "chain_began": self.chain_began}
        return {**entry, "grant": (self.grant or grant()).hex(), **times}

    def at_phone(
        self,
        expires: int = WALL + 72 * 3600,
        points: tuple[int, ...] = POINTS,
        hub_expires: int = WALL + 300 * DAY,
    ) -> Json:
        """Return it as a phone's file gives it, with what the hub's certificate said then."""
        kept = {"hub_kid": signer("hub").verify_key.kid.hex(), "hub": HUB, "id": self.id.hex()}
        worth = {"secret": self.secret.hex(), "aead": int(self.aead), "expires": expires}
        return {**kept, **worth, "access_points": list(points), "hub_expires": hub_expires}


def make_resume(
    challenge: bytes, label: str, ticket: TicketPlan, point: int = 1, **changes: Any
) -> bytes:
    """Return a resume; `changes`: op, action, secret, aead."""
    plan: dict[str, Any] = {
        "op": fixed(f"{label}/op", 8),
        "action": Action.OPEN,
        "secret": ticket.secret,
        "aead": ticket.aead,
    } | changes
    key = sealing.resume_key(plan["secret"], sealing.BLE_GATT, challenge, plan["aead"], HUB)
    request = ResumeRequest(plan["op"], point, plan["action"])
    message: Resume = sealing.seal_resume(
        request, key, plan["aead"], fixed(f"{label}/iv", 12), ticket.id
    )
    return encode_to_hub(message)


def with_last_bit_flipped(data: bytes) -> bytes:
    """Return the bytes with their last bit the other way."""
    return data[:-1] + bytes([data[-1] ^ 1])
