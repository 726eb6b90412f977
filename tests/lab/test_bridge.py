"""A hub with the bridge of its site on one board, each by its own unit, and no backend."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hubcore.phone.messages import Reason
from hubcore.policy import document
from hubsim import site as sites
from hubsim.bridge.files import export_bridge, make_bridge
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.hub import LabHub
from tests.lab.conftest import AirAddress, booted

BRIDGE = "bridge-1"
KEYS = {"tls_key": "tls.key", "tls_certificate": "tls.pem", "tls_authority": "authority.pem"}
STATE = "/var/lib/hubbridge"
SPEAKING_SECONDS = 90.0
LOOK_SECONDS = 0.5


class BridgedHub(LabHub):
    """The hub, and the bridge beside it."""

    async def install(self) -> None:
        """Put both in place, as docs/bridge.md has an operator do it."""
        for credential, file in KEYS.items():
            secret = (self.site.hub / file).read_bytes()
            await self.guest.put(f"/etc/credstore/hubd.{credential}", secret, mode=0o600)
        await super().install()

    async def install_bridge(self, exported: Path) -> None:
        """Put the bridge and its site's policy in place, and start it."""
        for file in sorted((exported / "hubbridge").iterdir()):
            await self.guest.put(f"/etc/hubbridge/{file.name}", file.read_bytes())
        for file in sorted((exported / "credstore").iterdir()):
            await self.guest.put(f"/etc/credstore/{file.name}", file.read_bytes(), mode=0o600)
        brought = document.split((self.site.path / "policy.cbor").read_bytes())
        await self.guest.run("mkdir", "-p", f"{STATE}/policy/pieces")
        await self.guest.put(f"{STATE}/policy/root.cbor", brought.root)
        for name, piece in brought.pieces.items():
            await self.guest.put(f"{STATE}/policy/pieces/{name.hex()}", piece)
        await self.guest.run("chown", "-R", "hubbridge:hubbridge", STATE)
        await self.guest.run("systemctl", "start", "hubbridge")

    async def shown(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Return what hubctl shows in the guest."""
        done = await self.guest.run(
            "/opt/hubd/bin/hubctl", *words, "--json", check=False, seconds=60.0
        )
        return done.status, json.loads(done.out) if done.out else {}

    def _config(self) -> str:
        keys = "".join(f'{name} = "credential:{name}"\n' for name in KEYS)
        text = super()._config().replace("[keys]\n", f"[keys]\n{keys}")
        return f'{text}\n[[bridges]]\nname = "{BRIDGE}"\naddress = "127.0.0.1"\n'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bridged(
    own_air: AirAddress, site: sites.Site, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BridgedHub]:
    folder = tmp_path_factory.mktemp("bridged")
    export_bridge(make_bridge(site, BRIDGE), folder / "exported")
    async with booted(folder) as guest:
        await guest.run("ip", "link", "set", "lo", "up")
        await guest.plug_in(own_air.host, own_air.port)
        hub = BridgedHub(guest, site)
        await hub.install()
        await hub.install_bridge(folder / "exported")
        await hub.start()
        yield hub


async def reason(air: AirAddress, wallet: Wallet) -> Reason:
    async with on_air(air.transport) as device, connect(device) as link:
        report = await Session(link, wallet).run(1)
    assert report.verdict is not None, report.why
    return report.verdict.reason


async def test_a_site_without_a_backend_is_locked_down_from_its_bridge(
    bridged: BridgedHub, own_air: AirAddress, phones: list[Wallet]
) -> None:
    """The hub has the policy by the bridge alone, and the phone is refused and let in by orders."""
    ends = time.monotonic() + SPEAKING_SECONDS
    while True:
        _, status = await bridged.shown("status")
        way = status.get("bridge") or {}
        if way.get("phase") == "speaking" and not way["waiting"] and status["policy_version"]:
            break
        assert time.monotonic() < ends, f"{way}\n{await bridged.story(120)}"
        await asyncio.sleep(LOOK_SECONDS)
    assert await reason(own_air, phones[0]) is Reason.OK

    status, given = await bridged.shown("--site", "lockdown")
    assert status == 0, given
    assert await reason(own_air, phones[0]) is Reason.LOCKED
    _, seen = await bridged.shown("--site", "doors")
    assert [one["order"] for one in seen["standing"]] == ["lockdown"]

    status, given = await bridged.shown("--site", "lockdown", "end")
    assert status == 0, given
    assert await reason(own_air, phones[0]) is Reason.OK


async def test_the_bridges_unit_is_in_force_with_its_sandbox(bridged: BridgedHub) -> None:
    guest = bridged.guest
    verified = await guest.run(
        "systemd-analyze", "verify", "--recursive-errors=no", "hubbridge.service"
    )
    assert verified.err == ""
    process = await guest.main_pid("hubbridge")
    status = (await guest.run("cat", f"/proc/{process}/status")).out
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    owner = (await guest.run("stat", "-c", "%U %a", STATE)).out.split()
    assert owner == ["hubbridge", "700"]
