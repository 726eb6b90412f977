"""`hubsim phone`: act as a phone."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubcore.access.words import Action
from hubcore.errors import HubError
from hubsim import site as sites
from hubsim.cli.options import POINT, open_site, phone_folder, site_option
from hubsim.radio.choice import BLEAK, DEFAULT_RADIO, PHONE_RADIO_HELP, connected, phone_radio
from hubsim.words import counted

if TYPE_CHECKING:
    from hubsim.phone.attempt import Report, Session
    from hubsim.phone.wallet import Wallet


@click.group()
@site_option(sites.DESK)
def phone() -> None:
    """Act as a phone."""


@phone.command("unlock")
@click.argument("name")
@site_option()
@click.option(
    "--radio", "transport", default=DEFAULT_RADIO, callback=phone_radio, help=PHONE_RADIO_HELP
)
@click.option(
    "--adapter",
    default="",
    help="With --radio bleak on Linux: the adapter, such as hci1 or its address.",
)
@click.option("--access-point", type=POINT, default=1)
@click.option("--query", is_flag=True, help="Ask only; nothing moves.")
@click.option(
    "--mtu", type=click.IntRange(23, 517), default=247, help="At most; the real one may be smaller."
)
@click.pass_obj
def phone_unlock(
    path: Path,
    name: str,
    transport: str,
    adapter: str,
    access_point: int,
    query: bool,
    mtu: int,
) -> None:
    """Unlock a door; exit status 0 only if it was allowed."""
    if adapter and transport != BLEAK:
        raise click.UsageError("--adapter goes with --radio bleak")
    folder = phone_folder(open_site(path), name)
    mine = _load(path, name, folder)
    from hubsim.phone import wallet
    from hubsim.phone.street import ask

    action = Action.QUERY if query else Action.OPEN
    connect = partial(connected, transport, adapter, mtu, mine.beacon_key)

    async def attempt() -> bool:
        op = mine.op_for(
            access_point=access_point,
            action=action,
            wall=time.time(),
            chance=secrets.token_bytes,
        )
        try:
            return await ask(connect, mine, access_point, action, op, partial(_tell, action))
        finally:
            wallet.save_caches(mine, folder)

    try:
        allowed = asyncio.run(attempt())
    except ConnectionRefusedError as error:
        raise click.ClickException(
            f"no radio answers on {transport}: start one with `hubsim radio`"
        ) from error
    sys.exit(0 if allowed else 1)


def _load(path: Path, name: str, folder: Path) -> Wallet:
    """Read a phone's files; say how to make them again when they are damaged."""
    from hubsim.phone import wallet

    try:
        return wallet.load(folder)
    except (HubError, ValueError, TypeError, KeyError) as error:
        at = sites.at(path)
        again = f"`hubsim site{at} revoke {name}`, then `hubsim site{at} grant {name}`"
        raise click.ClickException(
            f"{folder} is damaged: make the phone once more: {again}"
        ) from error


@phone.command("fetch")
@click.argument("name")
@site_option()
@click.pass_obj
def phone_fetch(path: Path, name: str) -> None:
    """Fetch what the site has for a phone that is online: the newest revocations.

    The phone carries them to each hub at its next unlock there, once.
    """
    where = open_site(path)
    folder = phone_folder(where, name)
    from hubsim.phone import wallet

    newest = where.path / wallet.REVOCATIONS
    if not newest.exists():
        click.echo("nothing is revoked: there is nothing to carry")
        return
    mine = _load(path, name, folder)
    mine.revocations = newest.read_bytes()
    wallet.save(mine, folder)
    click.echo(f"{name} carries the newest revocations from now on")


async def _tell(action: Action, session: Session, report: Report) -> bool:
    """Print what came of an attempt, and what the door did; return whether it was allowed."""
    from hubsim.phone.onlink import STAY_SECONDS

    verdict = report.verdict
    if verdict is None:
        click.echo(f"no verdict: {report.why}")
        return False
    answer = "allowed" if verdict.allowed else f"denied: {verdict.reason.name.lower()}"
    way = "short path" if report.short else "full path"
    trips = counted(report.round_trips, "round trip")
    took_ms = (report.decided - report.began) * 1000
    click.echo(f"{answer} ({way}, {trips}, {report.bytes_over_air} bytes, {took_ms:.0f} ms)")
    if action is not Action.QUERY:
        state = await session.state(STAY_SECONDS)
        if state is not None:
            click.echo(f"the door is {state.door.name.lower()}")
    return verdict.allowed
