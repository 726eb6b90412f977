"""hubd-zwave.service as it is shipped, under the real systemd: Node.js in its sandbox, whom its
socket serves, and what a hub tells of a stick that is not there.

The stick is zwave-js's own simulated network on a serial line of the guest. So the way of a value
is whole: stick, line, service, socket, hubd, hubctl.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hubcore.errors import ConfigError
from hubsim.zwave.modules import find_modules
from lab.guest import Guest
from lab.hub import LabHub
from lab.stick import a_stick
from tests.lab.conftest import ROOT
from tests.lab.problems import HUBCTL
from tests.lab.unitfile import edit, put_back, tells

UNIT = "hubd-zwave"
DROP_IN = f"/run/systemd/system/{UNIT}.service.d/case.conf"
SOCKET = "/run/hubd-zwave/zwave-js.sock"
INSTALLER = str(ROOT / "systemd/install-zwave.sh")
INSTALL_SECONDS = 200.0
NODE_SECONDS = 150.0
"""The guest loads what the service is made of in some 25 s, and asks all nodes in some 60 s."""
LOOK_SECONDS = 0.5
EXPOSURE_MAX = 0.6
"""What docs/hub.md says."""
LIGHT = """
[zwave]

[[devices]]
kind = "zwave"
id = "light"
name = "Light"
node = 7
capability = "switch"
seconds_believed = 600.0

[radio]
"""
CONNECT = f"import socket; socket.socket(socket.AF_UNIX).connect('{SOCKET}')"


@pytest.fixture(scope="module")
def modules() -> Path:
    """The modules of the service, and its Node.js."""
    try:
        return find_modules()
    except ConfigError as error:
        if os.environ.get("HUBD_LAB") == "1":
            raise
        pytest.skip(str(error))


@pytest_asyncio.fixture(loop_scope="session")
async def with_zwave(installed: LabHub, guest: Guest, modules: Path) -> AsyncIterator[LabHub]:
    """The hub with a device on Z-Wave, and the service as its installer leaves it: not started."""
    cache = f"XDG_CACHE_HOME={modules.parent.parent}"
    await guest.run("env", cache, INSTALLER, "install", seconds=INSTALL_SECONDS)
    try:
        await edit(installed, "\n[radio]\n", LIGHT)
        await guest.run("systemctl", "stop", "hubd")
        yield installed
    finally:
        await guest.run("rm", "-f", DROP_IN)
        await guest.run(INSTALLER, "uninstall", seconds=INSTALL_SECONDS)
        await put_back(installed)


async def _until(ask: Callable[[], Awaitable[bool]], hub: LabHub, what: str) -> None:
    ends = time.monotonic() + NODE_SECONDS
    while not await ask():
        assert time.monotonic() < ends, f"{what} is not so\n{await hub.story(60)}"
        await asyncio.sleep(LOOK_SECONDS)


async def _status(hub: LabHub) -> dict[str, Any]:
    done = await hub.guest.run(*HUBCTL, "status", "--json", check=False)
    told: dict[str, Any] = json.loads(done.out) if done.out.startswith("{") else {"problems": []}
    return told


async def _is_told(hub: LabHub, problem: str) -> bool:
    return problem in [one["id"] for one in (await _status(hub))["problems"]]


async def _light(hub: LabHub) -> str:
    (light,) = (await _status(hub)).get("devices") or [{"position": ""}]
    return str(light["position"])


@pytest.mark.timeout(450)
async def test_the_service_in_its_sandbox_serves_hubd_and_tells_of_its_stick(
    with_zwave: LabHub, guest: Guest, modules: Path, tmp_path: Path
) -> None:
    hub = with_zwave
    verified = await guest.run(
        "systemd-analyze", "verify", "--recursive-errors=no", f"{UNIT}.service"
    )
    assert verified.err == ""
    await guest.run("systemctl", "start", UNIT)
    await hub.start()
    await _until(lambda: _is_told(hub, "devices_gone"), hub, "the stick that is not there is told")

    async with a_stick(modules, tmp_path) as device, guest.wired(device) as line:
        settings = f"Environment=HUBD_ZWAVE_STICK={line}\nEnvironment=HUBD_ZWAVE_SOFT_RESET=no\n"
        await guest.put(DROP_IN, f"[Service]\n{settings}".encode())
        await guest.run("systemctl", "daemon-reload")
        await guest.run("systemctl", "restart", UNIT)

        async def is_off() -> bool:
            return await _light(hub) == "off"

        await _until(is_off, hub, "the light says that it is off")
        assert not await _is_told(hub, "devices_gone")
        await _its_socket_is_for_hubd_alone(guest)
        await _its_sandbox_holds(guest)
        await guest.run("systemctl", "stop", UNIT)
        assert await tells(guest, "Result", UNIT) == "success"
        await _until(lambda: _is_told(hub, "devices_service"), hub, "the service's end is told")


async def _its_socket_is_for_hubd_alone(guest: Guest) -> None:
    shown = (await guest.run("stat", "-c", "%U %G %a", SOCKET, str(Path(SOCKET).parent))).out
    assert shown == "hubd-zwave hubd-zwave 660\nhubd-zwave hubd-zwave 750\n"
    python = "/opt/hubd/bin/python"
    await guest.run("runuser", "-u", "hubd", "--", python, "-c", CONNECT)
    other = await guest.run("runuser", "-u", "nobody", "--", python, "-c", CONNECT, check=False)
    assert "PermissionError" in other.err


async def _its_sandbox_holds(guest: Guest) -> None:
    pid = await guest.main_pid(UNIT)
    status = (await guest.run("cat", f"/proc/{pid}/status")).out
    assert re.search(r"^Seccomp:\s+2$", status, re.M), status
    assert re.search(r"^CapBnd:\s+0+$", status, re.M), status
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), status
    said = (await guest.run("systemd-analyze", "security", "--no-pager", UNIT)).out
    level = re.search(r"Overall exposure level for hubd-zwave\.service: ([0-9.]+)", said)
    assert level is not None, said
    assert float(level[1]) <= EXPOSURE_MAX, said
    keys = json.loads((await guest.run("cat", "/etc/credstore/hubd.zwave_keys")).out)
    shown = await guest.run(
        "sh", "-c", f"cat /proc/{pid}/environ /proc/{pid}/cmdline | tr '\\0' ' '"
    )
    journal = await guest.run("journalctl", "-u", UNIT, "--no-pager")
    assert "HUBD_ZWAVE_KEYS=" in shown.out
    assert [key for key in keys.values() if key in shown.out + journal.out] == []
    assert await tells(guest, "NRestarts", UNIT) == "0"
