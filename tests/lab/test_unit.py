"""hubd.service as it is shipped: what it can reach, how it ends, and whom it leaves a strike to."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio

from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import CHIP, CREDENTIALS, LabHub
from tests.lab.conftest import AirAddress

EXPOSURE_MAX = 1.5
PATIENCE_SECONDS = 30.0
CONFIG = "/etc/hubd/hubd.toml"
DROP_IN = "/run/systemd/system/hubd.service.d/case.conf"


@pytest_asyncio.fixture(loop_scope="session")
async def afterwards(installed: LabHub) -> AsyncIterator[None]:
    """Put everything back as the other cases want it."""
    yield
    await installed.guest.run("systemctl", "stop", "hubd", check=False)
    await installed.guest.run("rm", "-f", DROP_IN)
    await installed.install()


async def _unlock(air: AirAddress, wallet: Wallet) -> None:
    async with on_air(air.transport) as device, connect(device) as link:
        report = await Session(link, wallet).run(1)
        assert report.verdict is not None, report.why
        assert report.verdict.allowed


async def _property(guest: Guest, name: str, unit: str = "hubd") -> str:
    return (await guest.run("systemctl", "show", "-P", name, unit)).out.strip()


async def _until(guest: Guest, name: str, value: str, unit: str = "hubd") -> None:
    """Wait until systemd says so."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while (found := await _property(guest, name, unit)) != value:
        assert time.monotonic() < ends, f"{name} of {unit} is {found}, not {value}"
        await asyncio.sleep(0.1)


async def _journal_ends(guest: Guest) -> str:
    """Return the journal's cursor: where it ends now."""
    said = (await guest.run("journalctl", "-n", "0", "--show-cursor", "--no-pager")).out
    return said.rsplit("-- cursor: ", 1)[1].strip()


async def _journal_after(guest: Guest, cursor: str) -> str:
    """Return what the hub's journal holds beyond a cursor, with all that has been said until now."""
    await guest.run("journalctl", "--sync")
    argv = ("journalctl", "-u", "hubd", f"--after-cursor={cursor}", "-o", "cat", "--no-pager")
    return (await guest.run(*argv)).out


async def _drop_in(guest: Guest, text: str) -> None:
    await guest.put(DROP_IN, text.encode())
    await guest.run("systemctl", "daemon-reload")


async def _edit(hub: LabHub, old: str, new: str) -> None:
    """Change the configuration as an installer does."""
    text = (await hub.guest.run("cat", CONFIG)).out
    assert old in text
    await hub.guest.put(CONFIG, text.replace(old, new).encode())


async def test_the_exposure_of_the_running_unit(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    said = (await guest.run("systemd-analyze", "security", "--no-pager", "hubd")).out
    level = re.search(r"Overall exposure level for hubd\.service: ([0-9.]+)", said)
    assert level is not None, said
    print(said)
    assert float(level[1]) <= EXPOSURE_MAX, said
    await _unlock(air, phones[0])
    status = (await guest.run("cat", f"/proc/{await hub.pid()}/status")).out
    assert re.search(r"^Seccomp:\s+2$", status, re.M), status
    assert re.search(r"^CapBnd:\s+0+$", status, re.M), status
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), status


async def test_the_backend_is_reached_by_its_name(hub: LabHub, guest: Guest, afterwards: None) -> None:
    """The resolver must work without Netlink."""
    await guest.run("sh", "-c", "grep -q backend.example /etc/hosts || echo 127.0.0.1 backend.example >>/etc/hosts")
    listen = "import socket; socket.create_server(('127.0.0.1', 4505)).accept()"
    await guest.run("systemd-run", "--unit=listener", "-r", "/opt/hubd/bin/python", "-c", listen)
    await _edit(hub, "[keys]\n", '[keys]\ncurve_secret = "credential:curve_secret"\n')
    await _edit(hub, "[keys]\n", '[keys]\nbackend_public = "credential:backend_public"\n')
    await _edit(hub, "[[doors]]", '[backend]\nendpoint = "tcp://backend.example:4505"\n\n[[doors]]')
    await guest.run("systemctl", "restart", "hubd")
    await _until(guest, "SubState", "exited", "listener")


