"""The typed list of what records and events say: each fact's name, its types, how much is shown.

Laws:
1. A fact has one name and one meaning, in records and events alike.
2. The names stand in records that are kept for years: none is ever changed or used for something
   else.
3. A record holds everything. An event is for people who only look on: it shows only the beginning
   of what could name somebody.
4. A fact that is not in the list of its record or event is a mistake, and a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

Value = int | str | bytes | bool | None


class RecordKind(StrEnum):
    """What a record is about."""

    STARTED = "started"
    STOPPED = "stopped"
    ACCESS = "access"
    REMOTE = "remote"
    REFUSED = "refused"
    DOOR = "door"
    POLICY = "policy"
    FAULT = "fault"
    CLOCK = "clock"
    COMMAND = "command"
    """The backend commanded devices, and what became of it."""
    STATE = "state"
    READER = "reader"
    """What a reader beside the phones has: a fault that begins or ends, or a new key."""
    ORDER = "order"
    """An order that stands for a door: lockdown, no entry, hold open, fire; or its end."""
    BREAK = "break"
    """The backend says: these records do not follow mine, or are another machine's."""
    CERTIFICATE = "certificate"
    """A newer certificate of this hub came into force."""
    REVOCATION = "revocation"
    """A phone brought revocations that the policy in force does not have."""
    PASSBACK = "passback"
    """Somebody at the hub had it forget where people are."""
    ACT = "act"
    """Somebody at the hub did what has no kind of its own: took evidence along, changed a key."""


class EventName(StrEnum):
    """What an event is about. The journal, the counters and `hubctl tail` show these names."""

    ACCESS = "access"
    ACT = "act"
    AUDIT_FAILED = "audit_failed"
    CERTIFICATE = "certificate"
    CLOCK = "clock"
    COMMAND = "command"
    DEVICE_FAULT = "device_fault"
    DOOR = "door"
    DOOR_UNRECORDED = "door_unrecorded"
    DROP_FAILED = "drop_failed"
    LINK_FAULT = "link_fault"
    MODE = "mode"
    NOT_HELD = "not_held"
    NOT_NOTED = "not_noted"
    NOT_RELEASED = "not_released"
    NOT_SECURED = "not_secured"
    ORDER = "order"
    OUTBOX_EDITED = "outbox_edited"
    PART = "part"
    PASSBACK = "passback"
    POLICY = "policy"
    POLICY_REFUSED = "policy_refused"
    """A policy that somebody at the hub wanted to load."""
    POLICY_UNREADABLE = "policy_unreadable"
    PROBLEM = "problem"
    READER = "reader"
    READER_CONFUSED = "reader_confused"
    REFUSED = "refused"
    REMOTE = "remote"
    REVOCATION = "revocation"
    REVOCATION_REFUSED = "revocation_refused"
    SEND_FAILED = "send_failed"
    STATE = "state"
    UNGUARDED = "unguarded"
    USES_EDITED = "uses_edited"


class Fact(StrEnum):
    """The name of a fact."""

    ACCEPTED_BY = "accepted_by"
    ACTION = "action"
    ALLOWED = "allowed"
    ASKER = "asker"
    ATTEMPT = "attempt"
    BACKEND_AHEAD = "backend_ahead"
    BACKEND_WITHIN = "backend_within"
    BROWSER = "browser"
    CAUSE = "cause"
    CLOCK = "clock"
    CONFIRMED_BY = "confirmed_by"
    COUNT = "count"
    CREDENTIAL = "credential"
    DEVICE = "device"
    DEVICES = "devices"
    DOOR = "door"
    DOUBT = "doubt"
    DOUBTED = "doubted"
    DURESS = "duress"
    ERROR = "error"
    EXPECTED = "expected"
    EXPIRES = "expires"
    FAULT = "fault"
    FIRST = "first"
    FLOOR = "floor"
    FOUND = "found"
    FRAME_ERRORS = "FrameError"
    GIVEN_BY = "given_by"
    GRANT = "grant"
    KNOWN = "known"
    KNOWN_HASH = "known_hash"
    ISSUED = "issued"
    LAST = "last"
    LEVEL = "level"
    LOST = "lost"
    MODE = "mode"
    MOVED = "moved"
    NODE = "node"
    OF = "of"
    OFFSET = "offset"
    OF_KIND = "of_kind"
    ON = "on"
    OP = "op"
    ORDER = "order"
    ORDERS = "orders"
    OUTCOME = "outcome"
    OUTCOMES = "outcomes"
    PART = "part"
    PARTNER = "partner"
    PASSED_BACK = "passed_back"
    PATH = "path"
    PEER_ERRORS = "PeerError"
    POINT = "point"
    POLICY = "policy"
    PROBLEM = "problem"
    PROOF_ERRORS = "ProofError"
    PROVEN = "proven"
    READER = "reader"
    RECORDS = "records"
    REMEDY = "remedy"
    SEQUENCE_ERRORS = "SequenceError"
    SEVERITY = "severity"
    SINCE = "since"
    SITE_ORDERS = "site_orders"
    SOURCE = "source"
    STANDS = "stands"
    STATE = "state"
    SUMMED = "summed"
    TARGET = "target"
    TICKETS_DROPPED = "tickets_dropped"
    UID = "uid"
    UNTIL = "until"
    UP = "up"
    VERB = "verb"
    USE = "use"
    VERSION = "version"
    VOUCHED_BY = "vouched_by"
    WAS = "was"
    WHAT = "what"
    WHY = "why"


