"""What a hub's disk must hold after a power cut, given what was seen of the hub before it.

Laws:
1. The disk has a record of each allowed verdict that a phone got, and of each strike that was seen
   driven.
2. It has each record that the backend holds.
3. It has the policy that the hub said is in force.
4. `hubctl audit verify` judges the chain, as for an operator.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubcore.access.words import Action
from hubcore.evidence.records import Head, RecordKind, StoredRecord, facts
from hubterm.exits import UNREADABLE

STRIKE_AFTER_SECONDS = 2.5
"""A strike follows its decision within 2 s for the record and 0.3 s for the strike, or never."""
VERIFY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class StrikeSeen:
    """A line that was seen to become driven.

    `before` and `at`, seconds of CLOCK_MONOTONIC, enclose the moment.
    """

    point: int
    before: float
    at: float


@dataclass(slots=True)
class Seen:
    """What was seen of a hub from one boot to the cut.

    `allowed` are operations allowed to phones, `policy` is the version in force.
    """

    allowed: list[bytes] = field(default_factory=list)
    strikes: list[StrikeSeen] = field(default_factory=list)
    policy: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a disk holds; `wrong` has a sentence for each thing that is missing or wrong."""

    head: Head
    policy: int
    wrong: tuple[str, ...]


def judge(
    folder: Path,
    seen: Seen,
    known: Head,
    backend: Sequence[StoredRecord],
) -> Found:
    """Judge the files of a hub's state.

    `known` is the head found after the cut before, `backend` are the records that were sent up.
    """
    audit = folder / "audit.db"
    wrong: list[str] = []
    records = _records(audit, known, wrong)
    opened = _opened(records, known)
    recorded = {record["op"] for record in opened}
    for op in seen.allowed:
        if op not in recorded:
            wrong.append(f"a phone was allowed operation {op.hex()}, which has no record")
    wrong += _without_record(seen.strikes, opened)
    held = set(records)
    for sent in backend:
        if sent not in held:
            wrong.append(f"record {sent.number} is at the backend, but not here")
    policy = _policy(folder / "policy.db", wrong)
    if policy < seen.policy:
        wrong.append(f"the hub said that policy {seen.policy} is in force, {policy} is")
    head = Head(records[-1].number, records[-1].hash) if records else Head()
    return Found(head, policy, tuple(wrong))


def _records(audit: Path, known: Head, wrong: list[str]) -> list[StoredRecord]:
    """Return the records that can be read; add what is wrong with the chain."""
    verified = _verify(audit, known)
    if verified.returncode and (known.number or not _is_unborn(audit)):
        wrong.append(f"the chain: {verified.stderr.strip()}")
    if verified.returncode == UNREADABLE:
        return []
    wrong += _damage(audit)
    query = "SELECT number, body, hash FROM records ORDER BY number"
    return list(_rows(audit, query, StoredRecord))


def _opened(records: Sequence[StoredRecord], known: Head) -> list[dict[str, Any]]:
    """Return the facts of the records beyond a head that let somebody open a door."""
    opened = []
    for record in records:
        if record.number <= known.number:
            continue
        recorded = facts(record.body)
        if _opens(recorded):
            opened.append(recorded)
    return opened


def _verify(audit: Path, known: Head) -> subprocess.CompletedProcess[str]:
    argv = [
        sys.executable,
        "-c",
        "from hubctl.main import hubctl; hubctl()",
        "audit",
        "verify",
        "--file",
        str(audit),
    ]
    if known.number:
        argv += ["--head", str(known)]
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=VERIFY_SECONDS,
        check=False,
    )


def _is_unborn(path: Path) -> bool:
    """Tell whether this is what a cut leaves of a database before its schema is committed."""
    if not path.exists():
        return True
    if _damage(path):
        return False
    return not list(_rows(path, "SELECT 1 FROM sqlite_master"))


def _opens(recorded: dict[str, Any]) -> bool:
    if recorded["kind"] != RecordKind.ACCESS:
        return False
    return recorded["allowed"] is True and recorded["action"] == Action.OPEN


def _without_record(
    strikes: Sequence[StrikeSeen], opened: Sequence[dict[str, Any]]
) -> Iterator[str]:
    """Find for each strike a decision of its own, made not long before it."""
    free = list(opened)
    for strike in strikes:
        decision = _decision_of(strike, free)
        if decision is not None:
            free.remove(decision)
            continue
        yield (
            f"the strike of access point {strike.point} was driven at {strike.at:.3f} s "
            "without a record"
        )


def _decision_of(strike: StrikeSeen, free: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    first_ms = int((strike.before - STRIKE_AFTER_SECONDS) * 1000)
    last_ms = int(strike.at * 1000)
    for recorded in free:
        at_this_door = recorded["point"] == strike.point
        if at_this_door and first_ms <= recorded["mono"] <= last_ms:
            return recorded
    return None


def _policy(path: Path, wrong: list[str]) -> int:
    """Return the version in force, 0 for none."""
    if _is_unborn(path):
        return 0
    damage = _damage(path)
    wrong += damage
    if damage:
        return 0
    versions = [version for (version,) in _rows(path, "SELECT version FROM meta")]
    return max(versions, default=0)


def _damage(path: Path) -> list[str]:
    """Return a sentence when the database is damaged."""
    try:
        findings = [str(finding) for (finding,) in _rows(path, "PRAGMA integrity_check")]
    except sqlite3.DatabaseError as error:
        findings = [str(error)]
    if findings == ["ok"]:
        return []
    return [f"{path.name}: {'; '.join(findings)}"]


def _rows(path: Path, query: str, make: Any = lambda *row: row) -> Iterator[Any]:
    with closing(sqlite3.connect(path)) as connection:
        yield from (make(*row) for row in connection.execute(query))
