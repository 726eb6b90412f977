"""The suite of the port `NetworkCare`: each kind of network is cared for alike.

The real one stands before a service without a stick. What the real service does with a mock of a
network is in tests/zwave/test_care.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol, get_type_hints

import pytest
import pytest_asyncio

from drivers.zwave_js.driver import ZwaveJs
from hubcore.device.state import DeviceFault
from hubcore.errors import HardwareError
from hubcore.ports.network import (
    DSK_GROUPS,
    AskPin,
    Included,
    InclusionStep,
    NetworkCare,
    NetworkInfo,
    NodeInfo,
    NodeSecurity,
    NodeState,
    OnStep,
    Version,
)
from tests.fakes.device import FakeListener
from tests.fakes.network import SHOWN, FakeCare, Wish
from tests.fakes.zwave import FakeService, lock_values, node

pytestmark = pytest.mark.asyncio

PIN = 4711
NODES = (2, 3)
SOON = 20.0
NEVER = 0.2
NOT_FAILED = 360
"""zwave-js says: the node is not failed, it cannot be removed."""
LOW = 6


class Bench(Protocol):
    """A network with NODES."""

    care: NetworkCare

    async def wants_in(self, wish: Wish) -> None:
        """Have a device ask to be taken in, once somebody takes in."""

    async def wants_out(self, number: int) -> None:
        """Have a device ask to be taken out, once somebody takes out."""

    async def until_begun(self) -> None:
        """Return when taking in or out has begun."""

    def silence(self, number: int) -> None:
        """Have a node answer nothing from now on."""

    async def lose(self) -> None:
        """Take the network away."""


class FakeBench:
    def __init__(self) -> None:
        self.care = FakeCare(NODES)

    async def wants_in(self, wish: Wish) -> None:
        self.care.wants_in(wish)

    async def wants_out(self, number: int) -> None:
        self.care.wants_out(number)

    async def until_begun(self) -> None:
        await asyncio.sleep(0)

    def silence(self, number: int) -> None:
        self.care.silent.add(number)

    async def lose(self) -> None:
        self.care.failing = HardwareError("the stick is gone")


class ZwaveBench:
    """The care by zwave-js before a service that is told what its stick hears."""

    def __init__(self, service: FakeService, care: NetworkCare) -> None:
        self.care = care
        self._service = service
        self._silent: set[int] = set()
        self._at_work: set[asyncio.Future[None]] = set()
        service.refusing["controller.remove_failed_node"] = NOT_FAILED
        service.handlers |= {
            "node.ping": lambda asked: {"responded": asked["nodeId"] not in self._silent},
            "controller.rebuild_node_routes": lambda asked: {
                "success": asked["nodeId"] not in self._silent
            },
            "controller.remove_failed_node": self._removed,
        }

    async def wants_in(self, wish: Wish) -> None:
        await self.until_begun()
        self._service.handlers["controller.validate_dsk_and_enter_pin"] = lambda asked: self._later(
            self._taken_in(wish, asked["pin"])
        )
        say = self._service.say
        requested = {"securityClasses": [2, 1, 0, 7], "clientSideAuth": False}
        await say(source="controller", event="grant security classes", requested=requested)
        await self._until("controller.grant_security_classes")
        groups = "".join(f"-{group:05d}" for group in SHOWN)
        await say(source="controller", event="validate dsk and enter pin", dsk=groups)

    async def _taken_in(self, wish: Wish, pin: str) -> None:
        is_right = pin == f"{wish.pin:05d}"
        low = {"lowSecurity": True, "lowSecurityReason": LOW}
        await self._service.say(
            source="controller",
            event="node added",
            node=node(wish.node, [], security=2 if is_right else -1),
            result={"lowSecurity": False} if is_right else low,
        )

    async def wants_out(self, number: int) -> None:
        await self.until_begun()
        await self._gone(number)

    async def until_begun(self) -> None:
        async with asyncio.timeout(SOON):
            while not self._is_open():  # noqa: ASYNC110 - it happens on another connection
                await asyncio.sleep(0.005)

    def silence(self, number: int) -> None:
        self._silent.add(number)
        self._service.refusing.pop("controller.remove_failed_node", None)

    async def lose(self) -> None:
        self._service.version["maxSchemaVersion"] = 0
        await self._service.hang_up()
        async with asyncio.timeout(SOON):
            while not _is_lost(self.care):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def _removed(self, asked: Any) -> dict[str, Any]:
        return self._later(self._gone(asked["nodeId"]))

    async def _gone(self, number: int) -> None:
        gone = node(number, [])
        say = self._service.say
        await say(source="controller", event="node removed", node=gone, reason=0)

    def _later(self, saying: Any) -> dict[str, Any]:
        """Say something beside the answer."""
        self._at_work.add(asyncio.ensure_future(saying))
        return {}

    def _is_open(self) -> bool:
        """Tell whether the stick takes in or out just now."""
        told = [asked["command"] for asked in self._service.asked]
        begun = sum("controller.begin_" in command for command in told)
        ended = sum("controller.stop_" in command for command in told)
        return begun > ended

    async def _until(self, command: str) -> None:
        async with asyncio.timeout(SOON):
            while all(asked["command"] != command for asked in self._service.asked):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


def _is_lost(care: NetworkCare) -> bool:
    try:
        care.nodes()
    except HardwareError:
        return True
    return False


@pytest_asyncio.fixture(params=["fake", "zwave"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield FakeBench()
        return
    async with FakeService(tmp_path / "zwave.sock") as service:
        service.nodes = [node(1, []), *(node(number, lock_values(255)) for number in NODES)]
        driver = ZwaveJs(service.socket, [])
        serving = asyncio.create_task(driver.serve(FakeListener()))
        async with asyncio.timeout(SOON):
            while _is_lost(driver.care):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        try:
            yield ZwaveBench(service, driver.care)
        finally:
            serving.cancel()
            await asyncio.wait({serving})


async def never(_: Sequence[int]) -> None:
    raise AssertionError("no device asked to be taken in")


def numbers(bench: Bench) -> set[int]:
    return {one.node for one in bench.care.nodes()}


async def test_the_nodes_are_all_but_the_controller(bench: Bench) -> None:
    assert numbers(bench) == set(NODES)
    assert {one.security for one in bench.care.nodes()} == {NodeSecurity.S2_ACCESS_CONTROL}


async def test_what_drives_the_network_is_known_and_what_keeps_it_away(bench: Bench) -> None:
    info = bench.care.info()
    assert (info.fault, info.home_id, info.own_node) == (None, 1, 1)
    assert (info.driver, info.server) == (info.tested_driver, info.tested_server)
    assert {one.state for one in bench.care.nodes()} == {NodeState.ALIVE}
    await bench.lose()
    assert bench.care.info().fault is not None
    assert bench.care.info().home_id is None


async def test_a_device_is_taken_in_by_the_key_that_is_printed_on_it(bench: Bench) -> None:
    shown: list[tuple[int, ...]] = []

    async def ask_pin(groups: Sequence[int]) -> int:
        shown.append(tuple(groups))
        return PIN

    steps: list[InclusionStep] = []
    taking_in = asyncio.create_task(bench.care.include(ask_pin, SOON, steps.append))
    await bench.wants_in(Wish(12, PIN))
    included = await taking_in
    assert InclusionStep.WAITING in steps  # a device that is quick may ask before it is said
    asked = [one for one in steps if one not in (InclusionStep.FOUND, InclusionStep.WAITING)]
    assert asked == [InclusionStep.GRANTED, InclusionStep.KEY]
    assert shown == [SHOWN]
    assert len(SHOWN) == DSK_GROUPS
    assert (included.node.node, included.low_security) == (12, False)
    assert included.node.security is NodeSecurity.S2_ACCESS_CONTROL
    assert numbers(bench) == {*NODES, 12}


@pytest.mark.parametrize("said", [None, PIN + 1, -1, 70_000])
async def test_less_protection_than_asked_for_is_told(bench: Bench, said: int | None) -> None:
    async def ask_pin(_: Sequence[int]) -> int | None:  # law 2
        return said

    taking_in = asyncio.create_task(bench.care.include(ask_pin, SOON))
    await bench.wants_in(Wish(12, PIN))
    included = await taking_in
    assert included.low_security
    assert included.why_low == LOW
    assert included.node.security is NodeSecurity.NONE


async def test_a_device_is_taken_out(bench: Bench) -> None:
    taking_out = asyncio.create_task(bench.care.exclude(SOON))
    await bench.wants_out(3)
    assert await taking_out == 3
    assert numbers(bench) == {2}


async def test_one_thing_at_a_time_and_each_ends(bench: Bench) -> None:
    taking_in = asyncio.create_task(bench.care.include(never, SOON))
    await bench.until_begun()
    with pytest.raises(HardwareError, match="just now"):
        await bench.care.exclude(NEVER)
    with pytest.raises(HardwareError, match="just now"):
        await bench.care.include(never, NEVER)
    taking_in.cancel()
    await asyncio.wait({taking_in})
    for call in (bench.care.include(never, NEVER), bench.care.exclude(NEVER)):
        with pytest.raises(HardwareError, match="no device asked"):
            await call
    taking_out = asyncio.create_task(bench.care.exclude(SOON))
    await bench.wants_out(2)
    assert await taking_out == 2


async def test_a_node_answers_or_not(bench: Bench) -> None:
    assert await bench.care.ping(2)
    assert await bench.care.rebuild_routes(2)
    bench.silence(2)
    assert not await bench.care.ping(2)
    assert not await bench.care.rebuild_routes(2)


async def test_only_a_node_that_is_broken_is_forgotten(bench: Bench) -> None:
    with pytest.raises(HardwareError):
        await bench.care.remove_failed(3)
    assert numbers(bench) == set(NODES)
    bench.silence(3)
    await bench.care.remove_failed(3)
    async with asyncio.timeout(SOON):
        while numbers(bench) != {2}:  # noqa: ASYNC110 - the service tells it beside its answer
            await asyncio.sleep(0.005)


async def test_a_node_that_is_nobodys_is_an_error(bench: Bench) -> None:
    for call in (bench.care.ping(9), bench.care.rebuild_routes(9), bench.care.remove_failed(9)):
        with pytest.raises(HardwareError, match="node 9 is not in the network"):
            await call


async def test_without_a_network_each_call_is_an_error(bench: Bench) -> None:
    await bench.lose()
    care = bench.care
    with pytest.raises(HardwareError):
        care.nodes()
    for call in (
        care.include(never, NEVER),
        care.exclude(NEVER),
        care.remove_failed(2),
        care.ping(2),
        care.rebuild_routes(2),
    ):
        with pytest.raises(HardwareError):
            await call


NUMBERS = {int, float, bool, int | None, float | None, type(None)}
CALLS = ("nodes", "info", "include", "exclude", "remove_failed", "ping", "rebuild_routes")


async def test_what_crosses_to_a_network_is_numbers_and_nothing_of_people() -> None:  # law 4
    own = {name for name, part in vars(NetworkCare).items() if callable(part) and name[0] != "_"}
    assert own == set(CALLS)
    results = {Sequence[NodeInfo], NetworkInfo, Included}
    for name in CALLS:
        hints: dict[str, Any] = get_type_hints(getattr(NetworkCare, name))
        returned = hints.pop("return")
        assert returned in NUMBERS | results, name
        assert set(hints.values()) <= NUMBERS | {AskPin, OnStep}, name
    enums = {NodeSecurity, NodeState, DeviceFault | None}
    versions = {Version, Version | None}
    for kind in (NodeInfo, NetworkInfo, Included):
        hints = get_type_hints(kind)
        told = {hints[field.name] for field in fields(kind)}
        assert told <= NUMBERS | enums | versions | {NodeInfo}
    assert "str" not in str(AskPin)