Detail = Mapping[Fact, Value]
Tell = Callable[[EventName, Detail], None]
"""Takes an event and its facts: for operators who count, for technicians who watch."""


class Shown(Enum):
    """How much of a fact an onlooker sees."""

    WHOLE = "all of it"
    BEGINNING = "at most SHOWN_CHARS characters, and at most half: enough to find its record"
    NOTHING = "it stands in the record alone"


SHOWN_CHARS = 8


@dataclass(frozen=True, slots=True)
class FactType:
    """The types that a fact may have, and how much of it is shown."""

    types: tuple[type, ...]
    shown: Shown = Shown.WHOLE


_NONE = type(None)
_TEXT = FactType((str,))
_TEXT_OR_NONE = FactType((str, _NONE))
_NUMBER = FactType((int,))
_NUMBER_OR_NONE = FactType((int, _NONE))
_YES_OR_NO = FactType((bool,))
_ID = FactType((str,), Shown.BEGINNING)
_ID_BYTES = FactType((bytes,), Shown.BEGINNING)

FACTS: Mapping[Fact, FactType] = {
    Fact.ACCEPTED_BY: _TEXT,  # a part such as `technician`, no name
    Fact.ACTION: _NUMBER,
    Fact.ALLOWED: _YES_OR_NO,
    Fact.ASKER: _ID,  # a credential, an operator at the backend, or the reader of an unknown card
    Fact.ATTEMPT: _NUMBER,
    Fact.BACKEND_AHEAD: _NUMBER,  # its clock less this one, milliseconds; where apart
    Fact.BACKEND_WITHIN: _NUMBER,  # the bound of that number's error, milliseconds
    Fact.BROWSER: FactType((bool,)),  # the grant says that its key lies in a browser; only then
    Fact.CAUSE: _TEXT,
    Fact.CLOCK: _TEXT,  # only while the clock is not trusted
    Fact.CONFIRMED_BY: _TEXT,
    Fact.COUNT: _NUMBER,
    Fact.CREDENTIAL: _ID,  # whom it is about, who asked for nothing
    Fact.DEVICE: _TEXT,
    Fact.DEVICES: _TEXT,  # ids, with a space between
    Fact.DOOR: _TEXT,
    Fact.DOUBT: _TEXT_OR_NONE,
    Fact.DOUBTED: _NUMBER,
    Fact.DURESS: FactType((bool,), Shown.NOTHING),  # only when it is so
    Fact.ERROR: _TEXT,
    Fact.EXPECTED: _NUMBER,
    Fact.EXPIRES: _NUMBER,  # the end of a grant with a number of uses, Unix seconds
    Fact.FAULT: _TEXT,
    Fact.FIRST: _NUMBER,  # Unix milliseconds
    Fact.FLOOR: _NUMBER,  # Unix milliseconds
    Fact.FOUND: _TEXT,
    Fact.FRAME_ERRORS: _NUMBER,
    Fact.GIVEN_BY: _TEXT,  # where an order came from: `backend`, `site`, `technician`, ...
    Fact.GRANT: _ID_BYTES,
    Fact.KNOWN: _NUMBER,
    Fact.KNOWN_HASH: FactType((bytes,)),
    Fact.ISSUED: _NUMBER,  # when the issuer signed it, Unix seconds
    Fact.LAST: _NUMBER,  # Unix milliseconds
    Fact.LEVEL: _NUMBER_OR_NONE,
    Fact.LOST: _NUMBER,
    Fact.MODE: _TEXT,  # of a door, in ONVIF's words
    Fact.MOVED: FactType((bool, _NONE)),
    Fact.NODE: _NUMBER,  # of a network of devices; 0 is one of another network
    Fact.OF: _ID_BYTES,  # the operation that a fault is of
    Fact.OFFSET: _NUMBER_OR_NONE,  # wall less monotonic milliseconds of the confirmed clock
    Fact.OF_KIND: _TEXT,
    Fact.ON: _YES_OR_NO,  # whether an order stands from now on, or ends
    Fact.OP: _ID_BYTES,
    Fact.ORDER: _TEXT,  # `lockdown`, `fire`, ...; of a site also `guest`, `device`, ...
    Fact.ORDERS: _ID_BYTES,  # all that stand by somebody's word (`carried_orders`)
    Fact.OUTCOME: _TEXT,  # of an order for a door: `refused`, `late` or `failed`
    Fact.OUTCOMES: _TEXT,  # DEVICE=OUTCOME each, with a space between
    Fact.PART: _TEXT,
    Fact.PARTNER: _ID,  # the first of two persons, in the record of the second
    Fact.PASSED_BACK: _YES_OR_NO,  # let in although a soft passback rule was broken
    Fact.PATH: _TEXT,
    Fact.PEER_ERRORS: _NUMBER,
    Fact.POINT: _NUMBER,  # an access point; of an order 0 means all doors of the hub
    Fact.POLICY: _NUMBER,
    Fact.PROBLEM: _TEXT,
    Fact.PROOF_ERRORS: _NUMBER,
    Fact.PROVEN: _YES_OR_NO,  # whether more than the backend's word stands behind the offset
    Fact.READER: _TEXT,  # the id of a reader beside the phones; a phone's claim came by none
    Fact.RECORDS: _NUMBER,
    Fact.REMEDY: _TEXT,
    Fact.SEQUENCE_ERRORS: _NUMBER,
    Fact.SEVERITY: _TEXT,
    Fact.SINCE: _NUMBER,  # Unix milliseconds
    Fact.SITE_ORDERS: FactType((bytes,), Shown.NOTHING),  # digest of what is kept of the site's
    Fact.SOURCE: _ID,  # of summed refusals: an asker, `backend`, `technician`, `several`
    Fact.STANDS: _YES_OR_NO,
    Fact.STATE: _TEXT,
    Fact.SUMMED: _TEXT,
    Fact.TARGET: FactType((int, str)),  # a group's number, or a device's id
    Fact.TICKETS_DROPPED: _NUMBER,
    Fact.UID: _NUMBER,  # the user of this machine who acted; the backend has none
    Fact.UNTIL: _NUMBER_OR_NONE,  # Unix seconds
    Fact.UP: _YES_OR_NO,
    Fact.VERB: _NUMBER,
    Fact.USE: _NUMBER,  # which of a grant's uses was spent, or given back; from 1
    Fact.VERSION: FactType((int, str)),  # of the policy, or of the software
    Fact.VOUCHED_BY: _TEXT,  # a part such as `technician`, no name
    Fact.WAS: _TEXT,
    Fact.WHAT: _TEXT,
    Fact.WHY: _TEXT_OR_NONE,
}

