"""The keys of the readers beside the phones, checked by their sizes.

What a kind of reader demands of a key beside that, its driver knows (`hubd.wiring.readers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubcore.access.cards import CARD_KEY_BYTES
from hubcore.errors import ConfigError

READER_KEY_BYTES = 16
WANTED_CARD_KEY = f"the site's card key, {CARD_KEY_BYTES} raw bytes"
WANTED_READER_KEY = f"the key of a reader, {READER_KEY_BYTES} raw bytes"


@dataclass(frozen=True, slots=True)
class ReaderKey:
    """The key of one reader, and the one that it is to get next."""

    key: bytes = field(repr=False)
    next_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReaderKeys:
    """The card key of the site, and each reader's key by the reader's id."""

    card_key: bytes = field(repr=False)
    readers: Mapping[str, ReaderKey]


def checked_card_key(place: str, data: bytes) -> bytes:
    """Return the card key. Raise ConfigError for what can be none."""
    _check(place, data, CARD_KEY_BYTES, WANTED_CARD_KEY)
    return data


def checked_reader_key(place: str, data: bytes) -> bytes:
    """Return a reader's key. Raise ConfigError for what can be none."""
    _check(place, data, READER_KEY_BYTES, WANTED_READER_KEY)
    return data


def _check(place: str, data: bytes, size: int, wanted: str) -> None:
    if len(data) != size:
        raise ConfigError(f"{place}: expected {wanted}, found {len(data)}")
    if len(set(data)) == 1:
        raise ConfigError(
            f"{place}: expected {wanted}, found equal bytes, which are no secret; "
            f"type: head -c {size} /dev/urandom > {place}"
        )
