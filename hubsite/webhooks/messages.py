"""What a webhook tells of a record: JSON, as Standard Webhooks shapes it.

Laws:
1. People are named by opaque ids. A name is added only where the webhook has that right.
2. The same record has the same id for a webhook each time it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hubsite.records.models import Record

TEST = "test"


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a credential is: the opaque id, and the name; "" for one that is not told."""

    person: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message: the id of its record (0 for a test), its own id, its body."""

    record: int
    message: str
    body: bytes


def of_record(webhook: str, record: Record, holders: Mapping[str, Holder]) -> Outgoing:
    """Return the message of a record; `holders` by credential (laws 1 and 2)."""
    data: dict[str, Any] = {
        "hub": record.hub,
        "number": record.number,
        "kind": record.kind,
        "at": _moment(record.at),
        "access_point": record.access_point,
        "door": record.door,
        "credential": record.credential,
        "outcome": record.outcome,
        "alarm": record.is_alarm,
        "hash": bytes(record.chain_hash).hex(),
    }
    holder = holders.get(record.credential)
    if holder is not None:
        data["person"] = holder.person
    if holder is not None and holder.name:
        data["name"] = holder.name
    kind = "alarm" if record.is_alarm else "record"
    said = {"type": f"{kind}.{record.kind}", "timestamp": _moment(record.at), "data": data}
    return Outgoing(record.pk, f"rec_{webhook}_{record.pk}", _json(said))


def of_test(webhook: str, at: int) -> Outgoing:
    """Return a message that tells of nothing; `at` in Unix seconds."""
    said = {"type": TEST, "timestamp": _moment(at), "data": {}}
    return Outgoing(0, f"test_{webhook}_{at}", _json(said))


def _moment(at: int) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a hub's clock may say anything
        return ""


def _json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
