"""A document that somebody wants to have signed, read before it is.

How it is read: its claims are put under a signature of a key that nobody believes, made for this
alone. Then the reader that hubs have reads it. So what is judged is what a hub would read, to the
byte, and nothing is signed by the issuer to find that out. A grant, of which phones ask for many at
once, is read from its claims: by what the hub's reader reads them with, once it has proven them.

Laws:
1. What a hub would not read as a document of this kind and site is refused.
2. A policy comes with all pieces of its tables: no row of it is signed unread.
3. A hub's certificate comes with the one in force, which this issuer has signed for this site.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from hubcore.access import grant, revocations
from hubcore.access.grant import Grant
from hubcore.access.revocations import Revocations
from hubcore.bridge.mandate import Mandate, prove_mandate
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import HubError
from hubcore.issuing.words import DocumentKind, Refusal, RefusedError
from hubcore.phone.certificates import HubCertificate, read_hub_certificate
from hubcore.policy import document
from hubcore.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class WantedPolicy:
    """A whole policy; `digest` is the SHA-256 of its claims (`RootHead`)."""

    policy: Policy
    digest: bytes


@dataclass(frozen=True, slots=True)
class WantedCertificate:
    """A hub's certificate, and the one in force."""

    certificate: HubCertificate
    before: HubCertificate


Wanted = WantedPolicy | Grant | Revocations | WantedCertificate | Mandate


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads for one site. `trial` is the key that nobody believes."""

    site: str
    issuer: VerifyKey
    trial: SigningKey

    def read(self, kind: DocumentKind, claims: bytes, along: bytes) -> Wanted:
        """Read what is wanted; `along` are the pieces of a policy, or a certificate in force.

        Raise RefusedError.
        """
        try:
            return self._read(kind, claims, along)
        except RefusedError:
            raise
        except (HubError, ValueError) as error:
            raise RefusedError(Refusal.UNREADABLE, f"{kind.word}: {error}") from error

    def _read(self, kind: DocumentKind, claims: bytes, along: bytes) -> Wanted:
        if along and kind not in (DocumentKind.POLICY, DocumentKind.CERTIFICATE):
            raise RefusedError(Refusal.UNREADABLE, f"{kind.word}: nothing comes along with it")
        if kind is DocumentKind.GRANT:
            return grant.read_claims(claims, self.site)
        key = self.trial.verify_key
        tried = cwt.sign(kind.typ, claims, self.trial, key.kid)
        match kind:
            case DocumentKind.POLICY:
                policy = document.read(tried + along, key, self.site)
                return WantedPolicy(policy, sha256(claims).digest())
            case DocumentKind.REVOCATIONS:
                return revocations.read(tried, key, self.site)
            case DocumentKind.CERTIFICATE:
                before = self._of_site(read_hub_certificate(along, self.issuer))
                return WantedCertificate(self._of_site(read_hub_certificate(tried, key)), before)
            case DocumentKind.MANDATE:
                return prove_mandate(tried, self.site, key)

    def _of_site(self, certificate: HubCertificate) -> HubCertificate:
        if certificate.site != self.site:
            raise RefusedError(Refusal.UNREADABLE, "certificate: for another site")
        return certificate
