"""What the site's issuer has signed and hubs are to have, whichever way it takes.

Law: such a message has the same type and the same bytes on the uplink and over a bridge. Only its
signature proves anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hubcore.backend.uplink.fields import Message, check_bytes
from hubcore.backend.uplink.words import MAX_DOCUMENT_BYTES, MAX_ENDS_BYTES


@dataclass(frozen=True, slots=True)
class Document(Message):
    """A message that is one signed document, as bytes."""

    CEILING: ClassVar[int] = MAX_DOCUMENT_BYTES + 8
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("document", self.document, 1, MAX_DOCUMENT_BYTES)


@dataclass(frozen=True, slots=True)
class CarriedMandate(Document):
    """The issuer has signed what a key may speak for (`bridge.mandate`)."""

    TYPE: ClassVar[int] = 51


@dataclass(frozen=True, slots=True)
class CarriedEnds(Message):
    """The issuer has signed which bridges the site has ended (`bridge.ends`)."""

    TYPE: ClassVar[int] = 55
    CEILING: ClassVar[int] = MAX_ENDS_BYTES + 8
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("document", self.document, 1, MAX_ENDS_BYTES)


SiteDocument = CarriedMandate | CarriedEnds
