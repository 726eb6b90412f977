"""Finds the backend: the name, its addresses, a connected socket.

Law: every address of the backend is tried, in the resolver's order, each for its own time. One
whose handshake failed comes last the next time.
"""

from __future__ import annotations

import asyncio
import socket

from hubcore.errors import LinkError
from hubd.adapters.curve.names import Address, Names


class Dialer:
    """Finds the backend for each attempt again: names may move."""

    def __init__(
        self,
        names: Names,
        endpoint: str,
        resolve_seconds: float,
        connect_seconds: float,
    ) -> None:
        self._names = names
        self._endpoint = endpoint
        self._resolve_seconds = resolve_seconds
        self._connect_seconds = connect_seconds
        self._last: Address | None = None
        self._wrong: list[Address] = []
        """Addresses that took a connection and failed the handshake, the latest last."""

    async def dial(self) -> socket.socket:
        """Return a connected socket. Raise LinkError, a sentence that names each address tried."""
        tried: list[str] = []
        last: OSError | None = None
        addresses = await self._names.addresses(self._resolve_seconds)
        for address in self._in_order(addresses):
            try:
                connection = await self._connect(address)
            except OSError as error:
                why = _why(error, self._connect_seconds)
                tried.append(f"{address}: {why}")
                last = error
            else:
                self._last = address
                return connection
        raise LinkError(
            f"{self._endpoint} not reachable: {'; '.join(tried)}. "
            "Does the backend run, and does the network lead there?"
        ) from last

    def failed(self) -> None:
        """What answered at the last address is not the backend, or not for this hub."""
        if self._last is not None:
            self._forget_wrong(self._last)
            self._wrong.append(self._last)

    def worked(self) -> None:
        """The last address is the backend's."""
        if self._last is not None:
            self._forget_wrong(self._last)

    def _forget_wrong(self, known: Address) -> None:
        self._wrong = [address for address in self._wrong if address != known]

    def _in_order(self, addresses: tuple[Address, ...]) -> list[Address]:
        self._wrong = [address for address in self._wrong if address in addresses]
        untried = [address for address in addresses if address not in self._wrong]
        return untried + self._wrong

    async def _connect(self, address: Address) -> socket.socket:
        connection = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._connect_seconds):
                await asyncio.get_running_loop().sock_connect(connection, address.sockaddr)
        except BaseException:
            connection.close()
            raise
        return connection


def _why(error: OSError, seconds: float) -> str:
    """Say why an address did not connect within its time."""
    match error:
        case ConnectionRefusedError():
            return "nothing accepts connections there"
        case TimeoutError():
            return f"no answer within {seconds:g} s"
        case _:
            return (error.strerror or str(error)).lower()
