"""Bare CURVE round trips on loopback, to a process that answers with the same bytes.

It is the bound of all that crosses the uplink.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import zmq
from zmq.utils import z85

from benchmarks import processes
from benchmarks.disk import RECORD_BYTES
from benchmarks.far_end import public_of


class BareTrips:
    """A connection that makes round trips of a message of the size of a record."""

    def __init__(self, dealer: zmq.Socket[bytes]) -> None:
        self._dealer = dealer
        self._message = bytes(RECORD_BYTES)

    def make(self, count: int) -> float:
        """Return the seconds of one of so many round trips, one after the other."""
        began = time.perf_counter()
        for _ in range(count):
            self._dealer.send(self._message)
            self._dealer.recv()
        return (time.perf_counter() - began) / count


@asynccontextmanager
async def echo(log: Path) -> AsyncIterator[BareTrips]:
    """Run the process that answers; yield a connection to it that is up."""
    _, secret = zmq.curve_keypair()
    command = ("benchmarks.far_end", "echo", secret.decode())
    async with processes.running(log, *command) as process:
        endpoint = await processes.first_line(process)
        with _connected(endpoint, secret.decode()) as trips:
            trips.make(1)
            yield trips


@contextmanager
def _connected(endpoint: str, secret: str) -> Iterator[BareTrips]:
    own_public, own_secret = zmq.curve_keypair()
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.curve_serverkey = z85.encode(public_of(secret))
        dealer.curve_publickey = own_public
        dealer.curve_secretkey = own_secret
        dealer.linger = 0
        dealer.connect(endpoint)
        yield BareTrips(dealer)
