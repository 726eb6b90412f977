"""How a hub's certificate stands at a time, judged as phones judge it (docs/protocol.md, Documents).

1. It is valid from `nbf` to `exp`, both included, without leeway.
2. From RENEW_DAYS before its end on, somebody should have it renewed.
"""

from __future__ import annotations

from enum import Enum

RENEW_DAYS = 30
DAY_SECONDS = 86_400


class Standing(Enum):
    """How a certificate stands; the first and the last are refused by phones."""

    NOT_YET = "it begins later"
    VALID = "valid for long"
    ENDING = "valid, and to be renewed"
    ENDED = "it has ended"


def judge(begins: int, ends: int, now: float) -> Standing:
    """Judge a certificate; all three in Unix seconds."""
    if now > ends:
        return Standing.ENDED
    if now < begins:
        return Standing.NOT_YET
    if ends - now <= RENEW_DAYS * DAY_SECONDS:
        return Standing.ENDING
    return Standing.VALID
