"""The Z-Wave driver against the real service and zwave-js's own mock of a network."""

from __future__ import annotations

import asyncio
import time

import pytest

from drivers.zwave_js.driver import ZwaveJs
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault, Position, Quantity
from hubcore.errors import HardwareError
from tests.fakes.device import FakeListener
from tests.zwave.conftest import DEVICES, Bench

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_lock_has_moved_when_it_says_so(bench: Bench) -> None:
    for verb, position in ((Verb.LOCK, Position.LOCKED), (Verb.UNLOCK, Position.UNLOCKED)):
        began = time.monotonic()
        await bench.driver.perform(Command("lock", verb))
        assert bench.listener.states["lock"].position is position
        assert time.monotonic() - began > 1.4, "the mock's bolt travels for 1.5 s"


async def test_a_lock_that_stands_there_already_is_confirmed_at_once(bench: Bench) -> None:
    await bench.driver.perform(Command("lock", Verb.LOCK))
    began = time.monotonic()
    await bench.driver.perform(Command("lock", Verb.LOCK))
    assert time.monotonic() - began < 7.0


async def test_a_lock_that_refuses_has_not_moved(bench: Bench) -> None:
    await bench.network.disturb("/fail?on=1")
    with pytest.raises(HardwareError, match="refused"):
        await bench.driver.perform(Command("lock", Verb.UNLOCK))
    await bench.network.disturb("/fail?on=0")


async def test_a_lock_that_jams_has_not_moved(bench: Bench) -> None:
    with pytest.raises(HardwareError, match="did not move"):
        await bench.driver.perform(Command("jammer", Verb.LOCK))


async def test_a_lock_that_says_it_is_jammed_fails_at_once(bench: Bench) -> None:
    task = asyncio.create_task(bench.driver.perform(Command("jammer", Verb.LOCK)))
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await bench.network.disturb("/notify?node=6&event=11")
    with pytest.raises(HardwareError, match="jammed"):
        await task
    assert time.monotonic() - began < 2.0
    assert ("jammer", DeviceFault.JAMMED) in bench.listener.faults
    await bench.network.disturb("/manual?node=6&mode=255")
    await bench.listener.until(lambda: ("jammer", DeviceFault.JAMMED) not in bench.listener.faults)


@pytest.mark.parametrize("shutter", ["shutter", "blind"])
async def test_a_shutter_has_moved_when_it_says_so(bench: Bench, shutter: str) -> None:
    await bench.driver.perform(Command(shutter, Verb.OPEN))
    assert bench.listener.states[shutter].position is Position.OPEN
    assert bench.listener.states[shutter].level == 100
    await bench.driver.perform(Command(shutter, Verb.SET_LEVEL, 50))
    assert bench.listener.states[shutter].level == 51


async def test_a_shutter_stops_half_way(bench: Bench) -> None:
    await bench.driver.perform(Command("shutter", Verb.CLOSE))
    travel = asyncio.create_task(bench.driver.perform(Command("shutter", Verb.OPEN)))
    await asyncio.sleep(1.0)
    await bench.driver.perform(Command("shutter", Verb.STOP))
    assert bench.listener.states["shutter"].position is Position.BETWEEN
    travel.cancel()
    await asyncio.wait({travel})


async def test_a_switch_switches_and_a_contact_is_read(bench: Bench) -> None:
    await bench.driver.perform(Command("light", Verb.ON))
    assert bench.listener.states["light"].position is Position.ON
    await bench.network.disturb("/door?open=1")
    await bench.listener.until(
        lambda: bench.listener.readings.get(("contact", Quantity.CONTACT)) == 1
    )
    await bench.network.disturb("/battery?level=5")
    await bench.listener.until(lambda: ("lock", DeviceFault.BATTERY_LOW) in bench.listener.faults)
    assert bench.listener.readings["lock", Quantity.BATTERY] == 5
    await bench.network.disturb("/battery?level=80")
    await bench.listener.until(
        lambda: ("lock", DeviceFault.BATTERY_LOW) not in bench.listener.faults
    )


async def test_a_meter_is_read(bench: Bench) -> None:
    await bench.driver.perform(Command("meter", Verb.READ))
    assert bench.listener.readings["meter", Quantity.ENERGY] == 1234.5
    assert bench.listener.readings["meter", Quantity.POWER] == 42


@pytest.mark.parametrize(
    ("quantity", "type_", "event"),
    [
        (Quantity.SMOKE, 1, 2),
        (Quantity.CARBON_MONOXIDE, 2, 2),
        (Quantity.WATER, 5, 2),
        (Quantity.MOTION, 7, 8),
        (Quantity.CONTACT, 6, 22),
    ],
)
async def test_what_newer_sensors_notify_is_read(
    bench: Bench, quantity: Quantity, type_: int, event: int
) -> None:
    over = 23 if quantity is Quantity.CONTACT else 0
    for number, value in ((event, 1), (over, 0), (event, 1)):
        await bench.network.disturb(f"/notify?node=11&type={type_}&event={number}")
        await bench.listener.until(
            lambda value=value: bench.listener.readings.get(("climate", quantity)) == value
        )


