"""Which bridges have countersigned a hub's records, and whether they have seen the same ones.

Law: a bridge's word is held against the rows here. It agrees, it has seen another record, or the
record of that number is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from django.db.models import Exists, F, OuterRef

from hubsite.records.models import Record, Witness


class Sight(Enum):
    """What a bridge's word is to the rows here."""

    AGREES = "the same records"
    OTHER = "another record"
    AWAY = "a record that is not here"


@dataclass(frozen=True, slots=True)
class Seen:
    """A bridge's word, and what it is to the rows here."""

    witness: Witness
    sight: Sight


def seen_of(hub: str, number: int = 0) -> list[Seen]:
    """Return what bridges have seen of a hub up to this record at least."""
    found = []
    for witness in Witness.objects.filter(hub=hub, number__gte=number).order_by("bridge"):
        rows = Record.objects.filter(hub=hub, number=witness.number)
        held = rows.values_list("chain_hash", flat=True).first()
        sight = Sight.AWAY
        if held is not None:
            is_same = bytes(held) == bytes(witness.head_hash)
            sight = Sight.AGREES if is_same else Sight.OTHER
        found.append(Seen(witness, sight))
    return found


def others() -> list[Witness]:
    """Return each word of a bridge that has seen another record than is here."""
    same = Record.objects.filter(hub=OuterRef("hub"), number=OuterRef("number"))
    other = same.exclude(chain_hash=OuterRef("head_hash"))
    return list(Witness.objects.filter(Exists(other)).order_by(F("hub"), F("bridge")))
