"""How hubctl words what a hub keeps for its backend: evidence on the disk, telemetry in memory.

Law: alarms are not shown apart. They are records, and one of them may be a silent alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubterm.text import age, clean, is_number

MIB = 1 << 20


def kept_facts(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of records and of telemetry; a hub without devices has none of that."""
    facts = [("records", _records(status.get("records")))]
    telemetry = status.get("telemetry")
    if isinstance(telemetry, Mapping):
        waiting = clean(telemetry.get("waiting"))
        dropped = clean(telemetry.get("dropped"))
        facts.append(("telemetry", f"waiting {waiting}, dropped {dropped}; in memory alone"))
    return facts


def _records(records: Any) -> str:
    if not isinstance(records, Mapping):
        return clean(records)
    parts = [
        f"last {clean(records.get('last'))}",
        f"waiting for the backend {clean(records.get('waiting'))}",
    ]
    oldest = records.get("oldest_seconds")
    if is_number(oldest):
        parts.append(f"the oldest for {age(oldest)}")
    budget = records.get("budget_bytes")
    if is_number(budget) and budget:
        used = mebibytes(records.get("used_bytes"))
        held = mebibytes(records.get("held_bytes"))
        parts.append(f"{used} of {mebibytes(budget)} MiB, {held} of them must stay")
    return ", ".join(parts)


def mebibytes(size: Any) -> str:
    """Return a size in MiB; anything else cleaned."""
    return f"{size / MIB:.1f}" if is_number(size) else clean(size)
