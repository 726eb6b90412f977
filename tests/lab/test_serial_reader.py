"""A reader on a serial line of a hub under systemd: readers.conf lets hubd use the line, and the
unit without it does not.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from hubsim.osdp.line import SimLine
from hubsim.osdp.reader import SimReader
from lab.guest import DEVICE_LINE, Guest
from lab.hub import CREDENTIALS, LabHub
from tests.lab.problems import shows
from tests.lab.unitfile import DROP_IN, drop_in, edit, put_back

pytest.importorskip("osdp_sys", reason="libosdp is not installed: the extra osdp")

ADDRESS = 1
BAUD = 115200
READERS_CONF = "/run/systemd/system/hubd.service.d/readers.conf"
CARD = b"\x2c\x0f\xfe\xe0"
BITS = 32
KEY_CREDENTIAL = "[Service]\nLoadCredential=reader-front:hubd.reader-front\n"
SECTION = f"""
[[readers]]
kind = "osdp"
id = "front"
access_point = 1
device = "{DEVICE_LINE}"
address = {ADDRESS}
baud = {BAUD}
key = "credential:reader-front"

[radio]
"""
PATIENCE_SECONDS = 40.0
LOOK_SECONDS = 0.2
SETTLE_SECONDS = 1.0
"""Right after a session has begun its reads are dropped."""
RED = 1


@pytest_asyncio.fixture(loop_scope="session")
async def reader(installed: LabHub, guest: Guest, tmp_path: Path) -> AsyncIterator[SimReader]:
    """The hub, stopped, with a reader on its line and the keys in place; readers.conf is not."""
    key = secrets.token_bytes(16)
    made = SimReader(ADDRESS, key)
    line = SimLine(tmp_path / "line", [made])
    try:
        await guest.run("systemctl", "stop", "hubd")
        await guest.put(f"{CREDENTIALS}reader-front", key, mode=0o600)
        await guest.put(f"{CREDENTIALS}card_key", secrets.token_bytes(32), mode=0o600)
        await drop_in(guest, KEY_CREDENTIAL)
        await edit(installed, "[keys]\n", '[keys]\ncard_key = "credential:card_key"\n')
        await edit(installed, "\n[radio]\n", SECTION)
        async with guest.wired(line.path), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(line.serve())
            yield made
            serving.cancel()
    finally:
        line.unplug()
        await guest.run("rm", "-f", READERS_CONF, DROP_IN, f"{CREDENTIALS}reader-front")
        await guest.run("rm", "-f", f"{CREDENTIALS}card_key")
        await put_back(installed)


async def test_a_reader_is_proven_and_read_with_the_drop_in_and_only_with_it(
    installed: LabHub, guest: Guest, reader: SimReader
) -> None:
    await installed.start()
    await shows(installed, "reader-line", lambda problem: problem is not None)
    assert not reader.is_secure

    await guest.run("install", "-m", "644", "/usr/lib/hubd/readers.conf", READERS_CONF)
    await guest.run("systemctl", "daemon-reload")
    await guest.run("systemctl", "stop", "hubd")
    await installed.start()
    await _until(
        lambda: reader.is_secure, installed, "the reader and the hub have proven themselves"
    )
    for problem in ("reader-line", "reader-gone", "reader-not-proven"):
        await shows(installed, problem, lambda found: found is None)
    reader.shown.clear()
    await asyncio.sleep(SETTLE_SECONDS)
    assert reader.hold_card(CARD, BITS)
    await _until(lambda: bool(reader.shown), installed, "the reader shows what became of the card")
    assert RED in [shown.colour for shown in reader.shown]
    assert not await installed.strike(0)


async def _until(holds: Callable[[], bool], hub: LabHub, what: str) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < ends, f"{what}: no\n{await hub.story(60)}"
        await asyncio.sleep(LOOK_SECONDS)
