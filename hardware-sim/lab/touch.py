"""An unlock as its user sees it: from the touch to the verdict, and where the time went.

Laws:
1. An app may try again by itself when a connection does not come about, or is lost before the
   verdict. That is no failure but costs time; the two are counted apart.
2. A refusal is never tried again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from bumble.core import BaseBumbleError
from bumble.device import Device

from hubcore.errors import LinkError
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, find
from hubsim.phone.wallet import Wallet

MTU = 247
POINT = 1
TRIES = 3
CONNECT_SECONDS = 6.0
DISCONNECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Touch:
    """One unlock, in seconds.

    `whole` is from the touch to the verdict, with the tries that came to nothing. Of the last try:
    `found`, `connected`, `prepared` (MTU, discovery, subscription), `decided` (challenge to
    verdict). Of the tries that came to nothing `again` were never connected and prepared, `lost`
    were.
    """

    whole: float
    found: float
    connected: float
    prepared: float
    decided: float
    again: int
    lost: int


class _Lost(Exception):
    """The hub has left a phone that was connected and had asked."""


async def touch(
    device: Device,
    wallet: Wallet,
    known: BumbleLink | None = None,
    seconds: float = CONNECT_SECONDS,
) -> Touch:
    """Unlock as an app does: find, connect, discover, ask.

    Try again where no connection comes about in so many `seconds`. With `known`, an earlier link to
    the same hub, nothing is discovered. Raise AssertionError for a refusal, and when no verdict
    comes in TRIES tries.
    """
    began = time.monotonic()
    lost = 0
    for tried in range(TRIES):
        try:
            async with asyncio.timeout(seconds) as limit:
                marks = await _touch(device, wallet, known, limit)
        except _Lost:
            lost += 1
        except (LinkError, TimeoutError, BaseBumbleError, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
        else:
            found, connected, prepared, decided = (
                after - before for before, after in pairwise(marks)
            )
            return Touch(
                whole=marks[-1] - began,
                found=found,
                connected=connected,
                prepared=prepared,
                decided=decided,
                again=tried - lost,
                lost=lost,
            )
    raise AssertionError(f"no verdict in {TRIES} tries, of which {lost} were lost when connected")


async def _touch(
    device: Device,
    wallet: Wallet,
    known: BumbleLink | None,
    limit: asyncio.Timeout,
) -> tuple[float, float, float, float, float]:
    """Try once; return the moments. `limit` ends when the phone is connected and prepared."""
    moments = [time.monotonic()]
    address = await find(device)
    moments.append(time.monotonic())
    connection = await device.connect(address)
    try:
        moments.append(time.monotonic())
        link = BumbleLink(connection)
        await link.prepare(MTU, known=known)
        moments.append(time.monotonic())
        limit.reschedule(None)
        try:
            report = await Session(link, wallet).run(POINT)
        except LinkError as error:
            raise _Lost from error
        assert report.verdict is not None, report.why
        assert report.verdict.allowed, report.verdict
        moments.append(report.decided)
    finally:
        if connection.handle in device.connections:
            with suppress(TimeoutError, BaseBumbleError):
                async with asyncio.timeout(DISCONNECT_SECONDS):
                    await connection.disconnect()
    began, found, connected, prepared, decided = moments
    return began, found, connected, prepared, decided
