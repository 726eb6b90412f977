"""Cards, and phones that others make, as readers have just met them: hubs' records say so.

A hub that knows no card or key like it denies it, and records it by its digest. So an operator who
stands beside somebody at a door may add it without a number or a key that anybody types.

Laws:
1. Only what was denied as unknown within SECONDS counts, by the hub's clock and by the engine's.
2. Each is there once, by its newest record; what somebody has already is not there.
3. At most RECORDS_MAX records are read, however many were denied.
4. A card is offered as a card, and a phone as a phone: the record says which it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.access.cards import DIGEST_BYTES
from hubcore.access.claim import Strength
from hubcore.access.words import Denial
from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import facts
from hubsite.records.models import Record
from hubsite.register.models import AccessPoint, Credential

SECONDS = 600
RECORDS_MAX = 256
MET_MAX = 12


@dataclass(frozen=True, slots=True)
class AtReader:
    """What nobody has: its digest, where it was shown, and when, in Unix seconds."""

    digest: bytes
    where: str
    at: int


def met_at_readers(now: int, strength: Strength) -> list[AtReader]:
    """Return what readers met in the last minutes as `strength`, the newest first."""
    found: dict[bytes, tuple[int | None, int]] = {}
    rows = Record.objects.filter(
        kind=str(RecordKind.ACCESS), at__gt=now - SECONDS, dated__gt=now - SECONDS
    )
    columns = rows.order_by("-at", "-id").values_list("record", "access_point", "at", "outcome")
    for record, point, at, outcome in columns[:RECORDS_MAX]:
        digest = (
            _digest_in(bytes(record), strength) if outcome == Denial.UNKNOWN_CREDENTIAL else b""
        )
        if digest:
            found.setdefault(digest, (point, at))
    names = [digest.hex() for digest in found]
    held = Credential.objects.filter(digest__in=names, revoked_at=None)
    known = set(held.values_list("digest", flat=True))
    numbers = [point for point, _ in found.values()]
    points = {row.number: str(row) for row in AccessPoint.objects.filter(number__in=numbers)}
    return [
        AtReader(digest, points.get(point, f"access point {point}"), at)
        for digest, (point, at) in found.items()
        if digest.hex() not in known
    ][:MET_MAX]


def _digest_in(record: bytes, strength: Strength) -> bytes:
    """Return the digest of what a record is of, b"" where that is of another kind (law 4)."""
    try:
        said = facts(record)
    except AuditError:
        return b""
    digest = said.get(Fact.GRANT)
    if said.get(Fact.PATH) != strength or not isinstance(digest, bytes):
        return b""
    return digest if len(digest) == DIGEST_BYTES else b""
