"""python-cwt, an independent CWT, reads our documents with their confirmed keys and writes one that
we accept.
"""

from __future__ import annotations

import cwt
import pytest
from cwt import COSE, COSEAlgs, COSEHeaders, COSEKey

from hubcore.access.grant import read_grant
from hubcore.codec import cbor, cose
from hubcore.errors import ProofError
from tests.vectors import world
from tests.vectors.form import pem

TYP = 16


def _key(name: str, kid: bool = True) -> object:
    signer = world.signer(name)
    return COSEKey.from_pem(pem(signer), kid=signer.verify_key.kid if kid else "", alg=signer.alg)


@pytest.mark.parametrize("issuer", ["issuer", "issuer_rsa"])
@pytest.mark.parametrize("phone", ["phone", "phone_rsa"])
def test_our_grant_is_a_cwt_with_its_holders_key(issuer: str, phone: str) -> None:
    claims = cwt.Claims.new(cwt.decode(world.grant(phone, issuer), _key(issuer), no_verify=True))
    assert (claims.iss, claims.sub, claims.aud) == (world.SITE, world.CREDENTIAL, world.SITE)
    assert isinstance(claims.cnf, dict)
    holder = COSEKey.new(claims.cnf)
    signer = world.signer(phone)
    data = b"what the holder signs"
    holder.verify(data, signer.sign(data))
    with pytest.raises(cwt.VerifyError):
        holder.verify(
            data, world.signer("phone_2" if phone == "phone" else "issuer_rsa").sign(data)
        )


def test_our_certificates_are_cwts() -> None:
    hub = cwt.Claims.new(cwt.decode(world.hub_certificate(), _key("issuer"), no_verify=True))
    assert (hub.iss, hub.sub) == (world.SITE, world.HUB)
    assert isinstance(hub.cnf, dict)
    certified = COSEKey.new(hub.cnf)
    assert cose.thumbprint(certified.to_dict())[:8] == world.signer("hub").verify_key.kid
    epoch = cbor.decode(COSE.new(verify_kid=False).decode(world.epoch_certificate(), certified))
    assert epoch[1] == world.HUB
    assert epoch[8][1][2] == cose.write_encryption_key(world.epoch_key().public_key())[2]


def test_a_forged_grant_is_none_for_them_either() -> None:
    with pytest.raises((cwt.VerifyError, ValueError)):
        cwt.decode(world.grant(issuer="stranger"), _key("issuer", kid=False), no_verify=True)


@pytest.mark.parametrize("issuer", ["issuer", "issuer_rsa"])
def test_we_accept_a_grant_that_python_cwt_signed(issuer: str) -> None:
    signer = world.signer(issuer)
    alg = COSEAlgs.ES256 if issuer == "issuer" else COSEAlgs.PS256
    protected = {COSEHeaders.ALG: alg, TYP: "application/hub-grant+cwt"}
    payload = cbor.encode(world.grant_claims())
    document = COSE.new().encode(
        payload, _key(issuer), protected, {COSEHeaders.KID: signer.verify_key.kid}
    )
    grant = read_grant(document, signer.verify_key, world.SITE)
    assert grant.credential == world.CREDENTIAL
    assert grant.key.kid == world.signer("phone").verify_key.kid


def test_they_do_not_judge_what_a_cwt_is_for() -> None:
    """python-cwt reads a hub certificate where a grant belongs: `typ` is the application's to
    check, and we do.
    """
    assert cwt.decode(world.hub_certificate(), _key("issuer"), no_verify=True)[2] == world.HUB
    with pytest.raises(ProofError):
        read_grant(world.hub_certificate(), world.signer("issuer").verify_key, world.SITE)
