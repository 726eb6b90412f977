"""A gateway tells which hubs it hears: a real engine, a real gateway, and a hub with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubcore.backend.present import read_present
from hubgateway.rules import names
from tests.gateway.bench import WAIT_SECONDS, running

pytestmark = pytest.mark.once


async def test_a_gateway_names_the_hubs_that_it_hears(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        gate = await bench.gate()
        hub = await bench.hub("hub-1")
        heard = await bench.client.subscribe(names.PRESENT)
        await hub.greet(gate.endpoint)
        named: frozenset[str] = frozenset()
        while not named:
            named = read_present((await heard.next_msg(WAIT_SECONDS)).data)
        assert named == {"hub-1"}
