"""Which bridges have countersigned a hub's records, and whether they have seen the same ones.

Laws:
1. A bridge's word is held against the rows here. It agrees, it has seen another record, or the
   record of that number is not here.
2. It agrees about a record only if the rows from there up to its own record were walked: each by
   its bytes. Where they are more than `most`, only that one record is said to be the same.
3. A bridge that has seen more than is here, where nothing has come for AHEAD_SECONDS, is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from django.db.models import Exists, F, OuterRef

from hubcore.errors import AuditError
from hubcore.evidence.records import Head
from hubsite.records.models import Chain, Record, Witness
from hubsite.records.showing.proof import walk

LOOK_ROWS = 1000
AHEAD_SECONDS = 600


class Sight(Enum):
    """What a bridge's word is to the rows here."""

    AGREES = "the same records"
    OTHER = "another record"
    AWAY = "a record that is not here"
    BROKEN = "that record is here, but what lies between does not follow: verify the records"
    FAR = "that record is the same here: verify what lies between"


@dataclass(frozen=True, slots=True)
class Seen:
    """A bridge's word, and what it is to the rows here."""

    witness: Witness
    sight: Sight


def seen_of(hub: str, number: int = 0, most: int = LOOK_ROWS) -> list[Seen]:
    """Return what bridges have seen of a hub up to this record at least."""
    chain = Chain.objects.get(pk=hub)
    rows = Witness.objects.filter(hub=hub, number__gte=number).order_by("bridge")
    return [Seen(witness, _sight(chain, witness, number, most)) for witness in rows]


def _sight(chain: Chain, witness: Witness, number: int, most: int) -> Sight:
    """Hold a word against the rows from this record on (law 2)."""
    held = _hash_at(chain, witness.number)
    if held is None:
        return Sight.AWAY
    if held != bytes(witness.head_hash):
        return Sight.OTHER
    before = max(number - 1, chain.base_number)
    if witness.number - before > most:
        return Sight.FAR
    start = _hash_at(chain, before)
    try:
        head = walk(chain, Head(before, start) if start else None, witness.number - before)
    except AuditError:
        return Sight.BROKEN
    is_same = head == Head(witness.number, held)
    return Sight.AGREES if is_same else Sight.BROKEN


def _hash_at(chain: Chain, number: int) -> bytes | None:
    rows = Record.objects.filter(hub=chain.hub, number=number)
    held = rows.values_list("chain_hash", flat=True).first()
    return None if held is None else bytes(held)


def ahead(now: int) -> list[tuple[Witness, Chain]]:
    """Return each word of a bridge that has seen more than is here (law 3); `now` is Unix time."""
    quiet = {one.hub: one for one in Chain.objects.filter(heard_at__lt=now - AHEAD_SECONDS)}
    words = Witness.objects.filter(hub__in=quiet).order_by("hub", "bridge")
    return [(one, quiet[one.hub]) for one in words if one.number > quiet[one.hub].head_number]


def others() -> list[Witness]:
    """Return each word of a bridge that has seen another record than is here."""
    same = Record.objects.filter(hub=OuterRef("hub"), number=OuterRef("number"))
    other = same.exclude(chain_hash=OuterRef("head_hash"))
    return list(Witness.objects.filter(Exists(other)).order_by(F("hub"), F("bridge")))
