"""A fake of the machine's programs: each says what it was told to say, or hangs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from hubctl.gathering.running import Output


class Programs:
    """What a bug report runs; `said` by the whole command, or the program's name.

    Others are not installed.
    """

    def __init__(self, said: Mapping[str, Output], hanging: Sequence[str] = ()) -> None:
        self._said = said
        self._hanging = frozenset(hanging)
        self.commands: list[Sequence[str]] = []
        self.released = threading.Event()
        """Set it at the end: what hangs ends then."""

    def __call__(self, command: Sequence[str], seconds: float) -> Output:
        """Run a program."""
        self.commands.append(command)
        name = command[0].rpartition("/")[2]
        if name in self._hanging:
            self.released.wait()
        told = self._said.get(" ".join(command)) or self._said.get(name)
        return told or Output("", f"{name} is not installed")
