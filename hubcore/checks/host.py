"""The checks of the machine around hubd: its service, who else comes in, its flash, its BlueZ."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic

ROWS: Mapping[CheckId, Check] = {
    CheckId.SERVICE_FAILED: Check(
        topic=Topic.SERVICE,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="hubd.service has failed ({why}), and systemd does not start it again",
        remedy="when the rest is right: sudo systemctl restart hubd",
    ),
    CheckId.SERVICE_RESTARTS: Check(
        topic=Topic.SERVICE,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="hubd ended {times} times by itself, and systemd has started it again",
        remedy=(
            "see why: journalctl -u hubd -p warning; then begin to count again: "
            "sudo systemctl restart hubd"
        ),
    ),
    CheckId.WATCHDOG_OFF: Check(
        topic=Topic.WATCHDOG,
        class_=Class.SETUP,
        severity=Severity.WARNING,
        cause="hubd.service has no watchdog: a hubd that hangs stays so",
        remedy="see: systemctl cat hubd; take the WatchdogSec= out of its drop-in",
    ),
    CheckId.UNIT_EXPOSED: Check(
        topic=Topic.EXPOSURE,
        class_=Class.SETUP,
        severity=Severity.WARNING,
        cause=(
            "systemd gives hubd.service an exposure of {level:.1f}, as shipped it has {most:.1f}: "
            "something has taken a limit away"
        ),
        remedy="see: systemctl cat hubd; systemd-analyze security hubd.service",
    ),
    CheckId.SOCKET_OPEN: Check(
        topic=Topic.SOCKET,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="{socket}: mode {mode:03o} lets in others than group hubd",
        remedy="type: sudo systemctl restart hubd; see who changed it",
    ),
    CheckId.PORT_LISTENS: Check(
        topic=Topic.LISTENING,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="a process of hubd.service listens on the network: {ports}; hubd never does",
        remedy="see: sudo ss -lntup; systemctl status hubd",
    ),
    CheckId.FLASH_WORN: Check(
        topic=Topic.WEAR,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="{disk} says that {used} of its life are used",
        remedy="plan a new one: every record needs it",
    ),
    CheckId.FLASH_ENDS: Check(
        topic=Topic.WEAR,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{disk} says that its life is over: {used}",
        remedy="replace it now, before it takes no record: then no phone opens a door",
    ),
    CheckId.BLUEZ_KNOWN_BAD: Check(
        topic=Topic.BLUEZ_VERSION,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="BlueZ {version}: {what} ({source})",
        remedy="{how}",
    ),
    CheckId.FIREWALL_DROPS: Check(
        topic=Topic.FIREWALL,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="{file} drops what goes out, and no rule that can be seen lets port {port} out",
        remedy="{how}; then: hubctl netcheck",
    ),
    CheckId.OFFLINE_LONG: Check(
        topic=Topic.OFFLINE,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause=(
            "The backend has been away for {hours:.1f} h. "
            "After {budget:.1f} h nobody is let in at: {doors}."
        ),
        remedy="Bring it back before: hubctl uplink says what keeps it away.",
    ),
    CheckId.OFFLINE_OVER: Check(
        topic=Topic.OFFLINE,
        class_=Class.BACKEND,
        severity=Severity.ERROR,
        cause=(
            "The backend has been away for {hours:.1f} h, longer than offline_hours_max of: "
            "{doors}. Nobody is let in there."
        ),
        remedy=(
            "Bring it back: hubctl uplink says what keeps it away. "
            "Or raise offline_hours_max in hubd.toml, then: sudo systemctl restart hubd."
        ),
    ),
}
