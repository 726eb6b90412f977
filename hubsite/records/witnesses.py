"""What bridges bear witness of: up to which record they have seen a hub's chain.

Laws:
1. A testimony counts if a mandate of the site's issuer for this very bridge proves it, and is of a
   hub that has a chain here. Any other is left.
2. Of one bridge and hub the newest counts, by the moment at which it was signed.
3. It is kept as it was said. Whether it agrees with the rows here is judged when somebody looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from hubcore.access.words import HubName
from hubcore.bridge.mandate import Mandates, Use, prove_mandate
from hubcore.bridge.signedhead import HeadKind, SignedHead, prove_head
from hubcore.codec.cose import VerifyKey
from hubcore.errors import ProofError, RollbackError
from hubsite.records.models import Chain, Witness


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose word counts for a site."""

    site: str
    key: VerifyKey


@dataclass(frozen=True, slots=True)
class Said:
    """A document under its key in one of the engine's buckets."""

    place: int
    key: str
    document: bytes


def with_mandates(standing: Mandates, documents: Sequence[Said], issuer: Issuer) -> Mandates:
    """Return the mandates for testimony that hold with these; what proves nothing is left."""
    for one in documents:
        try:
            mandate = prove_mandate(one.document, issuer.site, issuer.key)
            if mandate.use is Use.TESTIMONY:
                standing = standing.with_one(mandate)
        except (ProofError, RollbackError):
            continue
    return standing


def proven(documents: Sequence[Said], standing: Mandates, site: str) -> list[SignedHead]:
    """Return what these testimonies say, as far as they prove themselves (law 1)."""
    found = []
    for one in documents:
        bridge, _, hub = one.key.partition(".")
        mandate = standing.find(Use.TESTIMONY, bridge)
        if mandate is None:
            continue
        try:
            found.append(prove_head(HeadKind.TESTIMONY, one.document, HubName(site, hub), mandate))
        except (ProofError, ValueError):
            continue
    return found


def keep(heads: Sequence[SignedHead]) -> None:
    """Keep what bridges have seen (laws 1 to 3)."""
    with transaction.atomic():
        for said in heads:
            if not Chain.objects.filter(pk=said.hub.hub).exists():
                continue
            row = Witness.objects.filter(bridge=said.by, hub=said.hub.hub).first()
            if row is not None and row.at > said.at:
                continue
            Witness.objects.update_or_create(
                bridge=said.by,
                hub=said.hub.hub,
                defaults={
                    "number": said.head.number,
                    "head_hash": said.head.hash,
                    "at": said.at,
                },
            )
