"""The checks of devices: what is wrong with one, and what they hang on."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic
from hubcore.device.state import DeviceFault

ROWS: Mapping[CheckId, Check] = {
    CheckId.DEVICES_JAMMED: Check(
        topic=Topic.DEVICES_JAMMED,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="Jammed, it tried to move and could not: {devices}.",
        remedy="Look at what stands in its way, then give the command again.",
    ),
    CheckId.DEVICES_REFUSE: Check(
        topic=Topic.DEVICES_REFUSE,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="The device said no to its last command: {devices}.",
        remedy="Look whether it is blocked or locked at the device itself, then try again.",
    ),
    CheckId.DEVICES_DEAD: Check(
        topic=Topic.DEVICES_DEAD,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="No answer, while others on the same line or network answer: {devices}.",
        remedy="Check its power and its battery. The hub asks it again by itself.",
    ),
    CheckId.DEVICES_GONE: Check(
        topic=Topic.DEVICES_GONE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="Its stick, adapter or serial line is not there, or in use: {devices}.",
        remedy=(
            "Plug it in again. The hub finds it by its path: ls -l /dev/serial/by-id. "
            "If it is there: sudo fuser -v on that path (package psmisc)."
        ),
    ),
    CheckId.DEVICES_SERVICE: Check(
        topic=Topic.DEVICES_SERVICE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="The program that drives it does not run or does not answer: {devices}.",
        remedy=(
            "The hub tries again by itself. "
            "See: sudo /opt/hubd/bin/hubd --check-config; journalctl -b -u 'hubd*'."
        ),
    ),
    CheckId.DEVICES_VERSION: Check(
        topic=Topic.DEVICES_VERSION,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="The Z-Wave service is of a version that hubd does not know: {devices}.",
        remedy="Install the version that comes with hubd (docs/hub.md, Devices).",
    ),
    CheckId.DEVICES_NOT_SECURE: Check(
        topic=Topic.DEVICES_NOT_SECURE,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="Joined without the security that a lock needs: {devices}.",
        remedy=(
            "It gets no commands. Exclude it, and include it again: by S2 Access Control with its "
            "DSK, or by S0 where OpenZWave drives it."
        ),
    ),
    CheckId.DEVICES_TAMPERED: Check(
        topic=Topic.DEVICES_TAMPERED,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="Opened or tampered with: {devices}.",
        remedy="Go and look. Close its cover.",
    ),
    CheckId.DEVICES_WEAK: Check(
        topic=Topic.DEVICES_WEAK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="The battery is low: {devices}.",
        remedy="Bring a new battery.",
    ),
    CheckId.DEVICES_STRANGE: Check(
        topic=Topic.DEVICES_STRANGE,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="What answers is not of the kind that the configuration names: {devices}.",
        remedy=(
            "Compare kind, port, relays and address with the board, or node, endpoint and "
            "capability with the Z-Wave device. hubd never guesses a kind."
        ),
    ),
    CheckId.OPENZWAVE_MISSING: Check(
        topic=Topic.OPENZWAVE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="OpenZWave is not installed: {missing}; its devices are unknown, doors open",
        remedy="see docs/hub.md, Z-Wave by OpenZWave",
    ),
    CheckId.OPENZWAVE_KEY: Check(
        topic=Topic.OPENZWAVE,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="compare network_key of [openzwave]; see docs/hub.md, Z-Wave by OpenZWave",
    ),
    CheckId.ZWAVE_MISSING: Check(
        topic=Topic.ZWAVE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="The Z-Wave service is not installed: there is no {missing}",
        remedy="in the clone of hubd: sudo make install-zwave",
    ),
    CheckId.ZWAVE_SILENT: Check(
        topic=Topic.ZWAVE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="The Z-Wave service cannot be reached at {socket}: {why}",
        remedy="sudo systemctl enable --now hubd-zwave; see: journalctl -b -u hubd-zwave",
    ),
    CheckId.ZWAVE_STICK: Check(
        topic=Topic.ZWAVE,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{stick}: there is no such Z-Wave stick",
        remedy=(
            "plug it in, or see: ls -l /dev/serial/by-id. Another path stands twice: as stick "
            "of [zwave], and in the service (docs/hub.md, Z-Wave)"
        ),
    ),
    CheckId.PORT_MISSING: Check(
        topic=Topic.PORTS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{port}: there is no such serial port",
        remedy="plug the board in, or see: ls -l /dev/serial/by-id",
    ),
    CheckId.PORT_NO_LINE: Check(
        topic=Topic.PORTS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{port}: expected a serial port, found something else",
        remedy="see: ls -lL {port}",
    ),
    CheckId.PORT_NOT_OURS: Check(
        topic=Topic.PORTS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{port}: hubd may not use it (group {group}, mode {mode:03o})",
        remedy=(
            "it must be of group dialout and mode 660: "
            "sudo chown root:dialout {port}; sudo chmod 660 {port}"
        ),
    ),
    CheckId.PORT_SHARED: Check(
        topic=Topic.PORTS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{port}: it is the same port as that of {other}",
        remedy=(
            "a serial line is for one program: mend port of [[relay_boards]] or of [openzwave], "
            "stick of [zwave], or device of [[readers]]"
        ),
    ),
}

CHECK_OF_FAULT: Mapping[DeviceFault, CheckId] = {
    DeviceFault.JAMMED: CheckId.DEVICES_JAMMED,
    DeviceFault.REFUSED: CheckId.DEVICES_REFUSE,
    DeviceFault.DEAD: CheckId.DEVICES_DEAD,
    DeviceFault.INTERFACE_GONE: CheckId.DEVICES_GONE,
    DeviceFault.SERVICE_GONE: CheckId.DEVICES_SERVICE,
    DeviceFault.WRONG_VERSION: CheckId.DEVICES_VERSION,
    DeviceFault.NOT_SECURE: CheckId.DEVICES_NOT_SECURE,
    DeviceFault.TAMPERED: CheckId.DEVICES_TAMPERED,
    DeviceFault.BATTERY_LOW: CheckId.DEVICES_WEAK,
    DeviceFault.STRANGE: CheckId.DEVICES_STRANGE,
}
"""What stands while a device has a fault; its only field is `devices`."""

CHECK_OF_LOCK_FAULT: Mapping[DeviceFault, CheckId] = {
    **CHECK_OF_FAULT,
    DeviceFault.JAMMED: CheckId.LOCKS_JAMMED,
    DeviceFault.REFUSED: CheckId.LOCKS_REFUSE,
    DeviceFault.DEAD: CheckId.LOCKS_DEAD,
    DeviceFault.BATTERY_LOW: CheckId.LOCKS_WEAK,
}
"""The same of a device that is the lock of a door."""
