"""The checks of what moves and watches doors: strikes, locks, their lines and inputs."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic

ROWS: Mapping[CheckId, Check] = {
    CheckId.STRIKES_DOWN: Check(
        topic=Topic.STRIKES,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "Compare strike of [[doors]] with gpioinfo (apt install gpiod), "
            "and check the group of /dev/gpiochip*."
        ),
        afar=("Its strikes cannot be driven: no door with a strike opens."),
    ),
    CheckId.LOCKS_OPEN: Check(
        topic=Topic.LOCKS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "Go and look: the door may stand unlocked. Shut it, and lock it by hand. "
            "The hub tries to lock it again and again."
        ),
        afar=("A lock of a door could not be locked again."),
    ),
    CheckId.LOCKS_JAMMED: Check(
        topic=Topic.LOCKS_JAMMED,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="A lock of a door is jammed: {devices}.",
        remedy=("Shut the door, see that the bolt moves freely, and lock it once by hand."),
    ),
    CheckId.LOCKS_REFUSE: Check(
        topic=Topic.LOCKS_REFUSE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="A lock of a door said no to its last command: {devices}.",
        remedy=("Look whether it is blocked, or was switched off at the lock itself."),
    ),
    CheckId.LOCKS_DEAD: Check(
        topic=Topic.LOCKS_DEAD,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="A lock of a door does not answer: {devices}.",
        remedy=(
            "Look at its batteries; it is found again by itself. "
            "If the network has no such node, correct node of [[doors.movers]]."
        ),
    ),
    CheckId.LOCKS_WEAK: Check(
        topic=Topic.LOCKS_WEAK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="The battery of a lock of a door is low: {devices}.",
        remedy=("Doors still open. Put new batteries into it soon."),
    ),
    CheckId.HOLD_IMPOSSIBLE: Check(
        topic=Topic.HOLD,
        class_=Class.SETUP,
        severity=Severity.WARNING,
        cause="The policy's schedule would hold open {doors}, but a mover there may not be held.",
        remedy=(
            "If its coil stands being driven for ever, list the door's movers in [[doors.movers]] "
            "with continuous = true, then: sudo systemctl restart hubd. "
            "Otherwise take the schedule out of the policy."
        ),
    ),
    CheckId.RELAY_STRIKES_DOWN: Check(
        topic=Topic.RELAY_STRIKES,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "The other doors open. Plug the board in: it is found again by its path. "
            "See: ls -l /dev/serial/by-id. Compare [[relay_boards]] with the board."
        ),
        afar=("Strikes on a relay board cannot be driven."),
    ),
    CheckId.GPIO_OUTLIVES_GUARD: Check(
        topic=Topic.GPIO,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "Set dtparam=strict_gpiod in config.txt. "
            "Then a strike falls back even when its guard is killed."
        ),
        afar=("Its kernel keeps GPIO outputs driven when their process dies."),
    ),
    CheckId.GUARD_FORMER: Check(
        topic=Topic.GUARD,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="{why}",
        remedy=(
            "Doors open all the same, and it is tried again every few minutes. If it stays so: "
            "sudo systemctl restart hubd, at a quiet hour."
        ),
        afar=("The guard of its strikes is still the one of an older version."),
    ),
    CheckId.INPUTS_DOWN: Check(
        topic=Topic.INPUTS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="Compare dps and rex of [[doors]] with gpioinfo (apt install gpiod).",
        afar=("Its wired inputs (door contacts, exit buttons, fire) cannot be read."),
    ),
    CheckId.LINE_NOT_NAMED: Check(
        topic=Topic.LINES,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=(
            "{line}: replace {placeholder} with the chip that it is wired to, "
            "and the line with the one on that chip"
        ),
        remedy="gpiodetect and gpioinfo (apt install gpiod) show both",
    ),
    CheckId.LINE_SHARED: Check(
        topic=Topic.LINES,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{line} and {other} are the same pin, {pin}",
        remedy="give each its own line",
    ),
    CheckId.LINE_IN_USE: Check(
        topic=Topic.LINES,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{line}, {pin}, is in use by {consumer}",
        remedy="stop that program, or choose another line",
    ),
    CheckId.LINE_NOT_OF_HEADER: Check(
        topic=Topic.LINES,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="{line} is on chip {chip}",
        remedy="the pins of this board's header are those of chip {header}",
    ),
}
