"""How an OSDP reader gets its first key, and its next one: the real panel process, simulated
readers on a pseudo-terminal.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from drivers.osdp.process import make_roomy
from drivers.osdp.readers import OsdpReader, OsdpReaders
from drivers.osdp.wire.words import DEFAULT_KEY
from hubcore.errors import HardwareError
from hubcore.ports.reader import ReaderFault, ReaderKey
from hubsim.osdp.reader import SimReader
from tests.fakes.reader import LOST
from tests.osdp_bench import OsdpBench

pytestmark = [pytest.mark.asyncio, pytest.mark.once]


@pytest_asyncio.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[OsdpBench]:
    """A bench whose reader `front` is as it came from its maker."""
    bench = OsdpBench(tmp_path)
    bench.sims["front"] = SimReader(1, None, fresh=True)
    bench.line.readers[0] = bench.sims["front"]
    async with bench.served():
        await bench.until_settled("back")
        yield bench


async def test_a_fresh_reader_gets_nothing_by_itself(fresh: OsdpBench) -> None:
    """Whoever puts a reader from the shop in its place gets no key (port, law 6; session, 5)."""
    await fresh.until(lambda: bool(fresh.told.standing("front") & LOST))
    fresh.sims["front"].hold_card(bytes(8))
    await fresh.until_card("back")
    assert fresh.sims["front"].key is None
    assert [read.reader for read in fresh.told.cards] == ["back"]


async def test_an_install_command_gives_a_fresh_reader_its_key(fresh: OsdpBench) -> None:
    await fresh.readers.install_key("front")
    assert fresh.sims["front"].key == fresh.keys["front"] == fresh.readers.key_in_use("front")
    await fresh.until_settled()
    await fresh.until_card("front")
    assert not fresh.told.standing("front")
    await fresh.readers.install_key("front")  # it has it already: nothing is done


async def test_a_foreign_reader_gets_no_key_and_is_not_believed(fresh: OsdpBench) -> None:
    """Only the default key makes way for another: a reader with a key of somebody else's is no
    fresh one.
    """
    fresh.sims["front"].fresh = False
    other = secrets.token_bytes(16)
    fresh.sims["front"].swap_key(other)
    with pytest.raises(HardwareError, match="has not proven itself with its key"):
        await fresh.readers.install_key("front")
    assert fresh.sims["front"].key == other
    assert ReaderFault.NOT_PROVEN in fresh.told.standing("front")


async def test_what_a_reader_tells_over_the_default_key_goes_nowhere(fresh: OsdpBench) -> None:
    told_while_fresh = 0
    async with asyncio.TaskGroup() as tasks:
        install = tasks.create_task(fresh.readers.install_key("front"))
        while not install.done():
            if fresh.sims["front"].key is None:
                told_while_fresh += fresh.sims["front"].hold_card(DEFAULT_KEY[:8])
            await asyncio.sleep(0.005)
    assert told_while_fresh
    await fresh.until_settled()
    await fresh.until_card("front")
    assert DEFAULT_KEY[:8] not in {read.data for read in fresh.told.cards}


async def test_a_next_key_is_given_and_then_the_one_in_use(tmp_path: Path) -> None:
    bench = OsdpBench(tmp_path)
    next_key = secrets.token_bytes(16)
    front = OsdpReader(id="front", device=str(bench.line.path), address=1, key=bench.keys["front"])
    changing = replace(front, candidate=next_key)
    bench.readers = OsdpReaders([changing], lambda up, why: bench.panels.append((up, why)))
    async with bench.served():
        await bench.until_settled("front")
        await bench.readers.renew_key("front")
        assert bench.sims["front"].key == next_key == bench.readers.key_in_use("front")
        await bench.readers.renew_key("front")  # nothing is left to do
        assert bench.readers.proven_with("front") is ReaderKey.NEXT


async def test_without_a_next_key_the_remedy_is_told(fresh: OsdpBench) -> None:
    with pytest.raises(HardwareError, match="has no next_key in the configuration"):
        await fresh.readers.renew_key("back")


async def test_without_a_panel_no_key_is_given(tmp_path: Path) -> None:
    bench = OsdpBench(tmp_path)
    with pytest.raises(HardwareError, match="panel is not at work"):
        await bench.readers.install_key("front")
    bench.line.unplug()


async def test_a_socket_that_the_kernel_refuses_is_a_hardware_error() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    theirs.close()
    with pytest.raises(HardwareError, match="panel cannot be started"):
        make_roomy(ours, theirs)
