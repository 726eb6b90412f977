"""The care of a network before the real service; taking in is in tests/unit/test_zwave_service.py.

The mock cannot take in by S2 Access Control, so what a stick does there was not tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from zwave_js_server.const import InclusionState

from hubcore.errors import HardwareError
from hubcore.ports.network import NodeSecurity, NodeState
from tests.zwave.conftest import PATIENCE_SECONDS, Bench

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def never(_: Sequence[int]) -> None:
    raise AssertionError("no device asked to be taken in")


async def test_the_nodes_are_listed(bench: Bench) -> None:
    nodes = {one.node: one for one in bench.driver.care.nodes()}
    assert set(nodes) == set(range(2, 12))
    assert {number for number, one in nodes.items() if one.is_lock} == {2, 6, 8}
    insecure = {NodeSecurity.NONE, NodeSecurity.UNKNOWN}
    assert {one.security for one in nodes.values()} <= insecure
    assert all(one.last_seen is not None for one in nodes.values())


async def test_the_stick_the_service_and_its_version_are_known(bench: Bench) -> None:
    info = bench.driver.care.info()
    assert info.fault is None
    assert info.own_node == 1
    assert info.home_id
    assert (info.driver, info.server) == (info.tested_driver, info.tested_server)


async def test_batteries_products_and_states_are_told(bench: Bench) -> None:
    nodes = {one.node: one for one in bench.driver.care.nodes()}
    assert nodes[2].battery is not None
    assert nodes[7].battery is None
    assert {one.state for one in nodes.values()} <= {NodeState.ALIVE, NodeState.ASLEEP}
    assert all(isinstance(one.maker, int) for one in nodes.values())
    await bench.network.disturb("/dead?node=7&on=1")
    assert not await bench.driver.care.ping(7)

    def states() -> dict[int, NodeState]:
        return {one.node: one.state for one in bench.driver.care.nodes()}

    async with asyncio.timeout(PATIENCE_SECONDS):
        while states()[7] is not NodeState.DEAD:  # noqa: ASYNC110 - the service tells it
            await asyncio.sleep(0.05)
    assert states()[8] is NodeState.ALIVE
    await bench.network.disturb("/dead?node=7&on=0")
    assert await bench.driver.care.ping(7)


async def test_the_stick_stops_taking_in_when_nobody_is_connected(bench: Bench) -> None:
    """Service, law 7: hubd has died in the middle."""
    begun = asyncio.Event()
    taking_in = asyncio.create_task(bench.driver.care.include(never, 2.0, lambda _: begun.set()))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()
        await bench.proxy.hang_up()
        with pytest.raises(HardwareError):
            await taking_in
        while bench.driver.care.info().fault is not None:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.05)
    controller = bench.driver.care._connection.driver.controller
    assert controller.inclusion_state is InclusionState.IDLE


async def test_a_node_answers_a_ping_or_not(bench: Bench) -> None:
    assert await bench.driver.care.ping(7)
    await bench.network.disturb("/dead?node=7&on=1")
    assert not await bench.driver.care.ping(7)
    await bench.network.disturb("/dead?node=7&on=0")
    assert await bench.driver.care.ping(7)
    with pytest.raises(HardwareError, match="node 99 is not in the network"):
        await bench.driver.care.ping(99)


async def test_nobody_who_wants_in_or_out(bench: Bench) -> None:
    with pytest.raises(HardwareError, match="no device asked to be taken in"):
        await bench.driver.care.include(never, 0.5)
    with pytest.raises(HardwareError, match="no device asked to be taken out"):
        await bench.driver.care.exclude(0.5)
    assert await bench.driver.care.ping(7), "the stick works on"


async def test_what_the_mocks_stick_cannot_do_is_an_error_and_no_end(bench: Bench) -> None:
    with pytest.raises(HardwareError):
        await bench.driver.care.remove_failed(7)
    assert await bench.driver.care.rebuild_routes(7) in (True, False)
    assert await bench.driver.care.ping(7)
