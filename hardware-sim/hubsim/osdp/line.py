"""A simulated RS-485 line: a pseudo-terminal with readers on it, that can be cut, noisy or forged.

The panel opens `path`. All readers hear all that the panel sends.
"""

from __future__ import annotations

import asyncio
import os
import pty
import random
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

from hubsim.osdp.reader import SimReader

STEP_SECONDS = 0.002
READ_BYTES = 4096

Damage = Callable[[bytes], bytes]


def _as_it_is(data: bytes) -> bytes:
    return data


class SimLine:
    """A line at `path`, a link to the pseudo-terminal of the moment.

    `to_readers` and `to_panel` change what goes over the line. `is_cut`: nothing goes over it.
    """

    def __init__(self, path: Path, readers: Sequence[SimReader]) -> None:
        self.path = path
        self.readers = list(readers)
        self.is_cut = False
        self.to_readers: Damage = _as_it_is
        self.to_panel: Damage = _as_it_is
        self._ends: tuple[int, int] | None = None
        self.plug_in()

    def plug_in(self) -> None:
        """Make the device appear."""
        if self._ends is not None:
            return
        self._ends = pty.openpty()
        for end in self._ends:
            tty.setraw(end)
            os.set_blocking(end, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._ends[1]))

    def unplug(self) -> None:
        """Make the device go, as when a USB adapter is pulled."""
        if self._ends is not None:
            self.path.unlink(missing_ok=True)
            for end in self._ends:
                os.close(end)
            self._ends = None

    def clear(self) -> None:
        """Let the line be as it should be."""
        self.is_cut = False
        self.to_readers = _as_it_is
        self.to_panel = _as_it_is

    def add_noise(self, share: float, seed: int) -> None:
        """Flip one bit in this share of what goes over the line at once, in both directions."""
        chance = random.Random(seed)

        def damage(data: bytes) -> bytes:
            if not data or chance.random() >= share:
                return data
            spoiled = bytearray(data)
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
            return bytes(spoiled)

        self.to_readers = damage
        self.to_panel = damage

    def inject(self, data: bytes) -> None:
        """Put bytes on the line towards the panel."""
        if self._ends is not None:
            _write(self._ends[0], data)

    async def serve(self) -> None:
        """Carry bytes and let the readers live, until cancelled."""
        while True:
            self.step()
            await asyncio.sleep(STEP_SECONDS)

    def step(self) -> None:
        """Carry what is there now."""
        heard = b"" if self._ends is None else _read(self._ends[0])
        if heard and not self.is_cut:
            heard = self.to_readers(heard)
            for reader in self.readers:
                reader.hear(heard)
        for reader in self.readers:
            reader.step()
            if reader.outbox:
                data = self.to_panel(bytes(reader.outbox))
                reader.outbox.clear()
                if not self.is_cut:
                    self.inject(data)


def _read(end: int) -> bytes:
    try:
        return os.read(end, READ_BYTES)
    except OSError:
        return b""


def _write(end: int, data: bytes) -> None:
    try:
        os.write(end, data)
    except OSError:
        return
