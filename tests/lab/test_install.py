"""A hub as `make install` makes it, whole: its own environment on the machine's Python, no
simulator, and an unlock.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hubcore.access.grant import Access
from hubsim import site as sites
from hubsim.phone import wallet
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from lab.guest import Guest
from lab.hub import CHIP, LabHub
from tests.lab.conftest import ROOT, AirAddress, booted

PYTHON = "/usr/bin/python3"
INSTALL_SECONDS = 300
GUARD_SECONDS = 20.0
UDEV = ("systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket")
STICK = "ttyS9"
AS_PIP = r"""#!/bin/sh
# Python, with a venv and a pip that put the environment in place that is there already, its
# version marked.
case "$*" in
    "-m venv --without-pip "*)
        cp -a /opt/hubd/. "$4"
        sed -i 's/^\(__version__ = ".*\)"/\1.2"/' "$4"/lib/python3*/site-packages/hubcore/version.py
        cd "$4"/lib/python3*/site-packages
        sed -i 's/^\(Version: .*\)/\1.2/' hubd_access_hub-*.dist-info/METADATA
        ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip "*) ;;
    *) exec /usr/bin/python3 "$@" ;;
esac
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install` puts below DESTDIR."""
    folder = tmp_path_factory.mktemp("image")
    argv = ["make", "-s", "install", f"DESTDIR={folder}", f"PYTHON={PYTHON}"]
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Left to do" in done.stdout
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def imaged(
    image: Path, own_air: AirAddress, site: sites.Site, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LabHub]:
    """A guest whose hub is that image."""
    async with booted(tmp_path_factory.mktemp("imaged"), bluez="", hub=image) as guest:
        await guest.plug_in(own_air.host, own_air.port)
        hub = LabHub(guest, site)
        await hub.install()
        yield hub


def _mentions(image: Path, place: Path) -> list[Path]:
    """Every file of the image that names a place."""
    files = [path for path in image.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 500
    return [path for path in files if str(place).encode() in path.read_bytes()]


async def test_the_image_says_nowhere_where_it_was_made(image: Path) -> None:
    assert _mentions(image, image) == []
    assert _mentions(image, ROOT) == []
    assert (image / "opt/hubd/bin/hubd").read_text().startswith("#!/opt/hubd/bin/python")
    assert (image / "opt/hubd/bin/python3").readlink() == Path(PYTHON)


async def test_the_image_holds_no_simulator_and_no_tools(image: Path) -> None:
    (packages,) = (image / "opt/hubd/lib").glob("python3*/site-packages")
    there = {path.name for path in packages.iterdir()}
    assert {"hubd", "drivers", "cryptography", "zmq", "gpiod", "dbus_fast"} <= there
    assert not there & {"hubsim", "bumble", "pip", "setuptools", "pytest"}
    commands = {path.name for path in (image / "opt/hubd/bin").iterdir()}
    assert {name for name in commands if not name.startswith("python")} == {
        "hubd",
        "hubctl",
        "hubbridge",
    }
    sources = [path for path in packages.rglob("*.py") if path.parts[-2] in ("core", "adapters")]
    assert sources
    for path in sources:
        assert list((path.parent / "__pycache__").glob(path.stem + ".*.pyc")), (
            f"{path} is not compiled"
        )


async def test_it_runs_and_unlocks(imaged: LabHub, site: sites.Site, own_air: AirAddress) -> None:
    guest = imaged.guest
    verified = await guest.run("systemd-analyze", "verify", "--recursive-errors=no", "hubd.service")
    assert verified.err == ""
    await imaged.start()
    # its guard's interpreter starts beside the radio: on air may come before
    ends = time.monotonic() + GUARD_SECONDS
    while '"part":"strikes","up":true' not in (said := await imaged.journal()):
        assert time.monotonic() < ends, said
        await asyncio.sleep(0.1)
    command = (await guest.run("cat", f"/proc/{await imaged.pid()}/cmdline")).out.split("\0")
    assert command[:2] == ["/opt/hubd/bin/python", "/opt/hubd/bin/hubd"]
    phone = wallet.load(site.grant("phone-of-the-image", [Access(1, sites.OPEN_AND_QUERY, ())]))
    async with (
        on_air(own_air.transport) as device,
        connect(device) as link,
        asyncio.TaskGroup() as tasks,
    ):
        seen = tasks.create_task(imaged.strike_seen(20))
        report = await Session(link, phone).run(1)
        assert report.verdict is not None, report.why
        assert report.verdict.allowed, await imaged.journal()
    assert seen.result()
    assert (
        json.loads((await guest.run("hubctl", "status", "--json", check=False)).out)["hub"]
        == "hub-1"
    )
    bluez = (await guest.run("systemctl", "show", "-P", "ExecStart", "bluetooth")).out
    assert "bluetoothd -f /usr/lib/hubd/bluez-main.conf" in bluez


async def test_the_check_says_what_is_right_and_what_is_not(imaged: LabHub) -> None:
    async def check(status: int) -> str:
        done = await imaged.guest.run(
            "/opt/hubd/bin/hubd", "--check-config", check=False, seconds=60
        )
        assert done.status == status, done
        return done.out

    said = await check(0)
    assert said.startswith("right: ")
    assert "hub: hub-1 of site site-1" in said
    assert f"strike on {CHIP} (label " in said
    assert "bluetooth: bluetoothd runs, adapters: hci" in said
    await imaged.guest.run("mv", "/etc/credstore/hubd.issuer", "/etc/credstore/elsewhere")
    said = await check(78)
    assert said.startswith("NOT right: 1 thing to mend")
    assert "wrong: key issuer: /etc/credstore/hubd.issuer: there is no such file" in said
    await imaged.guest.run("mv", "/etc/credstore/elsewhere", "/etc/credstore/hubd.issuer")
    await imaged.guest.run("sed", "-i", "s/time_zone/time_zome/", "/etc/hubd/hubd.toml")
    assert "time_zome" in await check(78)
    await imaged.install()


async def test_the_check_finds_sealed_keys_right(imaged: LabHub) -> None:
    """With the plain one still beside it, and without."""
    guest = imaged.guest
    plain = "/etc/credstore/hubd.identity"
    drop_in = "/run/systemd/system/hubd.service.d/case.conf"
    sealed = "/etc/credstore.encrypted/hubd.identity"
    await guest.run("systemd-creds", "encrypt", "--with-key=host", "--name=identity", plain, sealed)
    for name in ("curve_secret", "backend_public"):
        await guest.run("rm", f"/etc/credstore/hubd.{name}")
    await guest.run("install", "-D", "-m", "644", "/usr/lib/hubd/sealed-keys.conf", drop_in)
    await guest.run("systemctl", "daemon-reload")
    for _ in range(2):
        done = await guest.run("/opt/hubd/bin/hubd", "--check-config", check=False, seconds=60)
        assert done.status == 0, done
        await guest.run("rm", "-f", plain)
    await _seals_that_cannot_be_opened(guest, sealed)
    await guest.run("rm", "-r", sealed)
    done = await guest.run("/opt/hubd/bin/hubd", "--check-config", check=False, seconds=60)
    assert done.status == 78
    assert f"sudo systemd-creds encrypt --name=identity FILE {sealed}" in done.out
    await guest.run("rm", drop_in)
    await imaged.install()


async def _seals_that_cannot_be_opened(guest: Guest, sealed: str) -> None:
    """What systemd itself says of each is told in our words; and the rest of the page stays."""
    other = "/tmp/other"
    host_key = "/var/lib/systemd/credential.secret"
    seal = f"systemd-creds encrypt --with-key=host --name=%s /etc/hubd/hubd.toml {sealed}"
    spoiled = {
        "it was sealed under another name, 'curve_secret'": seal % "curve_secret",
        "it is damaged, or is not a sealed key at all": f"head -c 40 {other} >{sealed}",
        "this machine cannot open it": f"mv {host_key} {host_key}.own; systemd-creds setup; "
        f"{seal % 'identity'}; mv {host_key}.own {host_key}",
        "found a folder in its place": f"rm {sealed}; mkdir {sealed}",
    }
    await guest.run("sh", "-c", f"cp {sealed} {other}")
    for part, command in spoiled.items():
        await guest.run("sh", "-c", command)
        done = await guest.run("/opt/hubd/bin/hubd", "--check-config", check=False, seconds=60)
        assert done.status == 78, done
        assert done.out.startswith("NOT right: 1 thing to mend"), done.out
        assert f"wrong: key identity: {sealed}: " in done.out, done.out
        assert part in done.out, done.out
        assert "hub: hub-1 of site site-1" in done.out, done.out


async def test_udev_gives_chips_and_sticks_to_their_groups(imaged: LabHub) -> None:
    """The lab has no USB: a line of its own stands in for a stick, by the properties that udev
    reads off one.
    """
    guest = imaged.guest
    stick = f'KERNEL=="{STICK}", ENV{{ID_VENDOR_ID}}="0658", ENV{{ID_MODEL_ID}}="0200"\n'
    await guest.put("/run/udev/rules.d/10-stick.rules", stick.encode())
    await guest.run("sh", "-c", "cd /etc/systemd/system && rm " + " ".join(UDEV))
    await guest.run("systemctl", "daemon-reload")
    await guest.run("sh", "-c", f"chown root:root {CHIP} && chmod 600 {CHIP}")
    await guest.run("systemctl", "start", *UDEV)
    await guest.run("udevadm", "trigger", "--action=add", "--settle", CHIP, f"/dev/{STICK}")
    assert (await guest.run("stat", "-c", "%G %a", CHIP)).out == "gpio 660\n"
    assert (await guest.run("stat", "-c", "%G %a", "/dev/zwave", "-L")).out == "dialout 660\n"
    assert (await guest.run("readlink", "-f", "/dev/zwave")).out == f"/dev/{STICK}\n"
    assert "gpio" in (await guest.run("id", "-Gn", "hubd")).out.split()
    await guest.run("systemctl", "stop", *UDEV)


async def _hubctl(hub: LabHub) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        (await hub.guest.run("hubctl", "status", "--json", check=False)).out
    )
    return told


async def test_a_hub_that_runs_is_brought_up_to_date_or_left_as_it_is(imaged: LabHub) -> None:
    """Without internet: what pip would put in place is the environment that is there, with another
    version.
    """
    guest = imaged.guest
    config = "/etc/hubd/hubd.toml"
    await imaged.start()
    await guest.put("/root/python", AS_PIP.encode(), 0o755)
    install = ("PYTHON=/root/python", str(ROOT / "systemd/install.sh"), "install")
    pid = await imaged.pid()
    before = (await _hubctl(imaged))["version"]

    right = (await guest.run("cat", config)).out
    await guest.put(config, right.replace("time_zone", "time_zome").encode())
    refused = await guest.run("env", *install, check=False, seconds=INSTALL_SECONDS)
    assert refused.status == 1
    assert "time_zome" in refused.err
    assert "Nothing was changed" in refused.err
    assert (await imaged.pid(), (await _hubctl(imaged))["installed_version"]) == (pid, before)
    await guest.put(config, right.encode())

    done = await guest.run("env", "RESTART=no", *install, seconds=INSTALL_SECONDS)
    told = await _hubctl(imaged)
    assert (told["version"], told["installed_version"]) == (before, f"{before}.2")
    assert f"{before} still runs" in done.out
    assert (
        f"hubd {before}.2, but {before} runs: systemctl restart hubd"
        in (await guest.run("hubctl", "status")).out
    )

    done = await guest.run("env", *install, seconds=INSTALL_SECONDS)
    assert f"{before}.2.2 is in force, in place of {before}.2" in done.out
    assert await imaged.pid() != pid
    await imaged.start()
    assert (await _hubctl(imaged))["version"] == f"{before}.2.2"


async def test_taking_it_away_leaves_configuration_keys_and_records(imaged: LabHub) -> None:
    guest = imaged.guest
    await guest.run("systemctl", "enable", "hubd")
    await imaged.start()
    await guest.run(str(ROOT / "systemd/install.sh"), "uninstall")
    assert (await guest.run("systemctl", "is-active", "hubd", check=False)).out == "inactive\n"
    for gone in (
        "/opt/hubd/bin",
        "/usr/lib/systemd/system/hubd.service",
        "/usr/lib/hubd",
        "/usr/bin/hubctl",
    ):
        assert (await guest.run("test", "-e", gone, check=False)).status == 1, gone
    for left in ("/etc/hubd/hubd.toml", "/etc/credstore/hubd.identity", "/var/lib/hubd/audit.db"):
        assert (await guest.run("test", "-e", left, check=False)).status == 0, left
    bluez = (await guest.run("systemctl", "show", "-P", "ExecStart", "bluetooth")).out
    assert "hubd" not in bluez