async def test_a_sensor_tells_in_the_units_of_the_house(bench: Bench) -> None:
    readings = bench.listener.readings
    assert readings["climate", Quantity.TEMPERATURE] == pytest.approx(20.0)  # 68 °F
    assert readings["climate", Quantity.ILLUMINANCE] == 250
    assert readings["climate", Quantity.HUMIDITY] == 40


async def test_the_cover_of_a_sensor_is_off_until_it_is_closed(bench: Bench) -> None:
    tampered = ("climate", DeviceFault.TAMPERED)
    await bench.network.disturb("/notify?node=11&type=7&event=3")
    await bench.listener.until(lambda: tampered in bench.listener.faults)
    await bench.network.disturb("/notify?node=11&type=7&event=0")
    await bench.listener.until(lambda: tampered not in bench.listener.faults)


async def test_a_lock_that_nobody_supervises_is_asked(bench: Bench) -> None:  # law 3
    await bench.network.disturb("/jam?node=6&on=0")
    began = len(bench.proxy.said)
    await bench.driver.perform(Command("jammer", Verb.LOCK))
    asked = [said for said in bench.proxy.said[began:] if '"methodName": "get"' in said]
    assert len(asked) == 1
    assert bench.listener.states["jammer"].position is Position.LOCKED
    await bench.network.disturb("/jam?node=6&on=1")


async def test_a_lock_with_a_timer_locks_itself(bench: Bench) -> None:
    assert bench.driver.times_itself("quick")
    assert not bench.driver.times_itself("lock")
    await bench.driver.perform(Command("quick", Verb.PULSE, 10))
    assert bench.listener.states["quick"].position is Position.UNLOCKED
    await bench.listener.until(lambda: bench.listener.positions["quick"] is Position.LOCKED)
    with pytest.raises(HardwareError, match="no timer"):
        await bench.driver.perform(Command("lock", Verb.PULSE, 10))


async def test_a_dead_node_and_a_node_that_is_not_there_are_told(bench: Bench) -> None:
    assert ("nobody", DeviceFault.DEAD) in bench.listener.faults
    with pytest.raises(HardwareError, match="not in the network"):
        await bench.driver.perform(Command("nobody", Verb.ON))
    await bench.network.disturb("/dead?node=7&on=1")
    with pytest.raises(HardwareError, match="node 7 does not answer"):
        await bench.driver.perform(Command("light", Verb.OFF))
    assert ("light", DeviceFault.DEAD) in bench.listener.faults
    await bench.network.disturb("/dead?node=7&on=0")
    await bench.driver.perform(Command("light", Verb.OFF))
    await bench.listener.until(lambda: ("light", DeviceFault.DEAD) not in bench.listener.faults)


async def test_what_a_device_is_not_it_does_not_do(bench: Bench) -> None:
    with pytest.raises(HardwareError, match="cannot SET_LEVEL"):
        await bench.driver.perform(Command("light", Verb.SET_LEVEL, 5))
    with pytest.raises(HardwareError, match="is no sensor"):
        await bench.driver.perform(Command("contact", Verb.ON))


async def test_an_insecure_lock_gets_no_commands(bench: Bench) -> None:
    strict = ZwaveJs(bench.network.socket, DEVICES[:1])
    listener = FakeListener()
    task = asyncio.create_task(strict.serve(listener))
    await listener.until(lambda: ("lock", DeviceFault.NOT_SECURE) in listener.faults)
    with pytest.raises(HardwareError, match="S2 Access Control"):
        await strict.perform(Command("lock", Verb.UNLOCK))
    task.cancel()
    await asyncio.wait({task})


async def test_a_garage_door_is_closed_and_never_opened(bench: Bench) -> None:
    await bench.driver.perform(Command("garage", Verb.READ))
    assert bench.listener.positions["garage"] is Position.OPEN
    began = time.monotonic()
    await bench.driver.perform(Command("garage", Verb.CLOSE))
    assert bench.listener.positions["garage"] is Position.CLOSED
    assert time.monotonic() - began > 1.4, "the mock's door travels for 1.5 s"
    with pytest.raises(HardwareError, match="node 10 cannot OPEN"):
        await bench.driver.perform(Command("garage", Verb.OPEN))


@pytest.mark.parametrize(
    ("capability", "verb", "level"),
    [
        (Capability.COVER, Verb.OPEN, None),
        (Capability.COVER, Verb.SET_LEVEL, 100),
        (Capability.SWITCH, Verb.ON, None),
    ],
)
async def test_a_garage_door_that_is_configured_as_a_shutter_or_a_switch_is_not_moved(
    bench: Bench, capability: Capability, verb: Verb, level: int | None
) -> None:
    device = ZwaveDevice("wrong", capability, node=10)
    wrong = ZwaveJs(bench.proxy.socket, [device], security=frozenset())
    listener = FakeListener()
    task = asyncio.create_task(wrong.serve(listener))
    await listener.until(lambda: ("wrong", DeviceFault.STRANGE) in listener.faults)
    began = len(bench.proxy.said)
    with pytest.raises(HardwareError, match=f"node 10 is no {capability.value} but a barrier"):
        await wrong.perform(Command("wrong", verb, level))
    told = [said for said in bench.proxy.said[began:] if "set_value" in said]
    assert told == []
    task.cancel()
    await asyncio.wait({task})
