"""hubsim: what a desk needs beside hubd, as commands: a site, a backend, a radio, a hub, a phone, the demo.

Law: what a person can get wrong is answered with one sentence that says what to do, never with a traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import secrets
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import click

from hubd.core.messages import Action
from hubd.core.schedule import Rule
from hubd.core.tokens import Access
from hubd.errors import HubError
from hubsim import site as sites
from hubsim.radios import (
    BLEAK,
    BLESS,
    DEFAULT_RADIO,
    HUB_RADIO_HELP,
    PHONE_RADIO_HELP,
    address,
    connected,
    hub_radio,
    phone_radio,
)

DESK = Path("desk")
DEFAULT_BACKEND = "tcp://127.0.0.1:8871"

POINT = click.IntRange(0, 0xFFFF_FFFF)


class _Plain(click.Group):
    """Turns what a command raises into a sentence; an error that nobody foresaw keeps its traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads
        except Exception as error:
            sentence = _sentence(error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from error


_RADIOS = {"bumble": "laptop-phone.txt", "bleak": "laptop-phone.txt", "bless": "laptop-hub.txt"}
"""Which file of the clone's hardware-sim installs it."""


def _sentence(error: Exception) -> str | None:
    """What to tell a person about this error, None for an error of the program."""
    match error:
        case ModuleNotFoundError(name=str() as name) if (library := name.split(".")[0]) in _RADIOS:
            file = f"hardware-sim/{_RADIOS[library]}"
            return f"{library} is missing: install it, in a clone of hubd, with `pip install -r {file}`"
        case TimeoutError():
            return f"no answer in time{f': {error}' if str(error) else ''}"
        case OSError(strerror=str() as why, filename=str() | Path() as file):
            return f"{file}: {why}"
        case HubError() | OSError() | ValueError() | OverflowError():
            return str(error)
    from hubsim.stage import StageError

    return str(error) if isinstance(error, StageError) else None


def _site(path: Path) -> sites.Site:
    """Return the site in a folder; say how to make one when there is none."""
    if not (path / "site.json").is_file():
        at = "" if path == DESK else f" --at {path}"
        raise click.ClickException(f"there is no site in {path}: make one with `hubsim site{at} init`")
    return sites.Site(path)


def _phone(where: sites.Site, name: str) -> Path:
    """Return the folder of a phone of the site; say how to make one when there is none of this name."""
    known = sorted(folder.parent.name for folder in where.path.glob("phones/*/phone.key"))
    if name not in known:
        at = "" if where.path == DESK else f" --at {where.path}"
        there = f"; there are {', '.join(known)}" if known else ""
        raise click.ClickException(f"there is no phone {name}: make it with `hubsim site{at} grant {name}`{there}")
    return where.phone(name)


def _new_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if name in ("", ".", "..") or "/" in name or not name.isprintable():
        raise click.BadParameter(f"{name!r} names a folder: choose letters and digits")
    return name


@click.group(cls=_Plain)
def main() -> None:
    """Everything a hub meets, simulated: for desks and tests."""


@main.group()
@click.option("--at", "path", type=click.Path(path_type=Path), default=DESK, help="The site's folder.")
@click.pass_context
def site(context: click.Context, path: Path) -> None:
    """Make a site and its documents."""
    context.obj = path


@site.command("init")
@click.option("--backend", "endpoint", default=DEFAULT_BACKEND, help="Where the backend will listen.")
@click.pass_obj
def site_init(path: Path, endpoint: str) -> None:
    """Make issuer, hub, backend and their keys in a new folder."""
    made = sites.init(path)
    config = sites.write_config(made, endpoint, [sites.DeskDoor()])
    click.echo(f"site {made.name} is in {path}; the hub's configuration is {config}")


@site.command("grant")
@click.argument("phone", callback=_new_name)
@click.option("--access-point", "points", type=POINT, multiple=True, default=(1,), help="May be given several times.")
@click.option("--days", type=float, default=30.0, help="How long the grant is valid; negative: it has expired.")
@click.option("--weekly", help='A weekly span such as "mon-fri 08:00-18:00"; without it, always.')
@click.option("--key", type=click.Choice(["ES256", "PS256"]), default="ES256")
@click.pass_obj
def site_grant(path: Path, phone: str, points: tuple[int, ...], days: float, weekly: str | None, key: str) -> None:
    """Make a phone with a key and a grant."""
    rules = (_weekly(weekly),) if weekly else ()
    access = [Access(point, sites.OPEN_AND_QUERY, rules) for point in points]
    span = sites.Validity.days(days) if days > 0 else sites.Validity.days(-days, _ago(days))
    where = _site(path)
    folder = where.grant(phone, access, span, key)
    click.echo(f"phone {phone}: credential {where.credential(phone)}, files in {folder}")


@site.command("revoke")
@click.argument("phone")
@click.pass_obj
def site_revoke(path: Path, phone: str) -> None:
    """Revoke a phone's credential: a new policy, which the backend hands to its hubs."""
    from hubsim.stage import ask

    where = _site(path)
    _phone(where, phone)
    new = where.revoke(where.credential(phone))
    order: dict[str, object] = {"do": "policy", "path": str((where.path / "policy.cbor").absolute())}
    try:
        answer = asyncio.run(ask(where.backend / "backend.sock", order))
        told = f"handed to {answer['sent']} hubs" if answer["ok"] else answer["error"]
    except (OSError, ValueError):  # it is not there, or ended before it answered
        told = "the backend does not run: hubs get it when it does"
    click.echo(f"policy {new.version} revokes {where.credential(phone)}; {told}")


@main.group(invoke_without_command=True)
@click.option("--at", "path", type=click.Path(path_type=Path), default=DESK)
@click.option("--listen", default=DEFAULT_BACKEND, help="tcp://HOST:PORT")
@click.pass_context
def backend(context: click.Context, path: Path, listen: str) -> None:
    """Serve the reference backend until interrupted; it answers orders on SITE/backend/backend.sock.

    With a command, ask the one that runs.
    """
    context.obj = path
    if context.invoked_subcommand is not None:
        return
    from hubsim.backend import serve_backend

    folder = _site(path)
    version = partial(_policy_version, folder)
    _run(serve_backend(folder.backend, listen, version, lambda _: click.echo(f"backend on {listen}")))


@backend.command("hubs")
@click.pass_obj
def backend_hubs(path: Path) -> None:
    """Show the hubs, and those that get no order until somebody decides."""
    answer = _ask_backend(path, {"do": "hubs"})
    for hub, told in answer["hubs"].items():
        there = "connected" if told["connected"] else "away"
        click.echo(f"{hub}: {there}, {told['records']} records, policy {told['policy_version']}")
    for hub, stop in answer["stopped"].items():
        click.echo(f"{hub}: STOPPED ({stop['cause']}): {stop['why']}")


@backend.command("keep")
@click.argument("hub")
@click.argument("boot")
@click.pass_obj
def backend_keep(path: Path, hub: str, boot: str) -> None:
    """Decide which of two machines that speak as HUB stays: the one whose boot id begins with BOOT."""
    kept = _ask_backend(path, {"do": "keep", "hub": hub, "boot": boot})["kept"]
    click.echo(f"{hub} is the machine with boot id {kept}; give the other one an id and keys of its own")


@backend.command("accept")
@click.argument("hub")
@click.pass_obj
def backend_accept(path: Path, hub: str) -> None:
    """Take the records of HUB as they are now, after its state was replaced or restored; keep the old ones."""
    old = _ask_backend(path, {"do": "accept", "hub": hub})["old"]
    click.echo(f"the records of {hub} go on as it has them; those held before are in {old}")


def _ask_backend(path: Path, order: dict[str, object]) -> dict[str, Any]:
    from hubsim.stage import ask

    try:
        answer: dict[str, Any] = asyncio.run(ask(_site(path).backend / "backend.sock", order))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise click.ClickException(f"no backend runs for {path}: start it with `hubsim backend --at {path}`") from error
    if not answer["ok"]:
        raise click.ClickException(str(answer["error"]))
    return answer


@main.command()
@click.option(
    "--listen", default="127.0.0.1:8870", callback=address, help="HOST:PORT; port 0 picks one and says which."
)
@click.option("--legacy", is_flag=True, help="Controllers without extended advertising, as in many small computers.")
def radio(listen: tuple[str, int], legacy: bool) -> None:
    """Serve virtual controllers as HCI over TCP: every connection is one radio on the same air."""
    from hubsim.radio import AirController, LegacyController, serve_radio

    make = LegacyController if legacy else AirController
    _run(serve_radio(*listen, lambda h, p: click.echo(f"radio on tcp-client:{h}:{p}"), make))


@main.command()
@click.option("--at", "path", type=click.Path(path_type=Path), default=DESK)
@click.option("--radio", "transport", default=DEFAULT_RADIO, callback=hub_radio, help=HUB_RADIO_HELP)
@click.option("--person/--nobody", default=True, help="Whether somebody pulls the doors that are released.")
def hub(path: Path, transport: str, person: bool) -> None:
    """Run hubd on a virtual radio, or this machine's own, and simulated doors."""
    folder = _site(path)
    if transport == BLESS:
        importlib.import_module("bless")  # said here, where it is a sentence, if it is missing
    from hubd.__main__ import run
    from hubsim.desk import desk_parts

    os.chdir(folder.hub)
    sys.exit(run(Path("hub.toml"), partial(desk_parts, transport, person)))


@main.group()
def phone() -> None:
    """Act as a phone."""


@phone.command("unlock")
@click.argument("name")
@click.option("--at", "path", type=click.Path(path_type=Path), default=DESK)
@click.option("--radio", "transport", default=DEFAULT_RADIO, callback=phone_radio, help=PHONE_RADIO_HELP)
@click.option("--adapter", default="", help="With --radio bleak on Linux: the adapter, such as hci1 or its address.")
@click.option("--access-point", type=POINT, default=1)
@click.option("--query", is_flag=True, help="Ask only; nothing moves.")
@click.option("--mtu", type=click.IntRange(23, 517), default=247, help="At most; the real one may be smaller.")
def phone_unlock(name: str, path: Path, transport: str, adapter: str, access_point: int, query: bool, mtu: int) -> None:
    """Unlock a door; exit status 0 only if it was allowed."""
    if adapter and transport != BLEAK:
        raise click.UsageError("--adapter goes with --radio bleak")
    folder = _phone(_site(path), name)
    from hubsim.phone import wallet
    from hubsim.phone.attempt import Session

    try:
        mine = wallet.load(folder)
    except (HubError, ValueError, TypeError, KeyError) as error:
        raise click.ClickException(f"{folder} is damaged: make the phone anew with `hubsim site grant`") from error

    async def attempt() -> bool:
        async with connected(transport, adapter, mtu, mine.beacon_key) as link:
            session, action = Session(link, mine), Action.QUERY if query else Action.OPEN
            op = mine.op_for(access_point, action, time.time(), secrets.token_bytes)
            try:
                report = await session.run(access_point, action, op)
            finally:
                wallet.save_caches(mine, folder)
            if report.verdict is None:
                click.echo(f"no verdict: {report.why}")
                return False
            verdict = report.verdict
            way = "short path" if report.short else "full path"
            took = (report.decided - report.began) * 1000
            answer = "allowed" if verdict.allowed else f"denied: {verdict.reason.name.lower()}"
            click.echo(
                f"{answer} ({way}, {report.round_trips} round trips, {report.bytes_over_air} bytes, {took:.0f} ms)"
            )
            state = await session.state(10.0) if not query else None
            if state is not None:
                click.echo(f"the door is {state.door.name.lower()}")
            return verdict.allowed

    try:
        sys.exit(0 if asyncio.run(attempt()) else 1)
    except ConnectionRefusedError as error:
        raise click.ClickException(f"no radio answers on {transport}: start one with `hubsim radio`") from error


@main.command()
@click.option("--at", "path", type=click.Path(path_type=Path), default=Path("desk-demo"))
@click.option("--picture", type=click.Path(path_type=Path), help="Draw what was printed into this SVG file, too.")
def demo(path: Path, picture: Path | None) -> None:
    """Show the main job, step by step; exit status 0 only if every step really happened."""
    from hubsim.demo import show

    sys.exit(asyncio.run(show(path, picture)))


def _run(work: object) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work)  # type: ignore[arg-type]


def _policy_version(folder: sites.Site, document: bytes) -> int:
    from hubd.core import policy

    return policy.read(document, folder.verifier, folder.name).version


def _ago(days: float) -> float:
    return time.time() + 2 * days * sites.DAY


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _weekly(text: str) -> Rule:
    """Read a span such as "mon-fri 08:00-18:00"."""
    try:
        days, times = text.lower().split()
        first, _, last = days.partition("-")
        span = range(_DAYS.index(first), _DAYS.index(last or first) + 1)
        start, end = (60 * int(hour) + int(minute) for hour, minute in (t.split(":") for t in times.split("-")))
        return Rule(sum(1 << day for day in span), start, end)
    except ValueError as error:
        raise click.BadParameter(f'{text!r} is no span such as "mon-fri 08:00-18:00"') from error


if __name__ == "__main__":
    main()
