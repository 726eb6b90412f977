"""Running a hub in this process: one session after another, until it is stopped or handed over.

How it works: a process that is started by systemd begins a session. One that is started by another
hubd takes that one's hub over first. Then it drives, until a signal stops it, its session fails, or
an update orders that the next process takes over.

Laws:
1. A signal ends whoever drives, with every strike at rest.
2. systemd's watchdog is fed by the session. While another process drives and this one stands by, it
   is fed here.
3. A session that fails ends the process, whatever else is under way.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hubcore.phone.epochs import EpochRing
from hubcore.update.gap import Gap
from hubcore.update.quiet import Patience
from hubcore.update.takeover import NewPhase, OldPhase
from hubcore.version import __version__
from hubd.adapters.host.log import get_logger
from hubd.adapters.host.systemd import Notifier
from hubd.adapters.takeover.channel import Channel
from hubd.ahead import Ahead
from hubd.config.file import Config
from hubd.handing.checking import check
from hubd.handing.hands import Hands
from hubd.handing.nexthub import HUBD, NextHub
from hubd.handing.programs import FOLDERS, ROOT, check_program
from hubd.rehearsal import rehearse
from hubd.session.session import Session
from hubd.takeover.changing import Changing
from hubd.takeover.new import NewSide
from hubd.takeover.old import OldSide, Times
from hubd.wiring.parts import MakeParts


@dataclass(frozen=True, slots=True)
class Handing:
    """How the hub of this process may change hands.

    `config_file` is what the next process is started with; without one nobody takes over.
    `descriptor`: of the socket to the hubd that this one takes over from.
    """

    config_file: Path | None = None
    descriptor: int | None = None
    folders: tuple[Path, ...] = FOLDERS
    owners: frozenset[int] = frozenset({ROOT})
    """Whose programs those are."""
    arguments: tuple[str, ...] = HUBD
    """What such a program runs hubd by."""
    times: Times = field(default_factory=Times)
    patience: Patience = field(default_factory=Patience)


async def serve(
    config: Config,
    make_parts: MakeParts,
    notifier: Notifier | None = None,
    handing: Handing | None = None,
) -> None:
    """Run a hub until SIGTERM or SIGINT, until cancelled, or until another process has it.

    Raise ConfigError or StoreError when it cannot start, UnguardedError when it must end.
    """
    async with asyncio.TaskGroup() as tasks:
        process = _Process(tasks, config, make_parts, notifier or Notifier(), handing or Handing())
        error = await process.run()
    if error is not None:
        raise error


class _Process:
    """What this process does with its hub."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        config: Config,
        make_parts: MakeParts,
        notifier: Notifier,
        handing: Handing,
    ) -> None:
        ring = EpochRing()
        self._ahead = Ahead()
        self._gap = Gap(time.monotonic)
        self._tasks: asyncio.TaskGroup = tasks
        self._notifier = notifier
        self._handing = handing
        self._changing = Changing(
            partial(check_program, folders=handing.folders, owners=handing.owners),
            takes_over=handing.descriptor is not None,
        )
        self._hands = Hands(
            tasks,
            partial(
                Session,
                config,
                make_parts,
                notifier,
                ring,
                self._changing,
                self._ahead,
                self._gap,
            ),
            self._changing,
            self._gap,
            check=partial(
                check,
                config,
                ring,
                self._ahead,
                partial(rehearse, config, make_parts, ring, self._changing),
            ),
            failed=self._stop,
            patience=handing.patience,
        )
        self._side: OldSide | NewSide | None = None
        self._is_stopped = False
        self._log = get_logger(part="takeover")

    async def run(self) -> Exception | None:
        """Run to the end of the process; return why its hub has failed, None when it has not."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        stands_by = self._notifier.feed_watchdog(lambda: not self._hands.drives)
        feeding = self._tasks.create_task(stands_by)
        try:
            await self._drive()
        finally:
            await self._hands.end()
            self._ahead.end()
            feeding.cancel()
        return self._hands.error

    def _stop(self) -> None:
        """A signal has come, or the hub has failed."""
        self._is_stopped = True
        self._changing.close()
        if self._side is not None:
            self._side.stop()

    async def _drive(self) -> None:
        if self._handing.descriptor is None:
            self._hands.begin()
        elif not await self._takes_over(self._handing.descriptor):
            return
        while (program := await self._changing.ordered()) is not None:
            if not await self._stays(program):
                return

    async def _takes_over(self, descriptor: int) -> bool:
        """Take the hub over from the hubd that has started this one; tell whether it drives."""
        talk = Channel(socket.socket(fileno=descriptor))
        side = NewSide(self._hands, talk, __version__)
        self._side = side
        phase = await side.run()
        self._side = None
        if phase is not NewPhase.SERVING:
            why = side.mistake or "the former hubd drives again"
            self._log.warning("not_taken_over", why=str(why))
            return False
        self._changing.alone()
        self._hands.alone()
        self._notifier.ready("ready")
        self._log.info("taken_over", version=__version__, steps=self._gap.shown())
        return True

    async def _stays(self, program: Path) -> bool:
        """Let a program take the hub over; tell whether this process drives on."""
        if self._handing.config_file is None:
            why = "this hubd was started in a way that cannot be repeated"
            self._changing.came_to_nothing(why, is_tried=False)
            return True
        new = NextHub(program, self._handing.config_file, self._notifier, self._handing.arguments)
        side = OldSide(self._hands, new, self._handing.times)
        self._log.info("changing_hands", program=str(program))
        self._side = side
        phase = await side.run()
        self._side = None
        if phase is OldPhase.SERVING:
            why = "the next hubd has not stayed: the journal says why"
            if side.is_in_vain:
                why = "no moment came in which no door moves"
            self._changing.came_to_nothing(why, is_tried=not side.is_in_vain)
            self._hands.alone()
            self._log.warning("drives_again")
            return True
        if side.is_lost:
            self._log.error("not_taken_up_again")
        elif not self._is_stopped:
            new.let_go()
            self._log.info("handed_over", steps=self._gap.shown())
        return False
