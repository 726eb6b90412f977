"""What the installer and the policy say of a door and of a holder, seen at the door: real
configuration, real rows of the policy, real use case, real watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from hubcore.access.words import Denial
from hubcore.door.state import DoorAlarm
from hubcore.evidence.records import Record
from hubcore.ports.clock import ClockState
from hubcore.ports.doors import Input, InputEvent
from hubcore.ports.stores import PolicyStore
from hubd.building.doors import machines_of, points_of
from hubd.config.file import parse
from hubd.doors.watch import DoorWatch
from tests.fakes.inputs import FakeInputs
from tests.pair import settle
from tests.unit.test_config import CREDENTIALS, FILE, SMALL
from tests.unit.test_persons import Hub
from tests.unit.test_policy_store import open_store, policy, put

pytestmark = pytest.mark.asyncio

HOUR = 3600.0
BACKEND = """
[backend]
endpoint = "tcp://backend:5000"
"""
KEYS = '[keys]\ncurve_secret = "a"\nbackend_public = "b"\n'
AT_DOOR = "strike = "
LONGER = (
    "strike_seconds = 2",
    "held_open_seconds = 10",
    "extended_factor = 4",
    'dps = { chip = "gpiochip0", line = 22 }',
)


def with_settings(*lines: str) -> Callable[..., Hub]:
    """Return what makes a hub whose door has these lines in its table."""
    text = SMALL.replace("[keys]\n", KEYS).replace(AT_DOOR, "\n".join([*lines, AT_DOOR])) + BACKEND
    config = parse(text, FILE, CREDENTIALS)

    def watch(hub: Hub) -> DoorWatch:
        return DoorWatch(machines_of(config), hub.log, hub.clock, hub.tell)

    def make(**more: Any) -> Hub:
        return Hub(points=points_of(config), watch_with=watch, **more)

    return make


async def test_a_disabled_credential_is_denied_until_a_policy_leaves_it_out(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, policy(1, disabled=frozenset({"anna"})))
        hub = with_settings()(store=cast(PolicyStore, store))
        assert await hub.come("anna") is Denial.CREDENTIAL_DISABLED
        assert hub.newest()["why"] == "credential-disabled"
        assert await hub.come("ben") is None
        await put(store, policy(2))
        assert await hub.come("anna") is None


async def test_a_door_without_the_setting_opens_for_nobody_while_the_time_is_untrusted() -> None:
    for lines, why in (((), Denial.TIME_UNTRUSTED), (("without_time = true",), None)):
        hub = with_settings(*lines)()
        hub.clock.trust = ClockState.BEHIND_RECORDS
        assert await hub.come("anna") is why


async def test_without_time_a_grant_with_a_schedule_still_waits_for_a_trusted_clock() -> None:
    hub = with_settings("without_time = true")()
    hub.clock.trust = ClockState.BEHIND_RECORDS
    claim = hub.claim("anna")
    assert claim.entry is not None
    on_schedule = replace(claim, entry=replace(claim.entry, rules=(1,)))
    assert hub.unlock.why_denied(claim) is None
    assert hub.unlock.why_denied(on_schedule) is Denial.TIME_UNTRUSTED


async def test_a_door_counts_the_hours_of_its_setting() -> None:
    away = 0.0
    hub = with_settings("offline_hours_max = 0.5")(offline_seconds=lambda: away)
    assert await hub.come("anna") is None
    away = HOUR / 2
    assert await hub.come("anna") is None
    away = HOUR / 2 + 1
    assert await hub.come("anna") is Denial.OFFLINE_TOO_LONG
    without = with_settings()(offline_seconds=lambda: away)
    assert await without.come("anna") is None


async def test_who_needs_longer_has_a_longer_release_and_a_longer_time_in_the_door(
    tmp_path: Path,
) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, policy(1, extended_time=frozenset({"anna"})))
        for who, seconds, alarm_after in (("anna", 8.0, 40.0), ("ben", 2.0, 10.0)):
            hub = with_settings(*LONGER)(store=cast(PolicyStore, store))
            assert await hub.come(who) is None
            assert hub.mover.given == [seconds]
            await _stands_open(hub, alarm_after - 1.0, DoorAlarm.NORMAL)


async def test_the_longer_time_in_the_door_ends_too(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, policy(1, extended_time=frozenset({"anna"})))
        for who, alarm_after in (("anna", 40.0), ("ben", 10.0)):
            hub = with_settings(*LONGER)(store=cast(PolicyStore, store))
            assert await hub.come(who) is None
            await _stands_open(hub, alarm_after + 0.1, DoorAlarm.OPEN_TOO_LONG)


async def _stands_open(hub: Hub, seconds: float, alarm: DoorAlarm) -> None:
    """Open the door that is released, and let it stand open for so long."""
    watch = hub.watch
    assert isinstance(watch, DoorWatch)
    inputs = FakeInputs()

    async def see(what: Input) -> None:
        inputs.put(InputEvent("front", what, hub.clock.monotonic()))
        await settle()

    running = asyncio.create_task(watch.run(inputs, lambda: None, lambda _point, _state: None))
    await see(Input.DOOR_OPEN)
    hub.clock.advance(seconds)
    await see(Input.BOLT_FREE)
    assert watch.aspects("front").alarm is alarm
    whats = [Record.decode(stored.body).detail.get("what") for stored in hub.log.stored]
    assert "access_taken" in whats
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
