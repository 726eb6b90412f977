"""A doubt in a hub's records, as a document."""

from __future__ import annotations

from hubbridge.local.report.sources import THOUSANDTHS, Document
from hubbridge.rules.doubts import DoubtEnded
from hubcore.bridge.witness import SeenChain
from hubcore.evidence.records import Head


def doubted(seen: SeenChain | None) -> Document | None:
    """Return what a hub told and what was seen; None: it is not doubted."""
    if seen is None or seen.doubt is None:
        return None
    return {
        "cause": seen.doubt.cause.name.lower(),
        "told": head_text(seen.doubt.told),
        "seen": head_text(seen.head),
    }


def ended_doubt(act: DoubtEnded) -> Document:
    """Return how a doubt was ended."""
    return {
        "hub": act.hub,
        "at": act.at_ms / THOUSANDTHS,
        "by": act.by,
        "uid": act.uid,
        "cause": act.cause.name.lower(),
        "told": head_text(act.told),
        "seen": head_text(act.seen),
        "accepted": head_text(act.accepted),
        "set_aside": act.aside,
    }


def head_text(head: Head) -> str:
    """Return a head as people name it: the record, and the chain's hash with it."""
    return f"{head.number}:{head.hash.hex()}"
