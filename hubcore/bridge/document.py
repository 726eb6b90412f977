"""Messages that are one signed document: only its signature proves anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hubcore.backend.uplink.fields import Message, check_bytes
from hubcore.bridge.words import DOCUMENT_BYTES


@dataclass(frozen=True, slots=True)
class Document(Message):
    """A message that is one signed document, as bytes."""

    CEILING: ClassVar[int] = DOCUMENT_BYTES + 8
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("document", self.document, 1, DOCUMENT_BYTES)
