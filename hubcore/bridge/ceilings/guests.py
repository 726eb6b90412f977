"""A guest's day: what a site may grant alone, and up to which ceiling.

A site's key for orders signs a grant as the issuer does (`hubcore.access.grant`). A hub lets a
guest in by it only while an order of the site stands that brings this very document.

Laws:
1. The issuer sets the ceiling, in the mandate of the site's key: how many guests at once, for how
   long, how often, and where. Without one a site has no guests.
2. A guest's credential begins with GUEST. So a site can name a guest, and nobody whom the issuer
   knows.
3. A grant lasts for GUEST_SECONDS_MAX at the longest, and the door asks for nothing but to be
   opened or looked at.

Shape of a ceiling: `[guests at once, seconds, uses or null, [access points]]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hubcore.access.grant import (
    ACCESS_ENTRIES,
    KEY_ASKS,
    USES_MAX,
    Grant,
    is_point,
    read_grant,
)
from hubcore.access.words import Action
from hubcore.codec.cose import VerifyKey
from hubcore.codec.cwt import is_uint
from hubcore.errors import ProofError

GUEST = "guest."
"""What a guest's credential begins with."""
GUESTS_MAX = 64
"""Guests of a site at once, whatever a mandate says."""
GUEST_SECONDS_MAX = 86_400
GUEST_DOCUMENT_BYTES = 640
"""A grant that fits into an order of the site."""
_RIGHTS = (1 << (Action.OPEN - 1)) | (1 << (Action.QUERY - 1)) | KEY_ASKS


@dataclass(frozen=True, slots=True)
class GuestCeiling:
    """What a site may grant; `uses` None: a guest may come as often as he likes."""

    guests: int
    seconds: int
    uses: int | None
    access_points: tuple[int, ...]


def write_ceiling(ceiling: GuestCeiling) -> list[Any]:
    """Return a ceiling as a mandate holds it."""
    return [ceiling.guests, ceiling.seconds, ceiling.uses, list(ceiling.access_points)]


def read_ceiling(value: Any) -> GuestCeiling:
    """Read the ceiling of a mandate. Raise ProofError."""
    match value:
        case [guests, seconds, uses, list() as points] if 1 <= len(points) <= ACCESS_ENTRIES:
            _check_within("guests at once", guests, GUESTS_MAX)
            _check_within("seconds", seconds, GUEST_SECONDS_MAX)
            if uses is not None:
                _check_within("uses", uses, USES_MAX)
            if all(map(is_point, points)) and len(set(points)) == len(points):
                return GuestCeiling(guests, seconds, uses, tuple(points))
    raise ProofError("mandate: its ceiling is no [guests, seconds, uses, access points]")


def _check_within(what: str, value: object, most: int) -> None:
    if not is_uint(value) or not 1 <= value <= most:  # type: ignore[operator]
        raise ProofError(f"mandate: its {what} are not 1..{most}")


def prove_guest(document: bytes, site: str, key: VerifyKey) -> Grant:
    """Read a guest's grant by the site's key. Raise ProofError."""
    if len(document) > GUEST_DOCUMENT_BYTES:
        raise ProofError(f"guest: a grant of more than {GUEST_DOCUMENT_BYTES} bytes")
    grant = read_grant(document, key, site, of_site=True)
    if not grant.credential.startswith(GUEST):
        raise ProofError(f"guest: a credential that does not begin with {GUEST}")
    if not 0 < grant.expires - grant.not_before <= GUEST_SECONDS_MAX:
        raise ProofError(f"guest: a grant of more than {GUEST_SECONDS_MAX} s, or of none")
    if any(entry.rights & ~_RIGHTS for entry in grant.access):
        raise ProofError("guest: a right that no guest has")
    return grant


def check_ceiling(grant: Grant, ceiling: GuestCeiling | None) -> None:
    """Raise ProofError for a grant above the ceiling; how many there are is not looked at here."""
    if ceiling is None:
        raise ProofError("guest: the mandate of the site's key allows no guests")
    if grant.expires - grant.not_before > ceiling.seconds:
        raise ProofError(f"guest: the mandate allows {ceiling.seconds} s")
    if ceiling.uses is not None and (grant.uses is None or grant.uses > ceiling.uses):
        raise ProofError(f"guest: the mandate allows {ceiling.uses} uses")
    for entry in grant.access:
        if entry.access_point not in ceiling.access_points:
            raise ProofError(f"guest: the mandate allows no access point {entry.access_point}")