async def test_a_wrong_configuration_is_no_loop_of_restarts(hub: LabHub, guest: Guest, afterwards: None) -> None:
    await _edit(hub, "time_zone", "time_zome")
    done = await guest.run("systemctl", "restart", "hubd", check=False)
    assert done.status != 0
    await _until(guest, "ActiveState", "failed")
    assert await _property(guest, "SubState") == "failed", "systemd means to start it again"
    assert await _property(guest, "ExecMainStatus") == "78"
    assert "time_zome" in await hub.journal()


async def test_a_missing_key_is_told_by_hubd(hub: LabHub, guest: Guest, afterwards: None) -> None:
    await guest.run("rm", "/etc/credstore/hubd.identity")
    await guest.run("systemctl", "restart", "hubd", check=False)
    await _until(guest, "SubState", "failed")
    assert await _property(guest, "ExecMainStatus") == "78"
    assert "keys.identity" in await hub.journal()


async def test_keys_that_lie_encrypted(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], afterwards: None
) -> None:
    """Sealed keys serve with the plain ones still there, and without. With no backend there is no `curve_secret`."""
    await guest.run("systemctl", "stop", "hubd")
    await guest.put(f"{CREDENTIALS}beacon", (hub.site.hub / "beacon.key").read_bytes(), 0o600)
    await _edit(hub, "[keys]\n", '[keys]\nbeacon = "credential:beacon"\n')
    await guest.run("rm", f"{CREDENTIALS}curve_secret")
    for name in ("identity", "beacon"):
        plain, sealed = f"{CREDENTIALS}{name}", f"/etc/credstore.encrypted/hubd.{name}"
        await guest.run("systemd-creds", "encrypt", "--with-key=host", f"--name={name}", plain, sealed)
    await guest.run("install", "-D", "-m", "644", "/usr/lib/hubd/sealed-keys.conf", DROP_IN)
    await guest.run("systemctl", "daemon-reload")
    await hub.start()
    await guest.run("systemctl", "stop", "hubd")
    await guest.run("rm", f"{CREDENTIALS}identity", f"{CREDENTIALS}beacon")
    await hub.start()
    await _unlock(air, phones[0])
    await guest.run("sh", "-c", "rm /etc/credstore.encrypted/*")


@asynccontextmanager
async def _chip_that_outlives(guest: Guest, line: int) -> AsyncIterator[str]:
    """A chip whose only line is a line of the simulator, and keeps what was driven last when its holder dies."""
    driver = "/sys/bus/platform/drivers/gpio-aggregator"
    ask = f"import gpiod; print(gpiod.Chip('{CHIP}').get_info().label)"
    label = (await guest.run("/opt/hubd/bin/python", "-c", ask)).out.strip()
    await guest.run("sh", "-c", f"echo '{label} {line}' >{driver}/new_device")
    chip = (await guest.run("sh", "-c", f"cd {driver}/gpio-aggregator.0; ls -d gpiochip[0-9]*")).out.strip()
    await guest.run("sh", "-c", f"chgrp gpio /dev/{chip}; chmod 660 /dev/{chip}")
    try:
        yield f"/dev/{chip}"
    finally:
        await guest.run("sh", "-c", f"echo gpio-aggregator.0 >{driver}/delete_device")


async def test_all_killed_in_a_pulse_on_a_chip_that_keeps_driving(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], afterwards: None
) -> None:
    """ExecStopPost= is what ends it: without, the line stays driven. Nothing is started again here."""
    line = 3
    async with _chip_that_outlives(guest, line) as chip:
        await guest.run("systemctl", "stop", "hubd")
        await _edit(hub, f'strike = {{ chip = "{CHIP}", line = 0 }}', f'strike = {{ chip = "{chip}", line = 0 }}')
        await _edit(hub, "strike_seconds = 1.0", "strike_seconds = 9.0")
        for settings, still_driven in (("Restart=no\nExecStopPost=\n", True), ("Restart=no\n", False)):
            await _drop_in(guest, "[Service]\n" + settings)
            await hub.start()
            await _unlock(air, phones[0])
            assert await hub.strike(line)
            before = await _journal_ends(guest)
            await guest.run("sh", "-c", "echo 1 >/sys/fs/cgroup/system.slice/hubd.service/cgroup.kill")  # all at once
            await _until(guest, "ActiveState", "failed")
            assert await hub.strike(line) is still_driven
            said = await _journal_after(guest, before)
            assert ("strikes driven inactive: 1 of 1" in said) is not still_driven, said
