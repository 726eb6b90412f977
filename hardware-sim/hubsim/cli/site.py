"""`hubsim site`: make a site and its documents."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from hubcore.access.grant import USES_MAX, Access
from hubcore.calendar.schedule import Rule
from hubd.config.hub import Protocol
from hubsim import site as sites
from hubsim.cli.options import (
    HUB_POINT,
    POINT,
    endpoint,
    new_name,
    open_site,
    phone_folder,
    site_option,
    weekly_rules,
)
from hubsim.site.building import POINTS, hub_doors, make_building
from hubsim.site.cards import card_credential, card_names
from hubsim.words import counted


@click.group()
@site_option(sites.DESK)
def site() -> None:
    """Make a site and its documents."""


@site.command("init")
@site_option()
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
    "--building",
    is_flag=True,
    help="Two doors, one with a Z-Wave lock, two shutters, a reader with a keypad.",
)
@click.option(
    "--backend",
    "backend_endpoint",
    default=sites.DEFAULT_BACKEND,
    callback=endpoint,
    help="Where the backend will listen.",
)
@click.option("--to-enrol", is_flag=True, help="Its hubs come by tokens: make no keys for one.")
@click.pass_obj
def site_init(
    path: Path,
    name: str,
    hub_name: str,
    points: tuple[int, ...],
    building: bool,
    backend_endpoint: str,
    to_enrol: bool,
) -> None:
    """Make issuer, first hub, backend and their keys in a new folder."""
    if building:
        points = POINTS
    made = sites.init(
        path=path,
        site=name,
        hub=hub_name,
        points=points,
        backend=backend_endpoint,
        enrols=to_enrol,
    )
    if to_enrol:
        click.echo(f"site {made.name} is in {path}; next: hubsim backend{sites.at(path)} enrol")
        return
    if building:
        make_building(made)
    config = sites.write_config(made, backend_endpoint, hub_doors(made, hub_name))
    click.echo(f"site {made.name} is in {path}; the hub's configuration is {config}")


@site.command("certify")
@site_option()
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
    path: Path,
    hub_name: str,
    points: tuple[int, ...],
    without: tuple[int, ...],
    days: float,
) -> None:
    """Make another hub, or renew the certificate of one that is there.

    Renewing can add access points and take some away.
    """
    where = open_site(path)
    renewed = hub_name in where.hub_names()
    if renewed:
        points_before = set(where.certificate(hub_name).access_points)
        made = sites.certify(where, hub_name, points, without, days)
    else:
        made = sites.add_hub(
            site=where,
            hub=hub_name,
            points=points,
            days=days,
        )
    sites.write_config(
        site=where,
        endpoint=where.endpoint,
        doors=hub_doors(where, hub_name),
        hub=hub_name,
    )

    until = datetime.fromtimestamp(made.expires, UTC)
    served = ", ".join(map(str, made.access_points))
    click.echo(
        f"hub {hub_name} of {made.site}: access points {served}, until {until:%Y-%m-%d %H:%M} UTC"
    )
    click.echo(f"next: hubsim site{sites.at(path)} export DIR --hub {hub_name}")
    if renewed:
        _say_how_to_renew(sorted(set(made.access_points) - points_before))


def _say_how_to_renew(new_points: list[int]) -> None:
    click.echo(
        "then on the hub: sudo install -m 600 hubd.certificate /etc/credstore/ "
        "&& sudo systemctl restart hubd"
    )
    for point in new_points:
        click.echo(
            f"access point {point} is new: before the restart /etc/hubd/hubd.toml there needs a "
            f"[[doors]] section with number = {point} (config.toml of the export has one) and its "
            "strike; else no door opens for it"
        )


@site.command("export")
@site_option()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--hub", "hub_name", help="Which hub, when the site has several.")
@click.option(
    "--backend",
    "backend_endpoint",
    help="tcp://HOST:PORT as the hub reaches it; without it the hub decides alone.",
)
@click.option("--time-zone", default="Europe/Berlin", show_default=True, help="Of the doors.")
@click.pass_obj
def site_export(
    path: Path,
    directory: Path,
    hub_name: str | None,
    backend_endpoint: str | None,
    time_zone: str,
) -> None:
    """Write a hub's keys and its configuration into a new folder.

    The files are named as /etc/credstore of the hub wants them.
    """
    where = open_site(path)
    names = where.hub_names()
    if hub_name is None and len(names) > 1:
        raise click.UsageError(f"which hub? there are {', '.join(names)}: say --hub NAME")
    hub = hub_name or names[0]
    sites.export(
        site=where,
        hub=hub,
        directory=directory,
        backend=backend_endpoint,
        time_zone=time_zone,
    )
    click.echo(f"hub {hub} is in {directory}, private keys and all; on the hub, in a copy of it:")
    click.echo(
        "  sudo install -d -m 700 /etc/credstore && sudo install -m 600 hubd.* /etc/credstore/"
    )
    click.echo(
        "  sudo install -m 644 config.toml /etc/hubd/hubd.toml"
        "    # then set chip and line of each strike"
    )
    click.echo("  sudo /opt/hubd/bin/hubd --check-config")
    click.echo(f"  rm -r the copy, and {directory} here")


@site.command("grant")
@site_option()
@click.argument("phone", callback=new_name)
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
    "rules",
    multiple=True,
    callback=weekly_rules,
    help='A weekly span such as "mon-fri 08:00-18:00" or "fri 22:00-06:00"; several times; '
    "without it, always.",
)
@click.option(
    "--uses",
    type=click.IntRange(1, USES_MAX),
    help="How often each hub lets the phone in; without it, as often as it asks.",
)
@click.option("--key", type=click.Choice(["ES256", "PS256"]), default="ES256")
@click.pass_obj
def site_grant(
    path: Path,
    phone: str,
    points: tuple[int, ...],
    days: float,
    rules: tuple[Rule, ...],
    uses: int | None,
    key: str,
) -> None:
    """Make a phone with a key and a grant."""
    access = [Access(point, sites.OPEN_AND_QUERY, rules) for point in dict.fromkeys(points)]
    validity = _validity(days)
    where = open_site(path)
    _refuse_what_no_hub_takes(days)
    folder = where.grant(
        name=phone,
        access=access,
        validity=validity,
        kind=key,
        uses=uses,
    )
    click.echo(f"phone {phone}: credential {where.credential(phone)}, files in {folder}")
    if uses is not None:
        click.echo(f"each hub of this site lets it in {counted(uses, 'time')}")

    usual_days = Protocol().grant_days_max
    if abs(days) > usual_days:
        click.echo(
            f"a hub refuses a grant for more than {usual_days} days, unless its "
            "/etc/hubd/hubd.toml says, below [protocol], "
            f"grant_days_max = {math.ceil(abs(days))}"
        )
    for point in points:
        if where.hub_of(point) is None:
            click.echo(
                f"no hub of this site serves access point {point} yet: `hubsim site certify` "
                "makes one do so"
            )


def _validity(days: float) -> sites.Validity:
    """Return the next `days`; for negative ones a span of that length that has ended."""
    if days > 0:
        return sites.Validity.days(days)
    began = time.time() + 2 * days * sites.DAY
    return sites.Validity.days(-days, began)


def _refuse_what_no_hub_takes(days: float) -> None:
    if abs(days) > sites.GRANT_DAYS_MAX:
        raise click.BadParameter(
            f"{days:g} days: no hub takes a grant for more than {sites.GRANT_DAYS_MAX} days "
            "(the most that grant_days_max of its configuration may be)",
            param_hint="--days",
        )


@site.command("revoke")
@site_option()
@click.argument("phone")
@click.pass_obj
def site_revoke(path: Path, phone: str) -> None:
    """Revoke the credential of a phone or card: a new policy, which the backend hands on."""
    where = open_site(path)
    if phone in card_names(where):
        credential = card_credential(where, phone)
    else:
        phone_folder(where, phone)
        credential = where.credential(phone)
    new = where.revoke(credential)
    click.echo(f"policy {new.version} revokes {credential}; {hand_to_backend(where)}")


@site.command("carry")
@site_option()
@click.argument("where", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--file", "as_file", is_flag=True, help="Write one file instead of a folder.")
@click.pass_obj
def site_carry(path: Path, where: Path, as_file: bool) -> None:
    """Write the newest policy to PATH, for a hub that no backend reaches.

    PATH becomes a folder with a file for each piece. Written again, it gets what is new. Any hub of
    the site takes it: hubctl policy load PATH
    """
    from hubsim.site.carrying import write_policy_file, write_policy_folder

    document = (open_site(path).path / "policy.cbor").read_bytes()
    try:
        if as_file:
            write_policy_file(document, where)
            click.echo(f"the policy is in {where}")
        else:
            carried = write_policy_folder(document, where)
            pieces = counted(carried.pieces, "piece")
            click.echo(f"the policy is in {where}: {pieces}, {carried.new} of them new")
    except OSError as error:
        raise click.FileError(str(where), error.strerror) from error
    click.echo(f"at the hub: sudo hubctl policy load {where.name}")


def hand_to_backend(where: sites.Site) -> str:
    """Give the newest policy to the backend; return what came of it, for a person."""
    from hubsim.stage import ask

    policy = where.path / "policy.cbor"
    order: dict[str, object] = {"do": "policy", "path": str(policy.absolute())}
    try:
        answer = asyncio.run(ask(where.backend / "backend.sock", order))
    except (OSError, ValueError):  # it is not there, or ended before it answered
        return "the backend does not run: hubs get it when it does"
    if not answer["ok"]:
        return str(answer["error"])
    return f"handed to {counted(answer['sent'], 'hub')}"
