"""A program at a terminal of its own, and what a person sees there: pyte reads what it draws.

pyte is a terminal without a window. It follows the standards of ECMA and DEC, which have not
changed for decades; so it does not matter that its releases are rare.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import signal
import struct
import termios
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

import pyte

SECONDS = 30.0
READ_BYTES = 1 << 16
BARE = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
_TOLD_BY_SHELLS = ("COLUMNS", "LINES", "LC_ALL", "LC_CTYPE", "NO_COLOR")


class _Screen(pyte.Screen):
    """pyte's, which does not know REP, SU and SD (ECMA-48 8.3.103, 8.3.147, 8.3.113).

    REP: the last sign, so many times more. SU, SD: the lines of the scrolling region go up or down;
    the cursor stays.
    """

    _last = " "

    def draw(self, data: str) -> None:
        super().draw(data)
        self._last = data[-1:] or self._last

    def repeat(self, count: int = 1) -> None:
        super().draw(self._last * count)

    def scroll_up(self, count: int = 1) -> None:
        self._scroll(self.delete_lines, count)

    def scroll_down(self, count: int = 1) -> None:
        self._scroll(self.insert_lines, count)

    def _scroll(self, change: Callable[[int], None], count: int) -> None:
        column = self.cursor.x
        row = self.cursor.y
        self.cursor.y = self.margins.top if self.margins else 0
        change(count)
        self.cursor.x = column
        self.cursor.y = row


class _Stream(pyte.ByteStream):
    csi: ClassVar = {
        **pyte.ByteStream.csi,
        "b": "repeat",
        "S": "scroll_up",
        "T": "scroll_down",
    }
    events: ClassVar = pyte.ByteStream.events | {"repeat", "scroll_up", "scroll_down"}


class Terminal:
    """What a program drew, cell by cell; made by `at_terminal`."""

    def __init__(self, leader: int, follower: int, width: int, height: int) -> None:
        self.sent = bytearray()
        """All bytes that the program wrote."""
        self._leader = leader
        self._follower = follower
        self.screen = _Screen(width, height)
        self._stream = _Stream(self.screen)
        self._drawn = asyncio.Event()
        self.process: asyncio.subprocess.Process

    @property
    def lines(self) -> list[str]:
        """The lines of the screen now."""
        return list(self.screen.display)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def read(self) -> None:
        """Take what was drawn since."""
        try:
            drawn = os.read(self._leader, READ_BYTES)
        except OSError:  # EIO: nobody has it open any more
            drawn = b""
        if not drawn:
            asyncio.get_running_loop().remove_reader(self._leader)
        self.sent += drawn
        self._stream.feed(drawn)
        self._drawn.set()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._leader, keys.encode())

    def resize(self, width: int, height: int) -> None:
        """Change the size; the kernel tells the program."""
        self.screen.resize(height, width)
        set_size(self._leader, width, height)

    async def until(self, is_there: Callable[[str], object] | str) -> None:
        """Wait until a text is on the screen, or what is asked for is true of it."""
        wanted = (lambda text: is_there in text) if isinstance(is_there, str) else is_there
        try:
            async with asyncio.timeout(SECONDS):
                while not wanted(self.text):
                    self._drawn.clear()
                    await self._drawn.wait()
        except TimeoutError:
            raise AssertionError(f"never seen: {is_there}; but:\n{self.text}") from None

    def modes(self) -> list[object]:
        """How the terminal takes keys and lines, as the kernel has it."""
        return termios.tcgetattr(self._follower)

    async def ended(self) -> tuple[int, str]:
        """Wait for the program's end; return how it ended and what it said on standard error."""
        async with asyncio.timeout(SECONDS):
            _, said = await self.process.communicate()
        assert self.process.returncode is not None
        while select.select([self._leader], [], [], 0)[0]:
            self.read()
        return self.process.returncode, said.decode()


def set_size(terminal: int, width: int, height: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


@asynccontextmanager
async def at_terminal(
    *words: str,
    environment: Mapping[str, str] = BARE,
    size: tuple[int, int] = (80, 24),
    told_size: bool = True,
    speed: int | None = None,
) -> AsyncIterator[Terminal]:
    """Run a program at a terminal; kill it at the end when it still runs.

    `told_size`: whether the kernel knows the size. A serial line's is 0 times 0.
    """
    leader, follower = pty.openpty()
    if told_size:
        set_size(leader, *size)
    if speed is not None:
        modes = termios.tcgetattr(follower)
        modes[4] = modes[5] = speed
        termios.tcsetattr(follower, termios.TCSANOW, modes)
    terminal = Terminal(leader, follower, *size)
    asyncio.get_running_loop().add_reader(leader, terminal.read)
    kept = {name: value for name, value in os.environ.items() if name not in _TOLD_BY_SHELLS}
    try:
        # a session of its own, whose terminal this is: the kernel sends it SIGWINCH and SIGINT
        terminal.process = await asyncio.create_subprocess_exec(
            *("setsid", "--ctty", *words),
            stdin=follower,
            stdout=follower,
            stderr=asyncio.subprocess.PIPE,
            env={**kept, **environment},
        )
        yield terminal
    finally:
        if terminal.process.returncode is None:
            terminal.process.send_signal(signal.SIGKILL)
            await terminal.process.wait()
        asyncio.get_running_loop().remove_reader(leader)
        os.close(follower)
        os.close(leader)
