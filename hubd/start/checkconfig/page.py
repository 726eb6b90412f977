"""What a check found, as a page for a technician, as JSON for a script, and as an exit status.

Laws:
1. The first line says whether all is right; nothing that is wrong stands below a "right".
2. What must be mended comes before what should be looked at, and that before plain facts.

Exit status:
0: right.
78: the configuration or a key is wrong, and hubd does not start.
69: hubd starts, but the machine has not what they name, or phones refuse the certificate.
77: it takes root to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from hubd.wiring.look.finding import Finding, FindingKind

EX_OK = 0
EX_UNAVAILABLE = 69
EX_NOPERM = 77
EX_CONFIG = 78


_STATUS = {
    FindingKind.WRONG: EX_CONFIG,
    FindingKind.UNAVAILABLE: EX_UNAVAILABLE,
    FindingKind.NOT_VALID: EX_UNAVAILABLE,
    FindingKind.UNKNOWN: EX_NOPERM,
}
_TO_MEND = frozenset({FindingKind.WRONG, FindingKind.UNAVAILABLE, FindingKind.NOT_VALID})
_KINDS = tuple(FindingKind)


def status(findings: Sequence[Finding]) -> int:
    """Return the exit status: the gravest finding's."""
    kinds = {finding.kind for finding in findings}
    for kind, code in _STATUS.items():
        if kind in kinds:
            return code
    return EX_OK


def text(findings: Sequence[Finding]) -> str:
    """Return the page."""
    return "\n".join(lines(findings))


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield _headline(findings)
    for finding in sorted(findings, key=_place_on_page):
        if finding.kind is FindingKind.FACT:
            yield f"{finding.about}: {finding.text}"
        else:
            yield f"{finding.kind}: {finding.about}: {finding.text}"


def _place_on_page(finding: Finding) -> int:
    return _KINDS.index(finding.kind)


def _headline(findings: Sequence[Finding]) -> str:
    wrong = sum(finding.kind in _TO_MEND for finding in findings)
    if wrong == 1:
        return "NOT right: 1 thing to mend"
    if wrong:
        return f"NOT right: {wrong} things to mend"
    if status(findings):
        return "not known to be right"
    return "right: the configuration, the keys and what they name"


def encode(findings: Sequence[Finding]) -> str:
    """Return the findings as JSON."""
    return msgspec.json.encode(list(findings)).decode()


def decode(encoded: str) -> list[Finding]:
    """Read what `encode` has made. Raise ValueError."""
    return msgspec.json.decode(encoded, type=list[Finding])
