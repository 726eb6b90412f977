"""Tables over enums are complete: every mapping of the product that an enum is the key of is found
and held against it.

A table that is partial on purpose stands in PARTIAL with what is left out and why. A table of
pairs, such as a state machine's, refuses what is not in it; of its enums each member must be in
some pair.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType

import pytest

from hubcore.checks import Severity
from hubcore.evidence.facts import Fact
from hubctl.page import STYLES
from hubctl.show import URGENCY

pytestmark = pytest.mark.once

PARTS_OF_CHECKS = re.compile(r"hubcore\.checks\.[a-z]+\.ROWS")
"""The files of a table that is complete as a whole, hubcore.checks.CHECKS."""
ROOT = Path(__file__).parents[2]
TOPS = ("hubcore", "drivers", "hubd", "hubctl", "hubupdate", "hubsim")


@dataclass(frozen=True)
class Partial:
    """Which members a table leaves out, and why."""

    missing: frozenset[str]
    why: str


def _partial(missing: str, why: str) -> Partial:
    return Partial(frozenset(missing.split()), why)


PARTIAL: Mapping[str, Partial] = {
    "hubcore.bridge.signedhead.USE_OF": _partial(
        "OWN", "a hub needs no mandate to sign its own head"
    ),
    "hubupdate.duties._ENDINGS": _partial("GOES_ON", "a trial that goes on has not ended"),
    "hubcore.bridge.site.order.LIFE_SECONDS_MAX": _partial(
        "GRANT FIRE", "no site orders these: a release is done once, fire is an input"
    ),
    "hubd.enrolment.asking._SENTENCES": _partial("BUSY", "a hub that hears it asks again"),
    "hubd.upkeep.looks.LOOKS": _partial(
        "AUDIT BLUEZ BLUEZ_VERSION EXPOSURE FIREWALL LISTENING SERVICE SOCKET WATCHDOG WEAR "
        "CLOCK DISK GPIO GUARD HOLD INPUTS JOURNAL KEYS LINES LOCKS LOCKS_DEAD "
        "LOCKS_JAMMED LOCKS_REFUSE LOCKS_WEAK OUTBOX "
        "PAIRING PORTS RADIO READERS READER_CHATTERS READER_GONE READER_LINE READER_NOT_PROVEN "
        "READER_POWER READER_TAMPER RECORDS OPENZWAVE RELAY_STRIKES STATE STRIKES TRIALS "
        "UNIT USES ZWAVE "
        "DEVICES_DEAD DEVICES_GONE DEVICES_JAMMED DEVICES_NOT_SECURE DEVICES_REFUSE "
        "DEVICES_SERVICE DEVICES_STRANGE DEVICES_TAMPERED DEVICES_VERSION DEVICES_WEAK",
        "these stand and end when whoever sees them says so",
    ),
    "drivers.openzwave.values.ACTUATORS": _partial(
        "STRIKE BARRIER SENSOR METER", "these are not moved by OpenZWave"
    ),
    "hubd.doors.watch._EVENTS": _partial(
        "STRIKE_ACTIVE STRIKE_INACTIVE BOLT_LOCKED BOLT_FREE TAMPER TAMPER_ENDED FIRE FIRE_ENDED",
        "what a strike does belongs to its release; the rest are aspects of the door, or an order",
    ),
    "hubd.doors.watch._ASPECTS": _partial(
        "DOOR_OPEN DOOR_CLOSED REX STRIKE_ACTIVE STRIKE_INACTIVE FIRE FIRE_ENDED",
        "these are no aspects beside the leaf",
    ),
    "hubd.doors.watch._FIRE": _partial(
        "DOOR_OPEN DOOR_CLOSED REX STRIKE_ACTIVE STRIKE_INACTIVE BOLT_LOCKED BOLT_FREE TAMPER "
        "TAMPER_ENDED",
        "only these two are about fire",
    ),
    "hubd.orders.standing.RIGHT_TO_ORDER": _partial(
        "GRANT FIRE", "nobody gives these as orders that stand"
    ),
    "hubd.orders.site.wording.ANSWERS": _partial(
        "TAKE SAME", "one is done, the other is answered as it was before"
    ),
    "hubcore.door.machine._RAISED_BY": _partial(
        "ACCESS_TAKEN ACCESS_NOT_TAKEN EXIT CLOSED FORCED_ENDED PRE_ALARM HELD_OPEN_ENDED TAMPER "
        "TAMPER_ENDED FAULT FAULT_ENDED TOO_OFTEN",
        "only these two raise an alarm of the leaf",
    ),
    "hubcore.door.machine._ENDED_AS": _partial("NORMAL", "no alarm: it never ends"),
    "hubd.start.checkconfig.page._STATUS": _partial(
        "WARNING FACT", "with nothing but these the exit status is 0"
    ),
    "hubcore.evidence.carried_alarms.BEGUN_BY_END": _partial(
        "ACCESS_TAKEN ACCESS_NOT_TAKEN EXIT CLOSED FORCED PRE_ALARM HELD_OPEN TAMPER FAULT "
        "TOO_OFTEN",
        "only these end an alarm",
    ),
    "hubcore.door.machine:times": _partial(
        "UNKNOWN SECURED RELEASED HELD_OPEN", "these phases have no time of their own"
    ),
    "hubd.doors.operations:self._tables": _partial(
        "STARTED STOPPED REFUSED DOOR POLICY FAULT CLOCK COMMAND STATE READER ORDER BREAK PASSBACK "
        "ACT REVOCATION CERTIFICATE",
        "operations are asked by phones and the backend",
    ),
    "hubctl.top.screen.COLOURS": _partial(
        "PLAIN TITLE DIM CHOSEN", "these differ by ATTRIBUTES alone, which has every style"
    ),
    "hubctl.top.shown.keys.MOVES": _partial("LEFT ENTER ESCAPE BACKSPACE", "these move nothing"),
    "hubd.netcheck.causes.OF_BRIDGE": _partial(
        "NOT_CURVE BROKEN OTHER_AUTHORITY NO_AUTHORITY NAME_UNKNOWN ENDED BACKEND_ENDED NOT_FOUND "
        "KEY_REFUSED NOT_TLS OTHER_NAME NOT_MEASURED UNSYNCHRONISED NO_ROUTE NAME_SERVER_SILENT "
        "OTHER_KEY",
        "these say the same on every way",
    ),
    "hubd.adapters.curve.reasons._CLOSED": _partial(
        "REFUSED", "what is refused has sentences of its own (`_refusal`)"
    ),
    "hubd.adapters.curve.reasons._SILENT": _partial(
        "REFUSED", "what is refused has sentences of its own (`_refusal`)"
    ),
    "hubd.devices.worker.LOSSES": _partial(
        "JAMMED REFUSED DEAD NOT_SECURE TAMPERED BATTERY_LOW STRANGE",
        "these are of one device, and no other is harmed by them",
    ),
    "hubd.wiring.movers:MadeKind": _partial(
        "AUDIT BLUEZ GPIO GUARD INPUTS LOCKS PAIRING RADIO READERS STRIKES",
        "what must run for strikes is their guard, or their boards (the last one in the file)",
    ),
    "hubd.wiring.locks:MadeKind": _partial(
        "AUDIT BLUEZ GPIO GUARD INPUTS PAIRING RADIO READERS RELAY_STRIKES STRIKES",
        "what must run for locks is one part",
    ),
    "hubcore.device.command.LEVELS_OF": _partial(
        "CLOSE LOCK OFF ON OPEN READ STOP UNLOCK", "these verbs take no level"
    ),
    "drivers.zwave_js.command_classes.ENTRANCES": _partial(
        "BINARY_SWITCH MULTILEVEL_SWITCH BINARY_SENSOR MULTILEVEL_SENSOR METER WINDOW_COVERING "
        "NOTIFICATION BATTERY",
        "these classes are no entrances",
    ),
    "drivers.zwave_js.command_classes.KINDS_SENSED": _partial(
        "STRIKE LOCK SWITCH COVER BARRIER", "these are moved, by the classes of `ACTUATORS_OF`"
    ),
    "drivers.zwave_js.command_classes.SENSOR_UNIT_OF": _partial(
        "BATTERY TEMPERATURE ENERGY CONTACT MOTION SMOKE WATER CARBON_MONOXIDE POSITION LEVEL",
        "a temperature is converted, and the rest have one unit or none in Z-Wave",
    ),
    "drivers.zwave_js.command_classes.LEVELED": _partial(
        "PULSE LOCK UNLOCK ON OFF STOP SET_LEVEL READ",
        "of a cover's verbs two are levels; the others are done in other ways",
    ),
    "drivers.relays.strike._BOLT_OF": _partial(
        "BETWEEN CLOSED LOCKED MOVING OPEN UNKNOWN UNLOCKED", "a relay is on or off, or unknown"
    ),
    "drivers.lock.bolt._BOLT_OF": _partial(
        "BETWEEN CLOSED MOVING OFF ON OPEN UNKNOWN", "of a lock these prove nothing"
    ),
    "drivers.relays.strikes.SENTENCES": _partial(
        "BATTERY_LOW DEAD JAMMED NOT_SECURE REFUSED SERVICE_GONE TAMPERED WRONG_VERSION",
        "a relay board has no such fault",
    ),
    "hubcore.update.packets._EMPTY": _partial("WARM TURN BACK", "these have fields"),
    "hubsim.phone.bleak.radio._SENTENCES": _partial("UNKNOWN", "bleak's own sentence is told then"),
    "hubsim.phone.onlink._PATIENCE_SECONDS": _partial(
        "START SESSION END", "in these stages nothing is waited for"
    ),
}
PARTIAL_PAIRS: Mapping[str, Partial] = {
    "drivers.gpio.inputs._REPORTS": _partial(
        "DPS_SECOND", "a second contact tells through `drivers.gpio.supervised`"
    ),
    "drivers.openzwave.meaning.GOALS": _partial(
        "STRIKE BARRIER SENSOR METER PULSE READ SET_LEVEL STOP",
        "these are not set to one value each, or not moved by OpenZWave",
    ),
    "hubcore.update.slots.TABLE": _partial(
        "RESTING", "what begins at rest is asked for with an image: `begin` and `roll_back`"
    ),
    "hubcore.phone.handshake._STEPS": _partial(
        "WORKING ABANDONED",
        "while a request is at work every message is met alike (`_while_working`)",
    ),
    "hubcore.pkoc.reader._STEPS": _partial(
        "DECIDING OVER", "who writes while he is judged, or when all is over, is refused"
    ),
    "hubcore.update.takeover.OLD_TABLE": _partial("LEFT", "a process that has left sees nothing"),
    "hubcore.update.takeover.NEW_TABLE": _partial("LEFT", "a process that has left sees nothing"),
    "drivers.zwave_js.command_classes.QUANTITY_OF": _partial(
        "BINARY_SWITCH MULTILEVEL_SWITCH METER DOOR_LOCK BARRIER_OPERATOR WINDOW_COVERING "
        "NOTIFICATION",
        "these classes move or notify (`NOTIFIED`); a meter's scale says what it measures "
        "(`METER_SCALES`)",
    ),
}


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for top in TOPS:
        package = importlib.import_module(top)
        for found in pkgutil.walk_packages(package.__path__, f"{top}."):
            if not found.name.endswith("__main__"):
                yield found.name, importlib.import_module(found.name)


def _enum_of(keys: list[object]) -> type[Enum] | None:
    """Return the enum that all keys are members of."""
    kinds = {type(key) for key in keys}
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind if kind is not None and issubclass(kind, Enum) else None


def missing(table: Mapping[object, object]) -> frozenset[str]:
    """Return the names of the members that a table over an enum leaves out; of any other mapping
    none.
    """
    kind = _enum_of(list(table))
    if kind is None:
        return frozenset()
    return frozenset(member.name for member in kind if member not in table)


def missing_pairs(table: Mapping[object, object]) -> frozenset[str]:
    """Return the members that are in no key of a table whose keys are tuples with members
    of enums.
    """
    keys = [key for key in table if isinstance(key, tuple)]
    if len(keys) != len(table):
        return frozenset()
    left_out = set[str]()
    for column in zip(*keys, strict=True):
        kind = _enum_of(list(column))
        if kind is not None:
            left_out |= {member.name for member in kind if member not in column}
    return frozenset(left_out)


def attributes() -> dict[str, Mapping[object, object]]:
    """Every mapping that a module or a class of it makes, by its name."""
    found = dict[str, Mapping[object, object]]()
    for name, module in _modules():
        own = _own_names(module)
        values = {
            f"{name}.{attribute}": value
            for attribute, value in vars(module).items()
            if attribute in own
        }
        for kind in [value for value in vars(module).values() if isinstance(value, type)]:
            if kind.__module__ == name:
                values |= {
                    f"{name}.{kind.__qualname__}.{attribute}": value
                    for attribute, value in vars(kind).items()
                    if not attribute.startswith("__")
                }
        found |= {
            place: value for place, value in values.items() if isinstance(value, Mapping) and value
        }
    return found


def _own_names(module: ModuleType) -> set[str]:
    """The names that a module binds itself, without those that it imports."""
    names = set[str]()
    for node in ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def displays() -> Iterator[tuple[str, frozenset[str]]]:
    """Yield every dict display within a function whose keys are members of one enum: its place,
    what it leaves out.

    A detail, whose keys are facts, is no table.
    """
    for name, module in _modules():
        tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                kind, members = _display(node, module)
                if kind is not None and kind is not Fact:
                    left_out = frozenset(
                        member.name for member in kind if member.name not in members
                    )
                    yield f"{name}:{_holder(function, node)}", left_out


def _display(node: ast.AST, module: ModuleType) -> tuple[type[Enum] | None, set[str]]:
    if not isinstance(node, ast.Dict) or not node.keys:
        return None, set()
    enums = set[object]()
    members = set[str]()
    for key in node.keys:
        if not (isinstance(key, ast.Attribute) and isinstance(key.value, ast.Name)):
            return None, set()
        enums.add(vars(module).get(key.value.id))
        members.add(key.attr)
    kind = enums.pop() if len(enums) == 1 else None
    return (kind, members) if isinstance(kind, type) and issubclass(kind, Enum) else (None, set())


def _holder(function: ast.AST, display: ast.AST) -> str:
    """Say what a display is bound to, or whose argument it is."""
    for node in ast.walk(function):
        match node:
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=value)
            ):
                if value is display:
                    return ast.unparse(target)
            case ast.Call(func=called, args=args) if display in args:
                return ast.unparse(called)
    return "?"


def test_every_table_over_an_enum_is_complete_or_says_why_not() -> None:
    tables = attributes()
    found = {
        name: left_out
        for name, table in tables.items()
        if not PARTS_OF_CHECKS.fullmatch(name) and (left_out := missing(table))
    }
    found |= {name: left_out for name, left_out in displays() if left_out}
    assert found == {name: partial.missing for name, partial in PARTIAL.items()}
    assert all(partial.why for partial in PARTIAL.values())
    over_enums = {name for name, table in tables.items() if _enum_of(list(table))}
    known = {
        "hubcore.backend.answers.ORDER_OUTCOMES",
        "hubcore.phone.answers.REASONS",
        "hubcore.door.phases.STATES",
        "hubcore.evidence.facts.FACTS",
        "hubcore.checks.CHECKS",
    }
    assert known <= over_enums


def test_every_table_of_pairs_has_each_member_somewhere() -> None:
    found = {
        name: left_out for name, table in attributes().items() if (left_out := missing_pairs(table))
    }
    assert found == {name: partial.missing for name, partial in PARTIAL_PAIRS.items()}


def test_what_hubctl_shows_of_a_severity_is_complete() -> None:
    """It knows severities by their text, for those of a newer daemon come, too."""
    assert set(STYLES) == set(Severity)
    assert set(Severity) <= set(URGENCY)


class _Colour(Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize(
    ("table", "left_out"),
    [
        ({_Colour.RED: 1, _Colour.BLUE: 2}, set()),
        ({_Colour.RED: 1}, {"BLUE"}),
        ({"red": 1}, set()),
    ],
)
def test_a_table_that_is_not_complete_is_noticed(
    table: Mapping[object, object], left_out: set[str]
) -> None:
    assert missing(table) == left_out


def test_a_member_that_is_in_no_pair_is_noticed() -> None:
    assert missing_pairs({(_Colour.RED, 1): 1, (_Colour.BLUE, 1): 2}) == set()
    assert missing_pairs({(_Colour.RED, _Colour.BLUE): 1}) == {"BLUE", "RED"}
