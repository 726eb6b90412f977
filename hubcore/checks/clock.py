"""The checks of the clock, and of the epochs that hang on it."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic

_SET_IT = (
    "set it: sudo timedatectl set-ntp true, where there is a network, "
    "or sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS'"
)
_NO_RTC = (
    "A hub without a battery-backed clock (RTC) and without a time source "
    "needs this after each loss of power."
)

ROWS: Mapping[CheckId, Check] = {
    CheckId.CLOCK_BEFORE_BUILD: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=(
            "The clock says {now}, "
            "which is before this software was built or this hub was certified."
        ),
        remedy=f"First {_SET_IT}. Until then no phone opens a door. {_NO_RTC}",
        afar=("Its clock says a time before this software was built or this hub was certified."),
    ),
    CheckId.CLOCK_BEHIND_RECORDS: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="The clock says {now}, but the records prove that {proven} has passed.",
        remedy=(
            "Compare with a watch. If the clock is right: sudo hubctl clock trust. "
            f"If not, {_SET_IT}. A backend whose time agrees does the same. "
            "Until then no phone opens a door."
        ),
        afar=("Its clock says a time before that of its newest records."),
    ),
    CheckId.CLOCK_CONTRADICTED: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=(
            "The clock says {now}, the backend's is {apart}, and nothing else says which is right."
        ),
        remedy=(
            "Compare with a watch. If this hub's clock is right: sudo hubctl clock trust; then "
            f"have the backend's set. If not, {_SET_IT}. Until then no card opens a door, and a "
            "phone only by its full proof."
        ),
        afar=("Its clock and the backend's are far apart, and nothing else says which is right."),
    ),
    CheckId.CLOCK_APART: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="The clock says {now}, and the backend's is {apart}.",
        remedy=(
            "Compare both with a watch. If this hub's clock is wrong: timedatectl; see who sets "
            f"it, then {_SET_IT}. If the backend's is wrong, have it set."
        ),
        afar=("Its clock and the backend's are apart."),
    ),
    CheckId.TIME_SERVICE_NONE: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="none keeps this machine's clock: the kernel calls it unsynchronised",
        remedy=(
            "see: timedatectl; with a network: sudo apt install systemd-timesyncd, or chrony with "
            "authenticated time (NTS)"
        ),
    ),
    CheckId.CLOCK_UNCONFIRMED: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause=(
            "The clock says {now}, and nothing has confirmed it: no backend, no time service, "
            "no phone by the full path."
        ),
        remedy=(
            "Compare with a watch. If the clock is right: sudo hubctl clock trust. "
            f"If not, {_SET_IT}. "
            "A phone refuses a hub whose clock is wrong by more than a few minutes. "
            f"{_NO_RTC}"
        ),
        afar=(
            "Nothing has confirmed its clock: no backend, no time service, "
            "no phone by the full path."
        ),
    ),
    CheckId.RTC_NONE: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause=(
            "this machine has no clock that runs without power (there is no /dev/rtc*): "
            "after a power cut and without a network no phone opens a door until the time is right "
            "again, by NTP or by the backend"
        ),
        remedy=(
            "or by hand: sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS', then: "
            "sudo hubctl clock trust"
        ),
    ),
    CheckId.RTC_UNREADABLE: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="/dev/{rtc} cannot be read",
        remedy="see: sudo hwclock --show",
    ),
    CheckId.RTC_FLAT: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="/dev/{rtc} stands at {shown}: its battery is flat or missing, or it was never set",
        remedy=(
            "when the time is right: sudo hwclock -w. "
            "After a power cut without a network no phone opens a door"
        ),
    ),
    CheckId.EPOCH_NONE: Check(
        topic=Topic.EPOCH,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="There is no epoch key yet: phones are told that the hub is busy.",
        remedy=(
            "Wait: making an RSA key takes a small board up to a minute. "
            "If this does not end, see the journal."
        ),
    ),
}
