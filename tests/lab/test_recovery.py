"""The radio comes back by itself, on air in less than RECOVERY_SECONDS, whatever below it was
killed or pulled, as often as that happens, and nothing is left behind: no descriptor, thread, task
or memory.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import SECOND_RADIO_LINE, Guest
from lab.hub import LabHub
from lab.vitals import Vitals, lull
from tests.lab.conftest import AirAddress, allowed
from tests.lab.recovering import recovers
from tests.lab.unlocking import unlock

ROUNDS = 5
GROWTH_KIB_MAX = 1024
"""What a round may leave is caught by the descriptors, threads and tasks; this is for what only
memory shows.
"""

Damage = Callable[[Guest, AirAddress], Awaitable[None]]


async def _adapters(guest: Guest) -> dict[str, str]:
    """Return the path of every adapter by its address."""
    argv = (
        "busctl",
        "--json=short",
        "call",
        "org.bluez",
        "/",
        "org.freedesktop.DBus.ObjectManager",
    )
    told = json.loads((await guest.run(*argv, "GetManagedObjects")).out)["data"][0]
    adapters = {
        path: found["org.bluez.Adapter1"]
        for path, found in told.items()
        if "org.bluez.Adapter1" in found
    }
    return {adapter["Address"]["data"]: path for path, adapter in adapters.items()}


async def bluetoothd_killed(guest: Guest, air: AirAddress) -> None:
    await guest.run("systemctl", "kill", "-s", "KILL", "bluetooth")


async def bluetoothd_restarted(guest: Guest, air: AirAddress) -> None:
    await guest.run("systemctl", "restart", "bluetooth")


async def adapter_pulled_and_back(guest: Guest, air: AirAddress) -> None:
    await guest.pull_out()
    await guest.plug_in(air.host, air.port)


async def adapter_switched_off(guest: Guest, air: AirAddress) -> None:
    await guest.run("bluetoothctl", "power", "off")


async def adapter_blocked_and_freed(guest: Guest, air: AirAddress) -> None:
    await guest.run(
        "sh", "-c", "for s in /sys/class/rfkill/rfkill*; do echo 1 >$s/soft; echo 0 >$s/soft; done"
    )


async def system_bus_restarted(guest: Guest, air: AirAddress) -> None:
    """The bus alone: BlueZ ends with it, without an error, and its unit as a hub has it starts it
    again.
    """
    await guest.run("systemctl", "restart", "dbus")


@pytest.mark.parametrize(
    "damage",
    [
        bluetoothd_killed,
        bluetoothd_restarted,
        adapter_pulled_and_back,
        adapter_switched_off,
        adapter_blocked_and_freed,
        system_bus_restarted,
    ],
)
async def test_back_on_air_each_time_and_nothing_is_leaked(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], damage: Damage
) -> None:
    pid = await hub.pid()
    seen = []
    for _ in range(ROUNDS):
        async with recovers(hub):
            await damage(guest, air)
        await unlock(air, phones[0])
        seen.append(await lull(guest))
    assert await hub.pid() == pid, "the daemon itself must live on"
    _nothing_leaked(seen)


def _nothing_leaked(seen: list[Vitals]) -> None:
    """Compare two lulls of the hub and its guard; the first round may still load something."""
    first, *_, last = seen[1:]
    assert last.tasks == first.tasks, seen
    for name in ("hubd", "guard"):
        before = first.of[name]
        after = last.of[name]
        assert (after.pid, after.descriptors, after.threads) == (
            before.pid,
            before.descriptors,
            before.threads,
        ), seen
        assert after.rss_kib - before.rss_kib < GROWTH_KIB_MAX, seen


@pytest_asyncio.fixture(loop_scope="session")
async def by_address(
    hub: LabHub, guest: Guest, air: AirAddress
) -> AsyncIterator[tuple[LabHub, str]]:
    """The hub, told its adapter's address, and the address; the usual one is put back at
    the end.
    """
    (address,) = await _adapters(guest)
    chosen = LabHub(guest, hub.site, adapter=address)
    try:
        await chosen.install()
        await guest.run("systemctl", "restart", "hubd")
        await chosen.start()
        yield chosen, address
    finally:
        await guest.pull_out(SECOND_RADIO_LINE)
        await guest.pull_out(keep=True)
        await guest.plug_in(air.host, air.port)  # the first index is its own again
        await hub.install()
        await guest.run("systemctl", "restart", "hubd")


async def test_adapter_back_under_another_index_beside_another_that_works_too(
    by_address: tuple[LabHub, str], guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """The adapter is known by its address: an index belongs to whoever is plugged in first."""
    hub, address = by_address
    seen = []
    second = False
    for _ in range(ROUNDS):
        before = (await _adapters(guest))[address]
        async with recovers(hub):
            await guest.pull_out(keep=True)
            if second:
                await guest.pull_out(SECOND_RADIO_LINE)
            else:
                await guest.plug_in(air.host, air.port, SECOND_RADIO_LINE)
            second = not second
            await guest.plug_in(air.host, air.port)
        adapters = await _adapters(guest)
        assert adapters[address] != before
        assert len(adapters) == 1 + second
        async with on_air(air.transport) as device, connect(device) as link:
            assert link.connection.peer_address.to_string(with_type_qualifier=False) == address
            assert allowed(await Session(link, phones[0]).run(1))
        seen.append(await lull(guest))
    _nothing_leaked(seen)
