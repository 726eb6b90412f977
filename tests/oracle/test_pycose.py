"""pycose, an independent COSE, reads what we write and writes what our strict reader accepts.

What pycose cannot judge: it reads forms that we refuse (recipient headers, other orders of keys),
so it is no judge of a "no"; and it writes map members in the order given, so this test gives them
sorted.
"""

from __future__ import annotations

import hashlib
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pycose import headers
from pycose.algorithms import (
    A128GCM,
    A192GCM,
    A256GCM,
    DirectHKDFSHA256,
    Es256,
    Ps256,
    RsaesOaepSha256,
)
from pycose.keys import EC2Key, RSAKey, SymmetricKey
from pycose.keys.curves import P256
from pycose.keys.keyops import DecryptOp, SignOp, UnwrapOp, VerifyOp, WrapOp
from pycose.keys.keyparam import KpAlg, KpKeyOps
from pycose.messages import EncMessage, Sign1Message
from pycose.messages.context import CoseKDFContext, PartyInfo, SuppPubInfo
from pycose.messages.recipient import KeyWrap

from hubcore.access.grant import read_grant
from hubcore.access.words import Action, HubName
from hubcore.codec import cbor, cose
from hubcore.codec.cose import Aead, SigningKey
from hubcore.phone import sealing
from hubcore.phone.certificates import read_epoch_certificate, read_hub_certificate
from hubcore.phone.messages import Open, Request, decode_to_hub
from hubcore.phone.sealing import OpenJob, binding, open_request
from tests.vectors import world

ALGS = {Aead.A128GCM: A128GCM, Aead.A192GCM: A192GCM, Aead.A256GCM: A256GCM}
CHALLENGE = bytes(range(42))


class Typ(headers.CoseHeaderAttribute):  # type: ignore[misc]
    """Header 16 (RFC 9596), which pycose 1.1.0 does not know by name."""

    identifier = 16
    fullname = "TYP"


