"""A process as hubd sees it: its own child, or one that an earlier hubd has started.

Laws:
1. Its end is the kernel's word, by a descriptor that stands for this very process. A number alone
   may be another process's by now.
2. Only a child has an exit status. Of another process its end is known, and no more.
3. A child that is handed on is not ended by the end of this object, nor by the end of hubd.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

_HANDED_ON: list[subprocess.Popen[bytes]] = []
"""Children that another hubd drives now. They are kept, so that their end leaves no zombie."""


class SeenProcess:
    """One process; `returncode` is None until its end is seen, and then UNKNOWN for no child."""

    UNKNOWN = 256
    """No process ends with this."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None = None) -> None:
        """Look at a process that is there. Raise OSError when it has gone."""
        self.pid = pid
        self._child = child
        self._seen: int | None = os.pidfd_open(pid)
        self.returncode: int | None = None

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        descriptor: int,
        environment: Mapping[str, str] | None = None,
        speaks: bool = False,
    ) -> SeenProcess:
        """Start a child that inherits one descriptor; `speaks`: its output is ours. Raise OSError.

        Ctrl-C in a terminal does not reach it.
        """
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=None if speaks else subprocess.DEVNULL,
            pass_fds=(descriptor,),
            env=environment,
            start_new_session=True,
        )
        try:
            return cls(child.pid, child)
        except OSError:
            child.kill()
            child.wait()
            raise

    async def wait(self) -> int:
        """Return the exit status once the process has ended, UNKNOWN for no child."""
        if self.returncode is None and self._seen is not None:
            await _readable(self._seen)
            self.returncode = self.UNKNOWN if self._child is None else self._child.wait()
            self.close()
        return self.UNKNOWN if self.returncode is None else self.returncode

    def kill(self) -> None:
        """Have the kernel end it; nothing is done to one that has ended."""
        if self._seen is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._seen, signal.SIGKILL)

    def hand_on(self) -> None:
        """Look at it no more: another hubd drives it."""
        if self._child is not None:
            _HANDED_ON.append(self._child)
            self._child = None
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        if self._seen is not None:
            os.close(self._seen)
            self._seen = None


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    watched = os.dup(descriptor)  # who is told of the same end twice waits for it twice
    loop.add_reader(watched, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)
