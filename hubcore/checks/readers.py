"""The checks of card readers and their lines."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic
from hubcore.ports.reader import ReaderFault

ROWS: Mapping[CheckId, Check] = {
    CheckId.READERS_DOWN: Check(
        topic=Topic.READERS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "No card opens a door meanwhile; phones do. The hub tries again by itself. "
            "If it stays: sudo /opt/hubd/bin/hubd --check-config."
        ),
        afar=("Its card readers are down."),
    ),
    CheckId.READER_LIBRARY: Check(
        topic=Topic.READERS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="Phones open doors all the same.",
        afar=("The library for card readers does not work: no card opens a door."),
    ),
    CheckId.READER_GONE: Check(
        topic=Topic.READER_GONE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="No answer from the readers: {readers}.",
        remedy=(
            "Check their power and the two wires of the line, and address and baud of [[readers]]. "
            "They come back by themselves."
        ),
    ),
    CheckId.READER_NOT_PROVEN: Check(
        topic=Topic.READER_NOT_PROVEN,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="Something answers that has not the key of the readers: {readers}.",
        remedy=(
            "Go and look whether somebody has replaced one: nothing that it says is believed. "
            "A new one of your own gets its key by: sudo hubctl reader NAME install."
        ),
    ),
    CheckId.READER_TAMPERED: Check(
        topic=Topic.READER_TAMPER,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="The case is open, or off the wall, of the readers: {readers}.",
        remedy="Go and look. This ends when the case is closed.",
    ),
    CheckId.READER_NO_POWER: Check(
        topic=Topic.READER_POWER,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="No power, but for a battery, at the readers: {readers}.",
        remedy="Check their supply.",
    ),
    CheckId.READER_LINE_GONE: Check(
        topic=Topic.READER_LINE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="The serial line is not there of the readers: {readers}.",
        remedy=(
            "Plug the adapter in. If it is: sudo /opt/hubd/bin/hubd --check-config "
            "says what is wrong with the line."
        ),
    ),
    CheckId.READER_CHATTERS: Check(
        topic=Topic.READER_CHATTERS,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="More cards or keys than a person can show come from the readers: {readers}.",
        remedy="Go and look: somebody tries cards by a machine, or the reader is broken.",
    ),
    CheckId.READER_LINE_MISSING: Check(
        topic=Topic.READER_LINE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{device}: there is no such serial line",
        remedy="plug the adapter in; type: ls -l /dev/serial/by-id",
    ),
    CheckId.READER_LINE_NO_RIGHT: Check(
        topic=Topic.READER_LINE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{device}: hubd may not use this serial line",
        remedy=(
            "type: sudo install -D -m 644 /usr/lib/hubd/readers.conf "
            "/etc/systemd/system/hubd.service.d/readers.conf && sudo systemctl daemon-reload"
        ),
    ),
    CheckId.READER_LINE_UNFIT: Check(
        topic=Topic.READER_LINE,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{device}: expected a serial line, found something else",
        remedy="type: ls -l /dev/serial/by-id",
    ),
    CheckId.READER_LINE_TWICE: Check(
        topic=Topic.READER_LINE,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{device} and {other} of [[readers]] are one serial line",
        remedy="write the same path for all readers on a line",
    ),
}

CHECK_OF_READER_FAULT: Mapping[ReaderFault, CheckId] = {
    ReaderFault.GONE: CheckId.READER_GONE,
    ReaderFault.NOT_PROVEN: CheckId.READER_NOT_PROVEN,
    ReaderFault.TAMPERED: CheckId.READER_TAMPERED,
    ReaderFault.NO_POWER: CheckId.READER_NO_POWER,
    ReaderFault.LINE_GONE: CheckId.READER_LINE_GONE,
    ReaderFault.CHATTERS: CheckId.READER_CHATTERS,
}
"""What stands while readers have a fault; its only field is `readers`."""
