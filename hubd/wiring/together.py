"""All movers of one door, as one mover: a door with two strikes is released like a door with one.

1. A release is for all of them, at the same time; each keeps to its own cap and its own rest.
2. The door must rest for as long as the longest of its movers must: until then none is driven.
3. When one cannot be driven, none stays driven. That is an error, and never RestingError once any
   may have moved, so that the release counts as moved.
4. Securing tries every one, whatever becomes of the others.
5. The door is driven from when the first is driven until the last is at rest; only these two
   changes are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from hubcore.errors import HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent, Mover

Publish = Callable[[InputEvent], None]
MakeMover = Callable[[Publish], Mover]


class Together:
    """`hubcore.ports.doors.Mover` over several."""

    def __init__(self, movers: Sequence[MakeMover], publish: Publish) -> None:
        """Make the movers; `publish` hears what they do as if they were one, and all else that they
        tell.
        """
        self._publish = publish
        self._levels: dict[int, bool] = {}
        self._movers = [make(partial(self._heard, number)) for number, make in enumerate(movers)]

    async def release(self, seconds: float) -> None:
        """See `hubcore.ports.doors.Mover.release`."""
        if rest_seconds := self.must_rest_seconds(seconds):
            raise RestingError(
                f"Not now: a mover of the door rests for another {rest_seconds:.3f} s.",
                rest_seconds,
            )
        errors = await _each(mover.release(seconds) for mover in self._movers)
        if not errors:
            return
        resting = [error for error in errors if isinstance(error, RestingError)]
        if len(resting) == len(self._movers):
            raise max(resting, key=lambda error: error.seconds)
        errors += await _each(mover.secure() for mover in self._movers)
        raise HardwareError(_joined(errors)) from errors[0]

    @property
    def driven(self) -> bool:
        """See `hubcore.ports.doors.Mover.driven`: whether any is."""
        return any(mover.driven for mover in self._movers)

    def must_rest_seconds(self, seconds: float) -> float:
        """See `hubcore.ports.doors.Mover.must_rest_seconds`: the longest rest of any."""
        return max(mover.must_rest_seconds(seconds) for mover in self._movers)

    async def secure(self) -> None:
        """See `hubcore.ports.doors.Mover.secure`."""
        if errors := await _each(mover.secure() for mover in self._movers):
            raise HardwareError(_joined(errors)) from errors[0]

    def _heard(self, number: int, event: InputEvent) -> None:
        """Pass on what a mover tells; of its level only what changes the door's, and the first word
        of all.
        """
        if event.what not in (Input.STRIKE_ACTIVE, Input.STRIKE_INACTIVE):
            self._publish(event)
            return
        before = any(self._levels.values()) if self._levels else None
        self._levels[number] = event.what is Input.STRIKE_ACTIVE
        if any(self._levels.values()) is not before:
            self._publish(event)


async def _each(steps: Iterable[Awaitable[None]]) -> list[HardwareError]:
    """Do all at the same time, each to its end; return what went wrong."""
    async with asyncio.TaskGroup() as tasks:
        done = [tasks.create_task(_error_of(step)) for step in steps]
    return [error for task in done if (error := task.result()) is not None]


async def _error_of(step: Awaitable[None]) -> HardwareError | None:
    try:
        await step
    except HardwareError as error:
        return error
    return None


def _joined(errors: Sequence[HardwareError]) -> str:
    """Say each sentence once: a guard that has gone gives all its strikes the same."""
    return " ".join(dict.fromkeys(str(error) for error in errors))
