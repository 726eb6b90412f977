"""All movers of one door, as one mover: a door with two strikes is released like a door with one.

Laws:
1. A release is for all movers at the same time; each keeps to its own cap and its own rest.
2. Until the longest rest of its movers is over, none is driven.
3. When one cannot be driven, none stays driven.
4. That is RestingError only if none has moved, so that any other release counts as moved.
5. Securing tries every mover, whatever becomes of the others.
6. The bolt is as safe as the best proof of any mover (`hubcore.door.state.bolt_of_several`).
7. The door is driven while any mover is; only the first rise and the last fall are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from hubcore.door.state import BoltState, bolt_of_several
from hubcore.errors import HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent, Mover

Publish = Callable[[InputEvent], None]
MakeMover = Callable[[Publish], Mover]


class MoverGroup:
    """`hubcore.ports.doors.Mover` over several."""

    def __init__(self, movers: Sequence[MakeMover], publish: Publish) -> None:
        """Make the movers; `publish` hears what they do as if they were one."""
        self._publish = publish
        self._levels: dict[int, bool] = {}
        self._movers: list[Mover] = []
        for number, make in enumerate(movers):
            mover = make(partial(self._publish_as_one, number))
            self._movers.append(mover)

    async def release(self, seconds: float) -> None:
        """See `hubcore.ports.doors.Mover.release`."""
        rest_seconds = self.must_rest_seconds(seconds)
        if rest_seconds:
            sentence = f"Not now: a mover of the door rests for another {rest_seconds:.3f} s."
            raise RestingError(sentence, rest_seconds)
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

    @property
    def bolt_state(self) -> BoltState:
        """See `hubcore.ports.doors.Mover.bolt_state`."""
        return bolt_of_several({mover.bolt_state for mover in self._movers})

    def must_rest_seconds(self, seconds: float) -> float:
        """See `hubcore.ports.doors.Mover.must_rest_seconds`: the longest rest of any."""
        return max(mover.must_rest_seconds(seconds) for mover in self._movers)

    async def secure(self) -> None:
        """See `hubcore.ports.doors.Mover.secure`."""
        errors = await _each(mover.secure() for mover in self._movers)
        if errors:
            raise HardwareError(_joined(errors)) from errors[0]

    def _publish_as_one(self, number: int, event: InputEvent) -> None:
        """Publish what one mover says; of its level only what changes that of the door."""
        if event.what not in (Input.STRIKE_ACTIVE, Input.STRIKE_INACTIVE):
            self._publish(event)
            return
        first_word = not self._levels
        driven_before = self._any_level_is_active()
        self._levels[number] = event.what is Input.STRIKE_ACTIVE
        driven = self._any_level_is_active()
        if first_word or driven is not driven_before:
            self._publish(event)

    def _any_level_is_active(self) -> bool:
        return any(self._levels.values())


async def _each(steps: Iterable[Awaitable[None]]) -> list[HardwareError]:
    """Do all at the same time, each to its end; return what went wrong, in their order."""
    async with asyncio.TaskGroup() as tasks:
        done = [tasks.create_task(_error_of(step)) for step in steps]
    results = [task.result() for task in done]
    return [error for error in results if error is not None]


async def _error_of(step: Awaitable[None]) -> HardwareError | None:
    try:
        await step
    except HardwareError as error:
        return error
    return None


def _joined(errors: Sequence[HardwareError]) -> str:
    """Say each sentence once: a guard that has gone gives all its strikes the same."""
    return " ".join(dict.fromkeys(str(error) for error in errors))
