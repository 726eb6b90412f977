"""What a program shows on a terminal, and its picture.

Law: the picture is drawn from what the program wrote to a real terminal, cell by cell.
"""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import struct
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

SECONDS = 60.0
FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font-family: monospace; font-size: {char_height}px; line-height: {line_height}px
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""A terminal as rich draws it (`Console.export_svg`), without the fonts that it would fetch."""


class Shown(NamedTuple):
    """A screen: its lines with their styles, and how wide it is."""

    lines: Sequence[Text]
    columns: int


async def at_terminal(command: Sequence[str], columns: int, lines: int) -> Shown:
    """Run a program on a terminal of this size until it ends; return what is on the screen."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    process = await asyncio.create_subprocess_exec(*command, stdout=follower, env=environment)
    os.close(follower)
    try:
        async with asyncio.timeout(SECONDS):
            written = await asyncio.to_thread(_read_all, leader)
            await process.wait()
    finally:
        os.close(leader)
    text = written.decode().replace("\r\n", "\n").rstrip("\n")
    return Shown([Text.from_ansi(line) for line in text.split("\n")], columns)


def _read_all(leader: int) -> bytes:
    found = b""
    try:
        while chunk := os.read(leader, 1 << 16):
            found += chunk
    except OSError:  # EIO: the other end was closed
        pass
    return found


def draw(shown: Shown, title: str, name: str, file: Path) -> None:
    """Draw a screen into an SVG file; `name` stands before each of its ids."""
    console = Console(
        record=True, width=shown.columns, file=io.StringIO(), force_terminal=True, highlight=False
    )
    for line in shown.lines:
        console.print(line, soft_wrap=True)
    console.save_svg(str(file), title=title, code_format=FORMAT, unique_id=name)
