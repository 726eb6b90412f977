"""What the gateway calls things in the engine: streams, subjects, buckets and their values.

Laws:
1. docs/backend.md promises these names to other programs.
2. A hub's id is one token of a subject, so it has no dot.
3. A value that cannot be read admits nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

RECORDS_STREAM = "HUB_RECORDS"
COMMANDS_STREAM = "HUB_COMMANDS"
RESULTS_STREAM = "HUB_RESULTS"
REPLACED_STREAM = "HUB_REPLACED"
RECORDS = "hub.records"
COMMANDS = "hub.commands"
RESULTS = "hub.results"
REPLACED = "hub.replaced"
TELEMETRY = "hub.telemetry"
RENEWALS = "hub.renewals"
LIVES = "hub.lives"
PRESENT = "hub.present"
NOTICES = "hub.notices"
DOUBTS = "hub.doubts"
KEYS_BUCKET = "hub_keys"
SESSIONS_BUCKET = "hub_sessions"
STOPS_BUCKET = "hub_stops"
POLICY_BUCKET = "hub_policy"
RINGS_BUCKET = "hub_keyrings"
CERTIFICATES_BUCKET = "hub_certificates"
TLS_BUCKET = "hub_tls_certificates"
PROMISES_BUCKET = "hub_enrolments"
BRIDGES_BUCKET = "hub_bridges"
MANDATES_BUCKET = "hub_mandates"
ENDS_BUCKET = "hub_ends"
TESTIMONIES_BUCKET = "hub_testimonies"
UPDATES_BUCKET = "hub_updates"
HEALTH_BUCKET = "hub_health"
BRIDGE_RENEWALS_BUCKET = "hub_bridge_renewals"
BUCKETS = (
    KEYS_BUCKET,
    RINGS_BUCKET,
    SESSIONS_BUCKET,
    STOPS_BUCKET,
    POLICY_BUCKET,
    CERTIFICATES_BUCKET,
    TLS_BUCKET,
    PROMISES_BUCKET,
    BRIDGES_BUCKET,
    MANDATES_BUCKET,
    ENDS_BUCKET,
    TESTIMONIES_BUCKET,
    UPDATES_BUCKET,
    HEALTH_BUCKET,
    BRIDGE_RENEWALS_BUCKET,
)

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
ENTRIES_REMEMBERED = 16_384
"""Rows of the directory: one is looked up for each message."""
KEY = re.compile(r"[0-9a-f]{64}")
_KEY_BEGINS = 16
_ROOT = re.compile(r"root\.([1-9][0-9]{0,18})")


class Standing(Enum):
    """What the directory says of a key."""

    ENROLLED = "enrolled"
    REVOKED = "revoked"
    RETIRED = "retired"
    """The hub has another one by now: whoever comes with it has an older state of it, or a copy."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the directory."""

    standing: Standing
    hub: str


def subject(branch: str, hub: str) -> str:
    """Return the subject of one hub."""
    return f"{branch}.{hub}"


def replaced(hub: str, key: str) -> str:
    """Return the subject of the records before a hub's machine with this key."""
    return f"{REPLACED}.{hub}.{key[:_KEY_BEGINS]}"


def write_entry(entry: Entry) -> bytes:
    """Return a row of the directory as it lies in the engine."""
    return f"{entry.standing.value} {entry.hub}".encode("ascii")


@lru_cache(ENTRIES_REMEMBERED)
def read_entry(value: bytes) -> Entry | None:
    """Read `enrolled HUB`, `revoked HUB` or `retired HUB`; None for anything else."""
    words = value.decode("ascii", "replace").split()
    if len(words) != 2 or not HUB_ID.fullmatch(words[1]):
        return None
    try:
        return Entry(Standing(words[0]), words[1])
    except ValueError:
        return None


def testimony(bridge: str, hub: str) -> str:
    """Return the key of a bridge's newest testimony of a hub."""
    return f"{bridge}.{hub}"


def root_key(version: int) -> str:
    """Return the key under which the root of a policy lies."""
    return f"root.{version}"


def root_version(key: str) -> int | None:
    """Return the version that a key of the policy's bucket names; None for other keys."""
    named = _ROOT.fullmatch(key)
    return int(named[1]) if named else None


def piece_key(name: bytes) -> str:
    """Return the key under which a piece of a policy lies."""
    return f"piece.{name.hex()}"
