"""Says whether a locked library has a known vulnerability, from what pip-audit found.

Laws:
1. A library that was not looked up is not well: then nobody knows, and the exit status is 75.
2. A vulnerability that is known counts more than one that nobody could ask about.

usage: python packaging/audit.py LOCKED...      each is a lock file

Exit status: 0 all were looked up and none has one, 1 at least one has, 75 (EX_TEMPFAIL) not all
could be looked up: the advisory service was not reached, or does not know them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

EX_VULNERABLE = 1
EX_NOT_ASKED = 75
TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """The exit status, and a line for each thing that a person must know."""

    status: int
    lines: tuple[str, ...]


def verdict(found: Iterable[object]) -> Verdict:
    """Judge what pip-audit wrote, one JSON document for each lock file; None where it wrote none.

    Anything that is not of the shape that pip-audit documents was not asked.
    """
    asked = set[str]()
    not_asked = set[str]()
    vulnerable = set[str]()
    for document in found:
        for name, reason, advisories in _dependencies(document):
            if reason:
                not_asked.add(f"{name}: not asked: {reason}")
            else:
                asked.add(name)
            vulnerable |= {f"{name}: {advisory}" for advisory in advisories}
    lines = (*sorted(vulnerable), *sorted(not_asked))
    if vulnerable:
        return Verdict(EX_VULNERABLE, lines)
    if not_asked or not asked:
        return Verdict(EX_NOT_ASKED, lines or ("nothing was asked",))
    return Verdict(0, (f"{len(asked)} libraries have no known vulnerability",))


def _dependencies(document: object) -> list[tuple[str, str, list[str]]]:
    """Return of each its name and version, why it was not asked, and its advisories."""
    match document:
        case {"dependencies": list(rows)} if rows:
            return [_dependency(row) for row in rows]
        case _:
            return [("a lock file", "pip-audit said nothing of it", [])]


def _dependency(row: object) -> tuple[str, str, list[str]]:
    match row:
        case {"name": str(name), "skip_reason": str(reason)}:
            return name, reason or "no reason was given", []
        case {"name": str(name), "version": str(version), "vulns": list(vulns)}:
            return f"{name} {version}", "", [_advisory(vuln) for vuln in vulns]
        case _:
            return "a library", "pip-audit said it in a way that is not known here", []


def _advisory(vuln: object) -> str:
    match vuln:
        case {"id": str(name), "fix_versions": [*mended]} if mended:
            return f"{name}, mended in {', '.join(str(version) for version in mended)}"
        case {"id": str(name)}:
            return f"{name}, not mended yet"
        case _:
            return "an advisory that is not known here"


def look_up(locked: str) -> object:
    """Return what pip-audit writes about a lock file; None if it writes nothing of use."""
    argv = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"]
    argv += ["--progress-spinner", "off", "--format", "json", "-r", locked]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=False)
        document: object = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return document


def main() -> int:
    """Look each lock file up, and say what was found."""
    judged = verdict([look_up(locked) for locked in sys.argv[1:]])
    print("\n".join(judged.lines))
    return judged.status


if __name__ == "__main__":
    sys.exit(main())
