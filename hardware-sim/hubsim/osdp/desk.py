"""The readers of a desk: simulated ones on a pseudo-terminal, and a socket to do something there.

Laws:
1. Only the owner's account may connect (the socket's mode is 0600).
2. Each JSON line gets one line back, with `"ok"`. A wrong line ends nothing.
3. A reader keeps a key that it is given, also through its own restart.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubsim.osdp.line import SimLine
from hubsim.osdp.reader import Shown, SimReader
from hubsim.phone.wallet import write_private
from hubsim.site.readers import LINE, DeskReader, readers_of

SOCKET = "readers.sock"
LINE_BYTES_MAX = 4096
SHOWN_MAX = 100
KEEP_SECONDS = 0.1
COLOURS = {0: "dark", 1: "red", 2: "green", 3: "amber"}
_OWNER_ALONE = 0o177


class ReadersDesk:
    """The readers in a hub's folder."""

    def __init__(self, hub: Path) -> None:
        """Raise ValueError when the hub has no readers."""
        self._hub = hub
        self._readers = {reader.id: reader for reader in readers_of(hub)}
        if not self._readers:
            raise ValueError("this hub has no readers: make one with `hubsim site reader`")
        self._sims = {name: self._sim(reader) for name, reader in self._readers.items()}
        self._foreign: set[str] = set()
        self.line = SimLine(hub / LINE, list(self._sims.values()))
        self._acts: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
            "hold": self._hold,
            "is-read": self._is_read,
            "press": self._press,
            "shown": self._shown,
            "swap": self._swap,
            "cut": self._cut,
            "tamper": self._tamper,
            "inject": self._inject,
        }

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        path = self._hub / SOCKET
        umask_before = os.umask(_OWNER_ALONE)
        try:
            path.unlink(missing_ok=True)
            server = await asyncio.start_unix_server(self._talk, path, limit=LINE_BYTES_MAX)
        finally:
            os.umask(umask_before)
        async with server, asyncio.TaskGroup() as tasks:
            tasks.create_task(self.line.serve())
            tasks.create_task(self._keep_keys())
            ready()

    def answer(self, line: bytes) -> dict[str, object]:
        """Do what one line asks; return the answer."""
        try:
            asked = json.loads(line)
            act = self._acts[asked["do"]]
            return {"ok": True, "result": act(asked)}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            known = ", ".join(self._acts)
            return {"ok": False, "error": f"{error!r}; expected {{'do': one of {known}, ...}}"}

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    def _sim(self, reader: DeskReader) -> SimReader:
        own = reader.own_file(self._hub)
        key = own.read_bytes() if own.exists() else None
        return SimReader(reader.address, key, fresh=key is None)

    async def _keep_keys(self) -> None:
        """Write a key down that a reader was given."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            for name, reader in self._readers.items():
                key = self._sims[name].key
                own = reader.own_file(self._hub)
                if key is None or name in self._foreign:
                    continue
                if not own.exists() or own.read_bytes() != key:
                    write_private(own, key)

    def _hold(self, asked: Mapping[str, Any]) -> dict[str, object]:
        """Hold a card; say by CLOCK_MONOTONIC when, and whether the reader will tell it."""
        data = bytes.fromhex(asked["data"])
        at_ns = time.monotonic_ns()
        told = self._of(asked).hold_card(data, int(asked["bits"]))
        return {"told": told, "at_ns": at_ns}

    def _is_read(self, asked: Mapping[str, Any]) -> bool:
        """Tell whether a hub reads the reader over its secure channel."""
        return self._of(asked).is_secure

    def _press(self, asked: Mapping[str, Any]) -> bool:
        return self._of(asked).press(str(asked["keys"]))

    def _shown(self, asked: Mapping[str, Any]) -> list[str]:
        shown = self._of(asked).shown
        del shown[:-SHOWN_MAX]
        return [_in_words(one) for one in shown]

    def _swap(self, asked: Mapping[str, Any]) -> None:
        """Put a foreign reader in the place of one, or the right one back."""
        reader = self._readers[asked["reader"]]
        foreign = bool(asked["foreign"])
        own = reader.own_file(self._hub).read_bytes()
        if foreign:
            self._foreign.add(reader.id)
        else:
            self._foreign.discard(reader.id)
        self._of(asked).swap_key(bytes(byte ^ 0xA5 for byte in own) if foreign else own)

    def _cut(self, asked: Mapping[str, Any]) -> None:
        self.line.is_cut = bool(asked["cut"])

    def _tamper(self, asked: Mapping[str, Any]) -> None:
        self._of(asked).set_status(tampered=bool(asked["open"]))

    def _inject(self, asked: Mapping[str, Any]) -> None:
        """Put bytes of a stranger's on the line, towards the panel."""
        self.line.inject(bytes.fromhex(asked["data"]))

    def _of(self, asked: Mapping[str, Any]) -> SimReader:
        return self._sims[asked["reader"]]


def _in_words(shown: Shown) -> str:
    if shown.colour is None:
        return "a beep" if shown.beeps == 1 else f"{shown.beeps} beeps"
    return COLOURS.get(shown.colour, f"colour {shown.colour}")
