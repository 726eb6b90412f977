"""The steps of one unlock, in the order in which they can come."""

from __future__ import annotations

from enum import StrEnum


class UnlockStep(StrEnum):
    """One step. An order of the backend begins with DECIDED, a card with LAST_BYTE."""

    CONNECTED = "connected"
    CHALLENGE = "challenge"
    LAST_BYTE = "last-byte"
    UNSEALED = "unsealed"
    DECIDED = "decided"
    RECORDED = "recorded"
    STRIKE_ASKED = "strike-asked"
    STRIKE_ANSWERED = "strike-answered"
    VERDICT_SENT = "verdict-sent"
    DOOR_OPENED = "door-opened"
