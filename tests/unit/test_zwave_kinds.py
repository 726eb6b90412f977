"""What a Z-Wave node is beside what the configuration says (hearing, law 5; driver, law 7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from drivers.zwave_js.command_classes import (
    ACTUATORS_OF,
    BARRIER_OPERATOR,
    ENTRANCES,
    CommandClass,
    goal_of,
)
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.device.command import LEVELS_OF, Capability, Command, Verb
from hubcore.device.state import DeviceFault, Position, Quantity
from hubcore.errors import HardwareError
from tests.fakes.zwave import SUCCESS, FakeService, any_value, battery_value, lock_values, node
from tests.unit.test_zwave_service import Rig, rig

pytestmark = pytest.mark.asyncio

Values = list[dict[str, Any]]


def moved(class_: CommandClass, target: str, current: str, value: object) -> Values:
    """The values of something that moves, without its name."""
    return [
        any_value(class_, target, value, writeable=True),
        any_value(class_, current, value),
    ]


GARAGE = moved(CommandClass.BARRIER_OPERATOR, "targetState", "currentState", 0)
SHUTTER = moved(CommandClass.MULTILEVEL_SWITCH, "targetValue", "currentValue", 0)
RELAY = moved(CommandClass.BINARY_SWITCH, "targetValue", "currentValue", value=False)
CONTACT = [any_value(CommandClass.BINARY_SENSOR, "Door/Window", value=False)]
METER = [any_value(CommandClass.METER, "value", 1, key=65537)]


def nodes(values: Values) -> Any:
    """Return what makes a service with one node, 2, of these values."""

    def change(service: FakeService) -> None:
        service.nodes = [node(1, []), node(2, values)]

    return change


def a(capability: Capability, endpoint: int = 0) -> Sequence[ZwaveDevice]:
    return [ZwaveDevice("it", capability, node=2, endpoint=endpoint)]


def commands(made: Rig) -> list[str]:
    """What was said to nodes."""
    return [
        one["command"] for one in made.service.asked if one["command"].startswith(("node.", "endp"))
    ]


async def stands(made: Rig, *faults: DeviceFault) -> None:
    await made.listener.until(lambda: made.faults("it") == set(faults))


def at(endpoint: int, values: Values) -> Values:
    return [value | {"endpoint": endpoint} for value in values]


@pytest.mark.parametrize(
    ("capability", "values"),
    [
        (Capability.COVER, GARAGE),
        (Capability.SWITCH, GARAGE),
        (Capability.LOCK, GARAGE),
        (Capability.COVER, [*GARAGE, *SHUTTER]),
        (Capability.SWITCH, [*GARAGE, *RELAY]),
        (Capability.SWITCH, [*lock_values(255), *RELAY]),
        (Capability.SWITCH, [*RELAY, *at(1, GARAGE)]),
        (Capability.BARRIER, lock_values(255)),
    ],
)
async def test_an_entrance_is_moved_as_one_alone(  # command_classes, law 3
    tmp_path: Path, capability: Capability, values: Values
) -> None:
    async with rig(tmp_path, nodes(values), a(capability)) as made:
        await stands(made, DeviceFault.STRANGE)
        for verb in Verb:
            level = LEVELS_OF[verb][-1] if verb in LEVELS_OF else None
            with pytest.raises(HardwareError, match=f"node 2 is no {capability.value} but a"):
                await made.driver.perform(Command("it", verb, level))
        assert commands(made) == []


async def test_the_relay_beside_a_garage_door_is_a_switch(tmp_path: Path) -> None:
    values = [*at(1, GARAGE), *at(2, RELAY)]
    async with rig(tmp_path, nodes(values), a(Capability.SWITCH, endpoint=2)) as made:
        await made.listener.until(lambda: "it" in made.listener.states)
        assert made.faults("it") == set()


@pytest.mark.parametrize("verb", Verb)
async def test_a_barrier_is_closed_and_no_other_word_sets_it(tmp_path: Path, verb: Verb) -> None:
    level = LEVELS_OF[verb][-1] if verb in LEVELS_OF else None
    assert goal_of(BARRIER_OPERATOR, verb, level) == (0 if verb is Verb.CLOSE else None)
    async with rig(tmp_path, nodes(GARAGE), a(Capability.BARRIER)) as made:
        await made.listener.until(lambda: "it" in made.listener.states)
        made.service.handlers["node.set_value"] = lambda _: {"result": {"status": SUCCESS}}
        made.service.handlers["endpoint.invoke_cc_api"] = lambda _: {
            "response": {"currentState": 0}
        }
        if verb in (Verb.CLOSE, Verb.READ):
            await made.driver.perform(Command("it", verb, level))
        else:
            with pytest.raises(HardwareError, match="node 2 cannot"):
                await made.driver.perform(Command("it", verb, level))
        assert {one["value"] for one in made.service.asked if "value" in one} <= {0}
        assert ("node.set_value" in commands(made)) is (verb is Verb.CLOSE)


@pytest.mark.parametrize(
    ("raw", "position"),
    [
        (0, Position.CLOSED),
        (252, Position.MOVING),
        (253, Position.BETWEEN),
        (254, Position.MOVING),
        (255, Position.OPEN),
        (7, Position.UNKNOWN),
        (None, Position.UNKNOWN),
        ("0", Position.UNKNOWN),
    ],
)
async def test_how_a_barrier_stands(raw: object, position: Position) -> None:
    assert BARRIER_OPERATOR.position(raw) is position


async def test_no_capability_but_an_entrances_own_is_moved_by_its_class() -> None:
    for capability, actuators in ACTUATORS_OF.items():
        of_entrances = {one.command_class for one in actuators} & ENTRANCES.keys()
        assert {ENTRANCES[class_] for class_ in of_entrances} <= {capability}


@pytest.mark.parametrize(
    ("capability", "foreign", "own"),
    [
        (Capability.LOCK, SHUTTER, lock_values(255)),
        (Capability.SWITCH, CONTACT, RELAY),
        (Capability.COVER, RELAY, SHUTTER),
        (Capability.BARRIER, SHUTTER, GARAGE),
        (Capability.SENSOR, SHUTTER, CONTACT),
        (Capability.SENSOR, [], [battery_value(50)]),
        (Capability.METER, CONTACT, METER),
    ],
)
async def test_a_foreign_node_is_told_gets_nothing_and_is_forgotten_when_it_is_mended(
    tmp_path: Path, capability: Capability, foreign: Values, own: Values
) -> None:
    async with rig(tmp_path, nodes(foreign), a(capability)) as made:
        await stands(made, DeviceFault.STRANGE)
        with pytest.raises(HardwareError, match=f"node 2 is no {capability.value}"):
            await made.driver.perform(Command("it", Verb.READ))
        assert commands(made) == []
        ready = node(2, own)
        await made.service.say(source="node", event="ready", nodeId=2, nodeState=ready)
        await stands(made)


async def test_a_node_that_turns_out_to_be_foreign_is_unknown(tmp_path: Path) -> None:
    async with rig(tmp_path, nodes(RELAY), a(Capability.SWITCH)) as made:
        await made.listener.until(lambda: made.listener.positions.get("it") is Position.OFF)
        made.service.nodes[1] = node(2, CONTACT)
        await made.service.hang_up()
        await stands(made, DeviceFault.STRANGE)
        assert made.listener.positions["it"] is Position.UNKNOWN
        made.service.nodes.pop()
        await made.service.hang_up()
        await stands(made, DeviceFault.DEAD)


async def test_a_class_that_a_node_tells_later_mends_it(tmp_path: Path) -> None:
    async with rig(tmp_path, nodes([]), a(Capability.SENSOR)) as made:
        await stands(made, DeviceFault.STRANGE)
        added = {key: value for key, value in CONTACT[0].items() if key != "ccVersion"}
        added["newValue"] = added.pop("value")
        await made.service.say(source="node", event="value added", nodeId=2, args=added)
        await stands(made)


async def test_a_node_that_is_not_ready_is_not_judged(tmp_path: Path) -> None:
    def asked(service: FakeService) -> None:
        service.nodes = [node(1, []), node(2, []) | {"ready": False}]

    async with rig(tmp_path, asked, a(Capability.SENSOR)) as made:
        await stands(made, DeviceFault.DEAD)


async def test_a_sensor_is_asked_for_each_thing_that_it_measures(tmp_path: Path) -> None:
    sensor = CommandClass.MULTILEVEL_SENSOR
    values = [
        any_value(sensor, "Air temperature", 21, unit="°C"),
        any_value(sensor, "Humidity", 40, unit="%"),
        any_value(sensor, "Velocity", 2, unit="m/s"),
        any_value(CommandClass.NOTIFICATION, "Smoke Alarm", 0, key="Sensor status"),
        battery_value(80),
    ]
    async with rig(tmp_path, nodes(values), a(Capability.SENSOR)) as made:
        await made.listener.until(lambda: ("it", Quantity.SMOKE) in made.listener.readings)
        made.service.handlers["node.poll_value"] = lambda _: {"value": 1}
        await made.driver.perform(Command("it", Verb.READ))
        asked = [one["valueId"]["property"] for one in made.service.asked if "valueId" in one]
        assert asked == ["Air temperature", "Humidity", "level"]


async def test_a_sensor_that_only_notifies_is_asked_for_a_sign_of_life(tmp_path: Path) -> None:
    values = [any_value(CommandClass.NOTIFICATION, "Smoke Alarm", 0, key="Sensor status")]
    async with rig(tmp_path, nodes(values), a(Capability.SENSOR)) as made:
        await made.listener.until(lambda: ("it", Quantity.SMOKE) in made.listener.readings)
        for answers in (True, False):
            made.service.handlers["node.ping"] = lambda _, said=answers: {"responded": said}
            if answers:
                await made.driver.perform(Command("it", Verb.READ))
            else:
                with pytest.raises(HardwareError, match="does not answer"):
                    await made.driver.perform(Command("it", Verb.READ))


@pytest.mark.parametrize(
    ("stopped", "stands_at", "why"),
    [
        ({"status": 2}, [50, 50], "refused to stop"),
        (None, [50, 51], "did not stop"),
        (None, [50, 50], None),
    ],
)
async def test_what_was_stopped_stands(  # driver, law 1
    tmp_path: Path, stopped: object, stands_at: list[int], why: str | None
) -> None:
    answers = [stopped, *({"currentValue": level} for level in stands_at)]
    asked = iter(answers)
    shutter = nodes(SHUTTER)
    async with rig(tmp_path, shutter, a(Capability.COVER), still_seconds=0.01) as made:
        await made.listener.until(lambda: "it" in made.listener.states)
        made.service.handlers["endpoint.invoke_cc_api"] = lambda _: {"response": next(asked)}
        stopping = made.driver.perform(Command("it", Verb.STOP))
        if why is None:
            await stopping
        else:
            with pytest.raises(HardwareError, match=why):
                await stopping
