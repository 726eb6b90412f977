"""A file of signed documents in memory, which a test can have fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hubcore.errors import StoreError


@dataclass
class FakeDocumentFile:
    """`ports.stores.DocumentFile` without a disk; with `failing` both methods raise it."""

    documents: Sequence[bytes] = ()
    failing: StoreError | None = None
    written: list[Sequence[bytes]] = field(default_factory=list)

    def found(self) -> Sequence[bytes]:
        if self.failing is not None:
            raise self.failing
        return self.documents

    async def write(self, documents: Sequence[bytes]) -> None:
        if self.failing is not None:
            raise self.failing
        self.documents = tuple(documents)
        self.written.append(self.documents)
