"""Whether a hub in sight is of the phone's own site, as far as its advertisement says.

Law: a hub that shows the tag of another key is never tried; one that shows none may be of any site, and is tried when
no better is in sight; a phone without a beacon key tries every hub.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from hubd.core.beacon import TAG_BYTES, resolves


class Kin(Enum):
    """What a hub is to this phone."""

    OURS = "ours"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"


def kin(key: bytes | None, manufacturer_data: Iterable[bytes]) -> Kin:
    """Judge an advertisement of SERVICE by its manufacturer data, each without the company it begins with."""
    if key is None:
        return Kin.OURS
    tags = [data for data in manufacturer_data if len(data) == TAG_BYTES]
    if any(resolves(key, tag) for tag in tags):
        return Kin.OURS
    return Kin.FOREIGN if tags else Kin.UNKNOWN


def nobody(foreign: bool) -> str:
    """Say that no hub was found; `foreign` tells that hubs of other sites were."""
    return "phone: only hubs of other sites in sight" if foreign else "phone: no hub in sight"
