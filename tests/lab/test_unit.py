"""hubd.service as it is shipped: what it can reach, where its keys may lie, and how it ends when
they do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest_asyncio

from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import CREDENTIALS, LabHub
from tests.lab.conftest import AirAddress
from tests.lab.unitfile import DROP_IN, edit, journal_says, put_back, tells, until
from tests.lab.unlocking import unlock

EXPOSURE_MAX = 1.5
ASK_STATUS = """
import socket
api = socket.socket(socket.AF_UNIX)
api.connect("/run/hubd/hubd.sock")
api.sendall(b'{"id": 1, "call": "status", "args": {}}\\n')
print(api.makefile().readline())
"""


@pytest_asyncio.fixture(loop_scope="session")
async def afterwards(installed: LabHub) -> AsyncIterator[None]:
    """Put everything back as the other cases want it."""
    yield
    await put_back(installed)


async def test_the_exposure_of_the_running_unit(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    said = (await guest.run("systemd-analyze", "security", "--no-pager", "hubd")).out
    level = re.search(r"Overall exposure level for hubd\.service: ([0-9.]+)", said)
    assert level is not None, said
    print(said)
    assert float(level[1]) <= EXPOSURE_MAX, said
    await unlock(air, phones[0])
    status = (await guest.run("cat", f"/proc/{await hub.pid()}/status")).out
    assert re.search(r"^Seccomp:\s+2$", status, re.M), status
    assert re.search(r"^CapBnd:\s+0+$", status, re.M), status
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), status


async def test_the_journal_is_searched_by_door_event_and_visit(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """The sandbox lets hubd reach the socket, and journald takes what comes for the unit's."""

    async def search(*matches: str) -> list[dict[str, str]]:
        await guest.run("journalctl", "--sync")
        found = await guest.run("journalctl", "-b", "-u", "hubd", "-o", "json", *matches)
        return [json.loads(line) for line in found.out.splitlines()]

    await unlock(air, phones[0])
    entry = (await search("EVENT=access", "DOOR=door-0"))[-1]
    line = json.loads(entry["MESSAGE"])
    assert (line["event"], line["door"], line["allowed"]) == ("access", "door-0", True)
    assert entry["_TRANSPORT"] == "journal"
    assert entry["_SYSTEMD_UNIT"] == "hubd.service"
    assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("6", "hubd")
    assert entry in await search(f"LINK={line['link']}")
    assert await search("DOOR=door-of-another-house") == []
    assert all(int(one["PRIORITY"]) <= 4 for one in await search("-p", "warning"))


async def test_the_kernels_word_on_the_clock_reaches_a_hub_with_the_drop_in_for_it(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], afterwards: None
) -> None:
    async def clock() -> dict[str, object]:
        await unlock(air, phones[0])
        said = (await guest.run("/opt/hubd/bin/python", "-c", ASK_STATUS)).out
        found: dict[str, object] = json.loads(said)["result"]["clock"]
        return found

    assert (await clock())["synchronised"] is None
    await guest.run("install", "-D", "-m", "644", "/usr/lib/hubd/time-service.conf", DROP_IN)
    await guest.run("systemctl", "daemon-reload")
    await guest.run("systemctl", "restart", "hubd")
    await hub.start()
    said = await clock()
    assert said["synchronised"] in (True, False)
    status = (await guest.run("cat", f"/proc/{await hub.pid()}/status")).out
    assert re.search(r"^CapBnd:\s+0+$", status, re.M), "nobody here sets the clock"


async def test_the_backend_is_reached_by_its_name(
    hub: LabHub, guest: Guest, afterwards: None
) -> None:
    """The resolver must work without Netlink."""
    await guest.run(
        "sh",
        "-c",
        "grep -q backend.example /etc/hosts || echo 127.0.0.1 backend.example >>/etc/hosts",
    )
    listen = "import socket; socket.create_server(('127.0.0.1', 4505)).accept()"
    await guest.run(
        "systemd-run", "--unit=listener", "--collect", "-r", "/opt/hubd/bin/python", "-c", listen
    )
    await edit(hub, "[keys]\n", '[keys]\ncurve_secret = "credential:curve_secret"\n')
    await edit(hub, "[keys]\n", '[keys]\nbackend_public = "credential:backend_public"\n')
    await edit(hub, "[[doors]]", '[backend]\nendpoint = "tcp://backend.example:4505"\n\n[[doors]]')
    await guest.run("systemctl", "restart", "hubd")
    try:
        await until(guest, "SubState", "exited", "listener")
    finally:
        await guest.run("systemctl", "stop", "listener", check=False)


async def test_a_wrong_configuration_is_no_loop_of_restarts(
    hub: LabHub, guest: Guest, afterwards: None
) -> None:
    await edit(hub, "time_zone", "time_zome")
    done = await guest.run("systemctl", "restart", "hubd", check=False)
    assert done.status != 0
    await until(guest, "ActiveState", "failed")
    assert await tells(guest, "SubState") == "failed", "systemd means to start it again"
    assert await tells(guest, "ExecMainStatus") == "78"
    assert "time_zome" in await hub.journal()


