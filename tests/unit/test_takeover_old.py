"""The old process's side of a take-over, on a real socket pair, before a new process that each test
plays.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence

import pytest

from hubcore.errors import HardwareError, LinkError
from hubcore.update.packets import (
    Back,
    Beat,
    Commit,
    Descriptor,
    DescriptorKind,
    Holdings,
    Packet,
    Taken,
    Turn,
    Warm,
)
from hubcore.update.takeover import OldPhase
from hubd.adapters.takeover.channel import Channel, close_all, pair
from hubd.takeover.neighbours import Talk
from hubd.takeover.old import OldSide, Times

GUARD = Holdings((Descriptor(DescriptorKind.GUARD),), None)
WAIT_SECONDS = 10.0


class FakeHub:
    """A hub that writes down what it is told."""

    def __init__(self) -> None:
        self.is_lost = False
        self.told: list[str] = []
        self.busy = 0
        """So many times something begins before the books are closed."""
        self.broken = ""
        """What cannot be done."""
        self.reads, self.writes = os.pipe()
        self.adopted: tuple[int, ...] = ()
        self.new: FakeNew | None = None

    async def quiet(self) -> None:
        """Always."""

    async def settle(self) -> bool:
        self.told.append("settle")
        self.busy -= 1
        return self.busy < 0

    async def reopen(self) -> None:
        self.told.append("reopen")

    def holdings(self) -> tuple[Holdings, tuple[int, ...]]:
        return GUARD, (self.writes,)

    async def adopt(self, holdings: Holdings, descriptors: Sequence[int]) -> None:
        self._do("adopt")
        assert holdings == GUARD
        self.adopted = tuple(descriptors)

    async def register(self) -> None:
        assert self.new is not None
        assert self.new.has_ended, "law 3 of the tables"
        self._do("register")

    async def secure(self) -> None:
        self.told.append("secure")

    def _do(self, what: str) -> None:
        self.told.append(what)
        if what == self.broken:
            raise HardwareError("It cannot.")


class FakeNew:
    """A new process whose words a test plays. It ends with the play, or is killed."""

    def __init__(self, play: Callable[[Play], Coroutine[None, None, None]]) -> None:
        self.play = play
        self.killed = False
        self.starts = True
        self.hears = [True]
        """Whether the service manager hears of a new main process, time after time."""
        self.asked = asyncio.Semaphore(0)
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Talk:
        if not self.starts:
            raise HardwareError("It cannot be started.")
        ours, theirs = pair()
        self._task = asyncio.ensure_future(self._run(Channel(theirs)))
        return Channel(ours)

    async def _run(self, channel: Channel) -> None:
        try:
            await self.play(Play(channel, self.asked))
        finally:
            channel.close()
            self._ended.set()

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    def kill(self) -> None:
        self.killed = True
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        await self._ended.wait()

    async def promoted(self) -> bool:
        self.asked.release()
        return self.hears.pop(0)


class Play:
    """What a test has the new process do."""

    def __init__(self, channel: Channel, asked: asyncio.Semaphore) -> None:
        self._channel = channel
        self.asked = asked
        """Released when the service manager is told of this process."""

    async def say(self, packet: Packet, *descriptors: int) -> None:
        await self._channel.say(packet, descriptors)

    async def turn(self) -> int:
        packet, (descriptor,) = await self._channel.hear()
        assert packet == Turn(GUARD)
        return descriptor

    async def until_killed(self) -> None:
        await asyncio.Event().wait()

    async def until_left(self) -> None:
        with pytest.raises(LinkError):
            await self._channel.hear()


async def _take_over(
    play: Callable[[Play], Coroutine[None, None, None]],
    hub: FakeHub | None = None,
    times: Times | None = None,
    hears: Sequence[bool] = (True,),
) -> tuple[OldPhase, FakeHub, FakeNew]:
    hub = hub or FakeHub()
    new = FakeNew(play)
    new.hears = list(hears)
    hub.new = new
    side = OldSide(hub, new, times)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            phase = await side.run()
        hub.is_lost = side.is_lost
        return phase, hub, new
    finally:
        close_all((hub.reads, hub.writes, *hub.adopted))


async def _on_trial(play: Play) -> int:
    await play.say(Warm("0.2.0"))
    descriptor = await play.turn()
    await play.say(Taken())
    await play.say(Beat())
    return descriptor


async def test_a_version_that_does_well_is_made_the_main_process() -> None:
    async def new(play: Play) -> None:
        os.close(await _on_trial(play))
        await play.say(Beat())
        await play.say(Commit())
        await play.until_left()

    phase, hub, process = await _take_over(new)
    assert (phase, hub.told, process.killed) == (OldPhase.LEFT, ["settle"], False)


async def test_a_version_that_fails_its_own_checks_changes_nothing() -> None:
    async def new(play: Play) -> None:
        """End without a word."""

    phase, hub, _ = await _take_over(new)
    assert (phase, hub.told) == (OldPhase.SERVING, [])


async def test_a_process_that_cannot_be_started_changes_nothing() -> None:
    async def new(play: Play) -> None:
        await play.until_killed()

    hub = FakeHub()
    process = FakeNew(new)
    process.starts = False
    assert await OldSide(hub, process).run() is OldPhase.SERVING
    assert hub.told == []
    close_all((hub.reads, hub.writes))


async def test_one_that_is_late_with_its_checks_is_killed() -> None:
    async def new(play: Play) -> None:
        await play.until_killed()

    phase, hub, process = await _take_over(new, times=Times(warming=0.01))
    assert (phase, hub.told, process.killed) == (OldPhase.SERVING, [], True)


class RestlessHub(FakeHub):
    """A hub at which a door always moves."""

    async def quiet(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("is_warm", [True, False])
async def test_a_wait_in_vain_is_told_from_a_version_that_had_its_try(is_warm: bool) -> None:
    async def new(play: Play) -> None:
        if is_warm:
            await play.say(Warm("0.2.0"))
        await play.until_killed()

    hub = RestlessHub()
    process = FakeNew(new)
    side = OldSide(hub, process, Times(warming=5.0 if is_warm else 0.01, waiting=0.01))
    async with asyncio.timeout(WAIT_SECONDS):
        assert await side.run() is OldPhase.SERVING
    assert (side.is_in_vain, hub.told, process.killed) == (is_warm, [], True)
    close_all((hub.reads, hub.writes))


async def test_the_turn_is_given_in_the_next_quiet_moment_when_a_door_came_first() -> None:
    async def new(play: Play) -> None:
        os.close(await _on_trial(play))
        await play.say(Commit())
        await play.until_left()

    hub = FakeHub()
    hub.busy = 2
    phase, _, _ = await _take_over(new, hub)
    assert phase is OldPhase.LEFT
    assert hub.told == ["settle", "reopen", "settle", "reopen", "settle"]


async def test_what_is_handed_back_is_taken_up_as_it_is() -> None:
    async def new(play: Play) -> None:
        descriptor = await _on_trial(play)
        await play.say(Back(GUARD), descriptor)
        os.close(descriptor)

    phase, hub, _ = await _take_over(new)
    assert (phase, hub.told) == (OldPhase.SERVING, ["settle", "adopt"])
    assert len(hub.adopted) == 1


async def test_what_cannot_be_taken_up_as_it_is_is_registered_again() -> None:
    async def new(play: Play) -> None:
        descriptor = await _on_trial(play)
        await play.say(Back(GUARD), descriptor)
        os.close(descriptor)
        await play.until_killed()

    hub = FakeHub()
    hub.broken = "adopt"
    phase, _, process = await _take_over(new, hub)
    assert (phase, hub.told) == (OldPhase.SERVING, ["settle", "adopt", "register"])
    assert process.killed


@pytest.mark.parametrize(
    "ending", ["dies", "is silent", "says a turn", "says it is warm again", "takes no turn"]
)
async def test_one_that_fails_with_the_turn_is_dead_before_the_old_one_drives(ending: str) -> None:
    async def new(play: Play) -> None:
        if ending == "takes no turn":
            await play.say(Warm("0.2.0"))
            await play.until_killed()
        descriptor = await _on_trial(play)
        match ending:
            case "says a turn":
                await play.say(Turn(GUARD), descriptor)
            case "says it is warm again":
                await play.say(Warm("0.2.0"))
        os.close(descriptor)
        if ending != "dies":
            await play.until_killed()

    times = Times(taking=0.2, silence=0.2)
    phase, hub, process = await _take_over(new, times=times)
    assert (phase, hub.told) == (OldPhase.SERVING, ["settle", "register"])
    assert process.has_ended


async def test_a_hub_that_cannot_be_taken_up_again_ends_for_the_service_manager() -> None:
    async def new(play: Play) -> None:
        os.close(await _on_trial(play))

    hub = FakeHub()
    hub.broken = "register"
    phase, _, _ = await _take_over(new, hub)
    assert (phase, hub.told) == (OldPhase.LEFT, ["settle", "register", "secure"])
    assert hub.is_lost, "nobody has it"


async def test_a_service_manager_that_did_not_hear_is_told_again() -> None:
    async def new(play: Play) -> None:
        os.close(await _on_trial(play))
        await play.say(Commit())
        await play.asked.acquire()
        await play.say(Commit())
        await play.until_left()

    phase, hub, process = await _take_over(new, hears=[False, True])
    assert (phase, process.hears) == (OldPhase.LEFT, [])
    assert not hub.is_lost


async def test_a_stop_before_the_turn_secures_the_movers() -> None:
    hub = FakeHub()
    sides: list[OldSide] = []

    async def new(play: Play) -> None:
        sides[0].stop()
        await play.until_killed()

    process = FakeNew(new)
    sides.append(OldSide(hub, process))
    async with asyncio.timeout(WAIT_SECONDS):
        assert await sides[0].run() is OldPhase.LEFT
    assert (hub.told, process.killed) == (["secure"], True)
    close_all((hub.reads, hub.writes))


async def test_a_stop_on_trial_leaves_the_movers_to_the_new_process() -> None:
    hub = FakeHub()
    sides: list[OldSide] = []

    async def new(play: Play) -> None:
        os.close(await _on_trial(play))
        sides[0].stop()
        await play.until_left()

    sides.append(OldSide(hub, FakeNew(new)))
    async with asyncio.timeout(WAIT_SECONDS):
        assert await sides[0].run() is OldPhase.LEFT
    assert hub.told == ["settle"]
    close_all((hub.reads, hub.writes))
