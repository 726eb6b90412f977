"""A machine that wants to be a hub, and a site whose issuer and authority sign for it."""

from __future__ import annotations

from collections.abc import Sequence

import zmq
from zmq.utils import z85

from hubcore.backend.enrolment.messages import VERSION, Ask
from hubcore.backend.enrolment.ofsite import OfSite
from hubcore.backend.enrolment.promise import Signed
from hubcore.backend.enrolment.proofs import prove_keys, tls_request
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.codec.tlsauthority import begin_authority
from hubsim.site.authority import certify_tls, public_of
from hubsim.site.documents import HUB_DAYS, Validity, certify_hub, make_key


class NewHub:
    """Its keys, made now."""

    def __init__(self) -> None:
        self.identity: SigningKey = make_key()
        self.tls: SigningKey = make_key()
        public, self.curve_secret = zmq.curve_keypair()
        self.curve = public.decode("ascii")

    @property
    def curve_bytes(self) -> bytes:
        """Its CURVE key."""
        return z85.decode(self.curve)

    def ask(self, secret: bytes = bytes(10), version: int = VERSION) -> Ask:
        """Its question."""
        identity = cbor.encode(self.identity.cose_key)
        request = tls_request(self.tls, identity, self.curve_bytes)
        return Ask(
            version=version,
            secret=secret,
            identity=identity,
            proof=prove_keys(self.identity, self.curve_bytes, request),
            request=request,
            software="hubd",
        )


class Signer:
    """Issuer and authority of a site."""

    def __init__(self, site: str = "acme", begins: int | None = None) -> None:
        """`begins` is when the authority does, in Unix seconds; None: now."""
        if begins is None:
            begins = Validity.days(1).not_before
        self.site = site
        self.issuer = make_key()
        self.authority = begin_authority(site, make_key(), begins)

    def of_site(self, server_keys: tuple[bytes, ...] = (bytes(32),), beacon: bytes = b"") -> OfSite:
        """What all hubs of the site are told."""
        return OfSite(
            site=self.site,
            issuer=cbor.encode(self.issuer.cose_key),
            tls_authority=self.authority.document,
            endpoints=("tcp://*:4505",),
            server_keys=server_keys,
            beacon=beacon,
        )

    def sign(
        self,
        hub: str,
        identity: VerifyKey,
        tls_key: bytes,
        points: Sequence[int],
        validity: Validity | None = None,
    ) -> Signed:
        """Sign for a hub with these keys."""
        name = TlsName(self.site, TlsRole.HUB, hub)
        validity = validity or Validity.days(HUB_DAYS)
        return Signed(
            certify_hub(self.issuer, site=self.site, hub=hub, key=identity, points=points),
            certify_tls(self.authority, name, tls_key, validity),
        )

    def sign_for(
        self,
        machine: NewHub,
        *points: int,
        hub: str = "hub-a",
        validity: Validity | None = None,
    ) -> Signed:
        """Sign for a machine."""
        identity = machine.identity.verify_key
        return self.sign(hub, identity, public_of(machine.tls), points, validity)
