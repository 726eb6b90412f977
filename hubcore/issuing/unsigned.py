"""Documents as they are brought to the signer: their claims, and what comes along.

They are made by those who make signed ones, with a key that nobody believes. So there is one place
that knows how a document of a kind is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubcore.access import revocations
from hubcore.access.grant import Grant, write_claims
from hubcore.bridge.mandate import Mandate, issue_mandate
from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey
from hubcore.issuing.words import DocumentKind
from hubcore.phone.certificates import HubCertificate, issue_hub_certificate
from hubcore.policy import document
from hubcore.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Claims that wait for their signature. `pieces` are those of a policy, by name."""

    kind: DocumentKind
    claims: bytes = field(repr=False)
    along: bytes = field(default=b"", repr=False)
    pieces: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


def _claims(document_: bytes) -> bytes:
    return cose.read_sign1(document_).payload


def of_policy(policy: Policy, trial: SigningKey) -> Unsigned:
    """Return a policy with all its pieces. Raise ValueError for rows that no tree can hold."""
    issued = document.issue_tree(policy, trial)
    along = b"".join(cbor.encode(piece) for piece in issued.pieces.values())
    return Unsigned(DocumentKind.POLICY, _claims(issued.root), along, issued.pieces)


def of_grant(grant: Grant, key: dict[int, Any]) -> Unsigned:
    """Return a grant; `key` is the COSE_Key of `grant.key`. It needs no key to be written by."""
    return Unsigned(DocumentKind.GRANT, write_claims(grant, key))


def of_revocations(
    site: str, version: int, issued_at: int, newest_first: Sequence[str | bytes], trial: SigningKey
) -> Unsigned:
    """Return a list of revocations (`hubcore.access.revocations.issue`)."""
    listed = revocations.issue(site, version, issued_at, newest_first, trial)
    return Unsigned(DocumentKind.REVOCATIONS, _claims(listed))


def of_certificate(certificate: HubCertificate, before: bytes, trial: SigningKey) -> Unsigned:
    """Return a hub's certificate; `before` is the document of the one in force."""
    made = issue_hub_certificate(trial, certificate, cose.write_key(certificate.key.public))
    return Unsigned(DocumentKind.CERTIFICATE, _claims(made), before)


def of_mandate(mandate: Mandate, trial: SigningKey) -> Unsigned:
    """Return a mandate."""
    return Unsigned(DocumentKind.MANDATE, _claims(issue_mandate(mandate, trial)))
