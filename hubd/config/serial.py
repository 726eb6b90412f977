"""The serial lines of a configuration: one list, for who refuses it and for who looks at them.

Laws:
1. Each line stands in the list with what uses it, by the key that names it.
2. A line is for one program: a board, a stick, or readers. Readers of one line use it together.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hubd.config.devices import OpenZwave, RelayBoard, Zwave
from hubd.config.mistakes.sentences import KeyPath, WrongValueError, show
from hubd.config.readers import Reader

ZWAVE_SERVICE = "the Z-Wave service ([zwave], key stick)"


class SerialLine(NamedTuple):
    """A serial line; `user` names what uses it, `key` is where that says so.

    `expected`: what the file's reader is told of a line that something else uses.
    """

    path: str
    user: str
    key: KeyPath
    expected: str = "a value used once"


def serial_lines(
    boards: Sequence[RelayBoard],
    zwave: Zwave | None,
    openzwave: OpenZwave | None,
    readers: Sequence[Reader],
) -> Iterator[SerialLine]:
    """Yield every serial line; one with several readers once."""
    for index, board in enumerate(boards):
        key = ("relay_boards", f"[{index}]", "port")
        yield SerialLine(board.port, f"board {board.id!r}", key)
    if zwave is not None:
        yield SerialLine(zwave.stick, ZWAVE_SERVICE, ("zwave", "stick"))
    if openzwave is not None:
        yield SerialLine(openzwave.port, "[openzwave]", ("openzwave", "port"))
    seen = set[str]()
    for index, reader in enumerate(readers):
        path = os.path.normpath(reader.device)
        if path in seen:
            continue
        seen.add(path)
        yield SerialLine(
            path=path,
            user=f"reader {reader.id!r}",
            key=("readers", f"[{index}]", "device"),
            expected="a line of readers alone",
        )


def check_lines(lines: Iterator[SerialLine]) -> None:
    """Raise WrongValueError for a line with two users."""
    users: dict[str, SerialLine] = {}
    for line in lines:
        other = users.setdefault(os.path.normpath(line.path), line)
        if other is not line:
            found = f"{show(line.path)}, which {other.user} has too"
            raise WrongValueError(line.key, line.expected, found)
