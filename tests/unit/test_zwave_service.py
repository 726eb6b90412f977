"""The Z-Wave driver before a service that is wrong, lies, or says too much.

What it does before the real service is in tests/zwave.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSCloseCode

from drivers.zwave_js.care import dsk_groups
from drivers.zwave_js.driver import ZwaveJs
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault, Position
from hubcore.errors import DriverGoneError, HardwareError
from hubcore.ports.network import NodeSecurity
from tests.fakes.device import FakeListener
from tests.fakes.zwave import (
    SUCCESS,
    UNSUPERVISED,
    WORKING,
    FakeService,
    battery_value,
    lock_value,
    lock_values,
    node,
)

pytestmark = pytest.mark.asyncio

LOCK = ZwaveDevice("lock", Capability.LOCK, node=2)
OTHER = ZwaveDevice("other", Capability.LOCK, node=3)
UNLOCK = Command("lock", Verb.UNLOCK)


class Rig:
    """A service, the driver before it, and who listens."""

    def __init__(self, service: FakeService, driver: ZwaveJs, listener: FakeListener) -> None:
        self.service = service
        self.driver = driver
        self.listener = listener

    def faults(self, device: str = "lock") -> set[DeviceFault]:
        return {fault for name, fault in self.listener.faults if name == device}

    async def has(self, *faults: DeviceFault) -> None:
        """Wait until these faults stand, and no other."""
        await self.listener.until(lambda: self.faults() == set(faults))

    async def joined(self) -> None:
        await self.listener.until(lambda: {"lock", "other"} <= set(self.listener.states))

    def moves(self, result: int, mode: object = None) -> None:
        """Have a lock answer so to a command, and say `mode` when it is asked."""
        self.service.handlers["node.set_value"] = lambda _: {"result": {"status": result}}
        answer = {"response": {"currentMode": mode}}
        self.service.handlers["endpoint.invoke_cc_api"] = lambda _: copy.deepcopy(answer)

    def told(self, command: str) -> int:
        return sum(asked["command"] == command for asked in self.service.asked)


@asynccontextmanager
async def rig(
    folder: Path,
    change: Callable[[FakeService], None] = lambda _: None,
    devices: Sequence[ZwaveDevice] = (LOCK, OTHER),
    **options: float,
) -> AsyncIterator[Rig]:
    listener = FakeListener()
    async with FakeService(folder / "zwave.sock") as service:
        change(service)
        driver = ZwaveJs(service.socket, devices, **options)
        task = asyncio.create_task(driver.serve(listener))
        try:
            yield Rig(service, driver, listener)
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.mark.parametrize(
    "version",
    [
        {"minSchemaVersion": 99, "maxSchemaVersion": 99},
        {"maxSchemaVersion": 3},
        {"driverVersion": "15.22.9"},
        {"driverVersion": "none at all"},
    ],
)
async def test_a_service_of_a_wrong_version_is_told_and_found_again(  # law 5
    tmp_path: Path, version: dict[str, Any]
) -> None:
    def older(service: FakeService) -> None:
        service.version |= version

    async with rig(tmp_path, older) as made:
        await made.has(DeviceFault.WRONG_VERSION)
        with pytest.raises(HardwareError, match="is not there"):
            await made.driver.perform(UNLOCK)
        made.service.version = FakeService(tmp_path / "x").version
        await made.has()


async def test_a_service_that_is_not_there_is_told_and_found(tmp_path: Path) -> None:
    listener = FakeListener()
    driver = ZwaveJs(tmp_path / "zwave.sock", [LOCK])
    task = asyncio.create_task(driver.serve(listener))
    await listener.until(lambda: listener.faults == {("lock", DeviceFault.SERVICE_GONE)})
    async with FakeService(tmp_path / "zwave.sock"):
        await listener.until(lambda: not listener.faults)
    await listener.until(lambda: listener.faults == {("lock", DeviceFault.SERVICE_GONE)})
    task.cancel()
    await asyncio.wait({task})


async def test_a_service_that_waits_for_its_stick_says_so(tmp_path: Path) -> None:
    (tmp_path / "fault").write_text("stick\n")
    listener = FakeListener()
    driver = ZwaveJs(tmp_path / "zwave.sock", [LOCK])
    task = asyncio.create_task(driver.serve(listener))
    await listener.until(lambda: listener.faults == {("lock", DeviceFault.INTERFACE_GONE)})
    (tmp_path / "fault").unlink()
    os.mkfifo(tmp_path / "fault")  # nobody writes: whoever waited for a word would hang
    await listener.until(lambda: listener.faults == {("lock", DeviceFault.SERVICE_GONE)})
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({"type": "event"}),
        json.dumps({"type": "event", "event": {"source": "node", "event": "dead"}}),
        json.dumps({"type": "result", "success": True}),
        "9" * 5000,
    ],
)
async def test_senseless_words_end_the_connection_and_nothing_else(  # connection, law 3
    tmp_path: Path, text: str
) -> None:
    async with rig(tmp_path) as made:
        await made.joined()
        await made.service.send(text)
        await _until(lambda: made.told("start_listening") == 2)
        await made.has()
        made.moves(SUCCESS, mode=0)
        await made.driver.perform(UNLOCK)
        assert made.listener.states["lock"].position is Position.UNLOCKED


async def test_a_connection_that_is_given_up_is_closed(tmp_path: Path) -> None:
    async with rig(
        tmp_path, lambda service: service.version.update(driverVersion="15.22.9")
    ) as made:
        await made.has(DeviceFault.WRONG_VERSION)
        await _until(lambda: bool(made.service.farewells))
        assert made.service.farewells[0] == WSCloseCode.OK


async def test_a_state_that_makes_no_sense_is_no_connection(tmp_path: Path) -> None:
    def senseless(service: FakeService) -> None:
        service.nodes = [{"nodeId": "two"}]

    async with rig(tmp_path, senseless) as made:
        await made.has(DeviceFault.SERVICE_GONE)


async def test_a_node_that_is_still_asked_what_it_can_is_not_there_yet(  # hearing, law 4
    tmp_path: Path,
) -> None:
    def asked(service: FakeService) -> None:
        service.nodes[1]["ready"] = False

    async with rig(tmp_path, asked) as made:
        await made.listener.until(lambda: "other" in made.listener.states)
        await made.service.say(source="node", event="alive", nodeId=2)
        await made.service.report(2, lock_value("currentMode", 0, writeable=False))
        await made.service.report(3, lock_value("currentMode", 0, writeable=False))
        await made.listener.until(
            lambda: made.listener.states["other"].position is Position.UNLOCKED
        )
        assert made.faults() == {DeviceFault.DEAD}
        assert "lock" not in made.listener.states
        ready = node(2, lock_values(255))
        await made.service.say(source="node", event="ready", nodeId=2, nodeState=ready)
        await made.has()
        assert made.listener.states["lock"].position is Position.LOCKED
        made.moves(SUCCESS, mode=0)
        await made.driver.perform(UNLOCK)


async def test_an_echo_is_no_proof_of_a_lock(tmp_path: Path) -> None:  # laws 1, 3
    """The service says at once that the lock is open; the lock itself says that it is not."""
    async with rig(tmp_path, report_seconds=2.0) as made:
        await made.joined()
        made.moves(UNSUPERVISED, mode=255)
        task = asyncio.create_task(made.driver.perform(UNLOCK))
        await _until(lambda: made.told("node.set_value") == 1)
        await made.service.report(2, lock_value("currentMode", 0, writeable=False))
        with pytest.raises(HardwareError, match="did not move"):
            await task
        assert made.listener.states["lock"].position is Position.LOCKED
        assert made.told("endpoint.invoke_cc_api") == 1


async def test_a_late_report_is_proof_and_a_second_one_is_harmless(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.joined()
        made.moves(WORKING, mode=255)
        task = asyncio.create_task(made.driver.perform(UNLOCK))
        await _until(lambda: made.told("node.set_value") == 1)
        open_ = lock_value("currentMode", 0, writeable=False)
        await made.service.report(2, open_)
        await made.service.report(2, open_)
        await task
        assert made.told("endpoint.invoke_cc_api") == 0
        await made.service.report(2, open_)
        assert made.listener.states["lock"].position is Position.UNLOCKED


async def test_an_answer_that_comes_twice_is_taken_once(tmp_path: Path) -> None:  # connection, 3
    async with rig(tmp_path) as made:
        await made.joined()
        made.service.twice = True
        made.moves(SUCCESS, mode=0)
        await made.driver.perform(UNLOCK)
        await made.driver.perform(UNLOCK)
        assert made.told("start_listening") == 1, "the connection held"


async def test_an_answer_that_never_comes_leaves_it_open(tmp_path: Path) -> None:
    async with rig(tmp_path, call_seconds=0.1) as made:
        await made.joined()
        late: list[Any] = []
        made.service.handlers["node.set_value"] = late.append
        with pytest.raises(DriverGoneError, match="does not answer"):
            await made.driver.perform(UNLOCK)
        await made.service.answer(late[0], {"result": {"status": SUCCESS}})
        made.moves(SUCCESS, mode=0)
        await made.driver.perform(UNLOCK)


async def test_a_service_that_hangs_is_left(tmp_path: Path) -> None:  # connection, law 4
    async with rig(tmp_path, probe_seconds=0.05) as made:
        await made.joined()
        made.service.handlers["driver.get_log_config"] = lambda _: None
        await made.has(DeviceFault.SERVICE_GONE)
        del made.service.handlers["driver.get_log_config"]
        await made.has()


@pytest.mark.parametrize("raw", ["255", [], {}, None, 77, -1, 1e300, True])
async def test_a_mode_that_no_lock_has_is_unknown_and_no_proof(tmp_path: Path, raw: object) -> None:
    async with rig(tmp_path, report_seconds=0.1) as made:
        await made.joined()
        made.moves(SUCCESS, mode=raw)
        await made.service.report(2, lock_value("currentMode", raw, writeable=False))
        with pytest.raises(HardwareError, match="did not move"):
            await made.driver.perform(Command("lock", Verb.LOCK))
        assert made.listener.states["lock"].position is Position.UNKNOWN


async def test_a_node_that_is_somebody_elses_is_not_heard(tmp_path: Path) -> None:  # hearing, law 3
    async with rig(tmp_path) as made:
        await made.joined()
        made.service.nodes.append(node(7, lock_values(255)))
        await made.service.hang_up()
        await made.has(DeviceFault.SERVICE_GONE)
        await made.has()
        before = dict(made.listener.states)
        await made.service.report(7, lock_value("currentMode", 0, writeable=False))
        await made.service.report(3, lock_value("currentMode", 0, writeable=False))
        await made.listener.until(lambda: made.listener.states["other"] != before["other"])
        assert made.listener.states.keys() == before.keys()
        assert made.listener.states["lock"] == before["lock"]


async def test_chatter_of_one_node_leaves_the_others_alone(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.joined()
        for number in range(2000):
            await made.service.report(2, battery_value(number % 100))
        made.moves(SUCCESS, mode=0)
        await made.driver.perform(Command("other", Verb.UNLOCK))
        assert len(made.listener.readings) == 1


async def test_an_insecure_lock_gets_nothing(tmp_path: Path) -> None:  # law 4
    def insecure(service: FakeService) -> None:
        service.nodes[1] = node(2, lock_values(255), security=7)

    async with rig(tmp_path, insecure) as made:
        await made.joined()
        assert made.faults() == {DeviceFault.NOT_SECURE}
        for verb in (Verb.UNLOCK, Verb.LOCK):
            with pytest.raises(HardwareError, match="S2 Access Control"):
                await made.driver.perform(Command("lock", verb))
        assert made.told("node.set_value") == 0


async def test_the_number_of_a_user_goes_no_further(tmp_path: Path) -> None:  # hearing, law 1
    async with rig(tmp_path) as made:
        await made.joined()
        await made.service.say(
            source="node",
            event="notification",
            nodeId=2,
            endpointIndex=0,
            ccId=113,
            args={
                "type": 6,
                "event": 6,
                "label": "Access Control",
                "eventLabel": "Keypad unlock operation",
                "parameters": {"userId": 4711},
            },
        )
        await made.service.report(2, lock_value("currentMode", 0, writeable=False))
        await made.listener.until(lambda: made.listener.positions["lock"] is Position.UNLOCKED)
        listener = made.listener
        heard = (listener.states, listener.positions, listener.readings, listener.faults)
        assert "4711" not in repr(heard)


# The care of the network.


async def test_taking_in_asks_for_the_pin_and_tells_how_secure_it_became(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.joined()
        shown: list[tuple[int, ...]] = []

        async def ask_pin(groups: Any) -> int:
            shown.append(tuple(groups))
            return 42

        task = asyncio.create_task(made.driver.care.include(ask_pin, 10.0))
        await _until(lambda: made.told("controller.begin_inclusion") == 1)
        requested = {"securityClasses": [2, 1, 7], "clientSideAuth": False}
        say = made.service.say
        await say(source="controller", event="grant security classes", requested=requested)
        await _until(lambda: made.told("controller.grant_security_classes") == 1)
        await say(
            source="controller",
            event="validate dsk and enter pin",
            dsk="-11111-22222-33333-44444-55555-66666-07777",
        )
        await _until(lambda: made.told("controller.validate_dsk_and_enter_pin") == 1)
        await say(
            source="controller",
            event="node added",
            node=node(12, [], security=-1),
            result={"lowSecurity": True, "lowSecurityReason": 6},
        )
        included = await task
        assert shown == [(11111, 22222, 33333, 44444, 55555, 66666, 7777)]
        assert included.low_security
        assert included.why_low == 6
        assert included.node.security is NodeSecurity.NONE
        asked = {one["command"]: one for one in made.service.asked}
        assert asked["controller.begin_inclusion"]["options"] == {"strategy": 4}
        granted = asked["controller.grant_security_classes"]["inclusionGrant"]
        assert granted == {"securityClasses": [2, 1], "clientSideAuth": False}
        assert asked["controller.validate_dsk_and_enter_pin"]["pin"] == "00042"
        assert made.told("controller.stop_inclusion") == 1


async def test_nobody_to_take_in_or_out_ends_the_try(tmp_path: Path) -> None:  # care, laws 1, 4
    async with rig(tmp_path) as made:
        await made.joined()

        async def never(_: Any) -> None:
            raise AssertionError

        care = made.driver.care
        taking_in = asyncio.create_task(care.include(never, 0.2))
        await _until(lambda: made.told("controller.begin_inclusion") == 1)
        with pytest.raises(HardwareError, match="just now"):
            await care.exclude(0.1)
        with pytest.raises(HardwareError, match="no device asked to be taken in"):
            await taking_in
        with pytest.raises(HardwareError, match="no device asked to be taken out"):
            await care.exclude(0.1)
        assert made.told("controller.stop_inclusion") == 1
        assert made.told("controller.stop_exclusion") == 1


async def test_taking_out_tells_which_node_it_was(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.joined()
        task = asyncio.create_task(made.driver.care.exclude(10.0))
        await _until(lambda: made.told("controller.begin_exclusion") == 1)
        gone = node(3, [])
        await made.service.say(source="controller", event="node removed", node=gone, reason=0)
        assert await task == 3
        assert [one.node for one in made.driver.care.nodes()] == [2]


@pytest.mark.parametrize(
    "shown", ["", "-1-2-3", "abc", None, 7, "11111-" * 8, "-11111" * 7 + "\n", "x" * 10_000]
)
async def test_a_key_that_is_none_is_not_shown_to_anybody(shown: object) -> None:
    assert dsk_groups(shown) == ()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is awaited happens on another connection
            await asyncio.sleep(0.005)
