"""One table of all that can be wrong with a hub: its severity, who can mend it, cause and remedy.

Laws:
1. Whoever sees that something is wrong names a check and its fields. All sentences are in this
   table; the fields `why` and `said` hold the words of an error or of a command.
2. `hubctl status`, the journal and `hubd --check-config` show these sentences to a technician who
   stands at the hub.
3. A topic has at most one standing check: a graver one takes the place of a lesser one.
4. A remedy names only commands that come with hubd or with a Debian system.

The file is long because it is one table: whoever looks for a sentence finds it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hubcore.backend.uplink.words import Cause
from hubcore.device.state import DeviceFault
from hubcore.evidence.statecheck import Doubt
from hubcore.phone.certificates import DAY_SECONDS, CertificateState, judge
from hubcore.ports.reader import ReaderFault
from hubcore.timing.moment import show_seconds


class Severity(StrEnum):
    """How grave it is."""

    ERROR = "error"
    """A door may not open, or evidence is in danger."""
    WARNING = "warning"
    """The hub works, but somebody must look."""


class Class(StrEnum):
    """Who can mend it."""

    SETUP = "setup"
    """The installer: the configuration is wrong."""
    MACHINE = "machine"
    """The technician at the hub: something is missing or wrong on the machine."""
    CERTIFICATE = "certificate"
    """The issuer: phones refuse the hub."""
    BACKEND = "backend"
    """Whoever looks after the backend."""
    EVIDENCE = "evidence"
    """Whoever answers for the site: the state or the records are not as hubd left them."""


class Topic(StrEnum):
    """What a check is about. `hubctl status` shows the topic as the id of the problem."""

    AUDIT = "audit"
    BACKEND = "backend"
    BLUEZ = "bluez"
    CERTIFICATE = "certificate"
    CLOCK = "clock"
    DEVICES_DEAD = "devices_dead"
    DEVICES_GONE = "devices_gone"
    DEVICES_JAMMED = "devices_jammed"
    DEVICES_NOT_SECURE = "devices_not_secure"
    DEVICES_REFUSE = "devices_refuse"
    DEVICES_SERVICE = "devices_service"
    DEVICES_STRANGE = "devices_strange"
    DEVICES_TAMPERED = "devices_tampered"
    DEVICES_VERSION = "devices_version"
    DEVICES_WEAK = "devices_weak"
    DISK = "disk"
    EPOCH = "epoch"
    EVIDENCE = "evidence"
    FORK = "fork"
    GAP = "gap"
    GPIO = "gpio"
    HOLD = "hold"
    INPUTS = "inputs"
    JOURNAL = "journal"
    KEYS = "keys"
    LINES = "lines"
    LOCKS = "locks"
    LOCKS_DEAD = "locks_dead"
    LOCKS_JAMMED = "locks_jammed"
    LOCKS_REFUSE = "locks_refuse"
    LOCKS_WEAK = "locks_weak"
    OUTBOX = "outbox"
    PAIRING = "pairing"
    OPENZWAVE = "openzwave"
    PORTS = "ports"
    RADIO = "radio"
    READERS = "readers"
    READER_CHATTERS = "reader-chatters"
    READER_GONE = "reader-gone"
    READER_LINE = "reader-line"
    READER_NOT_PROVEN = "reader-not-proven"
    READER_POWER = "reader-power"
    READER_TAMPER = "reader-tamper"
    RECORDS = "records"
    RELAY_STRIKES = "relay_strikes"
    STATE = "state"
    STRIKES = "strikes"
    TAIL_CUT = "tail_cut"
    TWO_HUBS = "two_hubs"
    UNIT = "unit"
    UPLINK_KEY = "uplink_key"
    USES = "uses"
    ZWAVE = "zwave"


class Part(StrEnum):
    """A part of the hub that comes up and goes down, and says why."""

    AUDIT = "audit"
    BLUEZ = "bluez"
    GPIO = "gpio"
    INPUTS = "inputs"
    LOCKS = "locks"
    PAIRING = "pairing"
    RADIO = "radio"
    READERS = "readers"
    RELAY_STRIKES = "relay_strikes"
    STRIKES = "strikes"


class CheckId(StrEnum):
    """The name of a row of CHECKS."""

    ADAPTER_MISSING = "adapter-missing"
    ADAPTER_UNFIT = "adapter-unfit"
    AUDIT_DOWN = "audit-down"
    BACKEND_AWAY = "backend-away"
    BLUETOOTHD_MASKED = "bluetoothd-masked"
    BLUETOOTHD_MISSING = "bluetoothd-missing"
    BLUETOOTHD_STOPPED = "bluetoothd-stopped"
    BLUETOOTHD_UNKNOWN = "bluetoothd-unknown"
    BLUEZ_SETTINGS = "bluez-settings"
    CERTIFICATE_ENDED = "certificate-ended"
    CERTIFICATE_ENDING = "certificate-ending"
    CERTIFICATE_NOT_YET = "certificate-not-yet"
    CLOCK_APART = "clock-apart"
    CLOCK_BEFORE_BUILD = "clock-before-build"
    CLOCK_BEHIND_RECORDS = "clock-behind-records"
    CLOCK_CONTRADICTED = "clock-contradicted"
    CLOCK_UNCONFIRMED = "clock-unconfirmed"
    DATABASE_NOT_OURS = "database-not-ours"
    DEVICES_DEAD = "devices-dead"
    DEVICES_GONE = "devices-gone"
    DEVICES_JAMMED = "devices-jammed"
    DEVICES_NOT_SECURE = "devices-not-secure"
    DEVICES_REFUSE = "devices-refuse"
    DEVICES_SERVICE = "devices-service"
    DEVICES_STRANGE = "devices-strange"
    DEVICES_TAMPERED = "devices-tampered"
    DEVICES_VERSION = "devices-version"
    DEVICES_WEAK = "devices-weak"
    DISK_LOW = "disk-low"
    DISK_SHORT = "disk-short"
    EPOCH_NONE = "epoch-none"
    EVIDENCE_STUCK = "evidence-stuck"
    FORK = "fork"
    GAP = "gap"
    GPIO_OUTLIVES_GUARD = "gpio-outlives-guard"
    HOLD_IMPOSSIBLE = "hold-impossible"
    INPUTS_DOWN = "inputs-down"
    JOURNAL_HELD = "journal-held"
    JOURNAL_HELD_LONG = "journal-held-long"
    JOURNAL_GROWN = "journal-grown"
    JOURNAL_GROWN_LONG = "journal-grown-long"
    KEYS_NOT_HANDED_OVER = "keys-not-handed-over"
    KEY_DAMAGED = "key-damaged"
    KEY_IS_A_FOLDER = "key-is-a-folder"
    KEY_MISSING = "key-missing"
    KEY_NOT_A_FILE = "key-not-a-file"
    KEY_NOT_IN_UNIT = "key-not-in-unit"
    KEY_NOT_OPENED = "key-not-opened"
    KEY_NOT_ROOTS = "key-not-roots"
    KEY_NOT_SEALED = "key-not-sealed"
    KEY_PLAIN_LEFT = "key-plain-left"
    KEY_READABLE = "key-readable"
    KEY_SEALED_ELSEWHERE = "key-sealed-elsewhere"
    KEY_SEALED_FOR_ANOTHER = "key-sealed-for-another"
    KEY_SEAL_ENDED = "key-seal-ended"
    KEY_STORE_NOT_ROOTS = "key-store-not-roots"
    KEY_TOO_LARGE = "key-too-large"
    KEY_UNKNOWN = "key-unknown"
    KEY_UNREADABLE = "key-unreadable"
    KEY_WRITABLE = "key-writable"
    LINE_IN_USE = "line-in-use"
    LINE_NOT_OF_HEADER = "line-not-of-header"
    LINE_NOT_NAMED = "line-not-named"
    LINE_SHARED = "line-shared"
    LOCKS_DEAD = "locks-dead"
    LOCKS_JAMMED = "locks-jammed"
    LOCKS_OPEN = "locks-open"
    LOCKS_REFUSE = "locks-refuse"
    LOCKS_WEAK = "locks-weak"
    LOG_MISSING = "log-missing"
    LOG_REPLACED = "log-replaced"
    OUTBOX_EDITED = "outbox-edited"
    PAIRED = "paired"
    POLICY_DAMAGED = "policy-damaged"
    POLICY_EDITED = "policy-edited"
    POLICY_MISSING = "policy-missing"
    POLICY_OLDER = "policy-older"
    POLICY_UNPROVEN = "policy-unproven"
    OPENZWAVE_KEY = "openzwave-key"
    OPENZWAVE_MISSING = "openzwave-missing"
    PORT_MISSING = "port-missing"
    PORT_NO_LINE = "port-no-line"
    PORT_NOT_OURS = "port-not-ours"
    PORT_SHARED = "port-shared"
    RADIO_DOWN = "radio-down"
    READERS_DOWN = "readers-down"
    READER_CHATTERS = "reader-chatters"
    READER_GONE = "reader-gone"
    READER_LIBRARY = "reader-library"
    READER_LINE_GONE = "reader-line-gone"
    READER_LINE_MISSING = "reader-line-missing"
    READER_LINE_NO_RIGHT = "reader-line-no-right"
    READER_LINE_TWICE = "reader-line-twice"
    READER_LINE_UNFIT = "reader-line-unfit"
    READER_NOT_PROVEN = "reader-not-proven"
    READER_NO_POWER = "reader-no-power"
    READER_TAMPERED = "reader-tampered"
    RECORDS_HELD = "records-held"
    RECORDS_OVER = "records-over"
    RECORDS_STAY = "records-stay"
    RELAY_STRIKES_DOWN = "relay-strikes-down"
    RTC_FLAT = "rtc-flat"
    RTC_NONE = "rtc-none"
    RTC_UNREADABLE = "rtc-unreadable"
    STATE_NO_FOLDER = "state-no-folder"
    STATE_NOT_A_FOLDER = "state-not-a-folder"
    STATE_NOT_OURS = "state-not-ours"
    STATE_OPEN_TO_OTHERS = "state-open-to-others"
    STATE_READ_ONLY = "state-read-only"
    STATE_UNREADABLE = "state-unreadable"
    STRIKES_DOWN = "strikes-down"
    TAIL_CUT = "tail-cut"
    SYSTEMD_UNKNOWN = "systemd-unknown"
    TIME_SERVICE_NONE = "time-service-none"
    TWO_HUBS = "two-hubs"
    UPLINK_KEY = "uplink-key"
    UNIT_MISSING = "unit-missing"
    USES_EDITED = "uses-edited"
    ZWAVE_MISSING = "zwave-missing"
    ZWAVE_SILENT = "zwave-silent"
    ZWAVE_STICK = "zwave-stick"


@dataclass(frozen=True, slots=True)
class Check:
    """One row. `cause` and `remedy` are templates of `str.format` with named fields.

    A cause that ends with a full stop is a sentence, and so is its remedy. Any other is the first
    half of a sentence, and its remedy is the second.
    """

    topic: Topic
    class_: Class
    severity: Severity
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong now: a check, with a value for each field that its texts name."""

    check: CheckId
    fields: Mapping[str, object]

    @property
    def id(self) -> Topic:
        """The topic that it stands under."""
        return CHECKS[self.check].topic

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


