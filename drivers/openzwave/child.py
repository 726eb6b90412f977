"""How the OpenZWave process begins: alone, hardened, with orders from its socket.

Laws:
1. It is started by hubd, with one end of a socket, and does nothing before START.
2. Whatever it cannot do is told as `Unfit`, and it ends.
3. A library that holds the interpreter for HANG_SECONDS ends the process, also without hubd.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from drivers.openzwave.library import Library, MissingLibraryError
from drivers.openzwave.orders import AddDevice, Start, decode_order
from drivers.openzwave.peer import UnfitError, stick_there
from drivers.openzwave.reports import Unfit
from drivers.openzwave.service import Service
from drivers.openzwave.wire import DEVICES_MAX, PACKET_MAX, Unfitness
from drivers.packets import send

EX_USAGE = 64
EX_UNAVAILABLE = 69
ORDERS_WAIT_SECONDS = 10.0
HANG_SECONDS = 30.0
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38


def orders_from(peer: socket.socket) -> tuple[Start, list[AddDevice]]:
    """Return what hubd names before and with START. Raise UnfitError when it does not."""
    devices: list[AddDevice] = []
    peer.settimeout(ORDERS_WAIT_SECONDS)
    while True:
        try:
            order = decode_order(peer.recv(PACKET_MAX + 1))
        except OSError as error:
            raise UnfitError(Unfitness.ORDERS, "hubd has not named the devices") from error
        if isinstance(order, Start) and devices:
            peer.setblocking(False)
            return order, devices
        if not isinstance(order, AddDevice) or order.number != len(devices):
            raise UnfitError(Unfitness.ORDERS, "hubd named no devices, or not in their order")
        if len(devices) == DEVICES_MAX:
            raise UnfitError(Unfitness.ORDERS, f"hubd named more than {DEVICES_MAX} devices")
        devices.append(order)


def serve(peer: socket.socket) -> None:
    """Do what hubd asks until the socket ends. Raise UnfitError or MissingLibraryError."""
    start, devices = orders_from(peer)
    stick_there(start.port)
    alive()
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    library = Library(start.folder, start.key, start.answer_seconds, wake)
    service = Service(
        peer=peer,
        library=library,
        wake=woken,
        port=start.port,
        devices=devices,
        alive=alive,
    )
    service.run()


def alive() -> None:
    """Say that the loop comes round; what does not say so for HANG_SECONDS ends (law 3)."""
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)


def harden() -> None:
    """Have no core dump and no debugger; leave the end to the socket, which ends with hubd.

    The signals of the terminal, and systemd's when hubd has gone, must not come before the locks.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def main(argv: Sequence[str]) -> int:
    """Run as `--fd N`, where N is one end of a SOCK_SEQPACKET pair."""
    options = dict(zip(argv[::2], argv[1::2], strict=False))
    try:
        peer = socket.socket(fileno=int(options["--fd"]))
    except (KeyError, ValueError, OSError) as error:
        sys.stderr.write(
            f"The OpenZWave process is started by hubd, not by hand ({error!r}). {main.__doc__}\n"
        )
        return EX_USAGE
    harden()
    with peer:
        try:
            serve(peer)
        except UnfitError as error:
            send(peer, Unfit(error.what, str(error)).encode())
            return EX_UNAVAILABLE
        except MissingLibraryError as error:
            send(peer, Unfit(Unfitness.LIBRARY, str(error)).encode())
            return EX_UNAVAILABLE
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # the library's threads are not worth a tidy end
