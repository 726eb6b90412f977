"""`hubsim site pkoc` and `hubsim pkoc`: phones that others make."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.access.grant import Access
from hubcore.calendar.schedule import Rule
from hubcore.errors import HubError
from hubsim import site as sites
from hubsim.cli.options import HUB_POINT, POINT, new_name, open_site, site_option, weekly_rules
from hubsim.cli.site import hand_to_backend
from hubsim.pkoc.habits import APPS
from hubsim.pkoc.phone import Answer, PkocPhone
from hubsim.pkoc.place import READER_DAYS, PkocSite
from hubsim.pkoc.trust import UntrustedError
from hubsim.radio.choice import DEFAULT_RADIO, hci_transport
from hubsim.site.building import hub_doors

_SAID = {
    Answer.UNKNOWN: "an answer that says nothing",
    Answer.COMPLETED: "read; what was decided is not said",
    Answer.DENIED: "denied",
    Answer.GRANTED: "allowed",
    Answer.GCM_ERROR: "the reader could not open the seal (GCM)",
    Answer.SECURITY_ERROR: "the reader wants another flow",
    Answer.SIGNATURE_ERROR: "the reader found the signature wrong",
    Answer.CCM_ERROR: "the reader could not open the seal (CCM)",
    Answer.UNRECOGNISED: "the reader did not understand",
}


@click.command("pkoc")
@site_option()
@click.option("--hub", "hub_name", help="Which of several; by itself the first.")
@click.option("--access-point", "point", type=HUB_POINT, default=1, show_default=True)
@click.option("--days", type=click.FloatRange(1, 3660), default=READER_DAYS, show_default=True)
@click.option("--by-site-key", "by_site", is_flag=True, help="For apps of 1.x: docs/pkoc.md.")
@click.pass_obj
def site_pkoc(path: Path, hub_name: str | None, point: int, days: float, by_site: bool) -> None:
    """Let a hub meet phones that others make (PKOC), at one access point.

    Its advertisement then has no room for the site's beacon.
    """
    where = open_site(path)
    hub = hub_name or where.first_hub
    PkocSite(where).add_reader(hub, point, days, by_site)
    config = sites.write_config(where, where.endpoint, hub_doors(where, hub), hub)
    click.echo(f"hub {hub} meets PKOC phones at access point {point}; {config} says so")


@click.group()
@site_option(sites.DESK)
def pkoc() -> None:
    """Act as a phone that others make (PKOC)."""


@pkoc.command("new")
@click.argument("name", callback=new_name)
@site_option()
@click.option("--key", help="A real phone's public key, 130 hexadecimal digits; makes no phone.")
@click.option("--access-point", "points", type=POINT, multiple=True, default=(1,))
@click.option("--days", type=click.FloatRange(1, 90), default=float(sites.GRANT_DAYS))
@click.option("--weekly", "rules", multiple=True, callback=weekly_rules, help="As of `site card`.")
@click.pass_obj
def pkoc_new(
    path: Path,
    name: str,
    key: str | None,
    points: tuple[int, ...],
    days: float,
    rules: tuple[Rule, ...],
) -> None:
    """Make a phone NAME, and let it in: a row of the policy with the digest of its key."""
    where = open_site(path)
    access = [Access(point, sites.OPEN_AND_QUERY, rules) for point in dict.fromkeys(points)]
    validity = sites.Validity.days(days)
    if key is None:
        new = PkocSite(where).add_phone(name, access, validity)
    else:
        new = PkocSite(where).let_in(_point(key), access, validity)
    click.echo(f"PKOC phone {name} is in policy {new.version}; {hand_to_backend(where)}")


def _point(text: str) -> bytes:
    """Read an uncompressed point of P-256."""
    try:
        point = bytes.fromhex(text)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise click.BadParameter("expected a point of P-256 in hexadecimal digits") from error
    if len(point) != 65:
        raise click.BadParameter("expected the whole key, uncompressed: 04, x and y")
    return point


@pkoc.command("unlock")
@click.argument("name")
@site_option()
@click.option("--radio", "transport", default=DEFAULT_RADIO, callback=hci_transport)
@click.option(
    "--app",
    type=click.Choice(list(APPS)),
    default="2.0.1",
    show_default=True,
    help="Which public app it is like; the other two are of 1.x.",
)
@click.pass_obj
def pkoc_unlock(path: Path, name: str, transport: str, app: str) -> None:
    """Unlock the door of the first PKOC reader in sight; exit status 0 only if it was allowed."""
    from hubsim.phone.radio import on_air
    from hubsim.pkoc.radio import Visited, visit

    place = PkocSite(open_site(path))
    phone = PkocPhone(
        key=place.phone_key(name),
        knows=place.known(),
        visit_key=ec.generate_private_key(ec.SECP256R1()),
        wall=time.time,
        habits=APPS[app],
        made=place.phone_made(name),
    )

    async def attempt() -> Visited:
        async with on_air(transport) as device:
            return await visit(device, phone)

    try:
        done = asyncio.run(attempt())
    except ConnectionRefusedError as error:
        raise click.ClickException(
            f"no radio answers on {transport}: start one with `hubsim radio`"
        ) from error
    except (HubError, UntrustedError) as error:
        click.echo(f"no answer: {error}")
        sys.exit(1)
    said = "no answer" if done.answer is None else _SAID[done.answer]
    click.echo(f"{said} (PKOC, {done.bytes_over_air} bytes, {done.seconds * 1000:.0f} ms)")
    sys.exit(0 if done.answer is Answer.GRANTED else 1)
