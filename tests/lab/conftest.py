"""The lab's fixtures: one guest, one air and one hub for all cases; each case finds the hub
running.

The cases are skipped, with a reason, on a machine that cannot run a guest; with HUBD_LAB=1, as
`make lab` sets it, they fail there instead. They share one event loop, and one guest a process. A
case that does not end in time fails where it waits; one that does not even do that is ended with
its process, and the kernel ends with that what it began. HUBD_LAB_BLUEZ names another BlueZ than
the machine's (hardware-sim/lab/bluez.sh builds it); where versions differ, a case says what each of
them does.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "hardware-sim"))

from hubsim import site as sites  # noqa: E402
from hubsim.phone.attempt import Report  # noqa: E402
from hubsim.phone.wallet import Wallet  # noqa: E402
from lab.air import AirAddress, an_air  # noqa: E402
from lab.guest import Guest, bluez_path, kernel_path, lacking  # noqa: E402
from lab.hub import LabHub  # noqa: E402
from lab.visitors import visitor  # noqa: E402
from tests.lab.deaths import (  # noqa: E402
    BluetoothdDied,
    PhoneLetGo,
    deaths,
    guests_of,
    rest,
)

HERE = Path(__file__).parent
LONGEST = HERE / "test_update.py"
"""Begins first: else the others would wait for it in the end."""
CASE_SECONDS = 180.0
AROUND_SECONDS = 240.0
"""What the guests' boots before a case and its end may take, beside its attempts; then its process
is ended.
"""
BLUEZ = os.environ.get("HUBD_LAB_BLUEZ", "")
MENDED = BLUEZ.endswith("-mended")
"""Whether that BlueZ has the patches of systemd/."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the lab's cases with a reason, or put them on one loop, the longest first."""
    here = [item for item in items if HERE in item.path.parents]
    if not here:
        return
    items.sort(key=lambda item: item.path != LONGEST)
    why = _why_not()
    for item in here:
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        assert isinstance(item, pytest.Function)
        marker = item.get_closest_marker("timeout") or pytest.mark.timeout(CASE_SECONDS).mark
        again = not MENDED and item.get_closest_marker("reckons") is None
        item.obj = _ends(item.obj, marker.args[0])
        if again:
            of_bluez = [BluetoothdDied, PhoneLetGo]
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=of_bluez))
        item.add_marker(
            pytest.mark.timeout((1 + again) * marker.args[0] + AROUND_SECONDS), append=False
        )
        if why and os.environ.get("HUBD_LAB") != "1":
            item.add_marker(pytest.mark.skip(reason=why))


def _ends(case: Callable[..., Awaitable[None]], seconds: float) -> Callable[..., Awaitable[None]]:
    """The case, which fails where it waits when it has not ended in so many seconds.

    It fails with BluetoothdDied where bluetoothd has died by itself meanwhile, of what an earlier
    case left.
    """

    @functools.wraps(case)
    async def ends(**fixtures: Any) -> None:
        guests = guests_of(fixtures.values())
        before = [await deaths(guest) for guest in guests]
        try:
            async with asyncio.timeout(seconds):
                await case(**fixtures)
        except (Exception, asyncio.CancelledError, pytest.fail.Exception) as error:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            died = [
                guest
                for guest, count in zip(guests, before, strict=True)
                if await deaths(guest) > count
            ]
            if not died:
                raise
            for guest in died:
                await rest(guest)
            raise BluetoothdDied(
                "bluetoothd died by itself (systemd/bluez-client-left.patch)"
            ) from error

    return ends


def _why_not() -> str:
    why = lacking() or (
        "" if kernel_path() else "the lab's kernel is not built; `make lab` builds it"
    )
    if not why and BLUEZ and bluez_path(BLUEZ) is None:
        why = f"BlueZ {BLUEZ} is not built; `make lab BLUEZ={BLUEZ}` builds it"
    return why


def allowed(report: Report) -> bool:
    """Tell a yes from a no; an attempt that got no verdict fails the case with its reason."""
    assert report.verdict is not None, report.why
    return report.verdict.allowed


@asynccontextmanager
async def booted(folder: Path, bluez: str = BLUEZ, hub: Path | None = None) -> AsyncIterator[Guest]:
    """Boot a guest on a version of BlueZ ("" for the machine's own), with the hub in `hub` or the
    tree's; end it.
    """
    kernel = kernel_path()
    assert kernel is not None, _why_not()
    made = Guest(folder, bluez_path(bluez) if bluez else None, hub=hub)
    try:
        await made.boot(kernel)
        yield made
    finally:
        await made.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def air() -> AsyncIterator[AirAddress]:
    async with an_air() as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_air() -> AsyncIterator[AirAddress]:
    """An air without the cases' hub, whose phones another hub of its site might take for it."""
    async with an_air() as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guest(air: AirAddress, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guest]:
    async with booted(tmp_path_factory.mktemp("guest")) as made:
        await made.plug_in(air.host, air.port)
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bluez(guest: Guest) -> tuple[int, int]:
    """The version of the guest's bluetoothd, as itself tells it."""
    told = (await guest.run("/usr/libexec/bluetooth/bluetoothd", "--version")).out.strip()
    assert not BLUEZ or BLUEZ.removesuffix("-mended") in ("newest", told)
    major, minor = told.split(".")
    return int(major), int(minor)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def laptop(air: AirAddress, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guest]:
    """A second guest with an adapter of its own, and BlueZ as a laptop has it: with none of a hub's
    settings.
    """
    async with booted(tmp_path_factory.mktemp("laptop"), bluez="") as made:
        await made.run("rm", "/usr/lib/systemd/system/bluetooth.service.d/hubd.conf")
        await made.run("systemctl", "daemon-reload")
        await made.run("systemctl", "restart", "bluetooth")
        await made.plug_in(air.host, air.port)
        await made.run(
            "timeout", "20", "sh", "-c", "until bluetoothctl power on; do sleep 0.3; done"
        )
        yield made


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> sites.Site:
    return sites.init(tmp_path_factory.mktemp("lab") / "site")


@pytest.fixture
def phones(site: sites.Site) -> list[Wallet]:
    """Three phones that may open; they are new, so that the first time is a long one."""
    return [visitor(site) for _ in range(3)]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installed(guest: Guest, site: sites.Site) -> LabHub:
    hub = LabHub(guest, site)
    await hub.install()
    return hub


@pytest_asyncio.fixture(loop_scope="session")
async def hub(installed: LabHub) -> LabHub:
    """The hub, running."""
    await installed.start()
    return installed
