"""The checks of the state directory: what it holds is what hubd left there."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic
from hubcore.evidence.statecheck import Doubt

_SENT_AGAIN = (
    "No phone opens a door meanwhile. "
    "This ends when the backend has sent the policy; the hub has asked for it."
)
_OR_ACCEPT = (
    "Without a backend: sudo hubctl policy load PATH, from a stick; "
    "or sudo hubctl state accept, if you know why. Each is recorded."
)

ROWS: Mapping[CheckId, Check] = {
    CheckId.OUTBOX_EDITED: Check(
        topic=Topic.OUTBOX,
        class_=Class.EVIDENCE,
        severity=Severity.WARNING,
        cause=(
            "audit.db was edited: "
            "{records} records neither waited for the backend nor were acknowledged by it."
        ),
        remedy=(
            "They wait again. Find out who writes to the state directory. "
            "This message goes away with a restart."
        ),
        afar=(
            "audit.db was edited: records neither waited for the backend "
            "nor were acknowledged by it."
        ),
    ),
    CheckId.USES_EDITED: Check(
        topic=Topic.USES,
        class_=Class.EVIDENCE,
        severity=Severity.WARNING,
        cause=(
            "audit.db was edited: "
            "{rows} rows of the table of spent uses did not fit what the records say."
        ),
        remedy=(
            "They were made again from the records, so the count is right. "
            "Find out who writes to the state directory. This message goes away with a restart."
        ),
        afar=(
            "audit.db was edited: rows of the table of spent uses did not fit what the records say."
        ),
    ),
    CheckId.POLICY_DAMAGED: Check(
        topic=Topic.STATE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=(
            "A page of policy.db is not the one that the issuer signed. "
            "Whoever is looked up in it is denied."
        ),
        remedy=(
            "The hub asks its backend for the page when it says Hello again: at its next "
            "connection, or after `sudo systemctl restart hubd`. Without a backend: "
            "`sudo hubctl policy load PATH`, from a stick. Then look at the disk: "
            "`sudo dmesg --level err,warn`."
        ),
    ),
    CheckId.POLICY_EDITED: Check(
        topic=Topic.STATE,
        class_=Class.EVIDENCE,
        severity=Severity.WARNING,
        cause="The policy's rows in policy.db did not match the document that the issuer signed.",
        remedy=(
            "They were built again from the document, so the policy is right. "
            "Find out who writes to the state directory. This message goes away with a restart."
        ),
    ),
    CheckId.POLICY_MISSING: Check(
        topic=Topic.STATE,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The policy is gone from the state directory; "
            "the audit log knows of version {expected}.{more}"
        ),
        remedy=f"{_SENT_AGAIN} {_OR_ACCEPT}",
        afar=("The policy is gone from the state directory, and the audit log knows of one."),
    ),
    CheckId.POLICY_OLDER: Check(
        topic=Topic.STATE,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The policy in the state directory is version {version}; "
            "the audit log knows of {expected}.{more}"
        ),
        remedy=f"{_SENT_AGAIN} {_OR_ACCEPT}",
        afar=(
            "The policy in the state directory is older than the one that the audit log knows of."
        ),
    ),
    CheckId.POLICY_UNPROVEN: Check(
        topic=Topic.STATE,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="The policy in the state directory is not proven by the issuer's signature.{more}",
        remedy=(
            f"{_SENT_AGAIN} Without a backend: sudo hubctl policy load PATH, from a stick. "
            "Without a stick: stop hubd, move policy.db aside, start hubd, "
            "then: sudo hubctl state accept. Nobody is revoked then."
        ),
        afar=("The policy in the state directory is not proven by the issuer's signature."),
    ),
    CheckId.LOG_MISSING: Check(
        topic=Topic.STATE,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="The audit log is gone from the state directory, but this hub is not new.{more}",
        remedy=f"Put the log back if you have it, and restart hubd. {_SENT_AGAIN} {_OR_ACCEPT}",
        afar=("The audit log is gone from the state directory, but this hub is not new."),
    ),
    CheckId.LOG_REPLACED: Check(
        topic=Topic.STATE,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The audit log in the state directory is older than this hub, "
            "or belongs to another.{more}"
        ),
        remedy=(
            f"Put the right log back if you have it, and restart hubd. {_SENT_AGAIN} {_OR_ACCEPT}"
        ),
        afar=(
            "The audit log in the state directory is older than this hub, or belongs to another."
        ),
    ),
    CheckId.STATE_UNREADABLE: Check(
        topic=Topic.STATE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{folder}: cannot be examined: {why}",
        remedy="type: ls -ld {folder} {parent}",
    ),
    CheckId.STATE_NO_FOLDER: Check(
        topic=Topic.STATE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{folder}: there is no such folder",
        remedy="type: sudo install -d -o hubd -g hubd -m 700 {folder}",
    ),
    CheckId.STATE_NOT_A_FOLDER: Check(
        topic=Topic.STATE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{folder}: expected a folder, found something else",
        remedy="type: ls -ld {folder}",
    ),
    CheckId.STATE_NOT_OURS: Check(
        topic=Topic.STATE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{folder}: hubd cannot use it (user {user}, mode {mode:03o})",
        remedy="type: sudo chown -R hubd:hubd {folder}; sudo chmod 700 {folder}",
    ),
    CheckId.STATE_OPEN_TO_OTHERS: Check(
        topic=Topic.STATE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{folder}: others may write there (mode {mode:03o})",
        remedy="type: sudo chmod 700 {folder}",
    ),
    CheckId.STATE_READ_ONLY: Check(
        topic=Topic.STATE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{folder}: hubd.service lets hubd write there only with ReadWritePaths={folder}",
        remedy="type: sudo systemctl edit hubd, and add it below [Service]",
    ),
    CheckId.DATABASE_NOT_OURS: Check(
        topic=Topic.STATE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{file}: hubd may not use it (user {user})",
        remedy="type: sudo chown hubd:hubd {file}",
    ),
}

CHECK_OF_DOUBT: Mapping[Doubt, CheckId] = {
    Doubt.POLICY_MISSING: CheckId.POLICY_MISSING,
    Doubt.POLICY_OLDER: CheckId.POLICY_OLDER,
    Doubt.POLICY_UNPROVEN: CheckId.POLICY_UNPROVEN,
    Doubt.LOG_MISSING: CheckId.LOG_MISSING,
    Doubt.LOG_REPLACED: CheckId.LOG_REPLACED,
}
