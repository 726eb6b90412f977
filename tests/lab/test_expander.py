"""A strike on the line of an expander: one more GPIO chip, beside the one of a board's header."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio

from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import CHIP, LabHub
from tests.lab.conftest import AirAddress
from tests.lab.unitfile import edit, put_back
from tests.lab.unlocking import unlock

LABEL = "tca9555"
LINE = 9
HEADER = "pinctrl-bcm2711"
PATIENCE_SECONDS = 20.0
MAKE = """
set -e
sim=/sys/kernel/config/gpio-sim/$1
mkdir -p $sim/bank0
echo 16 >$sim/bank0/num_lines
echo $2 >$sim/bank0/label
echo 1 >$sim/live
chip=$(cat $sim/bank0/chip_name)
chgrp gpio /dev/$chip
chmod 660 /dev/$chip
echo /sys/devices/platform/$(cat $sim/dev_name)/$chip
"""
REMOVE = """
sim=/sys/kernel/config/gpio-sim/$1
echo 0 >$sim/live
rmdir $sim/bank0 $sim
"""


@asynccontextmanager
async def _a_chip(guest: Guest, name: str, label: str) -> AsyncIterator[str]:
    """Have one more chip; yield where the simulator shows its lines."""
    made = await guest.run("sh", "-c", MAKE, "sh", name, label)
    try:
        yield made.out.strip()
    finally:
        await guest.run("sh", "-c", REMOVE, "sh", name)


@pytest_asyncio.fixture(loop_scope="session")
async def lines(installed: LabHub, guest: Guest) -> AsyncIterator[str]:
    """The hub with its strike on an expander, beside a chip as a Raspberry Pi's header has it."""
    async with _a_chip(guest, "header", HEADER), _a_chip(guest, "expander", LABEL) as shown:
        try:
            await guest.run("systemctl", "stop", "hubd")
            strike = 'strike = {{ chip = "{}", line = {} }}'
            await edit(installed, strike.format(CHIP, 0), strike.format(LABEL, LINE))
            yield shown
        finally:
            await put_back(installed)


async def test_a_strike_on_an_expander_is_driven_and_falls_back(
    installed: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], lines: str
) -> None:
    value = f"{lines}/sim_gpio{LINE}/value"
    checked = await guest.run("/opt/hubd/bin/hubd", "--check-config", check=False, seconds=60)
    assert f"(label {LABEL}), line {LINE}" in checked.out, checked
    assert "is on chip" not in checked.out
    await installed.start()
    assert (await guest.run("cat", value)).out == "0\n"
    async with asyncio.TaskGroup() as tasks:
        seen = tasks.create_task(_becomes(guest, value, "1"))
        await unlock(air, phones[0])
    assert seen.result(), "the strike was never driven"
    assert not await installed.strike(0)
    assert await _becomes(guest, value, "0"), "the strike is still driven"


async def _becomes(guest: Guest, value: str, wanted: str) -> bool:
    """Tell whether a line has this level within PATIENCE_SECONDS."""
    script = f"until grep -qx {wanted} {value}; do sleep 0.02; done"
    limit = ("timeout", f"{PATIENCE_SECONDS:.0f}")
    done = await guest.run(*limit, "sh", "-c", script, seconds=PATIENCE_SECONDS * 1.5, check=False)
    return done.status == 0
