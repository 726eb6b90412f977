"""hubsim: what a desk needs beside hubd, as commands: a site, a backend, a radio, a hub, a phone,
the demo.

Law: what a person can get wrong is answered with one sentence that says what to do, never with a
traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import math
import os
import re
import secrets
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubcore.access.grant import Access
from hubcore.access.schedule import Rule
from hubcore.access.words import Action
from hubcore.errors import HubError
from hubd.config.hub import Protocol
from hubsim import site as sites
from hubsim.radio.choice import (
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
from hubsim.weekly import weekly
from hubsim.words import counted

if TYPE_CHECKING:
    from hubsim.phone.attempt import Report, Session

DESK = sites.DESK
_F = TypeVar("_F", bound=Callable[..., Any])

POINT = click.IntRange(0, 0xFFFF_FFFF)
HUB_POINT = click.IntRange(1, 65535)
"""What a hub's configuration takes."""


class _Plain(click.Group):
    """Turns what a command raises into a sentence; an error that nobody foresaw keeps its
    traceback.
    """

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
            return (
                f"{library} is missing: install it, in a clone of hubd, with "
                f"`pip install -r {file}`"
            )
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
        raise click.ClickException(
            f"there is no site in {path}: make one with `hubsim site{sites.at(path)} init`"
        )
    return sites.Site(path)


def _phone(where: sites.Site, name: str) -> Path:
    """Return the folder of a phone of the site; say how to make one when there is none of this
    name.
    """
    known = sorted(folder.parent.name for folder in where.path.glob("phones/*/phone.key"))
    if name not in known:
        at = sites.at(where.path)
        there = f"; there are {', '.join(known)}" if known else ""
        raise click.ClickException(
            f"there is no phone {name}: make it with `hubsim site{at} grant {name}`{there}"
        )
    return where.phone(name)


def _new_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if name in ("", ".", "..") or "/" in name or not name.isprintable():
        raise click.BadParameter(f"{name!r} names a folder: choose letters and digits")
    return name


_LISTEN = re.compile(r"tcp://(?:\*|[\w.-]+|\[[0-9A-Fa-f:.]+\]):(?:\*|[0-9]{1,5})", re.ASCII)


def _listen(
    _context: click.Context, _parameter: click.Parameter, endpoint: str | None
) -> str | None:
    """Take tcp://ADDRESS:PORT, as ZeroMQ binds it; port * picks one."""
    if endpoint is None:
        return None
    port = endpoint.rpartition(":")[2]
    if not _LISTEN.fullmatch(endpoint) or (port != "*" and int(port) > 65535):
        raise click.BadParameter(
            f"{endpoint!r}: expected tcp://ADDRESS:PORT, such as tcp://0.0.0.0:4505"
        )
    return endpoint


