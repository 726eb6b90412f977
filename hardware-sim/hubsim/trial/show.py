"""`hubsim trial`: the whole site is started, filled, tried once, and left to whoever looks.

Laws:
1. It ends with status 0 when it came so far that one can look, and 1 when it did not.
2. While somebody looks, a part that ends is named, and ends the trial with status 1.
3. A signal ends it at any moment, and nothing runs on afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from hubcore.errors import HubError
from hubsim.chromium.browser import BrowserError
from hubsim.demo.steps import Steps
from hubsim.stage import StageError, free_port
from hubsim.trial.whole import Trial, whole_site

PORT = 8443
LOOK_SECONDS = 0.5


def port_for(wanted: int | None) -> int:
    """Return the port that is wanted; for None, PORT where it is free, or another one."""
    if wanted is not None:
        return wanted
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just left
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return free_port()
    return PORT


async def show(path: Path, port: int, is_once: bool) -> int:
    """Start it all in a new folder; return the exit status. The pages are at `port`.

    It waits until a signal comes or a part has ended, unless `is_once`.
    """
    steps = Steps(Console(highlight=False, soft_wrap=True))
    stopped = asyncio.Event()
    try:
        with _on_signals(stopped) as begun:
            async with whole_site(steps, path, port) as trial:
                begun.set()
                steps.console.print(f"{steps.count} steps, all of them checked.")
                if not is_once:
                    _tell(steps.console, trial)
                    await until_over(stopped, trial, LOOK_SECONDS)
    except asyncio.CancelledError:
        steps.console.print("[yellow]–[/yellow] ended before all was there")
        return 1
    except (StageError, BrowserError, HubError, FileExistsError, TimeoutError) as error:
        steps.console.print(f"[red]✗[/red] {escape(str(error))}")
        return 1
    return 0


@contextlib.contextmanager
def _on_signals(stopped: asyncio.Event) -> Iterator[asyncio.Event]:
    """Set `stopped` at a signal; before the yielded event is set, cancel the task itself."""
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        stopped.set()
        if not begun.is_set() and task is not None:
            task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield begun
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _tell(console: Console, trial: Trial) -> None:
    """Print where to look."""
    operator = trial.operator
    console.print(
        f"""
[bold]The operators' pages[/bold]    {trial.server.address}/
   A browser warns: the certificate is one to try the server with.
   name            {operator.name}
   password        {escape(operator.password)}
   second factor   {operator.secret}
   for an app      {escape(operator.address)}
   a code of now   oathtool --totp -b {operator.secret}

[bold]A phone more[/bold]            {trial.link}
   It connects one browser. The door is simulated: no real radio finds it.

[bold]The hub[/bold]                 hubctl --socket {trial.hub_socket} status
[bold]The site's bridge[/bold]       hubctl --site --socket {trial.bridge_socket} status
[bold]All files[/bold]               {trial.path}

Ctrl-C ends it."""
    )


class Running(Protocol):
    """What is watched while somebody looks."""

    @property
    def path(self) -> Path:
        """Where its logs are."""

    def ended(self) -> Iterator[str]:
        """Yield the name of each part that runs no more."""


async def until_over(stopped: asyncio.Event, trial: Running, look_seconds: float) -> None:
    """Wait until it is stopped. Raise StageError when a part has ended before (law 2)."""
    while not stopped.is_set():
        ended = next(iter(trial.ended()), "")
        if ended:
            raise StageError(f"{ended} has ended; its log is in {trial.path}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), look_seconds)
