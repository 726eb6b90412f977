"""`hubsim backend enrol | enrolments | approve | renew | refuse | end`: how hubs come and go.

Law: the issuer's key is read here, by the operator's command, and never by the backend that serves.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hubcore.backend.enrolment.promise import is_same_fingerprint, name_doors
from hubcore.codec import cbor
from hubcore.codec.cose import read_key
from hubsim import site as sites
from hubsim.cli.options import HUB_POINT, ask_backend, open_site, site_option

TIME_ZONE = "Europe/Berlin"


@click.command("enrol")
@site_option()
@click.argument("hub")
@click.option(
    "--access-point",
    "points",
    type=HUB_POINT,
    multiple=True,
    help="A door of the hub; may be given several times.",
)
@click.option("--name", "names", multiple=True, metavar="POINT=NAME", help="What a door is called.")
@click.option("--time-zone", help=f"Of the doors.  [default: {TIME_ZONE}]")
@click.option("--replace", is_flag=True, help="A new machine takes the place of a dead one.")
@click.pass_obj
def enrol(
    path: Path,
    hub: str,
    points: tuple[int, ...],
    names: tuple[str, ...],
    time_zone: str | None,
    replace: bool,
) -> None:
    """Make a token for one new hub: it is good for 24 hours and for one machine.

    With --replace, what is not said stays: access points as in the hub's certificate, names and
    time zone as in its last enrolment.
    """
    where = open_site(path)
    if replace and not points:
        points = where.certificate(hub).access_points
    if not points:
        raise click.UsageError("say which access points it serves: --access-point N for each")
    sites.check_new(where, hub, points)
    before = _last_enrolment(path, hub) if replace else {}
    kept = [
        f"{point}={name}" for point, name in before.get("names", {}).items() if int(point) in points
    ]
    try:
        called = name_doors(points, (*kept, *names))
    except ValueError as error:
        raise click.UsageError(f"--name: {error}") from error
    order = {
        "do": "enrol",
        "hub": hub,
        "names": {str(point): name for point, name in called.items()},
        "time_zone": time_zone or before.get("time_zone", TIME_ZONE),
        "replace": replace,
    }
    click.echo(ask_backend(path, order)["token"])
    click.echo(
        f"This token makes one machine hub {hub}. It ends in 24 hours. There: sudo hubctl enroll "
        "HOST:PORT, of the --enrol of this backend",
        err=True,
    )


def _last_enrolment(path: Path, hub: str) -> dict[str, Any]:
    entry: dict[str, Any] = ask_backend(path, {"do": "enrolments"})["enrolments"].get(hub, {})
    return entry


@click.command("enrolments")
@site_option()
@click.pass_obj
def enrolments(path: Path) -> None:
    """Show the tokens, and which machines wait for approval with which fingerprint."""
    for hub, entry in ask_backend(path, {"do": "enrolments"})["enrolments"].items():
        click.echo(f"{hub}: {entry['standing']}")


@click.command("approve")
@site_option()
@click.argument("hub")
@click.option("--fingerprint", help="That of the machine; without it, it is shown and asked for.")
@click.option("--days", type=click.FloatRange(1, 3660), default=sites.HUB_DAYS, show_default=True)
@click.pass_obj
def approve(path: Path, hub: str, fingerprint: str | None, days: float) -> None:
    """Sign the certificates of a machine that asked with the token of HUB."""
    where = open_site(path)
    entry = ask_backend(path, {"do": "enrolments"})["enrolments"].get(hub)
    if entry is None or not entry["identity"]:
        raise click.ClickException(f"no machine has asked with the token of hub {hub} yet")
    if not _is_the_same(entry["fingerprint"], fingerprint, hub):
        raise click.ClickException(
            f"the machine that asks to be hub {hub} has another fingerprint, "
            f"{entry['fingerprint']}: somebody else may have the token. "
            f"`hubsim backend refuse {hub}` keeps it out"
        )
    made = sites.certify_new(
        where,
        hub,
        read_key(cbor.decode(bytes.fromhex(entry["identity"]))),
        bytes.fromhex(entry["tls_key"]),
        entry["points"],
        days,
    )
    order: dict[str, object] = {
        "do": "approve",
        "hub": hub,
        "certificate": made.certificate.hex(),
        "tls_certificate": made.tls_certificate.hex(),
    }
    ask_backend(path, order)
    click.echo(f"hub {hub} is enrolled, access points {', '.join(map(str, entry['points']))}")


@click.command("renew")
@site_option()
@click.argument("hub")
@click.option(
    "--access-point", "points", type=HUB_POINT, multiple=True, help="A door more; several times."
)
@click.option("--without", type=HUB_POINT, multiple=True, help="One less; several times.")
@click.option("--days", type=click.FloatRange(1, 3660), default=sites.HUB_DAYS, show_default=True)
@click.pass_obj
def renew(
    path: Path, hub: str, points: tuple[int, ...], without: tuple[int, ...], days: float
) -> None:
    """Sign newer certificates for HUB, and send them: they are in force there at once.

    A door more needs a section [[doors]] in its configuration, too.
    """
    where = open_site(path)
    made = sites.certify(where, hub, points, without, days)
    is_sent = ask_backend(path, {"do": "certificate", "hub": hub})["sent"]
    how = "sent" if is_sent else "it gets it when it comes"
    served = ", ".join(map(str, made.access_points))
    until = datetime.fromtimestamp(made.expires, UTC)
    click.echo(f"hub {hub}: access points {served}, until {until:%Y-%m-%d %H:%M} UTC; {how}")


@click.command("refuse")
@site_option()
@click.argument("hub")
@click.pass_obj
def refuse(path: Path, hub: str) -> None:
    """Give the machine nothing that asks with the token of HUB."""
    ask_backend(path, {"do": "refuse", "hub": hub})
    click.echo(f"the token of hub {hub} is of no use any more")


@click.command("end")
@site_option()
@click.argument("hub")
@click.pass_obj
def end(path: Path, hub: str) -> None:
    """End HUB for good: its key is revoked, and its access points are free.

    Its records stay. Phones believe its certificate until that ends.
    """
    where = open_site(path)
    until = where.certificate(hub).expires if hub in where.hub_names() else None
    ask_backend(path, {"do": "end", "hub": hub})
    if until is not None:
        sites.end_hub(where, hub)
    click.echo(f"hub {hub} has ended; its records stay")


def _is_the_same(fingerprint: str, said: str | None, hub: str) -> bool:
    if said is None:
        click.echo(f"the machine that asks to be hub {hub} has the fingerprint {fingerprint}")
        if not sys.stdin.isatty():
            raise click.UsageError("say --fingerprint, as the machine shows it")
        return click.confirm("Does the machine show the same?")
    return is_same_fingerprint(fingerprint, said)


OF_BACKEND = (enrol, enrolments, approve, renew, refuse, end)
