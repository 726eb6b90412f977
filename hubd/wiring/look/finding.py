"""One thing that a check of the configuration has found, and what it asks of its reader."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from hubcore.checks import CHECKS, Area, CheckId, Class, Problem, Severity, problem


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


class Finding(Struct, frozen=True):
    """One thing found: its kind, what it is about in a word or two, and a sentence.

    `check` and `area` are those of the table of checks, None for what is no row of it.
    """

    kind: FindingKind
    about: str
    text: str
    check: CheckId | None = None
    area: Area | None = None


KIND_OF_CLASS: Mapping[Class, FindingKind] = {
    Class.SETUP: FindingKind.WRONG,
    Class.MACHINE: FindingKind.UNAVAILABLE,
    Class.CERTIFICATE: FindingKind.NOT_VALID,
    Class.BACKEND: FindingKind.UNAVAILABLE,
    Class.EVIDENCE: FindingKind.UNAVAILABLE,
}
"""The kind of a finding that is an error, by who can mend it."""


def fact(about: str, text: str) -> Finding:
    """Return a finding that only tells."""
    return Finding(FindingKind.FACT, about, text)


def found(check: CheckId, about: str, **fields: object) -> Finding:
    """Return the finding of a check; `about` begins its line."""
    return finding(problem(check, **fields), about)


def finding(told: Problem, about: str) -> Finding:
    """Return the finding of a problem; `about` begins its line."""
    if told.severity is Severity.WARNING:
        return Finding(FindingKind.WARNING, about, told.line, told.check, told.area)
    class_ = CHECKS[told.check].class_
    return Finding(KIND_OF_CLASS[class_], about, told.line, told.check, told.area)
