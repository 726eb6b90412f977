"""The checks of room on the disk: for the records, and beside them."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic

_MAKE_ROOM = (
    "Make room: sudo journalctl --vacuum-size=100M; sudo apt-get clean; "
    "see: sudo du -xh / | sort -h | tail -20."
)
_JOURNAL = (
    "{log}-wal has grown to {mebibytes:.0f} MiB: {who} reads the audit log and does not stop."
)
_JOURNAL_END = "End {who}."
_JOURNAL_FIND = "Find the program and end it: sudo fuser -v {log} (package psmisc)."
_HELD = (
    "{mebibytes:.0f} MiB of records are not at the backend, so they stay: "
    "their budget in {log} is {budget:.0f} MiB."
)
_HELD_REMEDY = (
    "Doors still open, and nothing is removed. "
    "Bring the backend back: hubctl status says what keeps it away. "
    "Or give the records more room: records_mib in hubd.toml, then: sudo systemctl restart hubd."
)

ROWS: Mapping[CheckId, Check] = {
    CheckId.AUDIT_DOWN: Check(
        topic=Topic.AUDIT,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "No phone opens a door while nothing can be recorded. "
            "hubd goes on by itself when the cause has ended."
        ),
        afar=("It cannot write its records."),
    ),
    CheckId.DISK_LOW: Check(
        topic=Topic.DISK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="{mebibytes:.1f} MiB are left on the disk of {folder}.",
        remedy=_MAKE_ROOM,
        afar=("Little room is left on its disk."),
    ),
    CheckId.DISK_SHORT: Check(
        topic=Topic.DISK,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=(
            "{mebibytes:.1f} MiB are left on the disk of {folder}. "
            "They are kept for the records of releases."
        ),
        remedy=_MAKE_ROOM,
        afar=("Hardly any room is left on its disk. The rest is kept for the records of releases."),
    ),
    CheckId.JOURNAL_HELD: Check(
        topic=Topic.JOURNAL,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause=_JOURNAL,
        remedy=_JOURNAL_END,
        afar=("A program reads its audit log and does not stop, so that the log's journal grows."),
        remedy_afar=("End the program that hubctl status names."),
    ),
    CheckId.JOURNAL_HELD_LONG: Check(
        topic=Topic.JOURNAL,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=_JOURNAL,
        remedy=_JOURNAL_END,
        afar=("A program has read its audit log for long, and the log's journal has grown large."),
        remedy_afar=("End the program that hubctl status names."),
    ),
    CheckId.JOURNAL_GROWN: Check(
        topic=Topic.JOURNAL,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause=_JOURNAL,
        remedy=_JOURNAL_FIND,
        afar=("A program reads its audit log and does not stop, so that the log's journal grows."),
        remedy_afar=("Find the program and end it: hubctl status names the file."),
    ),
    CheckId.JOURNAL_GROWN_LONG: Check(
        topic=Topic.JOURNAL,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=_JOURNAL,
        remedy=_JOURNAL_FIND,
        afar=("A program has read its audit log for long, and the log's journal has grown large."),
        remedy_afar=("Find the program and end it: hubctl status names the file."),
    ),
    CheckId.RECORDS_HELD: Check(
        topic=Topic.RECORDS,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause=_HELD,
        remedy=_HELD_REMEDY,
        afar=("Many records are not at the backend, so they stay and take their whole room."),
    ),
    CheckId.RECORDS_OVER: Check(
        topic=Topic.RECORDS,
        class_=Class.BACKEND,
        severity=Severity.ERROR,
        cause=_HELD,
        remedy=_HELD_REMEDY,
        afar=("Records that are not at the backend take more than their room."),
    ),
    CheckId.RECORDS_STAY: Check(
        topic=Topic.RECORDS,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="The records are above their budget, and the oldest do not hold: {why}.",
        remedy=(
            "Nothing is removed, so that it can be looked at: sudo hubctl audit verify. "
            "Compare with the backend's records."
        ),
        afar=("The records are above their budget, and the oldest do not hold."),
    ),
}