_ASKED = frozenset(
    {Fact.ASKER, Fact.OP, Fact.POINT, Fact.ACTION, Fact.ALLOWED, Fact.WHY, Fact.CLOCK}
)
_CARRIED = frozenset({Fact.EXPECTED, Fact.DOUBT, Fact.DOUBTED, Fact.ORDERS})
_NOT_RELEASED = frozenset(
    {
        Fact.OF,
        Fact.OF_KIND,
        Fact.ASKER,
        Fact.POINT,
        Fact.WHY,
        Fact.FAULT,
        Fact.MOVED,
        Fact.CLOCK,
        Fact.GRANT,
        Fact.USE,
    }
)
_DEVICE_FAULT = frozenset({Fact.DEVICE, Fact.FAULT, Fact.STANDS})
_ORDER = frozenset(
    {
        Fact.GIVEN_BY,
        Fact.ASKER,
        Fact.OP,
        Fact.CREDENTIAL,
        Fact.GRANT,
        Fact.SITE_ORDERS,
        Fact.VERSION,
        Fact.DOOR,
        Fact.POINT,
        Fact.ORDER,
        Fact.TARGET,
        Fact.VERB,
        Fact.LEVEL,
        Fact.ON,
        Fact.UNTIL,
        Fact.ALLOWED,
        Fact.WHY,
        Fact.OUTCOME,
        Fact.CLOCK,
        Fact.UID,
    }
)
_ERRORS = frozenset({Fact.FRAME_ERRORS, Fact.PEER_ERRORS, Fact.PROOF_ERRORS, Fact.SEQUENCE_ERRORS})
_STATE = frozenset({Fact.FOUND, Fact.WAS, Fact.POLICY, Fact.EXPECTED, Fact.ACCEPTED_BY, Fact.UID})