def _spans(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[Rule, ...]:
    try:
        return tuple(rule for text in texts for rule in weekly(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _remember(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.obj = path


def _at(default: Path | None = None) -> Callable[[_F], _F]:
    """Take `--at`, which may stand after a command as well as before it; its path is the command's
    object.
    """
    return click.option(
        "--at",
        type=click.Path(path_type=Path),
        default=default,
        expose_value=False,
        callback=_remember,
        help="The site's folder.",
    )


@click.group(cls=_Plain)
def main() -> None:
    """Everything a hub meets, simulated: for desks and tests."""


@main.group()
@_at(DESK)
def site() -> None:
    """Make a site and its documents."""


@site.command("init")
@_at()
@click.option(
    "--site", "name", default="site-1", show_default=True, help="The site's id: a-z, 0-9 and -."
)
@click.option("--hub", "hub_name", default="hub-1", show_default=True, help="The first hub's id.")
@click.option(
    "--access-point",
    "points",
    type=HUB_POINT,
    multiple=True,
    default=(1,),
    help="A door of the hub; several times.",
)
@click.option(
    "--backend",
    "endpoint",
    default=sites.DEFAULT_BACKEND,
    callback=_listen,
    help="Where the backend will listen.",
)
@click.pass_obj
def site_init(path: Path, name: str, hub_name: str, points: tuple[int, ...], endpoint: str) -> None:
    """Make issuer, first hub, backend and their keys in a new folder."""
    made = sites.init(path=path, site=name, hub=hub_name, points=points, backend=endpoint)
    config = sites.write_config(
        made, endpoint, sites.desk_doors(made.certificate(hub_name).access_points)
    )
    click.echo(f"site {made.name} is in {path}; the hub's configuration is {config}")


@site.command("certify")
@_at()
@click.argument("hub_name", metavar="HUB")
@click.option(
    "--access-point",
    "points",
    type=HUB_POINT,
    multiple=True,
    help="One more; may be given several times.",
)
@click.option(
    "--without", type=HUB_POINT, multiple=True, help="One less; may be given several times."
)
@click.option("--days", type=click.FloatRange(1, 3660), default=sites.HUB_DAYS, show_default=True)
@click.pass_obj
def site_certify(
    path: Path, hub_name: str, points: tuple[int, ...], without: tuple[int, ...], days: float
) -> None:
    """Make another hub, or renew the certificate of one that is there, with more or fewer access
    points.
    """
    where = _site(path)
    known = hub_name in where.hub_names()
    before = where.certificate(hub_name).access_points if known else ()
    if known:
        made = sites.certify(where, hub_name, points, without, days)
    else:
        made = sites.add_hub(site=where, hub=hub_name, points=points, days=days)
    sites.write_config(
        site=where,
        endpoint=where.endpoint,
        doors=sites.desk_doors(made.access_points),
        hub=hub_name,
    )
    until = datetime.fromtimestamp(made.expires, UTC)
    served = ", ".join(map(str, made.access_points))
    click.echo(
        f"hub {hub_name} of {made.site}: access points {served}, until {until:%Y-%m-%d %H:%M} UTC"
    )
    click.echo(f"next: hubsim site{sites.at(path)} export DIR --hub {hub_name}")
    if known:
        click.echo(
            "then on the hub: sudo install -m 600 hubd.certificate /etc/credstore/ && sudo "
            "systemctl restart hubd"
        )
        for point in sorted(set(made.access_points) - set(before)):
            click.echo(
                f"access point {point} is new: before the restart /etc/hubd/hubd.toml there "
                "needs a [[doors]] section "
                f"with number = {point} (config.toml of the export has one) and its strike; "
                "else no door opens for it"
            )


@site.command("export")
@_at()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--hub", "hub_name", help="Which hub, when the site has several.")
@click.option(
    "--backend",
    "endpoint",
    help="tcp://HOST:PORT as the hub reaches it; without it the hub decides alone.",
)
@click.option("--time-zone", default="Europe/Berlin", show_default=True, help="Of the doors.")
@click.pass_obj
def site_export(
    path: Path, directory: Path, hub_name: str | None, endpoint: str | None, time_zone: str
) -> None:
    """Write a hub's keys as its /etc/credstore wants them, and its configuration, into a new
    folder.
    """
    where = _site(path)
    names = where.hub_names()
    if hub_name is None and len(names) > 1:
        raise click.UsageError(f"which hub? there are {', '.join(names)}: say --hub NAME")
    sites.export(
        site=where,
        hub=hub_name or names[0],
        directory=directory,
        backend=endpoint,
        time_zone=time_zone,
    )
    click.echo(
        f"hub {hub_name or names[0]} is in {directory}, private keys and all; on the hub, in "
        "a copy of it:"
    )
    click.echo(
        "  sudo install -d -m 700 /etc/credstore && sudo install -m 600 hubd.* /etc/credstore/"
    )
    click.echo(
        "  sudo install -m 644 config.toml /etc/hubd/hubd.toml    # then set chip and line of "
        "each strike"
    )
    click.echo("  sudo /opt/hubd/bin/hubd --check-config")
    click.echo(f"  rm -r the copy, and {directory} here")


@site.command("grant")
@_at()
@click.argument("phone", callback=_new_name)
@click.option(
    "--access-point",
    "points",
    type=POINT,
    multiple=True,
    default=(1,),
    help="May be given several times.",
)
@click.option(
    "--days",
    type=float,
    default=float(sites.GRANT_DAYS),
    show_default=True,
    help="How long the grant is valid; negative: it has expired.",
)
@click.option(
    "--weekly",
    "spans",
    multiple=True,
    callback=_spans,
    help='A weekly span such as "mon-fri 08:00-18:00" or "fri 22:00-06:00"; several times; '
    "without it, always.",
)
@click.option("--key", type=click.Choice(["ES256", "PS256"]), default="ES256")
@click.pass_obj
def site_grant(
    path: Path, phone: str, points: tuple[int, ...], days: float, spans: tuple[Rule, ...], key: str
) -> None:
    """Make a phone with a key and a grant."""
    access = [Access(point, sites.OPEN_AND_QUERY, spans) for point in dict.fromkeys(points)]
    span = sites.Validity.days(days) if days > 0 else sites.Validity.days(-days, _ago(days))
    where = _site(path)
    _refuse_what_no_hub_takes(days)
    folder = where.grant(name=phone, access=access, span=span, kind=key)
    click.echo(f"phone {phone}: credential {where.credential(phone)}, files in {folder}")
    if abs(days) > (usual := Protocol().grant_days_max):
        click.echo(
            f"a hub refuses a grant for more than {usual} days, unless its "
            "/etc/hubd/hubd.toml says, below [protocol], "
            f"grant_days_max = {math.ceil(abs(days))}"
        )
    for point in points:
        if where.hub_of(point) is None:
            click.echo(
                f"no hub of this site serves access point {point} yet: `hubsim site certify` "
                "makes one do so"
            )


def _refuse_what_no_hub_takes(days: float) -> None:
    if abs(days) > sites.GRANT_DAYS_MAX:
        raise click.BadParameter(
            f"{days:g} days: no hub takes a grant for more than {sites.GRANT_DAYS_MAX} days "
            "(the most that "
            "grant_days_max of its configuration may be)",
            param_hint="--days",
        )


@site.command("revoke")
@_at()
@click.argument("phone")
@click.pass_obj
def site_revoke(path: Path, phone: str) -> None:
    """Revoke a phone's credential: a new policy, which the backend hands to its hubs."""
    from hubsim.stage import ask

    where = _site(path)
    _phone(where, phone)
    new = where.revoke(where.credential(phone))
    order: dict[str, object] = {
        "do": "policy",
        "path": str((where.path / "policy.cbor").absolute()),
    }
    try:
        answer = asyncio.run(ask(where.backend / "backend.sock", order))
        told = f"handed to {counted(answer['sent'], 'hub')}" if answer["ok"] else answer["error"]
    except (OSError, ValueError):  # it is not there, or ended before it answered
        told = "the backend does not run: hubs get it when it does"
    click.echo(f"policy {new.version} revokes {where.credential(phone)}; {told}")


@main.group(invoke_without_command=True)
@_at(DESK)
@click.option(
    "--listen",
    callback=_listen,
    help="tcp://ADDRESS:PORT; by itself what `site init --backend` was told.",
)
@click.pass_context
def backend(context: click.Context, listen: str | None) -> None:
    """Serve the reference backend until interrupted; it answers orders on
    SITE/backend/backend.sock.

    With a command, ask the one that runs.
    """
    if context.invoked_subcommand is not None:
        return
    from hubsim.backend.serve import serve_backend

    folder = _site(context.obj)
    listen = listen or folder.endpoint
    version = partial(_policy_version, folder)
    _run(
        serve_backend(
            directory=folder.backend,
            endpoint=listen,
            version_of=version,
            ready=lambda _: click.echo(f"backend on {listen}"),
        )
    )


@backend.command("hubs")
@_at()
@click.pass_obj
def backend_hubs(path: Path) -> None:
    """Show the hubs, and those that get no order until somebody decides."""
    answer = _ask_backend(path, {"do": "hubs"})
    for hub, told in answer["hubs"].items():
        there = "connected" if told["connected"] else "away"
        click.echo(
            f"{hub}: {there}, {counted(told['records'], 'record')}, policy {told['policy_version']}"
        )
    for hub, stop in answer["stopped"].items():
        click.echo(f"{hub}: STOPPED ({stop['cause']}): {stop['why']}")


@backend.command("keep")
@_at()
@click.argument("hub")
@click.argument("boot")
@click.pass_obj
def backend_keep(path: Path, hub: str, boot: str) -> None:
    """Decide which of two machines that speak as HUB stays: the one whose boot id begins
    with BOOT.
    """
    kept = _ask_backend(path, {"do": "keep", "hub": hub, "boot": boot})["kept"]
    click.echo(
        f"{hub} is the machine with boot id {kept}; give the other one an id and keys of its own"
    )


@backend.command("accept")
@_at()
@click.argument("hub")
@click.pass_obj
def backend_accept(path: Path, hub: str) -> None:
    """Take the records of HUB as they are now, after its state was replaced or restored; keep the
    old ones.
    """
    old = _ask_backend(path, {"do": "accept", "hub": hub})["old"]
    click.echo(f"the records of {hub} go on as it has them; those held before are in {old}")


def _ask_backend(path: Path, order: dict[str, object]) -> dict[str, Any]:
    from hubsim.stage import ask

    try:
        answer: dict[str, Any] = asyncio.run(ask(_site(path).backend / "backend.sock", order))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise click.ClickException(
            f"no backend runs for {path}: start it with `hubsim backend --at {path}`"
        ) from error
    if not answer["ok"]:
        raise click.ClickException(str(answer["error"]))
    return answer


@main.command()
@click.option(
    "--listen",
    default="127.0.0.1:8870",
    callback=address,
    help="HOST:PORT; port 0 picks one and says which.",
)
@click.option(
    "--legacy",
    is_flag=True,
    help="Controllers without extended advertising, as in many small computers.",
)
def radio(listen: tuple[str, int], legacy: bool) -> None:
    """Serve virtual controllers as HCI over TCP: every connection is one radio on the same air."""
    from hubsim.radio.air import AirController, LegacyController, serve_radio

    make = LegacyController if legacy else AirController
    _run(serve_radio(*listen, lambda h, p: click.echo(f"radio on tcp-client:{h}:{p}"), make))


@main.command()
@_at(DESK)
@click.option(
    "--radio", "transport", default=DEFAULT_RADIO, callback=hub_radio, help=HUB_RADIO_HELP
)
@click.option(
    "--person/--nobody", default=True, help="Whether somebody pulls the doors that are released."
)
@click.option(
    "--hub", "name", help="Which of several, each on a radio of its own; by itself the first."
)
@click.pass_obj
def hub(path: Path, transport: str, person: bool, name: str | None) -> None:
    """Run hubd on a virtual radio, or this machine's own, and simulated doors."""
    where = _site(path)
    folder = where.hub_folder(name or where.first_hub)
    if transport == BLESS:
        importlib.import_module("bless")  # said here, where it is a sentence, if it is missing
    from hubd.__main__ import run
    from hubsim.desk import desk_parts

    os.chdir(folder)
    sys.exit(run(Path("hub.toml"), partial(desk_parts, transport, person)))


@main.group()
@_at(DESK)
def phone() -> None:
    """Act as a phone."""


@phone.command("unlock")
@click.argument("name")
@_at()
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
    path: Path, name: str, transport: str, adapter: str, access_point: int, query: bool, mtu: int
) -> None:
    """Unlock a door; exit status 0 only if it was allowed."""
    if adapter and transport != BLEAK:
        raise click.UsageError("--adapter goes with --radio bleak")
    folder = _phone(_site(path), name)
    at = sites.at(path)
    from hubsim.phone import wallet
    from hubsim.phone.onlink import STAY_SECONDS
    from hubsim.phone.street import ask

    try:
        mine = wallet.load(folder)
    except (HubError, ValueError, TypeError, KeyError) as error:
        again = f"`hubsim site{at} revoke {name}`, then `hubsim site{at} grant {name}`"
        raise click.ClickException(
            f"{folder} is damaged: make the phone once more: {again}"
        ) from error

    async def then(session: Session, report: Report) -> bool:
        if report.verdict is None:
            click.echo(f"no verdict: {report.why}")
            return False
        verdict = report.verdict
        way = "short path" if report.short else "full path"
        took = (report.decided - report.began) * 1000
        answer = "allowed" if verdict.allowed else f"denied: {verdict.reason.name.lower()}"
        trips = counted(report.round_trips, "round trip")
        click.echo(f"{answer} ({way}, {trips}, {report.bytes_over_air} bytes, {took:.0f} ms)")
        state = await session.state(STAY_SECONDS) if not query else None
        if state is not None:
            click.echo(f"the door is {state.door.name.lower()}")
        return verdict.allowed

    async def attempt() -> bool:
        connect = partial(connected, transport, adapter, mtu, mine.beacon_key)
        action = Action.QUERY if query else Action.OPEN
        op = mine.op_for(
            access_point=access_point, action=action, wall=time.time(), chance=secrets.token_bytes
        )
        try:
            return await ask(connect, mine, access_point, action, op, then)
        finally:
            wallet.save_caches(mine, folder)

    try:
        sys.exit(0 if asyncio.run(attempt()) else 1)
    except ConnectionRefusedError as error:
        raise click.ClickException(
            f"no radio answers on {transport}: start one with `hubsim radio`"
        ) from error


@main.command()
@click.option("--at", "path", type=click.Path(path_type=Path), default=Path("desk-demo"))
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw what was printed into this SVG file, too.",
)
def demo(path: Path, picture: Path | None) -> None:
    """Show the main job, step by step; exit status 0 only if every step really happened."""
    from hubsim.demo import show

    sys.exit(asyncio.run(show(path, picture)))


def _run(work: object) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work)  # type: ignore[arg-type]


def _policy_version(folder: sites.Site, document: bytes) -> int:
    from hubcore.access import policy

    return policy.read(document, folder.verifier, folder.name).version


def _ago(days: float) -> float:
    return time.time() + 2 * days * sites.DAY


if __name__ == "__main__":
    main()
