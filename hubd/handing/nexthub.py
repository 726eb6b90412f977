"""The process that is to take this hub over: `takeover.neighbours.NewProcess`.

Laws:
1. It is hubd, run by the interpreter that was ordered, with the configuration of this process, and
   the end of a socket pair that has no name.
2. systemd names one process for its watchdog. The next one is not told that it is another, so that
   it feeds once it is the main one.
3. It has no signal at the end of this process: with the turn it goes on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from drivers.processes import SeenProcess
from hubcore.errors import HardwareError
from hubd.adapters.host.systemd import Notifier
from hubd.adapters.takeover.channel import Channel, pair
from hubd.takeover.neighbours import Talk

OPTION = "--take-over"
HUBD = ("-P", "-m", "hubd")
HEAR_SECONDS = 5.0
"""How long the service manager may take to hear of a new main process."""
_OF_THIS_PROCESS = ("WATCHDOG_PID", "LISTEN_PID")


class NextHub:
    """One process, started once."""

    def __init__(
        self,
        program: Path,
        config_file: Path,
        notifier: Notifier,
        arguments: tuple[str, ...] = HUBD,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        configured = ("--config", str(config_file.absolute()))
        self._command = (str(program), *arguments, *configured, OPTION)
        self._notifier = notifier
        self._environment = {
            name: value for name, value in environment.items() if name not in _OF_THIS_PROCESS
        }
        self._process: SeenProcess | None = None

    async def start(self) -> Talk:
        """See `NewProcess.start`."""
        try:
            ours, theirs = pair()
        except OSError as error:
            raise HardwareError(f"The next hubd cannot be started: {error}.") from error
        with theirs:
            number = theirs.fileno()
            try:
                self._process = SeenProcess.start(
                    (*self._command, str(number)), number, self._environment, speaks=True
                )
            except OSError as error:
                ours.close()
                raise HardwareError(f"The next hubd cannot be started: {error}.") from error
        return Channel(ours)

    def kill(self) -> None:
        """See `NewProcess.kill`."""
        if self._process is not None:
            self._process.kill()

    async def ended(self) -> None:
        """See `NewProcess.ended`."""
        if self._process is not None:
            await self._process.wait()

    async def promoted(self) -> bool:
        """See `NewProcess.promoted`: without a service manager nobody is to be told."""
        if not self._notifier.is_heard:
            return True
        if self._process is None or not self._notifier.main_process(self._process.pid):
            return False
        return await self._notifier.barrier(HEAR_SECONDS)

    def let_go(self) -> None:
        """It drives alone: look at it no more."""
        if self._process is not None:
            self._process.hand_on()
