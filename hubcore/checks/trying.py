"""The rows of what is tried by `hubctl doctor --active`. They never stand: who asks is told."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic

ROWS: Mapping[CheckId, Check] = {
    CheckId.TRIED_DISK: Check(
        topic=Topic.TRIALS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="Look at the disk: sudo dmesg --level err,warn; see: df -h; mount.",
    ),
    CheckId.TRIED_BACKEND: Check(
        topic=Topic.TRIALS,
        class_=Class.BACKEND,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="See: hubctl uplink; then: hubctl netcheck.",
    ),
    CheckId.TRIED_RADIO: Check(
        topic=Topic.TRIALS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="See: bluetoothctl list; rfkill list; then: sudo systemctl restart bluetooth.",
    ),
    CheckId.TRIED_INPUTS: Check(
        topic=Topic.TRIALS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="Compare the inputs of [[doors]] with gpioinfo (apt install gpiod).",
    ),
    CheckId.TRIED_READER: Check(
        topic=Topic.TRIALS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="Look at its power, its wires and its address; hubctl status says what it has.",
    ),
    CheckId.TRIED_DEVICE: Check(
        topic=Topic.TRIALS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="Look at its batteries and its distance; hubctl devices says what it has.",
    ),
}
