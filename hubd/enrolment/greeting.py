"""Fetches what a backend says first, and believes it only if the token knows its key.

Laws:
1. Nothing is sent, and nothing secret is asked for, before the key is proven.
2. A server that says too much, too little or nothing costs some seconds and a few bytes.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from hubcore.backend.enrolment.greeting import GREETING_BYTES_MAX, Greeting, prove_greeting
from hubcore.backend.enrolment.token import Token
from hubcore.errors import FrameError, LinkError, ProofError

GREETING_SECONDS = 10.0


async def fetch_greeting(
    host: str, port: int, token: Token, seconds: float = GREETING_SECONDS
) -> Greeting:
    """Return what the backend at HOST:PORT says. Raise LinkError, or ProofError for another one."""
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(seconds):
            data = await _read_all(host, port)
    except TimeoutError as error:
        raise LinkError(
            f"{where} said nothing within {seconds:g} s: is this the enrolment port of the backend?"
        ) from error
    except OSError as error:
        raise LinkError(
            f"{where} is not reachable: {_why(error)}. Does the backend run, and does the network "
            "lead there?"
        ) from error
    try:
        return prove_greeting(data, token)
    except FrameError as error:
        raise LinkError(
            f"{where} is no enrolment port of a backend: it says something else"
        ) from error
    except ProofError as error:
        raise ProofError(
            f"{where} is not the backend that this token is for. Nothing was sent to it. Look at "
            "the address; if it is right, somebody may be in between"
        ) from error


def _why(error: OSError) -> str:
    """Return the cause alone. A name without an address has a negative number of its own."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


async def _read_all(host: str, port: int) -> bytes:
    """Return what the server says until it closes, or more than a greeting has."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        data = b""
        while len(data) <= GREETING_BYTES_MAX:
            more = await reader.read(GREETING_BYTES_MAX + 1 - len(data))
            if not more:
                break
            data += more
        return data
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