def their_rsa(private: rsa.RSAPrivateKey, ops: list[Any]) -> RSAKey:
    n = private.private_numbers()

    def b(value: int) -> bytes:
        return value.to_bytes((value.bit_length() + 7) // 8, "big")

    public = n.public_numbers
    parts = {
        "n": public.n,
        "e": public.e,
        "d": n.d,
        "p": n.p,
        "q": n.q,
        "dp": n.dmp1,
        "dq": n.dmq1,
        "qinv": n.iqmp,
    }
    return RSAKey(
        **{name: b(value) for name, value in parts.items()}, optional_params={KpKeyOps: ops}
    )


def their_key(key: SigningKey) -> EC2Key | RSAKey:
    if isinstance(key.private, rsa.RSAPrivateKey):
        return their_rsa(key.private, [SignOp, VerifyOp])
    assert isinstance(key.private, ec.EllipticCurvePrivateKey)
    numbers = key.private.private_numbers()
    x, y, d = (
        v.to_bytes(32, "big")
        for v in (numbers.public_numbers.x, numbers.public_numbers.y, numbers.private_value)
    )
    return EC2Key(crv=P256, x=x, y=y, d=d, optional_params={KpKeyOps: [SignOp, VerifyOp]})


def bound(aead: Aead) -> bytes:
    return binding("ble-gatt", CHALLENGE, hashlib.sha256(world.epoch_certificate()).digest(), aead)


def job(message: bytes) -> OpenJob:
    decoded = decode_to_hub(message)
    assert isinstance(decoded, Open)
    digest = hashlib.sha256(world.epoch_certificate()).digest()
    issuer = world.signer("issuer").verify_key
    return OpenJob(
        decoded,
        message,
        "ble-gatt",
        CHALLENGE,
        world.epoch_key(),
        digest,
        issuer,
        HubName(world.SITE, world.HUB),
        bytes(decoded.aead.key_bytes),
    )


@pytest.mark.parametrize("aead", Aead)
@pytest.mark.parametrize("phone", ["phone", "phone_rsa"])
def test_pycose_opens_and_verifies_our_open(aead: Aead, phone: str) -> None:
    plan = world.Plan(
        CHALLENGE, "oracle", aead=aead, key=phone, certificate=world.epoch_certificate()
    )
    message = EncMessage.from_cose_obj(cbor2.loads(world.make_open(plan))[1], True)
    assert message.get_attr(headers.Algorithm) is ALGS[aead]
    message.external_aad = bound(aead)
    (recipient,) = message.recipients
    assert isinstance(recipient, KeyWrap)
    assert recipient.get_attr(headers.Algorithm) is RsaesOaepSha256
    recipient.key = their_rsa(world.epoch_key(), [UnwrapOp])
    request = Sign1Message.from_cose_obj(cbor2.loads(message.decrypt(recipient)), True)
    request.external_aad = bound(aead)
    request.key = their_key(world.signer(phone))
    assert request.verify_signature()
    assert request.get_attr(headers.Algorithm) is (Es256 if phone == "phone" else Ps256)
    assert cbor2.loads(request.payload)[5] == plan.secret
    request.external_aad = b"other"
    assert not request.verify_signature()


@pytest.mark.parametrize("aead", Aead)
@pytest.mark.parametrize("phone", ["phone", "phone_rsa"])
def test_our_reader_accepts_an_open_that_pycose_wrote(aead: Aead, phone: str) -> None:
    alg = Es256 if phone == "phone" else Ps256
    request = Request(world.grant(phone), b"op-bytes", 2, Action.OPEN, b"s" * 32)
    payload = cbor.encode({**request.encode(), 6: bytes(40)})
    signed = Sign1Message(phdr={headers.Algorithm: alg, Typ: sealing.REQUEST_TYPE}, payload=payload)
    signed.external_aad = bound(aead)
    signed.key = their_key(world.signer(phone))
    epoch = cose.write_encryption_key(world.epoch_key().public_key())
    recipient = KeyWrap(uhdr={headers.Algorithm: RsaesOaepSha256, headers.KID: epoch[2]})
    recipient.key = their_rsa(world.epoch_key(), [WrapOp])
    message = EncMessage(
        phdr={headers.Algorithm: ALGS[aead]},
        uhdr={headers.IV: b"twelve bytes"},
        payload=signed.encode(tag=False),
        external_aad=bound(aead),
        recipients=[recipient],
    )
    raw = b"\x82\x02" + message.encode(tag=False)
    opened = open_request(job(raw))
    assert (opened.op, opened.access_point, opened.action) == (b"op-bytes", 2, Action.OPEN)
    assert opened.grant.credential == world.CREDENTIAL


@pytest.mark.parametrize("signer", ["issuer", "issuer_rsa"])
def test_pycose_verifies_our_documents(signer: str) -> None:
    documents = {
        world.grant(issuer=signer): signer,
        world.hub_certificate(issuer=signer): signer,
        world.epoch_certificate(): "hub",
    }
    for data, key in documents.items():
        message = Sign1Message.decode(data)
        message.key = their_key(world.signer(key))
        assert message.verify_signature()
        message.payload += b"\x00"
        assert not message.verify_signature()


@pytest.mark.parametrize("signer", ["issuer", "issuer_rsa"])
def test_our_reader_accepts_documents_that_pycose_signed(signer: str) -> None:
    key = world.signer(signer)
    alg = Es256 if signer == "issuer" else Ps256
    kid = key.verify_key.kid
    grant, certificate = (
        _payload(data)
        for data in (world.grant(issuer=signer), world.hub_certificate(issuer=signer))
    )
    ours = read_grant(_sign(grant, "grant", alg, key, kid), key.verify_key, world.SITE)
    assert ours.access == world.EVERYWHERE
    hub = read_hub_certificate(_sign(certificate, "cert", alg, key, kid), key.verify_key)
    assert hub.access_points == world.POINTS
    identity = world.signer("hub")
    data = _sign(_payload(world.epoch_certificate()), "epoch", Es256, identity, None)
    assert read_epoch_certificate(data, hub, (384,)).aeads == world.ALL_AEADS


def _payload(document: bytes) -> bytes:
    payload: bytes = cbor2.loads(document).value[2]
    return payload


def _sign(payload: bytes, kind: str, alg: Any, key: SigningKey, kid: bytes | None) -> bytes:
    header = {headers.Algorithm: alg, Typ: f"application/hub-{kind}+cwt"}
    message = Sign1Message(
        phdr=header, uhdr={} if kid is None else {headers.KID: kid}, payload=payload
    )
    message.key = their_key(key)
    encoded: bytes = message.encode()
    return encoded


@pytest.mark.parametrize("aead", [*Aead, None])
def test_our_kdf_context_is_pycoses(aead: Aead | None) -> None:
    """None: the ratchet's secret, whose algorithm is direct+HKDF-SHA-256 itself."""
    algorithm, size = (DirectHKDFSHA256, 32) if aead is None else (ALGS[aead], aead.key_bytes)
    label = "ticket" if aead is None else "h2p"
    public = SuppPubInfo(size, {1: -10}, cbor2.dumps(label))
    context = CoseKDFContext(algorithm, public, PartyInfo(), PartyInfo(identity=b"hub-1")).encode()
    theirs = HKDF(SHA256(), size, b"salt", context).derive(b"s" * 32)
    number = cose.DIRECT_HKDF_SHA256 if aead is None else int(aead)
    assert cose.derive(b"s" * 32, b"salt", size, number, b"hub-1", label) == theirs


@pytest.mark.parametrize("aead", Aead)
def test_pycose_reads_the_shape_of_our_sealed_messages(aead: Aead) -> None:
    ticket = world.TicketPlan(aead=aead)
    raw = cbor2.loads(world.make_resume(CHALLENGE, "oracle", ticket))
    message = EncMessage.from_cose_obj(raw[1], True)
    (recipient,) = message.recipients
    assert recipient.get_attr(headers.Algorithm) is DirectHKDFSHA256
    assert recipient.get_attr(headers.KID) == ticket.id
    key = sealing.resume_key(ticket.secret, "ble-gatt", CHALLENGE, aead, world.HUB)
    message.key = SymmetricKey(k=key, optional_params={KpAlg: ALGS[aead], KpKeyOps: [DecryptOp]})
    plaintext = message.get_attr(headers.Algorithm).decrypt(
        key=message.key,
        ciphertext=message.payload,
        aad=message._enc_structure,
        nonce=message.get_attr(headers.IV),
    )
    assert len(plaintext) == 48
    assert cbor2.loads(plaintext)[3] == 1
