"""By whose word records count that a bridge brings: by that of their hub, and of nobody else.

How it works: a bridge brings a batch and the head of its last record, as the hub has signed it. The
hash in the head leads back through the batch to the record before it. So the engine keeps nothing
that the hub did not sign, and the gateway remembers nothing between two batches.

Laws:
1. A batch counts if each of its records follows the one before it, and the hub has signed the head
   of the last one.
2. The key is that of the hub's newest TLS certificate in the engine, which the site's authority has
   signed. It is looked up for each batch. So a head by a key that the hub has no more is none.
3. A hub without such a certificate brings nothing over a bridge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hubcore.access.words import HubName
from hubcore.bridge.signedhead import prove_own_head
from hubcore.codec.cose import VerifyKey
from hubcore.codec.tls import TlsName, TlsRole, read_certificate, verify_key_of
from hubcore.errors import LinkError, ProofError, TrustError
from hubcore.evidence.records import Head, StoredRecord, head_after


class Certificates(Protocol):
    """The hubs' newest TLS certificates, a bucket of the engine that is mirrored here."""

    @property
    def fresh(self) -> bool:
        """Whether it may be believed."""

    @property
    def values(self) -> Mapping[str, bytes]:
        """Certificates (DER) by the names of hubs."""


class HubKeys:
    """The keys by which hubs sign their heads. `authority` is the site's certificate (DER)."""

    def __init__(self, certificates: Certificates, site: str, authority: bytes) -> None:
        self._certificates = certificates
        self._site = site
        self._authority = authority
        self._read: dict[str, tuple[bytes, VerifyKey | None]] = {}

    def key_of(self, hub: str) -> VerifyKey | None:
        """Return a hub's key, None for a hub without one (law 2).

        Ask for hubs of the directory alone: each certificate is proven once, and remembered. Raise
        LinkError while the certificates are not known.
        """
        if not self._certificates.fresh:
            raise LinkError("the bucket of TLS certificates was not read since the engine is back")
        document = self._certificates.values.get(hub)
        if document is None:
            self._read.pop(hub, None)
            return None
        before = self._read.get(hub)
        if before is not None and before[0] == document:
            return before[1]
        key = self._prove(hub, document)
        self._read[hub] = (document, key)
        return key

    def _prove(self, hub: str, document: bytes) -> VerifyKey | None:
        try:
            name = TlsName(self._site, TlsRole.HUB, hub)
            return verify_key_of(read_certificate(document, self._authority, name).key)
        except (TrustError, ProofError):
            return None


def why_not(hub: HubName, key: VerifyKey, records: Sequence[StoredRecord], document: bytes) -> str:
    """Return why the hub has not signed these records, "" if it has (law 1)."""
    first = records[0]
    if head_after(Head(first.number, first.hash), records[1:]) is None:
        return "they do not follow one another"
    try:
        signed = prove_own_head(document, hub, key).head
    except ProofError as error:
        return str(error)
    last = records[-1]
    if signed != Head(last.number, last.hash):
        return f"the hub has signed record {signed.number}, and that is not the last one of these"
    return ""