async def test_a_missing_key_is_told_by_hubd(hub: LabHub, guest: Guest, afterwards: None) -> None:
    await guest.run("rm", "/etc/credstore/hubd.identity")
    await guest.run("systemctl", "restart", "hubd", check=False)
    await until(guest, "SubState", "failed")
    assert await tells(guest, "ExecMainStatus") == "78"
    assert "keys.identity" in await hub.journal()


async def test_a_sealed_key_that_cannot_be_opened_is_no_loop_of_restarts(
    hub: LabHub, guest: Guest, afterwards: None
) -> None:
    """Neither damaged, nor sealed under another name or elsewhere; and the sentence is there that
    hubd cannot say.
    """
    sealed = "/etc/credstore.encrypted/hubd.identity"
    host_key = "/var/lib/systemd/credential.secret"
    await guest.run("install", "-D", "-m", "644", "/usr/lib/hubd/sealed-keys.conf", DROP_IN)
    # with no backend there is none, and a plain one is refused
    await guest.run("rm", f"{CREDENTIALS}curve_secret")
    await guest.run("systemctl", "daemon-reload")
    seal = f"systemd-creds encrypt --with-key=host --name=%s {CREDENTIALS}identity {sealed}"
    spoiled = (
        f"{seal % 'identity'}; mv {host_key} {host_key}.own; systemd-creds setup",
        f"mv {host_key}.own {host_key}; {seal % 'beacon'}",
        f"head -c 60 {sealed} >{sealed}.part; mv {sealed}.part {sealed}",
        f"rm {sealed}; mkdir {sealed}",
    )
    try:
        for command in spoiled:
            await guest.run("sh", "-c", command)
            since = await hub.journal_ends()
            await guest.run("systemctl", "restart", "hubd", check=False)
            await until(guest, "ActiveState", "failed")
            assert await tells(guest, "SubState") == "failed", "systemd means to start it again"
            assert await tells(guest, "ExecMainStatus") == "243"
            said = await journal_says(
                hub, since, "systemd could not hand over the keys (status=243/CREDENTIALS)"
            )
            assert "hubd --check-config" in said, said
    finally:
        await guest.run(
            "sh", "-c", f"rm -rf {sealed}; [ ! -e {host_key}.own ] || mv {host_key}.own {host_key}"
        )


async def test_what_refuses_a_start_stays_in_the_status_between_two_tries(
    hub: LabHub, guest: Guest, afterwards: None
) -> None:
    """A state that cannot be used is tried again for ever; whoever looks meanwhile finds
    the cause.
    """
    await guest.run("systemctl", "stop", "hubd")
    await guest.run(
        "sh",
        "-c",
        "mv /var/lib/hubd/audit.db /var/lib/hubd/kept; echo none >/var/lib/hubd/audit.db",
    )
    await guest.run("chown", "hubd:hubd", "/var/lib/hubd/audit.db")
    try:
        await guest.run("systemctl", "start", "hubd", check=False)
        for _ in range(6):
            await until(guest, "SubState", "auto-restart")
            assert (
                "audit.db"
                in (await guest.run("systemctl", "status", "--no-pager", "hubd", check=False)).out
            )
        assert "audit.db" in await tells(guest, "StatusText")
    finally:
        await guest.run("systemctl", "stop", "hubd", check=False)
        await guest.run("mv", "/var/lib/hubd/kept", "/var/lib/hubd/audit.db")
    await edit(hub, "time_zone", "time_zome")
    await guest.run("systemctl", "restart", "hubd", check=False)
    await until(guest, "ActiveState", "failed")
    assert "time_zome" in await tells(guest, "StatusText")


async def test_keys_that_lie_encrypted(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], afterwards: None
) -> None:
    """Sealed keys serve with the plain ones still there, and without.

    With no backend there is no `curve_secret`.
    """
    await guest.run("systemctl", "stop", "hubd")
    await guest.put(f"{CREDENTIALS}beacon", (hub.site.hub / "beacon.key").read_bytes(), 0o600)
    await edit(hub, "[keys]\n", '[keys]\nbeacon = "credential:beacon"\n')
    await guest.run("rm", f"{CREDENTIALS}curve_secret")
    for name in ("identity", "beacon"):
        plain = f"{CREDENTIALS}{name}"
        sealed = f"/etc/credstore.encrypted/hubd.{name}"
        await guest.run(
            "systemd-creds", "encrypt", "--with-key=host", f"--name={name}", plain, sealed
        )
    await guest.run("install", "-D", "-m", "644", "/usr/lib/hubd/sealed-keys.conf", DROP_IN)
    await guest.run("systemctl", "daemon-reload")
    await hub.start()
    await guest.run("systemctl", "stop", "hubd")
    await guest.run("rm", f"{CREDENTIALS}identity", f"{CREDENTIALS}beacon")
    await hub.start()
    await unlock(air, phones[0])
    await guest.run("sh", "-c", "rm /etc/credstore.encrypted/*")
