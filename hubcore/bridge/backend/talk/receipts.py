"""Which receipts of the backend count: those that the site's mandate for receipts proves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hubcore.access.words import HubName
from hubcore.bridge.backend.from_backend import HubReceipt
from hubcore.bridge.mandate import Mandate
from hubcore.bridge.signedhead import HeadKind, prove_head
from hubcore.errors import ProofError
from hubcore.evidence.records import Head


class ReceiptProof:
    """`mandate` returns the one for receipts that is known; what does not count is counted."""

    def __init__(
        self, site: str, mandate: Callable[[], Mandate | None], counters: Counter[str]
    ) -> None:
        self._site = site
        self._mandate = mandate
        self._counters = counters

    def read(self, message: HubReceipt) -> Head | None:
        """Return what the backend has of a hub; None for what proves nothing."""
        mandate = self._mandate()
        if mandate is None:
            self._counters["receipts_without_mandate"] += 1
            return None
        name = HubName(self._site, message.hub)
        try:
            return prove_head(HeadKind.RECEIPT, message.document, name, mandate).head
        except ProofError:
            self._counters["receipts_unproven"] += 1
            return None
