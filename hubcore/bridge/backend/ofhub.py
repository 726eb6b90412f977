"""Messages that are one signed document about a hub: only its signature proves anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hubcore.backend.uplink.fields import Message, check_bytes
from hubcore.bridge.backend.words import check_hub
from hubcore.bridge.words import DOCUMENT_BYTES


@dataclass(frozen=True, slots=True)
class DocumentOfHub(Message):
    """A signed document about a hub, as bytes."""

    CEILING: ClassVar[int] = DOCUMENT_BYTES + 64
    hub: str
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_hub(self.hub)
        check_bytes("document", self.document, 1, DOCUMENT_BYTES)
