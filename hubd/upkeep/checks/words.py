"""The words of the checks: their names, what they are about, how grave, and who mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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


class Area(StrEnum):
    """What it is about, as `hubctl doctor` groups the checks."""

    CONFIGURATION = "configuration"
    CONNECTIVITY = "connectivity"
    READINESS = "readiness"


AREA_OF: Mapping[Class, Area] = {
    Class.SETUP: Area.CONFIGURATION,
    Class.MACHINE: Area.READINESS,
    Class.CERTIFICATE: Area.READINESS,
    Class.BACKEND: Area.CONNECTIVITY,
    Class.EVIDENCE: Area.READINESS,
}


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
    TLS = "tls"
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
    NO_HUB_YET = "no-hub-yet"
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
    TLS_ENDED = "tls-ended"
    TLS_ENDING = "tls-ending"
    TLS_NOT_YET = "tls-not-yet"
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
