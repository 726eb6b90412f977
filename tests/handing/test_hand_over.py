"""A hub that changes hands: real processes of hubd, a phone in mid-visit, a strike that is held."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubcore.update.gap import GapStep
from tests.handing.site import PhoneOnBus, World, a_world

pytestmark = pytest.mark.once


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


async def on_trial(world: World) -> bool:
    return await world.standing() == "on-trial"


async def alone(world: World) -> bool:
    return await world.standing() == "alone"


def forget_calls(world: World) -> None:
    while not world.bluez.calls.empty():
        world.bluez.calls.get_nowait()


def called(world: World) -> set[str]:
    seen: set[str] = set()
    while not world.bluez.calls.empty():
        seen.add(world.bluez.calls.get_nowait()[0])
    return seen


async def test_a_phone_in_mid_visit_opens_by_the_short_path_before_the_next_version(
    world: World,
) -> None:
    wallet = world.phone()
    link = PhoneOnBus(world.bluez)
    first = await world.unlock(link, wallet)
    assert not first.short
    sender = world.bluez.radio
    guard = world.strike().holder
    forget_calls(world)
    answer = await world.ask("takeover", program=str(world.program()))
    assert answer["standing"] == "alone"
    await world.until(lambda: on_trial(world))
    (new,) = world.children()
    link.spans.clear()
    second = await world.unlock(link, wallet)
    assert second.short, "the ticket has changed hands"
    assert world.bluez.radio == sender
    assert world.strike().holder == guard
    assert not called(world) & {"RegisterApplication", "Disconnect"}
    await world.ask("takeover-end", well=True)
    assert await world.hub.wait() == 0
    await world.until(lambda: alone(world))
    assert f"MAINPID={new}" in world.told
    third = await world.unlock(link, wallet)
    assert third.short
    assert world.bluez.radio == sender
    await the_guard_is_renewed_at_rest(world, guard, new)
    os.kill(new, signal.SIGTERM)
    await world.until(lambda: not Path(f"/proc/{new}").exists())
    assert not world.strike().active


async def the_guard_is_renewed_at_rest(world: World, former: int, hub: int) -> None:
    """The strike does not move for that, and moves afterwards."""
    await world.until(lambda: not world.strike().active)
    rises = world.strike().rises
    await world.until(lambda: world.strike().holder != former)
    assert (world.strike().active, world.strike().rises) == (False, rises)
    assert started_by(world.strike().holder) == hub
    await world.until(lambda: not Path(f"/proc/{former}").exists())
    status = await world.ask("status")
    assert status["ready"], world.log()
    await world.ask("door-release", door="front")
    assert world.strike().active
    assert started_by(world.strike().holder) == hub


def started_by(process: int) -> int:
    """Return the process that has started this one."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


async def pulling(link: PhoneOnBus, stop: asyncio.Event) -> None:
    """Read TXR all the time, as a phone does that waits."""
    while not stop.is_set():
        await link.pull()


async def test_what_a_phone_asks_all_the_time_is_answered_all_the_time(world: World) -> None:
    link = PhoneOnBus(world.bluez)
    await world.unlock(link, world.phone())
    link.spans.clear()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(pulling(link, stop))
        await world.ask("takeover", program=str(world.program()))
        await world.until(lambda: on_trial(world))
        before = len(link.spans)
        await world.until(lambda: len(link.spans) > before + 20)
        assert not asking.done()
        stop.set()
    print(f"{len(link.spans)} requests, longest {max(link.spans) * 1000:.0f} ms")
    await world.ask("takeover-end", well=True)
    assert await world.hub.wait() == 0
    await world.until(lambda: "taken_over" in world.log())
    took = world.steps()
    print(" ".join(f"{step} {seconds * 1000:.1f}" for step, seconds in took.items()))
    assert list(took) == list(GapStep)[1:]
    assert min(took.values()) >= 0


async def drives_again(world: World) -> bool:
    try:
        status = await world.ask("takeover-status")
    except (OSError, ValueError):
        return False
    return status["standing"] == "alone" and bool(status["why"]) and status["tried"] is True


@pytest.mark.parametrize("fault", ["does not start", "no parts", "other lines"])
async def test_a_version_that_cannot_take_the_hub_over_leaves_everything_as_it_was(
    world: World, fault: str
) -> None:
    wallet = world.phone()
    link = PhoneOnBus(world.bluez)
    await world.unlock(link, wallet)
    sender = world.bluez.radio
    guard = world.strike().holder
    forget_calls(world)
    await world.ask("takeover", program=str(world.program(fault)))
    await world.until(lambda: drives_again(world))
    await world.until(lambda: not world.children())
    assert world.hub.returncode is None
    report = await world.unlock(link, wallet)
    assert report.short, "nobody but this hub has had the tickets"
    assert world.strike().holder == guard
    assert world.bluez.radio == sender
    assert not called(world) & {"RegisterApplication", "Disconnect"}


