"""The panel's process as hubd has it: started, spoken with, ended.

Laws:
1. A panel that says nothing for SILENCE_SECONDS is ended, however alive it looks.
2. It is asked to end by the end of its socket, and killed when it does not go.
3. A loop of hubd's that was blocked does not blame the panel for what had arrived.
4. A panel that says much, at whatever pace, leaves the loop to the doors after each report.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence

from drivers.osdp.wire.orders import AddReader, Order, Start
from drivers.osdp.wire.reports import Report, Unfit, decode_report
from drivers.osdp.wire.words import PACKET_MAX
from hubcore.errors import HardwareError

START_SECONDS = 15.0
"""A cold interpreter from a slow SD card."""
SILENCE_SECONDS = 4.0
STOP_SECONDS = 2.0
QUEUE_BYTES = 1 << 18
"""What may wait in the socket for a hubd that is busy."""


class PanelLink:
    """One panel's process and our end of its socket."""

    def __init__(self, process: Process, peer: socket.socket) -> None:
        self._process = process
        self._peer = peer
        self._seconds = START_SECONDS

    @property
    def process_id(self) -> int:
        """The process, living or dead."""
        return self._process.pid

    def send(self, order: Order) -> bool:
        """Send an order and never wait; return whether it went out."""
        try:
            self._peer.send(order.encode())
        except OSError:
            return False
        return True

    async def report(self) -> Report:
        """Return the next report. Raise HardwareError when the panel ends or says nothing."""
        data = await self._receive()
        await asyncio.sleep(0)  # law 4: what has come already is received without a wait
        if not data:
            raise HardwareError("The OSDP panel has ended.")
        report = decode_report(data)
        if report is None:
            raise HardwareError("The OSDP panel sent a packet that is no report.")
        if isinstance(report, Unfit):
            raise HardwareError(report.text)
        self._seconds = SILENCE_SECONDS
        return report

    async def _receive(self) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                return await loop.sock_recv(self._peer, PACKET_MAX + 1)
        except TimeoutError:
            why = f"The OSDP panel said nothing for {self._seconds:g} s."
        except OSError as error:  # it ended before it had read all orders; its last words are here
            why = f"The OSDP panel has gone ({error})."
        try:
            return self._peer.recv(PACKET_MAX + 1)
        except OSError:
            raise HardwareError(why) from None

    async def end(self) -> None:
        """End the process. Raise HardwareError when it cannot be ended."""
        self._peer.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._died()

    async def _died(self) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            raise HardwareError(
                f"The OSDP panel (process {self.process_id}) cannot be ended: a serial line hangs "
                "in the kernel; reboot the hub."
            ) from None


async def start_panel(readers: Sequence[AddReader]) -> PanelLink:
    """Return a panel that has been told its readers. Raise HardwareError."""
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError as error:
        raise HardwareError(f"The OSDP panel cannot be started: {error}.") from error
    with theirs:
        try:
            make_roomy(ours, theirs)
            process = await _spawn(theirs.fileno())
        except BaseException:
            ours.close()
            raise
    link = PanelLink(process, ours)
    for reader in readers:
        link.send(reader)
    link.send(Start())
    return link


def make_roomy(ours: socket.socket, theirs: socket.socket) -> None:
    """Let our end not block, and both hold QUEUE_BYTES. Raise HardwareError."""
    try:
        ours.setblocking(False)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE_BYTES)
    except OSError as error:
        raise HardwareError(f"The OSDP panel cannot be started: {error}.") from error


async def _spawn(descriptor: int) -> Process:
    try:
        # A session of its own: Ctrl-C in a terminal reaches hubd alone.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "drivers.osdp.panel", "--fd", str(descriptor)),
            stdin=DEVNULL,
            stdout=DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,
        )
    except (OSError, RuntimeError) as error:  # RuntimeError: no thread that waits for its end
        raise HardwareError(f"The OSDP panel cannot be started: {error}.") from error
