"""The checks of the radio: BlueZ, its adapter, its settings, and who is paired."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic

ROWS: Mapping[CheckId, Check] = {
    CheckId.RADIO_DOWN: Check(
        topic=Topic.RADIO,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "The hub tries again by itself. "
            "Check the adapter: bluetoothctl list; systemctl status bluetooth; rfkill list. "
            "If bluetoothd is missing: sudo apt install bluez. "
            "If the problem stays: sudo systemctl restart bluetooth, "
            "then plug the adapter in again."
        ),
        afar=("Its radio is down: no phone reaches it."),
    ),
    CheckId.BLUETOOTHD_MISSING: Check(
        topic=Topic.RADIO,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="BlueZ is not installed",
        remedy="type: sudo apt install bluez",
    ),
    CheckId.BLUETOOTHD_MASKED: Check(
        topic=Topic.RADIO,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="bluetooth.service is masked",
        remedy="type: sudo systemctl unmask --now bluetooth",
    ),
    CheckId.BLUETOOTHD_STOPPED: Check(
        topic=Topic.RADIO,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="bluetoothd is not running",
        remedy="type: sudo systemctl start bluetooth; systemctl status bluetooth says why not",
    ),
    CheckId.BLUETOOTHD_UNKNOWN: Check(
        topic=Topic.RADIO,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="could not find out whether bluetoothd is running: {said}",
        remedy="see: systemctl status bluetooth",
    ),
    CheckId.ADAPTER_MISSING: Check(
        topic=Topic.RADIO,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="this machine has no working Bluetooth adapter",
        remedy="plug one in, or see: rfkill list; sudo dmesg | grep -i bluetooth",
    ),
    CheckId.ADAPTER_UNFIT: Check(
        topic=Topic.RADIO,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{said}",
        remedy="see: bluetoothctl list; rfkill list",
    ),
    CheckId.BLUEZ_SETTINGS: Check(
        topic=Topic.BLUEZ,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="{why}",
        remedy=(
            "Doors still open. "
            "Check that /usr/lib/hubd/bluez-main.conf and its drop-in are there (make install), "
            "then: sudo systemctl daemon-reload; sudo systemctl restart bluetooth."
        ),
        afar=("The Bluetooth service does not have the settings that hubd needs."),
    ),
    CheckId.PAIRED: Check(
        topic=Topic.PAIRING,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="{why}",
        remedy=(
            "Doors still open. "
            "If nobody paired it on purpose: bluetoothctl devices Paired; "
            "then bluetoothctl remove ADDRESS."
        ),
        afar=("A device is paired with its Bluetooth adapter."),
    ),
}
