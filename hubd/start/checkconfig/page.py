"""What a check found, as a page for a technician, as JSON for a script, and as an exit status.

Laws: the first line says whether all is right, and nothing that is wrong stands below a "right";
what must be mended comes before what should be looked at, and that before plain facts. Exit status:
0 right, 78 configuration or keys are wrong and hubd does not start, 69 it starts, but the machine
has not what they name or phones refuse the certificate, 77 it takes root to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

from hubd.upkeep.checks import CHECKS, CheckId, Class, Problem, Severity, problem

EX_OK = 0
EX_UNAVAILABLE = 69
EX_NOPERM = 77
EX_CONFIG = 78


class FindingKind(StrEnum):
    """What a finding asks of its reader; in the order of the page."""

    WRONG = "wrong"
    """The configuration or a key must be mended."""
    UNAVAILABLE = "not there"
    """The machine has not what the configuration names, or does not give it."""
    NOT_VALID = "not valid"
    """hubd starts with it, and phones refuse it."""
    UNKNOWN = "unknown"
    """It takes root to tell."""
    WARNING = "look at"
    """It works, and somebody should know."""
    FACT = "fact"
    """To be compared with the order."""


_STATUS = {
    FindingKind.WRONG: EX_CONFIG,
    FindingKind.UNAVAILABLE: EX_UNAVAILABLE,
    FindingKind.NOT_VALID: EX_UNAVAILABLE,
    FindingKind.UNKNOWN: EX_NOPERM,
}
_TO_MEND = frozenset({FindingKind.WRONG, FindingKind.UNAVAILABLE, FindingKind.NOT_VALID})
_KINDS = tuple(FindingKind)


class Finding(Struct, frozen=True):
    """One thing found: its kind, what it is about in a word or two, and a sentence."""

    kind: FindingKind
    about: str
    text: str


KIND_OF_CLASS: Mapping[Class, FindingKind] = {
    Class.SETUP: FindingKind.WRONG,
    Class.MACHINE: FindingKind.UNAVAILABLE,
    Class.CERTIFICATE: FindingKind.NOT_VALID,
    Class.BACKEND: FindingKind.UNAVAILABLE,
    Class.EVIDENCE: FindingKind.UNAVAILABLE,
}
"""The kind of a finding that is an error, by who can mend it."""


def found(check: CheckId, about: str, **fields: object) -> Finding:
    """Return the finding of a check; `about` begins its line."""
    return finding(problem(check, **fields), about)


def finding(told: Problem, about: str) -> Finding:
    """Return the finding of a problem; `about` begins its line."""
    kind = (
        FindingKind.WARNING
        if told.severity is Severity.WARNING
        else KIND_OF_CLASS[CHECKS[told.check].class_]
    )
    return Finding(kind, about, told.line)


def status(findings: Sequence[Finding]) -> int:
    """Return the exit status: the gravest finding's."""
    found = {finding.kind for finding in findings}
    return next((code for kind, code in _STATUS.items() if kind in found), EX_OK)


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of the page."""
    wrong = sum(finding.kind in _TO_MEND for finding in findings)
    if wrong:
        yield f"NOT right: {wrong} thing{'s' if wrong > 1 else ''} to mend"
    elif status(findings):
        yield "not known to be right"
    else:
        yield "right: the configuration, the keys and what they name"
    for finding in sorted(findings, key=lambda finding: _KINDS.index(finding.kind)):
        head = (
            finding.about
            if finding.kind is FindingKind.FACT
            else f"{finding.kind}: {finding.about}"
        )
        yield f"{head}: {finding.text}"


def encode(findings: Sequence[Finding]) -> str:
    """Return the findings as JSON."""
    return msgspec.json.encode(list(findings)).decode()


def decode(text: str) -> list[Finding]:
    """Read what `encode` has made. Raise ValueError."""
    return msgspec.json.decode(text, type=list[Finding])
