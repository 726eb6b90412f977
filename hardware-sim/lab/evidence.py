"""What a hub's disk must hold after a power cut, given what was seen of the hub from outside before
it.

Laws: an allowed verdict that a phone has, a strike that was seen driven, a record that the backend
holds and a policy that the backend was told is in force: each of them is on the disk, whatever was
lost beside it. The chain is judged by `hubctl audit verify`, as an operator would.
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

STRIKE_AFTER_SECONDS = 2.5
"""A strike follows its decision within 2 s for the record and 0.3 s for the strike, or not at all.
"""
VERIFY_SECONDS = 60.0
UNREADABLE = 2


@dataclass(frozen=True, slots=True)
class Strike:
    """A line that was seen to become driven.

    `before` and `at`, seconds of CLOCK_MONOTONIC, enclose the moment.
    """

    point: int
    before: float
    at: float


@dataclass(slots=True)
class Seen:
    """What was seen of a hub from one boot to the cut: operations allowed to phones, strikes, the
    policy in force.
    """

    allowed: list[bytes] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    policy: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a disk holds: the head of its chain, its policy, and a sentence for each thing that
    lacks or is wrong.
    """

    head: Head
    policy: int
    wrong: tuple[str, ...]


def judge(folder: Path, seen: Seen, known: Head, backend: Sequence[StoredRecord]) -> Found:
    """Judge the files of a hub's state; `known` is the head found after the cut before, `backend`
    what was sent up.
    """
    audit = folder / "audit.db"
    verified = _verify(audit, known)
    wrong = list[str]()
    records = list[StoredRecord]()
    if verified.returncode and (known.number or not _unborn(audit)):
        wrong.append(f"the chain: {verified.stderr.strip()}")
    if verified.returncode != UNREADABLE:
        wrong += _damage(audit)
        records = list(
            _rows(audit, "SELECT number, body, hash FROM records ORDER BY number", StoredRecord)
        )
    opened = [
        said
        for record in records
        if record.number > known.number
        if _opens(said := facts(record.body))
    ]
    kept = {said["op"] for said in opened}
    wrong += [
        f"a phone was allowed operation {op.hex()}, which has no record"
        for op in seen.allowed
        if op not in kept
    ]
    wrong += _without_record(seen.strikes, opened)
    held = set(records)
    wrong += [
        f"record {sent.number} is at the backend, but not here"
        for sent in backend
        if sent not in held
    ]
    policy = _policy(folder / "policy.db", wrong)
    if policy < seen.policy:
        wrong.append(f"policy {seen.policy} was told to be in force, {policy} is")
    newest = records[-1] if records else None
    return Found(Head(newest.number, newest.hash) if newest else Head(), policy, tuple(wrong))


def _verify(audit: Path, known: Head) -> subprocess.CompletedProcess[str]:
    argv = [
        sys.executable,
        "-c",
        "from hubd.cli.main import hubctl; hubctl()",
        "audit",
        "verify",
        "--file",
        str(audit),
    ]
    argv += ["--head", str(known)] if known.number else []
    return subprocess.run(argv, capture_output=True, text=True, timeout=VERIFY_SECONDS, check=False)


def _unborn(path: Path) -> bool:
    """Tell whether this is what a cut leaves of a database before its schema is committed."""
    return not path.exists() or (
        not _damage(path) and not list(_rows(path, "SELECT 1 FROM sqlite_master"))
    )


def _opens(said: dict[str, Any]) -> bool:
    return (
        said["kind"] == RecordKind.ACCESS
        and said["allowed"] is True
        and said["action"] == Action.OPEN
    )


def _without_record(strikes: Sequence[Strike], opened: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Find to each strike a decision of its own that came before it and not long before."""
    free = list(opened)
    for strike in strikes:
        span = range(int((strike.before - STRIKE_AFTER_SECONDS) * 1000), int(strike.at * 1000) + 1)
        mine = next(
            (said for said in free if said["point"] == strike.point and said["mono"] in span), None
        )
        if mine is None:
            yield (
                f"the strike of access point {strike.point} was driven at {strike.at:.3f} s "
                "without a record"
            )
        else:
            free.remove(mine)


def _policy(path: Path, wrong: list[str]) -> int:
    """Return the version in force, 0 for none."""
    if _unborn(path):
        return 0
    damage = _damage(path)
    wrong += damage
    if damage:
        return 0
    return max((version for (version,) in _rows(path, "SELECT version FROM meta")), default=0)


def _damage(path: Path) -> list[str]:
    try:
        said = [str(answer) for (answer,) in _rows(path, "PRAGMA integrity_check")]
    except sqlite3.DatabaseError as error:
        said = [str(error)]
    return [] if said == ["ok"] else [f"{path.name}: {'; '.join(said)}"]


def _rows(path: Path, query: str, make: Any = lambda *row: row) -> Iterator[Any]:
    with closing(sqlite3.connect(path)) as connection:
        yield from (make(*row) for row in connection.execute(query))