async def test_a_version_that_is_taken_back_on_trial_gives_the_hub_back(world: World) -> None:
    wallet = world.phone()
    link = PhoneOnBus(world.bluez)
    await world.unlock(link, wallet)
    guard = world.strike().holder
    await world.ask("takeover", program=str(world.program()))
    await world.until(lambda: on_trial(world))
    assert (await world.unlock(link, wallet)).short
    forget_calls(world)
    await world.ask("takeover-end", well=False, why="no backend")
    await world.until(lambda: drives_again(world))
    await world.until(lambda: not world.children())
    assert world.hub.returncode is None
    assert (await world.unlock(link, wallet)).short
    assert world.strike().holder == guard
    assert not called(world) & {"RegisterApplication", "Disconnect"}
    await world.ask("takeover", program=str(world.program()))  # and another one may come
    await world.until(lambda: on_trial(world))


async def test_a_version_that_is_killed_on_trial_leaves_the_hub_to_the_old_one(
    world: World,
) -> None:
    wallet = world.phone()
    link = PhoneOnBus(world.bluez)
    await world.unlock(link, wallet)
    guard = world.strike().holder
    sender = world.bluez.radio
    await world.ask("takeover", program=str(world.program()))
    await world.until(lambda: on_trial(world))
    await world.unlock(link, wallet)
    (new,) = world.children()
    forget_calls(world)
    os.kill(new, signal.SIGKILL)
    await world.bluez.called("RegisterApplication")
    await world.until(lambda: drives_again(world))
    await world.until(world.is_ready)
    assert world.bluez.radio != sender, "nobody knows how far the other one had read"
    world.bluez.phone()
    report = await world.unlock(PhoneOnBus(world.bluez), wallet)
    assert not report.short, "a ticket that the other one may have taken is not taken again"
    assert world.strike().holder == guard


async def test_a_pulse_that_began_before_the_new_version_was_killed_goes_on_to_its_end(
    world: World,
) -> None:
    link = PhoneOnBus(world.bluez)
    await world.unlock(link, world.phone())
    await world.ask("takeover", program=str(world.program()))
    await world.until(lambda: on_trial(world))
    await world.until(lambda: not world.strike().active)
    answer = await world.ask("door-release", door="front")
    assert world.strike().active, answer
    (new,) = world.children()
    rises = world.strike().rises
    began = world.strike().changed_ns
    os.kill(new, signal.SIGKILL)
    await world.until(lambda: not world.strike().active)
    assert world.strike().rises == rises
    assert world.strike().changed_ns - began > 0.9e9


async def test_a_door_that_is_held_open_stays_so_through_it_all(tmp_path: Path) -> None:
    """Its strike is driven all the time, also when the version on trial is killed."""
    async with a_world(tmp_path, has_backend=True) as world:
        answer = await world.backend("order", hub="hub-1", order="hold_open", on=True)
        assert answer["outcome"] == "taken"
        await world.until(lambda: world.strike().active)
        rises = world.strike().rises

        async def is_renewed() -> None:
            """The pulse that runs now ends, unless another one follows."""
            renewed = world.strike().changed_ns
            await world.until(lambda: world.strike().changed_ns > renewed)
            assert (world.strike().active, world.strike().rises) == (True, rises)

        await is_renewed()
        await world.ask("takeover", program=str(world.program()))
        await world.until(lambda: on_trial(world))
        (new,) = world.children()
        await is_renewed()
        os.kill(new, signal.SIGKILL)
        await world.until(lambda: drives_again(world))
        await is_renewed()


async def test_the_old_one_stands_by_until_the_service_manager_has_heard(world: World) -> None:
    await world.ask("takeover", program=str(world.program()))
    await world.until(lambda: on_trial(world))
    (new,) = world.children()
    world.hears = False
    await world.ask("takeover-end", well=True)
    await world.until(lambda: not world.hears)
    world.hears = True
    assert await world.hub.wait() == 0
    assert f"MAINPID={new}" in world.told
    await world.until(lambda: alone(world))
    os.kill(new, signal.SIGKILL)


async def test_a_stop_in_a_trial_ends_both_with_the_strike_at_rest(world: World) -> None:
    await world.ask("takeover", program=str(world.program()))
    await world.until(lambda: on_trial(world))
    await world.ask("door-release", door="front")
    assert world.strike().active
    (new,) = world.children()
    for process in (world.hub.pid, new):
        os.kill(process, signal.SIGTERM)
    assert await world.hub.wait() == 0
    await world.until(lambda: not Path(f"/proc/{new}").exists())
    assert not world.strike().active
    assert not (world.config.parent / "hubd.sock").exists()


async def test_the_old_one_is_killed_in_a_trial_and_the_new_one_drives_on(world: World) -> None:
    wallet = world.phone()
    link = PhoneOnBus(world.bluez)
    await world.unlock(link, wallet)
    await world.ask("takeover", program=str(world.program()))
    await world.until(lambda: on_trial(world))
    (new,) = world.children()
    world.hub.kill()
    await world.hub.wait()
    await world.until(lambda: alone(world))
    assert (await world.unlock(link, wallet)).short
    os.kill(new, signal.SIGKILL)
    await world.until(lambda: not world.strike().active)


async def test_two_at_once_and_strangers_programs_are_refused(world: World) -> None:
    await world.ask("takeover", program=str(world.program()))
    with pytest.raises(AssertionError, match="changing hands already"):
        await world.ask("takeover", program=str(world.program()))
    await world.until(lambda: on_trial(world))
    for program in ("/bin/sh", "hubd", str(world.folder / "none"), "/proc/self/exe"):
        with pytest.raises(AssertionError, match="error"):
            await world.ask("takeover", program=program)
