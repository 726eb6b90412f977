"""A visit of a phone that may open, as most cases end with one."""

from __future__ import annotations

from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from tests.lab.conftest import AirAddress, allowed


async def unlock(air: AirAddress, wallet: Wallet) -> Report:
    """Find the hub, connect and unlock, on a radio of its own; fail the case with the reason when
    the door stays shut.

    Raise LinkError when the hub cannot be reached, or is lost.
    """
    async with on_air(air.transport) as device, connect(device) as link:
        report = await Session(link, wallet).run(1)
    assert allowed(report), report.verdict
    return report
