"""The site's orders in a bridge's file: the documents as they were signed, all in one commit.

Laws:
1. Keeping replaces all that was kept.
2. What is read proves itself by the mandate for orders that is known now, or is left out. So the
   orders of a key that has ended are not given again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubbridge.rules.papers import ORDERS_MAX, Paper
from hubbridge.store.jobs import Batch
from hubcore.access.words import HubName
from hubcore.bridge.mandate import Mandate
from hubcore.bridge.site.order import prove_site_order
from hubcore.errors import ProofError

KeptPaper = tuple[str, bytes]
"""The hub that an order is for, `""` for all; and the document."""


@dataclass(frozen=True, slots=True)
class KeepPapers:
    """All orders that are to be kept."""

    papers: tuple[KeptPaper, ...]

    def run(self, batch: Batch) -> None:
        """Write them in place of those before."""
        batch.connection.execute("DELETE FROM site_orders")
        batch.connection.executemany(
            "INSERT INTO site_orders (place, hub, document) VALUES (?, ?, ?)",
            [(place, hub, document) for place, (hub, document) in enumerate(self.papers)],
        )


@dataclass(frozen=True, slots=True)
class ReadPapers:
    """All orders that were kept."""

    def run(self, batch: Batch) -> tuple[KeptPaper, ...]:
        """Read them, in their order."""
        rows = batch.connection.execute(
            "SELECT hub, document FROM site_orders ORDER BY place LIMIT ?", (ORDERS_MAX,)
        )
        return tuple((str(hub), bytes(document)) for hub, document in rows)


def kept_of(papers: Sequence[Paper]) -> tuple[KeptPaper, ...]:
    """Return what is kept of orders."""
    return tuple((one.order.hub or "", one.document) for one in papers)


def prove_papers(kept: Sequence[KeptPaper], site: str, mandate: Mandate) -> tuple[Paper, ...]:
    """Prove what was kept (law 2)."""
    found: list[Paper] = []
    for hub, document in kept:
        try:
            order = prove_site_order(document, HubName(site, hub), mandate)
        except ProofError:
            continue
        if order.hub == (hub or None):
            found.append(Paper(order, document))
    return tuple(found)