def problem(check: CheckId, **fields: object) -> Problem:
    """Fill in a row of the table."""
    return Problem(check, fields)


_SET_IT = (
    "set it: sudo timedatectl set-ntp true, where there is a network, "
    "or sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS'"
)
_NO_RTC = (
    "A hub without a battery-backed clock (RTC) and without a time source "
    "needs this after each loss of power."
)
_RENEW = (
    "have the issuer renew it for the same key: a backend sends it, and it is in force at once "
    "(at a desk: hubsim backend renew). Without a backend put it into {file}, "
    "then: sudo systemctl restart hubd. A new file is not read before."
)
_RENEW_SENTENCE = f"H{_RENEW[1:]}"
_MAKE_ROOM = (
    "Make room: sudo journalctl --vacuum-size=100M; sudo apt-get clean; "
    "see: sudo du -xh / | sort -h | tail -20."
)
_JOURNAL = (
    "{log}-wal has grown to {mebibytes:.0f} MiB: {who} reads the audit log and does not stop."
)
_JOURNAL_END = "End {who}."
_JOURNAL_FIND = "Find the program and end it: sudo fuser -v {log} (package psmisc)."
_SENT_AGAIN = (
    "No phone opens a door meanwhile. "
    "This ends when the backend has sent the policy; the hub has asked for it."
)
_OR_ACCEPT = "Without a backend: sudo hubctl accept-state, if you know why (it is recorded)."
_HELD = (
    "{mebibytes:.0f} MiB of records are not at the backend, so they stay: "
    "their budget in {log} is {budget:.0f} MiB."
)
_HELD_REMEDY = (
    "Doors still open, and nothing is removed. "
    "Bring the backend back: hubctl status says what keeps it away. "
    "Or give the records more room: records_mib in hubd.toml, then: sudo systemctl restart hubd."
)
_NO_RECORDS = "Doors still open for phones, but remote orders are refused and no record goes up."

