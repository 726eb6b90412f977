"""One table of all that can be wrong with a hub: its severity, who can mend it, cause and remedy.

Laws:
1. Whoever sees that something is wrong names a check and its fields. All sentences are in this
   table; the fields `why` and `said` hold the words of an error or of a command.
2. `hubctl status`, the journal and `hubd --check-config` show these sentences to a technician who
   stands at the hub.
3. A topic has at most one standing check: a graver one takes the place of a lesser one.
4. A remedy names only commands that come with hubd or with a Debian system.
5. The table has a file for each subject. All rows of a topic are in one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubcore.checks import (
    backend,
    clock,
    devices,
    disk,
    doors,
    host,
    keys,
    radio,
    readers,
    state,
    trying,
)
from hubcore.checks.backend import CHECK_OF_BRIDGE, CHECK_OF_HALT
from hubcore.checks.devices import CHECK_OF_FAULT, CHECK_OF_LOCK_FAULT
from hubcore.checks.keys import CHECK_OF_CERTIFICATE, CHECK_OF_TLS
from hubcore.checks.readers import CHECK_OF_READER_FAULT
from hubcore.checks.state import CHECK_OF_DOUBT
from hubcore.checks.words import AREA_OF, Area, Check, CheckId, Class, Part, Severity, Topic
from hubcore.phone.certificates import DAY_SECONDS, CertificateState, judge
from hubcore.timing.moment import show_seconds

__all__ = [
    "AREA_OF",
    "CHECKS",
    "CHECK_OF_BRIDGE",
    "CHECK_OF_CERTIFICATE",
    "CHECK_OF_DOUBT",
    "CHECK_OF_FAULT",
    "CHECK_OF_HALT",
    "CHECK_OF_LOCK_FAULT",
    "CHECK_OF_PART",
    "CHECK_OF_READER_FAULT",
    "CHECK_OF_TLS",
    "SUBJECTS",
    "Area",
    "Check",
    "CheckId",
    "Class",
    "Part",
    "Problem",
    "Severity",
    "Standing",
    "Topic",
    "bridge_problem",
    "certificate_problem",
    "problem",
    "tls_problem",
]

SUBJECTS: tuple[Mapping[CheckId, Check], ...] = (
    radio.ROWS,
    doors.ROWS,
    readers.ROWS,
    devices.ROWS,
    keys.ROWS,
    clock.ROWS,
    backend.ROWS,
    disk.ROWS,
    state.ROWS,
    host.ROWS,
    trying.ROWS,
)
"""The rows of each file."""

CHECKS: Mapping[CheckId, Check] = {check: row for rows in SUBJECTS for check, row in rows.items()}

CHECK_OF_PART: Mapping[Part, CheckId] = {
    Part.AUDIT: CheckId.AUDIT_DOWN,
    Part.BLUEZ: CheckId.BLUEZ_SETTINGS,
    Part.GPIO: CheckId.GPIO_OUTLIVES_GUARD,
    Part.GUARD: CheckId.GUARD_FORMER,
    Part.INPUTS: CheckId.INPUTS_DOWN,
    Part.LOCKS: CheckId.LOCKS_OPEN,
    Part.PAIRING: CheckId.PAIRED,
    Part.RADIO: CheckId.RADIO_DOWN,
    Part.READERS: CheckId.READERS_DOWN,
    Part.RELAY_STRIKES: CheckId.RELAY_STRIKES_DOWN,
    Part.STRIKES: CheckId.STRIKES_DOWN,
}
"""What stands while a part is down; its only field is `why`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong now: a check, with a value for each field that its texts name."""

    check: CheckId
    fields: Mapping[str, object]
    parts: tuple[str, ...] = ()
    """The doors, devices or readers that it is about, by the ids of the configuration."""

    @property
    def id(self) -> Topic:
        """The topic that it stands under."""
        return CHECKS[self.check].topic

    @property
    def area(self) -> Area:
        """What it is about, for `hubctl doctor`."""
        return AREA_OF[CHECKS[self.check].class_]

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return CHECKS[self.check].severity

    @property
    def what(self) -> str:
        """The cause in a sentence."""
        return CHECKS[self.check].cause.format_map(self.fields)

    @property
    def remedy(self) -> str:
        """What to do, in a sentence."""
        return CHECKS[self.check].remedy.format_map(self.fields)

    @property
    def line(self) -> str:
        """Cause and remedy in one line."""
        is_sentence = CHECKS[self.check].cause.endswith(".")
        separator = " " if is_sentence else "; "
        return f"{self.what}{separator}{self.remedy}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A problem, and since when it has stood, in monotonic seconds."""

    problem: Problem
    since: float


def problem(check: CheckId, **fields: object) -> Problem:
    """Fill in a row of the table."""
    return Problem(check, fields)


def certificate_problem(begins: int, expires: int, now: float, file: str) -> Problem | None:
    """Return what is wrong with the certificate in `file`; all times in Unix seconds."""
    return _dated(CHECK_OF_CERTIFICATE, begins, expires, now, file=file)


def tls_problem(begins: int, expires: int, now: float, file: str) -> Problem | None:
    """Return what is wrong with the TLS certificate in `file`; all times in Unix seconds."""
    return _dated(CHECK_OF_TLS, begins, expires, now, file=file)


def bridge_problem(expires: int, now: float, bridge: str) -> Problem | None:
    """Return what is wrong with the certificate that a bridge has shown."""
    return _dated(CHECK_OF_BRIDGE, 0, expires, now, bridge=bridge)


def _dated(
    checks: Mapping[CertificateState, CheckId | None],
    begins: int,
    expires: int,
    now: float,
    **whose: str,
) -> Problem | None:
    check = checks[judge(begins, expires, now)]
    if check is None:
        return None
    return problem(
        check,
        begins=show_seconds(begins),
        ends=show_seconds(expires),
        left=_left(int((expires - now) // DAY_SECONDS)),
        **whose,
    )


def _left(days: int) -> str:
    if days == 0:
        return "in less than a day"
    return "in 1 day" if days == 1 else f"in {days} days"
