"""Where the backend is: its addresses, asked for in a thread that nobody waits for.

Laws:
1. Only this module asks a resolver. libzmq never does: it would be waited for at the stop.
2. At most one question is under way. The resolver has its own limits, of many seconds, and cannot
   be called back. Whoever asks meanwhile waits for the same answer, only as long as it wants to.
3. The thread holds up neither the stop nor the end of the process.
4. A machine that gives no thread is a failure of this one question.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hubcore.errors import HardwareError, LinkError
from hubd.threads import Start, begin, start_thread

ADDRESSES_MAX = 8
"""Of one name; more are left out."""

_NUMBERS_ONLY = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""`socket.getaddrinfo`, or what stands in its place."""


@dataclass(frozen=True, slots=True)
class Address:
    """One address of the backend: what a socket wants to know, and the numbers for a person."""

    family: int
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.sockaddr[0])


Addresses = tuple[Address, ...]
"""In the order in which to try them."""


class Names:
    """Resolves the host and port of one endpoint."""

    def __init__(
        self,
        host: str,
        port: int,
        resolve: Resolve = socket.getaddrinfo,
        start: Start = start_thread,
    ) -> None:
        self._host = host
        self._port = port
        self._resolve = resolve
        self._start = start
        self._asked: asyncio.Future[Addresses] | None = None

    async def addresses(self, seconds: float) -> Addresses:
        """Return the addresses of the backend.

        Raise LinkError when none are known in time.
        """
        with suppress(OSError, UnicodeError):  # an address in numbers needs nobody
            found = self._resolve(
                self._host, self._port, type=socket.SOCK_STREAM, flags=_NUMBERS_ONLY
            )
            return _addresses_in(found)
        if self._asked is None or self._asked.done():
            self._asked = self._begin()
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self._asked)
        except TimeoutError:
            raise LinkError(
                f"the name {self._host} is not resolved: no name server answered within "
                f"{seconds:g} s; check the network, then: getent ahosts {self._host}"
            ) from TimeoutError()
        except OSError as error:
            why = error.strerror or str(error)
            raise LinkError(
                f"the name {self._host} does not resolve ({why}); check [backend] endpoint, "
                f"then: getent ahosts {self._host}"
            ) from error

    def _begin(self) -> asyncio.Future[Addresses]:
        try:
            return self._ask()
        except HardwareError as error:
            raise LinkError(f"the name {self._host} cannot be asked for: {error}") from error

    def _ask(self) -> asyncio.Future[Addresses]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Addresses] = loop.create_future()

        def settle(addresses: Addresses, error: OSError | None) -> None:
            if error is None:
                answer.set_result(addresses)
            else:
                answer.set_exception(error)
                answer.exception()  # seen, also when nobody waits any more

        def ask() -> None:
            addresses: Addresses = ()
            error = None
            try:
                found = self._resolve(self._host, self._port, type=socket.SOCK_STREAM)
                addresses = _addresses_in(found)
            except OSError as refused:
                error = refused.with_traceback(None)
            except UnicodeError:
                error = OSError(0, "it is no name that DNS can carry")
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, addresses, error)

        begin("resolver", ask, self._start)
        return answer


def _addresses_in(found: Sequence[tuple[Any, ...]]) -> Addresses:
    """Return the addresses of a resolver's answer, each once. Raise OSError when there are none."""
    addresses: list[Address] = []
    for family, _, _, _, sockaddr in found:
        address = Address(int(family), tuple(sockaddr))
        if address not in addresses:
            addresses.append(address)
        if len(addresses) == ADDRESSES_MAX:
            break
    if not addresses:
        raise OSError(0, "it has no address")
    return tuple(addresses)
