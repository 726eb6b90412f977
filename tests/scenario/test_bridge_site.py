"""A site whose backend is away: the real hub, its doors and phones, and a bridge on site."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hubcore.access.grant import Access
from hubcore.access.precedence import DoorOrder
from hubcore.bridge.ceilings.devices import DeviceCeiling
from hubcore.bridge.ceilings.guests import GuestCeiling
from hubcore.bridge.site.order import CredentialDisabled, DoorsOrder
from hubcore.codec import cbor
from hubcore.device.command import Verb
from hubcore.phone.messages import Reason
from hubd.building.topics import OF_BRIDGE
from hubsim.bridge.running import running_bridge, section
from hubsim.phone import wallet as wallets
from hubsim.phone.wallet import Wallet
from hubsim.relays.boards import SimModbus
from hubsim.site import OPEN_AND_QUERY
from hubsim.site.documents import make_key
from hubsim.stage import Stage, free_port
from hubterm.exits import NO, OK
from tests.scenario.conftest import FRONT, policy_in_force, start_again
from tests.scenario.test_desk import allowed, at_rest, visit
from tests.scenario.test_devices import config as lights

pytestmark = pytest.mark.once

HOUR = 3600


async def way_of(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.hub("status"))["bridge"]
    return found


async def is_held(stage: Stage) -> bool:
    way = await way_of(stage)
    return way["phase"] == "speaking" and way["waiting"] == 0


async def is_shown_well(stage: Stage) -> None:
    """What a technician types at the hub says so, step by step."""
    status, shown = await typed("bridge", "--socket", str(stage.site.hub / "hubd.sock"))
    assert status == OK, shown
    assert shown["bridge"]["bridge"] == "bridge-1"
    assert shown["bridge"]["certificate_ends"] > time.time()
    _, found = await typed("netcheck", "--config", str(stage.site.hub / "hub.toml"))
    steps = {step["id"]: step for step in found["steps"]}
    assert steps["bridge-connect"]["state"] == steps["bridge-tls"]["state"] == "ok"
    assert "/bridge/bridge-1" in steps["bridge-tls"]["what"]
    checks = {one["id"]: one for one in (await stage.hub("checks"))}
    for topic in OF_BRIDGE:
        assert "severity" not in checks[topic]


async def typed(*words: str) -> tuple[int | None, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "hubctl.main", *words, "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await process.communicate()
    document: dict[str, Any] = json.loads(shown)
    return process.returncode, document


async def reason(stage: Stage, wallet: Wallet) -> Reason:
    report = await visit(stage, wallet)
    assert report.verdict is not None, report.why
    await at_rest(stage)
    return report.verdict.reason


async def test_a_site_goes_on_without_its_backend(tmp_path: Path) -> None:
    port = free_port()
    async with Stage(
        tmp_path / "site", [FRONT], person=False, extra_config=section(port), enrols=True
    ) as stage:
        site = stage.site
        anna = wallets.load(site.grant("anna", [Access(1, OPEN_AND_QUERY, ())]))
        await policy_in_force(stage)
        async with running_bridge(site, port) as bridge:
            await stage.until(lambda: is_held(stage), "the bridge holds what the hub recorded")
            await is_shown_well(stage)
            await stage.stop("backend")
            assert allowed(await visit(stage, anna))
            await at_rest(stage)

            until = int(time.time()) + HOUR
            await bridge.order(DoorsOrder(DoorOrder.LOCKDOWN, None, until), "hub-1")
            assert await reason(stage, anna) is Reason.LOCKED
            await bridge.order(DoorsOrder(DoorOrder.LOCKDOWN, None, None), "hub-1")
            assert await reason(stage, anna) is Reason.OK
            credential = site.credential("anna")
            await bridge.order(CredentialDisabled(credential, until), "hub-1")
            assert not allowed(await visit(stage, anna))
            await at_rest(stage)
            await bridge.order(CredentialDisabled(credential, None), "hub-1")
            assert await reason(stage, anna) is Reason.OK

            last = (await stage.hub("status"))["records"]["last"]
            await stage.until(lambda: is_held(stage), "the bridge holds all of it")
            assert bridge.held("hub-1") >= last
            await stage.start_backend()

            async def has_all() -> bool:
                found = [one["number"] for one in await stage.records()]
                return found == list(range(1, len(found) + 1)) and len(found) >= last

            await stage.until(has_all, "the backend has each record once")
        kinds = [one["kind"] for one in await stage.records()]
        assert kinds.count("order") >= 4


@pytest.mark.long
async def test_a_site_lets_in_a_guest_for_a_day(tmp_path: Path) -> None:
    port = free_port()
    async with Stage(
        tmp_path / "site", [FRONT], person=False, extra_config=section(port), enrols=True
    ) as stage:
        site = stage.site
        key = make_key()
        ceiling = GuestCeiling(guests=4, seconds=12 * HOUR, uses=None, access_points=(1,))
        await policy_in_force(stage)
        socket = tmp_path / "bridge.sock"
        key_file = tmp_path / "phone.key.cbor"
        key_file.write_bytes(cbor.encode(key.cose_key))
        asked = ("guest", "plumber", "--key", str(key_file), "--grant", str(tmp_path / "grant"))
        async with running_bridge(site, port, ceiling, socket) as bridge:
            await stage.until(lambda: is_held(stage), "the bridge holds what the hub recorded")
            await stage.stop("backend")
            status, refused = await at_the_bridge(socket, *asked, "--point", "2", "--for", "8h")
            assert (status, refused["error"]["code"]) == (NO, "bad-argument"), (
                "the issuer allows point 1"
            )
            status, given = await at_the_bridge(socket, *asked, "--point", "1", "--for", "8h")
            assert status == 0, given
            grant_id = given["orders"][0]["guest"]
            document = (tmp_path / "grant").read_bytes()
            guest = Wallet(
                site=site.name,
                issuer=site.verifier,
                key=key,
                grant=document,
                beacon_key=site.beacon_key,
            )
            assert await reason(stage, guest) is Reason.OK
            assert await reason(stage, guest) is Reason.OK, "by the short path"
            await stage.kill("hub")
            await start_again(stage)
            assert await reason(stage, guest) is Reason.OK
            assert bridge.held("hub-1") > 0
            assert (await at_the_bridge(socket, "guest", "end", grant_id))[0] == 0
            assert await reason(stage, guest) is Reason.NO_RIGHT, "by the short path"
            report = await visit(stage, guest)
            assert not allowed(report), "his grant is nobody's any more"


async def at_the_bridge(socket: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Type `hubctl --site` at the bridge; return its exit status and its document."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hubctl",
        "--site",
        "--socket",
        str(socket),
        *words,
        "--json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out or err)


@pytest.mark.long
async def test_a_building_manager_locks_down_from_the_bridge(tmp_path: Path) -> None:
    """`hubctl --site` at a real bridge, with a real hub and a phone"""
    port = free_port()
    socket = tmp_path / "bridge.sock"
    async with Stage(tmp_path / "site", [FRONT], person=False, extra_config=section(port)) as stage:
        site = stage.site
        anna = wallets.load(site.grant("anna", [Access(1, OPEN_AND_QUERY, ())]))
        await policy_in_force(stage)
        async with running_bridge(site, port, socket=socket):
            await stage.until(lambda: is_held(stage), "the bridge holds what the hub recorded")
            await stage.stop("backend")

            status, found = await at_the_bridge(socket, "status")
            (hub,) = found["hubs"]
            assert (status, hub["hub"], hub["phase"]) == (0, "hub-1", "speaking")
            assert hub["policy_version"] == (await stage.hub("status"))["policy_version"]

            status, given = await at_the_bridge(socket, "lockdown")
            (order,) = given["orders"]
            assert status == 0, order
            assert [one["answer"] for one in order["hubs"]] == ["taken"]
            assert (await stage.hub("status"))["doors"][0]["mode"] == "LockedDown"
            assert await reason(stage, anna) is Reason.LOCKED

            status, _ = await at_the_bridge(socket, "release", "hub-1", "--point", "1")
            assert status == 1, "a lockdown goes before a release"

            async def is_seen() -> bool:
                _, seen = await at_the_bridge(socket, "doors")
                return [one["order"] for one in seen["standing"]] == ["lockdown"]

            await stage.until(is_seen, "the hub's record of the lockdown is here")
            status, _ = await at_the_bridge(socket, "lockdown", "end")
            assert status == 0
            assert await reason(stage, anna) is Reason.OK

            credential = site.credential("anna")
            assert (await at_the_bridge(socket, "disable", credential))[0] == 0
            assert not allowed(await visit(stage, anna))
            await at_rest(stage)
            assert (await at_the_bridge(socket, "enable", credential))[0] == 0
            assert await reason(stage, anna) is Reason.OK

            await stage.stop("hub")

            async def is_away() -> bool:
                _, seen = await at_the_bridge(socket, "status")
                return bool(seen["hubs"][0]["phase"] == "away")

            await stage.until(is_away, "the bridge sees that the hub has gone")
            status, given = await at_the_bridge(socket, "lockdown")
            assert status == 75, "a hub that is away has not taken it"
            assert (await at_the_bridge(socket, "status"))[0] == 1
            await stage.start_hub()

            async def is_locked() -> bool:
                return bool((await stage.hub("status"))["doors"][0]["mode"] == "LockedDown")

            await stage.until(is_locked, "the hub has heard what it missed")
            status, standing = await at_the_bridge(socket, "orders")
            assert [one["missing"] for one in standing["orders"]] == [0]
            assert status == 0


async def test_a_policy_comes_by_the_bridge_alone(tmp_path: Path) -> None:
    """The access cache: the backend is gone for this hub, and a revocation comes on site"""
    port = free_port()
    async with Stage(tmp_path / "site", [FRONT], person=False, extra_config=section(port)) as stage:
        site = stage.site
        anna = wallets.load(site.grant("anna", [Access(1, OPEN_AND_QUERY, ())]))
        await policy_in_force(stage)
        async with running_bridge(site, port) as bridge:
            await stage.until(lambda: is_held(stage), "the bridge holds what the hub recorded")
            await stage.stop("backend")
            assert await reason(stage, anna) is Reason.OK
            newer = site.revoke(site.credential("anna"))
            bridge.bridge.policy.offer((site.path / "policy.cbor").read_bytes())

            async def has_it() -> bool:
                return bool((await stage.hub("status"))["policy_version"] == newer.version)

            await stage.until(has_it, "the hub has the policy of its bridge")
            assert await reason(stage, anna) is Reason.REVOKED


@pytest.mark.long
async def test_a_site_commands_a_light_by_its_bridge(tmp_path: Path) -> None:
    """`hubctl --site device`, with a relay board on a serial line and the backend gone"""
    port = free_port()
    socket = tmp_path / "bridge.sock"
    board = SimModbus(4)
    ceiling = DeviceCeiling((Verb.ON, Verb.OFF), ("light", "boiler"))
    try:
        config = f"{lights(board)}{section(port)}"
        async with Stage(tmp_path / "site", [FRONT], person=False, extra_config=config) as stage:
            await policy_in_force(stage)
            async with running_bridge(stage.site, port, socket=socket, devices=ceiling):
                await stage.until(lambda: is_held(stage), "the bridge holds all")
                await stage.stop("backend")
                status, given = await at_the_bridge(socket, "device", "hub-1", "light", "on")
                (order,) = given["orders"]
                assert (status, order["hubs"][0]["answer"]) == (0, "taken"), order
                assert board.on[2]
                status, given = await at_the_bridge(socket, "device", "hub-1", "light", "off")
                assert status == 0, given
                assert not board.on[2]
                status, given = await at_the_bridge(socket, "device", "hub-1", "fan", "on")
                assert (status, given["error"]["code"]) == (NO, "bad-argument"), (
                    "not in the mandate"
                )
                status, given = await at_the_bridge(socket, "device", "hub-1", "boiler", "off")
                (order,) = given["orders"]
                assert (status, order["hubs"][0]["answer"]) == (NO, "refused"), "it has none"
                assert not any(board.on.values())
                await stage.start_backend()

                async def recorded() -> bool:
                    said = [one for one in await stage.records() if one["kind"] == "command"]
                    by = {one["detail"].get("given_by") for one in said if "op" in one["detail"]}
                    return len(said) == 4 and by == {"site"}

                await stage.until(recorded, "the backend has the evidence, by whom")
    finally:
        board.end()
