"""Rows 1-6, 12, 14-38, 47-49: what an open must prove, and the answer to each missing proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import Aead
from hubcore.phone.sealing import REQUEST_TYPE
from tests.vectors import world
from tests.vectors.bench import HubFile
from tests.vectors.world import Plan, make_open

ES256_REQUEST = cwt.header(cose.ES256, REQUEST_TYPE)


async def accepted() -> None:
    """Rows 1-6: all that must open."""
    for row, aead in (("001", Aead.A128GCM), ("002", Aead.A192GCM), ("003", Aead.A256GCM)):
        await _accept(
            row, f"full-path-{aead.name.lower()}", f"The full path with {aead.name}", aead=aead
        )
    grant = world.grant("phone_rsa")
    await _accept(
        "004",
        "full-path-ps256-phone",
        "A phone that signs PS256, RSA-3072",
        key="phone_rsa",
        grant=grant,
    )
    issuer = cbor.encode(world.signer("issuer_rsa").cose_key).hex()
    certificate = world.hub_certificate(issuer="issuer_rsa").hex()
    given: dict[str, Any] = {"issuer": issuer, "hub_certificate": certificate}
    shows = "A site whose issuer signs PS256, RSA-3072"
    await _accept(
        "005", "full-path-ps256-issuer", shows, given, grant=world.grant(issuer="issuer_rsa")
    )
    small = world.epoch_certificate("epoch_2048")
    given = {"epochs": [{"certificate": small.hex(), "private_key": world.key_text("epoch_2048")}]}
    shows = "An epoch key of RSA-2048, where the hub is configured so"
    await _accept("006", "full-path-rsa-2048", shows, given, epoch="epoch_2048", certificate=small)


async def _accept(
    row: str, name: str, shows: str, given: dict[str, Any] | None = None, **changes: Any
) -> None:
    file = HubFile(row, name, **(given or {}))
    challenge = await file.info()
    await file.message(GET_EPOCH)
    plan = file.plan(challenge, **changes)
    await file.message(make_open(plan))
    await file.do("door", at=3.0, access_point=1, state=3)
    bound = world.binding(
        plan, plan.certificate or world.epoch_certificate(plan.epoch), challenge, plan.aead
    )
    request = {
        "content_key": world.fixed(f"{plan.label}/content key", plan.aead.key_bytes).hex(),
        "external_aad": bound.hex(),
        "secret": plan.secret.hex(),
    }
    file.save(shows, "EPOCH, ACCEPT, STATE", made_of=request)


GET_EPOCH = cbor.encode([1])
Change = Callable[[Plan], Plan]


def _change(**changes: Any) -> Change:
    return lambda plan: replace(plan, **changes)


def _outer(change: Callable[[list[Any]], Any]) -> Change:
    """Change the COSE_Encrypt array of the message."""
    return _change(outer=lambda message: [message[0], change(message[1])])


def _recipient(header: bytes, labels: dict[int, Any]) -> Change:
    return _outer(lambda e: [e[0], e[1], e[2], [[header, {**e[3][0][1], **labels}, e[3][0][2]]]])


def _raw_rsa(first: int) -> Callable[[rsa.RSAPublicKey, bytes], bytes]:
    """Return an RSA encryption of a block that is no OAEP block; its first byte is `first`."""

    def wrap(public: rsa.RSAPublicKey, _: bytes) -> bytes:
        size = public.key_size // 8
        block = bytes([first]) + world.fixed(f"block {first}", size - 1)
        number = pow(int.from_bytes(block, "big"), 65537, public.public_numbers().n)
        return number.to_bytes(size, "big")

    return wrap


def _above_n(public: rsa.RSAPublicKey, _: bytes) -> bytes:
    return (public.public_numbers().n + 1).to_bytes(public.key_size // 8, "big")


def _oaep_sha1(public: rsa.RSAPublicKey, key: bytes) -> bytes:
    return public.encrypt(key, OAEP(MGF1(SHA1()), SHA1(), None))  # noqa: S303 - the wrong one is the point


def _oaep_label(public: rsa.RSAPublicKey, key: bytes) -> bytes:
    return public.encrypt(key, OAEP(MGF1(SHA256()), SHA256(), b"hub/1"))


def _claims(change: Callable[[dict[int, Any]], Any]) -> bytes:
    claims = world.grant_claims()
    change(claims)
    return world.document("grant", claims)


def _bad_grant(protected: bytes, unprotected: dict[int, Any]) -> bytes:
    key = world.signer("issuer")
    signature = cose.sign1(protected, cbor.encode(world.grant_claims()), key)
    return cbor.encode(cbor.Tag(18, [protected, unprotected, signature[2], signature[3]]))


def _table() -> list[tuple[str, str, str, str, Change]]:
    """Return (row, name, what it shows, verdict, change); made late, because keys must be there."""
    crit = cbor.encode({1: -7, 2: [99], 16: REQUEST_TYPE, 99: 0})
    crit_known = cbor.encode({1: -7, 2: [16], 16: REQUEST_TYPE})
    issuer_kid = {4: world.signer("issuer").verify_key.kid}
    hub_claims = cbor.decode(cbor.decode(world.hub_certificate(), frozenset({18})).value[2])
    other_grant = world.grant(grant_id=bytes(8))
    right = world.grant()
    foreign = world.epoch_certificate("epoch_b", world.HUB_B, "hub_b")
    return [
        ("015", "other-transport", "Signed and sealed for "
                                   "l2cap", "CLEAR 6", _change(transport="l2cap")),
        ("016", "other-hub-resealed", "Made for hub-2; hub-2 seals it again to hub-1", "CLEAR 6",
         _change(signed_certificate=foreign, signed_challenge=bytes(42))),
        ("016", "other-hub-forwarded", "Sealed to hub-2's epoch, under hub-1's key id", "CLEAR 6",
         _change(epoch="epoch_b", certificate=foreign, kid=_kid("epoch"))),
        ("016", "other-challenge", "Signed for another challenge, sealed under this one", "CLEAR 6",
         _change(signed_challenge=bytes(42))),
        ("017", "rewrapped-to-a128", "Signed for A256GCM, sealed again with A128GCM", "CLEAR 6",
         _change(aead=Aead.A128GCM, signed_aead=Aead.A256GCM)),
        ("019", "hub-certificate-as-grant", "A hub certificate where the grant belongs", "CLEAR 6",
         _change(grant=world.hub_certificate())),
        ("019", "hub-certificate-claims-as-grant", "A hub certificate's claims under a "
                                                   "grant's type", "CLEAR 6",
         _change(grant=world.document("grant", hub_claims))),
        ("020", "epoch-certificate-as-grant", "An epoch certificate where the grant "
                                              "belongs", "CLEAR 6",
         _change(grant=world.epoch_certificate())),
        ("022", "unknown-issuer-known-kid", "A grant of another issuer that names the right "
                                            "key id", "CLEAR 6",
         _change(grant=_forged_kid(issuer_kid))),
        ("022", "unknown-issuer", "A grant of another issuer", "CLEAR 6",
         _change(grant=world.grant(issuer="stranger"))),
        ("023", "request-by-another-phone", "Phone 2 presents phone 1's grant", "CLEAR 6",
         _change(key="phone_2", grant=right)),
        ("024", "grant-swapped", "Another valid grant put in after signing", "CLEAR 6",
         _change(plaintext=lambda p: p.replace(right, other_grant))),
        ("025", "alg-of-another-key-kind", "A header that says PS256 over an ES256 "
                                           "signature", "CLEAR 6",
         _change(protected=cwt.header(cose.PS256, REQUEST_TYPE))),
        ("026", "alg-unprotected-request", "The request's alg in the unprotected header "
                                           "only", "CLEAR 6",
         _change(protected=cbor.encode({16: REQUEST_TYPE}), unprotected={1: -7})),
        ("026", "alg-unprotected-message", "The AEAD's alg in the unprotected header "
                                           "only", "CLEAR 1",
         _outer(lambda e: [b"", {1: 3, **e[1]}, e[2], e[3]])),
        ("027", "typ-missing-request", "A request without typ", "CLEAR 6",
        _change(protected=cbor.encode({1: -7}))),
        ("027", "typ-unprotected-request", "A request's typ in the unprotected header", "CLEAR 6",
         _change(protected=cbor.encode({1: -7}), unprotected={16: REQUEST_TYPE})),
        ("027", "typ-missing-grant", "A grant without typ", "CLEAR 6",
         _change(grant=_bad_grant(cbor.encode({1: -7}), issuer_kid))),
        ("027", "typ-unprotected-grant", "A grant's typ in the unprotected header", "CLEAR 6",
         _change(grant=_bad_grant(cbor.encode({1: -7}),
         {**issuer_kid, 16: "application/hub-grant+cwt"}))),
        ("028", "crit-unknown", "A crit header that names an unknown "
                                "label", "CLEAR 6", _change(protected=crit)),
        ("028", "crit-known", "A crit header that names a known "
                              "label", "CLEAR 6", _change(protected=crit_known)),
        ("028", "crit-in-message", "A crit header in the message", "CLEAR 1",
         _outer(lambda e: [cbor.encode({1: 3, 2: [1]}), e[1], e[2], e[3]])),
        ("029", "two-recipients", "Two recipients", "CLEAR 1",
        _outer(lambda e: [e[0], e[1], e[2], e[3] * 2])),
        ("029", "no-recipient", "No recipient", "CLEAR 1",
        _outer(lambda e: [e[0], e[1], e[2], []])),
        ("030", "oaep-sha1-named", "RSAES-OAEP with SHA-1, alg "
                                   "-40", "CLEAR 1", _recipient(b"", {1: -40})),
        ("030", "oaep-sha1-hidden", "RSAES-OAEP with SHA-1 under alg "
                                    "-41", "CLEAR 6", _change(wrap=_oaep_sha1)),
        ("030", "oaep-label", "RSAES-OAEP with a label", "CLEAR 6", _change(wrap=_oaep_label)),
        ("031", "recipient-empty-map", "The recipient's protected header as an empty map, "
                                       "h'a0'", "CLEAR 1",
         _recipient(b"\xa0", {})),
        ("032", "oaep-block-above-b", "An RSA block whose first byte is not zero", "CLEAR 6",
         _change(wrap=_raw_rsa(1))),
        ("033", "oaep-block-below-b", "An RSA block with first byte zero and no OAEP "
                                      "inside", "CLEAR 6",
         _change(wrap=_raw_rsa(0))),
        ("034", "oaep-short-key", "Valid OAEP around 16 bytes where A256GCM needs 32", "CLEAR 6",
         _change(content_key=bytes(range(16)))),
        ("035", "rsa-above-modulus", "An encrypted key that is n + "
                                     "1", "CLEAR 6", _change(wrap=_above_n)),
        ("036", "tag-bit", "One bit of the AEAD's tag flipped", "CLEAR 6",
         _change(ciphertext=world.with_last_bit_flipped)),
        ("037", "iv-of-11-bytes", "An IV of 11 bytes", "CLEAR 1",
         _outer(lambda e: [e[0], {5: e[1][5][:11]}, e[2], e[3]])),
        ("047", "unknown-claim", "A grant with a claim more (iat)", "CLEAR 6",
         _change(grant=_claims(lambda c: c.update({6: 0})))),
        ("048", "aud-of-another-site", "A grant for another site", "CLEAR 6",
         _change(grant=_claims(lambda c: c.update({1: "site-2", 3: "site-2"})))),
        ("048", "aud-not-iss", "A grant whose audience is not its issuer", "CLEAR 6",
         _change(grant=_claims(lambda c: c.update({3: "site-2"})))),
        ("048", "aud-missing", "A grant without "
                               "audience", "CLEAR 6", _change(grant=_claims(lambda c: c.pop(3)))),
        ("049", "cnf-kid-only", "A grant that confirms a key id", "CLEAR 6",
         _change(grant=_claims(lambda c: c.update({8: {3: c[8][1][-2][:8]}})))),
        ("049", "cnf-key-without-alg", "A grant whose key names no algorithm", "CLEAR 6",
         _change(grant=_claims(lambda c: c[8][1].pop(3)))),
        ("049", "cnf-off-the-curve", "A grant whose key is no point of P-256", "CLEAR 6",
         _change(grant=_claims(lambda c: c[8][1].update({-3: bytes(32)})))),
    ]  # fmt: skip


def _kid(key: str) -> bytes:
    kid: bytes = cose.write_encryption_key(world.epoch_key(key).public_key())[2]
    return kid


def _forged_kid(unprotected: dict[int, Any]) -> bytes:
    stranger = world.signer("stranger")
    protected = cwt.header(cose.ES256, "application/hub-grant+cwt")
    signature = cose.sign1(protected, cbor.encode(world.grant_claims()), stranger)
    return cbor.encode(cbor.Tag(18, [protected, unprotected, signature[2], signature[3]]))


async def refused() -> None:
    """Write the table, each with a right open afterwards: a refusal costs a challenge only."""
    for row, name, shows, verdict, change in _table():
        file = HubFile(row, name)
        await file.message(make_open(change(file.plan(await file.info()))))
        await file.message(make_open(file.plan(await file.info(), "/right")))
        file.save(shows, f"{verdict}, ACCEPT")


async def challenges() -> None:
    """Rows 12, 14, 18, 38: what a challenge and an epoch are good for."""
    file = HubFile("012", "open-replayed")
    message = make_open(file.plan(await file.info()))
    await file.message(message)
    await file.info()
    await file.message(message)
    file.save("An open replayed under a new challenge", "ACCEPT, CLEAR 6")

    file = HubFile("012", "open-replayed-on-another-link")
    message = make_open(file.plan(await file.info()))
    await file.message(message)
    await file.info("b")
    await file.message(message, "b")
    file.save("An open replayed on another link", "ACCEPT, CLEAR 6")

    file = HubFile("014", "second-open-on-one-challenge")
    challenge = await file.info()
    await file.message(make_open(file.plan(challenge)))
    await file.message(make_open(file.plan(challenge, "/second")))
    file.save("A second open on a consumed challenge", "ACCEPT, CLEAR 5")

    file = HubFile("014", "open-after-a-failed-one")
    challenge = await file.info()
    await file.message(make_open(file.plan(challenge, ciphertext=world.with_last_bit_flipped)))
    await file.message(make_open(file.plan(challenge, "/second")))
    file.save("A failed open consumes the challenge too", "CLEAR 6, CLEAR 5")

    a256 = world.epoch_certificate(aeads=(Aead.A256GCM,))
    given = [{"certificate": a256.hex(), "private_key": world.key_text("epoch")}]
    file = HubFile("018", "aead-not-offered", epochs=given)
    challenge = await file.info()
    await file.message(make_open(file.plan(challenge, aead=Aead.A128GCM, certificate=a256)))
    await file.message(make_open(file.plan(challenge, "/right", certificate=a256)))
    shows = (
        "A128GCM where the epoch's certificate offers A256GCM only; the challenge is "
        "consumed all the same"
    )
    file.save(shows, "CLEAR 6, CLEAR 5")

    file = HubFile("038", "unknown-epoch")
    challenge = await file.info()
    await file.message(make_open(file.plan(challenge, kid=bytes(8))))
    await file.message(make_open(file.plan(challenge, "/right")))
    file.save("An unknown epoch: no RSA is done and the challenge stays good", "CLEAR 3, ACCEPT")


async def write() -> None:
    """Write all files of these rows."""
    await accepted()
    await refused()
    await challenges()
