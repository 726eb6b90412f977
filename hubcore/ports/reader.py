"""Readers on a wire: cards and keys come in, a sign goes out.

Laws of a driver of readers, of whatever kind (tests/ports/test_readers.py):
1. What comes from a reader that is not proven to be the hub's own goes nowhere.
2. A reader that is lost, replaced, opened or without power is a fault, told when it begins and when
   it ends. It comes back alone.
3. A driver knows no person and decides nothing. A card is a number of bits to it.
4. It calls its listener on the event loop, and never waits for it.
5. At most READS_MAX reads a second of one reader go further; the rest are counted.
6. A reader gets a key only when somebody asks for it, and never tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Protocol

CARD_BITS_MAX = 1024
KEYS_MAX = 32
READS_MAX = 10


@dataclass(frozen=True, slots=True)
class CardRead:
    """A card at a reader: its first `bits` bits in `data`, at monotonic second `at`."""

    reader: str
    bits: int
    data: bytes = field(repr=False)
    at: float

    def __post_init__(self) -> None:
        """Raise ValueError for more or fewer bytes than the bits need."""
        if not 1 <= self.bits <= CARD_BITS_MAX:
            raise ValueError(f"a card of {self.bits} bits")
        if len(self.data) != (self.bits + 7) // 8:
            raise ValueError(f"a card of {self.bits} bits in {len(self.data)} bytes")


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """Keys of a keypad: digits, `*` and `#`, in the order in which they were pressed."""

    reader: str
    keys: str = field(repr=False)
    at: float

    def __post_init__(self) -> None:
        """Raise ValueError for what no keypad has."""
        if not 1 <= len(self.keys) <= KEYS_MAX or set(self.keys) - set("0123456789*#"):
            raise ValueError(f"{len(self.keys)} keys, or other keys than digits, * and #")


class ReaderFault(StrEnum):
    """What is wrong with a reader. The words stand in records: they are never changed."""

    GONE = "gone"
    """It does not answer."""
    NOT_PROVEN = "not_proven"
    """Something answers that does not have the reader's key: it may have been replaced."""
    TAMPERED = "tampered"
    NO_POWER = "no_power"
    LINE_GONE = "line_gone"
    """The serial line of the reader is not there."""
    CHATTERS = "chatters"
    """It sends more than a person can do."""


class Sign(Enum):
    """What a reader shows to whoever stands there."""

    GRANTED = "granted"
    DENIED = "denied"
    WAIT = "wait"
    """More is wanted: a PIN, or a second person."""


class ReaderKey(StrEnum):
    """Which key of its configuration a reader has proven."""

    CURRENT = "key"
    NEXT = "next_key"


class ReaderListener(Protocol):
    """Who is told what readers do."""

    def card(self, read: CardRead) -> None:
        """A card was held to a reader."""

    def keys(self, pressed: KeysPressed) -> None:
        """Keys were pressed at a reader."""

    def fault(self, reader: str, fault: ReaderFault, stands: bool) -> None:
        """Something is wrong with a reader, or no longer."""


class Readers(Protocol):
    """All readers of one kind."""

    async def serve(self, listener: ReaderListener) -> None:
        """Look after the readers until cancelled; come back alone from every loss."""

    def show(self, reader: str, sign: Sign) -> None:
        """Show a sign for a moment; one that cannot be shown is lost."""

    def proven_with(self, reader: str) -> ReaderKey | None:
        """Return by which key a reader is proven now; None while it is not."""

    async def install_key(self, reader: str) -> None:
        """Give its own key to a reader that is as it came from its maker.

        Return when it has proven itself with it, also if it had before. Raise HardwareError.
        """

    async def renew_key(self, reader: str) -> None:
        """Give a reader that is proven the next key of the configuration.

        Return when it has proven itself with it, also if it had before. Raise HardwareError.
        """
