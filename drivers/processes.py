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
        self._ended: asyncio.Event | None = None
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
        """Return the exit status once the process has ended, UNKNOWN for no child.

        Nothing is opened for that: the end of a guard is noticed when no descriptor is left.
        """
        if self._seen is not None and self._ended is None:
            self._ended = asyncio.Event()
            asyncio.get_running_loop().add_reader(self._seen, self._has_ended)
        if self._ended is not None:
            await self._ended.wait()
        return self.UNKNOWN if self.returncode is None else self.returncode

    def _has_ended(self) -> None:
        self.returncode = self.UNKNOWN if self._child is None else self._child.wait()
        self.close()

    @staticmethod
    def is_handed_on_child(pid: int) -> bool:
        """Tell whether this process has started that one, has handed it on, and it still runs."""
        return any(child.pid == pid and child.poll() is None for child in _HANDED_ON)

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
        """Give the descriptor back; whoever waits for the end waits no more."""
        if self._seen is None:
            return
        if self._ended is not None:
            with suppress(RuntimeError):  # no loop runs: nobody waits
                asyncio.get_running_loop().remove_reader(self._seen)
            self._ended.set()
        os.close(self._seen)
        self._seen = None