ON_EVERY_RECORD = frozenset({Fact.BACKEND_AHEAD, Fact.BACKEND_WITHIN})
"""What the log itself adds to a record of any kind (`hubd.evidence.reporting`)."""

RECORD_FACTS: Mapping[RecordKind, frozenset[Fact]] = {
    RecordKind.STARTED: frozenset({Fact.VERSION, Fact.FLOOR, *_CARRIED}),
    RecordKind.STOPPED: frozenset(),
    RecordKind.ACCESS: frozenset(
        {
            *_ASKED,
            Fact.GRANT,
            Fact.PATH,
            Fact.DURESS,
            Fact.PARTNER,
            Fact.PASSED_BACK,
            Fact.USE,
            Fact.EXPIRES,
            Fact.READER,
            Fact.BROWSER,
        }
    ),
    RecordKind.REMOTE: _ASKED | {Fact.UID, Fact.GIVEN_BY},
    RecordKind.REFUSED: frozenset(
        {*_ERRORS, Fact.FIRST, Fact.LAST, Fact.SUMMED, Fact.SOURCE, Fact.WHY, Fact.COUNT},
    ),
    RecordKind.DOOR: frozenset({Fact.DOOR, Fact.WHAT, Fact.COUNT, Fact.STATE}),
    RecordKind.POLICY: frozenset({Fact.VERSION, Fact.ISSUED, Fact.TICKETS_DROPPED, Fact.UID}),
    RecordKind.FAULT: frozenset(
        {*_NOT_RELEASED, *_DEVICE_FAULT, Fact.COUNT, Fact.PART, Fact.RECORDS, Fact.SINCE, Fact.LOST}
    ),
    RecordKind.CLOCK: frozenset(
        {Fact.VOUCHED_BY, Fact.UID, Fact.CONFIRMED_BY, Fact.FLOOR, Fact.OFFSET, Fact.PROVEN}
    ),
    RecordKind.COMMAND: frozenset(
        {
            Fact.GIVEN_BY,
            Fact.ASKER,
            Fact.OP,
            Fact.TARGET,
            Fact.VERB,
            Fact.LEVEL,
            Fact.DEVICES,
            Fact.ALLOWED,
            Fact.WHY,
            Fact.CLOCK,
            Fact.OF,
            Fact.OUTCOMES,
        }
    ),
    RecordKind.STATE: _STATE,
    RecordKind.READER: frozenset(
        {Fact.READER, Fact.WHAT, Fact.STANDS, Fact.COUNT, Fact.VOUCHED_BY, Fact.UID},
    ),
    RecordKind.ORDER: frozenset({*_ORDER, Fact.ORDERS}),
    RecordKind.BREAK: frozenset({Fact.CAUSE, Fact.KNOWN, Fact.KNOWN_HASH, Fact.LOST}),
    RecordKind.CERTIFICATE: frozenset({Fact.EXPIRES, Fact.WHAT}),
    RecordKind.REVOCATION: frozenset({Fact.VERSION, Fact.ISSUED, Fact.COUNT, Fact.TICKETS_DROPPED}),
    RecordKind.PASSBACK: frozenset({Fact.VOUCHED_BY, Fact.UID, Fact.CREDENTIAL, Fact.COUNT}),
    RecordKind.ACT: frozenset(
        {
            Fact.WHAT,
            Fact.VOUCHED_BY,
            Fact.UID,
            Fact.COUNT,
            Fact.KNOWN,
            Fact.KNOWN_HASH,
            Fact.STATE,
            Fact.NODE,
            Fact.WHY,
        }
    ),
}
"""What a record of each kind may say beside its moment and ON_EVERY_RECORD."""


@dataclass(frozen=True, slots=True)
class EventType:
    """What an event may say.

    `is_fault`: a technician must see it, even where only warnings are kept.
    """

    facts: frozenset[Fact]
    is_fault: bool = False


_WHY = frozenset({Fact.WHY})