CHECKS: Mapping[CheckId, Check] = {
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
    ),
    CheckId.STRIKES_DOWN: Check(
        topic=Topic.STRIKES,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "Compare strike of [[doors]] with gpioinfo (apt install gpiod), "
            "and check the group of /dev/gpiochip*."
        ),
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
    CheckId.READERS_DOWN: Check(
        topic=Topic.READERS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "No card opens a door meanwhile; phones do. The hub tries again by itself. "
            "If it stays: sudo /opt/hubd/bin/hubd --check-config."
        ),
    ),
    CheckId.READER_LIBRARY: Check(
        topic=Topic.READERS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="Phones open doors all the same.",
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
            "A new one of your own gets its key by: sudo hubctl reader install NAME."
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
    ),
    CheckId.INPUTS_DOWN: Check(
        topic=Topic.INPUTS,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy="Compare dps and rex of [[doors]] with gpioinfo (apt install gpiod).",
    ),
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
    CheckId.KEY_NOT_IN_UNIT: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="hubd.service hands over no credential {name}",
        remedy="type: sudo systemctl edit hubd, add LoadCredential={name}:hubd.{name}",
    ),
    CheckId.KEY_MISSING: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: there is no such file",
        remedy="{how}",
    ),
    CheckId.KEY_IS_A_FOLDER: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: expected {wanted}, found a folder in its place",
        remedy="type: sudo mv {file} {file}.aside",
    ),
    CheckId.KEY_NOT_A_FILE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: expected {wanted}, found something that is no regular file",
        remedy="type: ls -l {file}",
    ),
    CheckId.KEY_TOO_LARGE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: expected {wanted}, found {size} bytes, which systemd does not hand over",
        remedy="put the right file there",
    ),
    CheckId.KEY_NOT_SEALED: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: found plain in {folder}, but hubd.service expects it sealed",
        remedy="{how}",
    ),
    CheckId.KEY_SEALED_FOR_ANOTHER: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: it was sealed under another name, {other!r}",
        remedy="{how}",
    ),
    CheckId.KEY_SEAL_ENDED: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: its seal has expired (--not-after)",
        remedy="{how}",
    ),
    CheckId.KEY_SEALED_ELSEWHERE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause=(
            "{file}: this machine cannot open it: "
            "it was sealed on another machine (this disk or file comes from there), "
            "the TPM or /var/lib/systemd/credential.secret was replaced, or the file is damaged"
        ),
        remedy="{how} (systemd-creds: {said})",
    ),
    CheckId.KEY_DAMAGED: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: it is damaged, or is not a sealed key at all",
        remedy="{how} (systemd-creds: {said})",
    ),
    CheckId.KEY_NOT_OPENED: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: systemd-creds cannot open it: {said}",
        remedy="{how}",
    ),
    CheckId.KEY_UNKNOWN: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: could not find out whether it can be opened: {said}",
        remedy="see: systemd-creds --version",
    ),
    CheckId.KEY_NOT_ROOTS: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: it belongs to user {user}, who may replace it",
        remedy="type: sudo chown root:root {file}",
    ),
    CheckId.KEY_WRITABLE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: others may write it (mode {mode:03o})",
        remedy="type: sudo chmod 600 {file}",
    ),
    CheckId.KEY_READABLE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: a private key that others may read (mode {mode:03o})",
        remedy="type: sudo chmod 600 {file}",
    ),
    CheckId.KEY_UNREADABLE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: not even its owner may read it (mode {mode:03o})",
        remedy="type: sudo chmod 600 {file}",
    ),
    CheckId.KEY_STORE_NOT_ROOTS: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{folder}: users other than root can put files there (user {user}, mode {mode:03o})",
        remedy="type: sudo chown root:root {folder} && sudo chmod 700 {folder}",
    ),
    CheckId.KEY_PLAIN_LEFT: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.WARNING,
        cause="{file}: the plain key is still there beside the sealed one",
        remedy="type: sudo rm {file}",
    ),
    CheckId.KEYS_NOT_HANDED_OVER: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="systemd could not hand over the keys or run the check (status {status}): {said}",
        remedy="see: journalctl -e",
    ),
    CheckId.UNIT_MISSING: Check(
        topic=Topic.UNIT,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="hubd.service is not installed ({said})",
        remedy="type: make install",
    ),
    CheckId.SYSTEMD_UNKNOWN: Check(
        topic=Topic.UNIT,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="systemd, which hands over the keys, does not answer: {said}",
        remedy="see: systemctl status",
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
    CheckId.CLOCK_BEFORE_BUILD: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=(
            "The clock says {now}, "
            "which is before this software was built or this hub was certified."
        ),
        remedy=f"First {_SET_IT}. Until then no phone opens a door. {_NO_RTC}",
    ),
    CheckId.CLOCK_BEHIND_RECORDS: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="The clock says {now}, but the records prove that {proven} has passed.",
        remedy=(
            "Compare with a watch. If the clock is right: sudo hubctl trust-clock. "
            f"If not, {_SET_IT}. A backend whose time agrees does the same. "
            "Until then no phone opens a door."
        ),
    ),
    CheckId.CLOCK_CONTRADICTED: Check(
        topic=Topic.CLOCK,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=(
            "The clock says {now}, the backend's is {apart}, and nothing else says which is right."
        ),
        remedy=(
            "Compare with a watch. If this hub's clock is right: sudo hubctl trust-clock; then "
            f"have the backend's set. If not, {_SET_IT}. Until then no card opens a door, and a "
            "phone only by its full proof."
        ),
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
            "Compare with a watch. If the clock is right: sudo hubctl trust-clock. "
            f"If not, {_SET_IT}. "
            "A phone refuses a hub whose clock is wrong by more than a few minutes. "
            f"{_NO_RTC}"
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
            "sudo hubctl trust-clock"
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
    CheckId.CERTIFICATE_ENDED: Check(
        topic=Topic.CERTIFICATE,
        class_=Class.CERTIFICATE,
        severity=Severity.ERROR,
        cause="The hub's certificate ended on {ends}: phones refuse it.",
        remedy=_RENEW_SENTENCE,
    ),
    CheckId.CERTIFICATE_NOT_YET: Check(
        topic=Topic.CERTIFICATE,
        class_=Class.CERTIFICATE,
        severity=Severity.ERROR,
        cause="The hub's certificate begins on {begins}: phones refuse it until then.",
        remedy=f"Check this machine's clock: timedatectl. If it is right, {_RENEW}",
    ),
    CheckId.CERTIFICATE_ENDING: Check(
        topic=Topic.CERTIFICATE,
        class_=Class.CERTIFICATE,
        severity=Severity.WARNING,
        cause="The hub's certificate ends {left}, on {ends}: phones then refuse it.",
        remedy=_RENEW_SENTENCE,
    ),
    CheckId.BACKEND_AWAY: Check(
        topic=Topic.BACKEND,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The backend cannot be reached: {why}",
        remedy=(
            "Meanwhile the hub decides by itself and keeps its records. "
            "Check the network and [backend] endpoint. "
            "If it is about a key: the backend's own public key must be the one in {file}, "
            "and it must know this hub's; sudo /opt/hubd/bin/hubd --check-config shows both."
        ),
    ),
    CheckId.UPLINK_KEY: Check(
        topic=Topic.UPLINK_KEY,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The hub's own key for the backend is not as it ought to be: {why}.",
        remedy=(
            "The hub goes on with the key that it has: {key}. "
            "If the backend does not know that one, enrol the hub there again. "
            "If this stays after the next connection, see the journal: journalctl -u hubd."
        ),
    ),
    CheckId.TWO_HUBS: Check(
        topic=Topic.TWO_HUBS,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "Two machines speak to the backend as this hub: one is a copy, "
            "with its keys and its id. {held}"
        ),
        remedy=(
            "Doors still open for phones, but remote orders are refused. "
            "Decide on the backend's machine which one stays: "
            "hubsim backend --at SITE keep HUB BOOT. Give the other one an id and keys of its own."
        ),
    ),
    CheckId.FORK: Check(
        topic=Topic.FORK,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The backend holds records of this hub that differ from those here: "
            "the state directory was replaced, restored from a copy, or changed. {held}"
        ),
        remedy=(
            f"{_NO_RECORDS} "
            "Keep the old state directory if there is one: it is evidence. "
            "Check: sudo hubctl audit verify. "
            "If the state was replaced on purpose, on the backend's machine: "
            "hubsim backend --at SITE accept HUB. "
            "It keeps the old records under a name of their own."
        ),
    ),
    CheckId.GAP: Check(
        topic=Topic.GAP,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The backend waits for a record of this hub that does not come. "
            "It was lost among those that wait here, or at the backend. {held}"
        ),
        remedy=(
            f"{_NO_RECORDS} Check: sudo hubctl audit verify. "
            "To go on after the gap, on the backend's machine: hubsim backend --at SITE accept HUB."
        ),
    ),
    CheckId.TAIL_CUT: Check(
        topic=Topic.TAIL_CUT,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The backend holds newer records of this hub than there are here: "
            "the newest were deleted, or an older copy of the disk was put back. {held}"
        ),
        remedy=(
            f"{_NO_RECORDS} "
            "The records that are missing here are at the backend. "
            "Check: sudo hubctl audit verify. "
            "If an older copy was put back on purpose, on the backend's machine: "
            "hubsim backend --at SITE accept HUB. "
            "It keeps the old records under a name of their own."
        ),
    ),
    CheckId.EVIDENCE_STUCK: Check(
        topic=Topic.EVIDENCE,
        class_=Class.BACKEND,
        severity=Severity.ERROR,
        cause=(
            "The oldest of {waiting} records has waited {waited:.0f} s for the backend's receipt: "
            "{why}."
        ),
        remedy=(
            "The hub keeps them and decides by itself. "
            "Check the backend: is its disk full, does it report a fork? "
            "Then check here: sudo hubctl audit verify."
        ),
    ),
    CheckId.AUDIT_DOWN: Check(
        topic=Topic.AUDIT,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="{why}",
        remedy=(
            "No phone opens a door while nothing can be recorded. "
            "hubd goes on by itself when the cause has ended."
        ),
    ),
    CheckId.DISK_LOW: Check(
        topic=Topic.DISK,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="{mebibytes:.1f} MiB are left on the disk of {folder}.",
        remedy=_MAKE_ROOM,
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
    ),
    CheckId.JOURNAL_HELD: Check(
        topic=Topic.JOURNAL,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause=_JOURNAL,
        remedy=_JOURNAL_END,
    ),
    CheckId.JOURNAL_HELD_LONG: Check(
        topic=Topic.JOURNAL,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=_JOURNAL,
        remedy=_JOURNAL_END,
    ),
    CheckId.JOURNAL_GROWN: Check(
        topic=Topic.JOURNAL,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause=_JOURNAL,
        remedy=_JOURNAL_FIND,
    ),
    CheckId.JOURNAL_GROWN_LONG: Check(
        topic=Topic.JOURNAL,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause=_JOURNAL,
        remedy=_JOURNAL_FIND,
    ),
    CheckId.RECORDS_HELD: Check(
        topic=Topic.RECORDS,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause=_HELD,
        remedy=_HELD_REMEDY,
    ),
    CheckId.RECORDS_OVER: Check(
        topic=Topic.RECORDS,
        class_=Class.BACKEND,
        severity=Severity.ERROR,
        cause=_HELD,
        remedy=_HELD_REMEDY,
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
    ),
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
            "connection, or after `sudo systemctl restart hubd`. Then look at the disk: "
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
    ),
    CheckId.POLICY_UNPROVEN: Check(
        topic=Topic.STATE,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="The policy in the state directory is not proven by the issuer's signature.{more}",
        remedy=(
            f"{_SENT_AGAIN} Without a backend: stop hubd, move policy.db aside, start hubd, "
            "then: sudo hubctl accept-state. Nobody is revoked then."
        ),
    ),
    CheckId.LOG_MISSING: Check(
        topic=Topic.STATE,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="The audit log is gone from the state directory, but this hub is not new.{more}",
        remedy=f"Put the log back if you have it, and restart hubd. {_SENT_AGAIN} {_OR_ACCEPT}",
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

CHECK_OF_PART: Mapping[Part, CheckId] = {
    Part.AUDIT: CheckId.AUDIT_DOWN,
    Part.BLUEZ: CheckId.BLUEZ_SETTINGS,
    Part.GPIO: CheckId.GPIO_OUTLIVES_GUARD,
    Part.INPUTS: CheckId.INPUTS_DOWN,
    Part.LOCKS: CheckId.LOCKS_OPEN,
    Part.PAIRING: CheckId.PAIRED,
    Part.RADIO: CheckId.RADIO_DOWN,
    Part.READERS: CheckId.READERS_DOWN,
    Part.RELAY_STRIKES: CheckId.RELAY_STRIKES_DOWN,
    Part.STRIKES: CheckId.STRIKES_DOWN,
}
"""What stands while a part is down; its only field is `why`."""

CHECK_OF_DOUBT: Mapping[Doubt, CheckId] = {
    Doubt.POLICY_MISSING: CheckId.POLICY_MISSING,
    Doubt.POLICY_OLDER: CheckId.POLICY_OLDER,
    Doubt.POLICY_UNPROVEN: CheckId.POLICY_UNPROVEN,
    Doubt.LOG_MISSING: CheckId.LOG_MISSING,
    Doubt.LOG_REPLACED: CheckId.LOG_REPLACED,
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

CHECK_OF_CERTIFICATE: Mapping[CertificateState, CheckId | None] = {
    CertificateState.NOT_YET: CheckId.CERTIFICATE_NOT_YET,
    CertificateState.VALID: None,
    CertificateState.ENDING: CheckId.CERTIFICATE_ENDING,
    CertificateState.ENDED: CheckId.CERTIFICATE_ENDED,
}

CHECK_OF_HALT: Mapping[Cause, CheckId] = {
    Cause.TWO_HUBS: CheckId.TWO_HUBS,
    Cause.FORK: CheckId.FORK,
    Cause.GAP: CheckId.GAP,
    Cause.TAIL_CUT: CheckId.TAIL_CUT,
}
"""What stands after a Halt."""


def certificate_problem(begins: int, expires: int, now: float, file: str) -> Problem | None:
    """Return what is wrong with the certificate in `file`; all times in Unix seconds."""
    check = CHECK_OF_CERTIFICATE[judge(begins, expires, now)]
    if check is None:
        return None
    return problem(
        check,
        begins=show_seconds(begins),
        ends=show_seconds(expires),
        left=_left(int((expires - now) // DAY_SECONDS)),
        file=file,
    )


def _left(days: int) -> str:
    if days == 0:
        return "in less than a day"
    return "in 1 day" if days == 1 else f"in {days} days"
