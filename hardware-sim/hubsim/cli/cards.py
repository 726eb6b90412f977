"""`hubsim site card`, `demand` and `reader`: what makes a door open by card and PIN."""

from __future__ import annotations

import math
import secrets
from pathlib import Path

import click

from hubcore.access.cards import CARD_BITS, DIGEST_BYTES, CardNumber
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.calendar.schedule import Rule
from hubcore.policy.policy import NO_RULES
from hubd.config.hub import Protocol
from hubsim import site as sites
from hubsim.cli.options import HUB_POINT, POINT, new_name, open_site, site_option, weekly_rules
from hubsim.cli.site import hand_to_backend
from hubsim.site.building import hub_doors
from hubsim.site.cards import Pins, add_card, demand
from hubsim.site.readers import add_reader

FACTORS = {
    "phone": Factor.PHONE,
    "intent": Factor.PHONE | Factor.INTENT,
    "card": Factor.CARD,
    "card+pin": Factor.CARD | Factor.PIN,
}


@click.command("card")
@site_option()
@click.argument("name", callback=new_name)
@click.option("--number", type=int, help="The card's number; by itself one by chance.")
@click.option("--facility", type=int, help="With it: 26 bits, by the two numbers on the card.")
@click.option("--digest", help="In place of a number: `grant` in the record of an unknown card.")
@click.option("--bits", type=click.IntRange(8, 256), default=CARD_BITS, show_default=True)
@click.option("--pin", help="4 to 12 digits.")
@click.option("--duress", help="Another PIN, which opens and tells of a threat.")
@click.option("--ask-pin", is_flag=True, help="Ask for both, so that no shell remembers them.")
@click.option(
    "--access-point",
    "points",
    type=POINT,
    multiple=True,
    default=(1,),
    help="May be given several times.",
)
@click.option("--days", type=click.FloatRange(1, 366), default=float(sites.GRANT_DAYS))
@click.option(
    "--weekly",
    "rules",
    multiple=True,
    callback=weekly_rules,
    help='A weekly span such as "mon-fri 08:00-18:00"; several times; without it, always.',
)
@click.pass_obj
def site_card(
    path: Path,
    name: str,
    number: int | None,
    facility: int | None,
    digest: str | None,
    bits: int,
    pin: str | None,
    duress: str | None,
    ask_pin: bool,
    points: tuple[int, ...],
    days: float,
    rules: tuple[Rule, ...],
) -> None:
    """Give a card to somebody: a row of the policy, without its number and its PIN."""
    where = open_site(path)
    access = [Access(point, sites.OPEN_AND_QUERY, rules) for point in dict.fromkeys(points)]
    pins = _asked_pins() if ask_pin else Pins(pin, duress)
    new = add_card(
        where,
        name,
        _card(number, facility, digest, bits),
        access,
        pins,
        sites.Validity.days(days),
    )
    click.echo(f"card {name} is in policy {new.version}; {hand_to_backend(where)}")
    usual_days = Protocol().grant_days_max
    if days > usual_days:
        click.echo(
            f"a hub refuses a card for more than {usual_days} days, unless its "
            f"/etc/hubd/hubd.toml says, below [protocol], grant_days_max = {math.ceil(days)}"
        )


def _card(
    number: int | None, facility: int | None, digest: str | None, bits: int
) -> CardNumber | bytes:
    """Return what a card is known by; by itself a number by chance."""
    if digest is not None:
        found = bytes.fromhex(digest)
        if len(found) != DIGEST_BYTES:
            raise click.BadParameter(f"a digest has {2 * DIGEST_BYTES} hexadecimal digits")
        return found
    if facility is not None:
        return CardNumber.of_facility(facility, number or 0)
    chosen = secrets.randbelow(1 << bits) if number is None else number
    return CardNumber.of(chosen, bits)


def _asked_pins() -> Pins:
    pin = click.prompt("PIN", hide_input=True)
    duress = click.prompt("duress PIN (empty: none)", hide_input=True, default="")
    return Pins(pin, duress or None)


@click.command("demand")
@site_option()
@click.argument("point", type=HUB_POINT)
@click.argument("factors", nargs=-1, type=click.Choice(sorted(FACTORS)))
@click.option("--persons", type=click.IntRange(1, 2), default=1, show_default=True)
@click.option("--schedule", type=int, help="The number of the schedule in which it counts.")
@click.option("--also", is_flag=True, help="After what is demanded there already.")
@click.pass_obj
def site_demand(
    path: Path,
    point: int,
    factors: tuple[str, ...],
    persons: int,
    schedule: int | None,
    also: bool,
) -> None:
    """Demand one of FACTORS at an access point; the first whose schedule holds counts.

    Without any, whatever opened before will do.
    """
    where = open_site(path)
    demands: list[Demand] = []
    if also:
        demands += where.policy().points.get(point, NO_RULES).demands
    if factors:
        alternatives = tuple(FACTORS[name] for name in factors)
        demands.append(Demand(alternatives, persons=persons, schedule=schedule))
    new = demand(where, point, demands)
    shown = " or ".join(factors) or "any one factor"
    said = f"access point {point} demands {shown} by policy {new.version}"
    click.echo(f"{said}; {hand_to_backend(where)}")


@click.command("reader")
@site_option()
@click.argument("name", callback=new_name)
@click.option("--hub", "hub_name", help="Which of several; by itself the first.")
@click.option("--access-point", "point", type=HUB_POINT, default=1, show_default=True)
@click.option("--fresh", is_flag=True, help="As from its maker: it has no key yet.")
@click.pass_obj
def site_reader(path: Path, name: str, hub_name: str | None, point: int, fresh: bool) -> None:
    """Put a reader with a keypad beside a door of a hub, with a key of its own."""
    where = open_site(path)
    hub = hub_name or where.first_hub
    add_reader(where, hub, name, point, fresh=fresh)
    config = sites.write_config(where, where.endpoint, hub_doors(where, hub), hub)
    click.echo(f"reader {name} of hub {hub} is at access point {point}; {config} names it")


OF_SITE = (site_card, site_demand, site_reader)
"""Commands of `hubsim site`."""