EVENTS: Mapping[EventName, EventType] = {
    EventName.ACCESS: EventType(RECORD_FACTS[RecordKind.ACCESS]),
    EventName.ACT: EventType(RECORD_FACTS[RecordKind.ACT]),
    EventName.AUDIT_FAILED: EventType(_WHY, is_fault=True),
    EventName.CLOCK: EventType(frozenset({Fact.VOUCHED_BY, Fact.UID, Fact.CONFIRMED_BY})),
    EventName.COMMAND: EventType(RECORD_FACTS[RecordKind.COMMAND]),
    EventName.DEVICE_FAULT: EventType(_DEVICE_FAULT, is_fault=True),
    EventName.DOOR: EventType(frozenset({Fact.DOOR, Fact.WHAT})),
    EventName.DOOR_UNRECORDED: EventType(RECORD_FACTS[RecordKind.DOOR], is_fault=True),
    EventName.DROP_FAILED: EventType(frozenset({Fact.WHY, Fact.ATTEMPT}), is_fault=True),
    EventName.LINK_FAULT: EventType(_WHY, is_fault=True),
    EventName.MODE: EventType(frozenset({Fact.DOOR, Fact.MODE, Fact.WAS})),
    EventName.NOT_HELD: EventType(frozenset({Fact.DOOR, Fact.WHY}), is_fault=True),
    EventName.NOT_NOTED: EventType(_WHY, is_fault=True),
    EventName.NOT_RELEASED: EventType(_NOT_RELEASED, is_fault=True),
    EventName.NOT_SECURED: EventType(frozenset({Fact.DOOR, Fact.WHY}), is_fault=True),
    EventName.ORDER: EventType(_ORDER),
    EventName.OUTBOX_EDITED: EventType(frozenset({Fact.FAULT, Fact.RECORDS}), is_fault=True),
    EventName.PART: EventType(frozenset({Fact.PART, Fact.UP, Fact.WHY})),
    EventName.PASSBACK: EventType(RECORD_FACTS[RecordKind.PASSBACK]),
    EventName.POLICY: EventType(RECORD_FACTS[RecordKind.POLICY]),
    EventName.POLICY_REFUSED: EventType(frozenset({Fact.UID, Fact.WHY}), is_fault=True),
    EventName.POLICY_UNREADABLE: EventType(_WHY, is_fault=True),
    EventName.PROBLEM: EventType(
        frozenset({Fact.PROBLEM, Fact.STANDS, Fact.SEVERITY, Fact.WHAT, Fact.REMEDY}),
    ),
    EventName.READER: EventType(RECORD_FACTS[RecordKind.READER]),
    EventName.READER_CONFUSED: EventType(frozenset({Fact.READER, Fact.WHY}), is_fault=True),
    EventName.REFUSED: EventType(frozenset({Fact.ERROR, Fact.WHY})),
    EventName.REMOTE: EventType(RECORD_FACTS[RecordKind.REMOTE]),
    EventName.CERTIFICATE: EventType(RECORD_FACTS[RecordKind.CERTIFICATE]),
    EventName.REVOCATION: EventType(RECORD_FACTS[RecordKind.REVOCATION]),
    EventName.REVOCATION_REFUSED: EventType(_WHY, is_fault=True),
    EventName.SEND_FAILED: EventType(_WHY, is_fault=True),
    EventName.STATE: EventType(_STATE, is_fault=True),
    EventName.UNGUARDED: EventType(frozenset({Fact.PART, Fact.FAULT}), is_fault=True),
    EventName.USES_EDITED: EventType(frozenset({Fact.FAULT, Fact.RECORDS}), is_fault=True),
}


_NAMES: Mapping[Fact, str] = {fact: fact.value for fact in Fact}
_BEGINNINGS = frozenset(fact for fact, kind in FACTS.items() if kind.shown is Shown.BEGINNING)
_HIDDEN = frozenset(fact for fact, kind in FACTS.items() if kind.shown is Shown.NOTHING)


def named(detail: Detail) -> dict[str, Value]:
    """Return the facts under their names as plain text, as records hold them."""
    return {_NAMES[fact]: value for fact, value in detail.items()}


def shown(detail: Detail) -> dict[str, Value]:
    """Return the facts as an event shows them; bytes become hexadecimal digits."""
    return {
        _NAMES[fact]: _shown(fact, value) for fact, value in detail.items() if fact not in _HIDDEN
    }


def _shown(fact: Fact, value: Value) -> Value:
    text = value.hex() if isinstance(value, bytes) else value
    if fact in _BEGINNINGS and isinstance(text, str):
        return f"{text[: shown_chars(text)]}…"
    return text


def shown_chars(text: str) -> int:
    """Return how many characters of an id are shown."""
    return min(SHOWN_CHARS, len(text) // 2)


def shorten(name: str, value: Value) -> Value:
    """Return a record's fact as its owner may show it to others: ids by their beginning.

    A text under a name that this version does not know may be an id, too.
    """
    try:
        fact = Fact(name)
    except ValueError:
        fact = Fact.ASKER
    return _shown(fact, value)
