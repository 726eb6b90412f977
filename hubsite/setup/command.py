"""`hubsite setup`: one command, by root, makes and starts all parts of a site on this machine.

Laws:
1. Typed again it goes on where it was broken off, and changes nothing that is there. What it is
   told otherwise than before is refused (`hubsite.setup.standing`).
2. Two things are changed where they are typed: what operators may order (`hubsite.setup.orders`),
   and how many cards there may be (`hubsite.setup.making`, law 4). Not typed, a new site has what
   shuts and no card, and one that is there has what it has.
3. One thing is changed by itself, and each line of it told: rights at the engine that an earlier
   version did not need (`hubsite.setup.accounts`).
4. Without an operator a site that is there is brought up to this version, and nobody is made.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from zoneinfo import available_timezones

import click

from hubcore.errors import ConfigError
from hubsite import config
from hubsite.config.places import NEW_HUBS_PORT, enroll_line, pages_address
from hubsite.setup import places, units
from hubsite.setup.accounts import Brought
from hubsite.setup.certificate import Given
from hubsite.setup.disk import Disk
from hubsite.setup.making import make_files
from hubsite.setup.orders import WORDS, OrderLevel, standing_orders
from hubsite.setup.ports import check_ports, runs
from hubsite.setup.standing import settle
from hubsite.setup.texts import Ports, Wish
from hubsite.setup.typed import judge, points_of, spans_of

_ZONES = "/usr/share/zoneinfo/"
_PORTS = asdict(Ports())
DEFAULTS = {
    "--listen": "0.0.0.0:8443",
    "--access-points": "1-32",
    **{f"--{name}-port": str(port) for name, port in _PORTS.items()},
}
"""What counts where neither the line nor a file says it."""
HUBS_OF_BEFORE = (
    "Hubs that are enrolled have no card key yet. One with a reader needs, as root there: "
    f"{places.CARD_KEY} of this machine as /etc/credstore/hubd.card_key, mode 600, and below "
    '[keys] of /etc/hubd/hubd.toml card_key = "credential:card_key".'
)
"""What an installer reads where a site of before gets its card key."""
_PORT = click.IntRange(1, 65_534)
_PATH = click.Path(path_type=Path)


@click.command("setup")
@click.option("--site", help="The site's name: small letters, digits and -.")
@click.option("--host", help="The name by which browsers call this machine.")
@click.option("--listen", help="ADDRESS:PORT of the pages.", show_default=DEFAULTS["--listen"])
@click.option(
    "--access-points",
    help="Those of its doors: 1-32 or 1-8,20.",
    show_default=DEFAULTS["--access-points"],
)
@click.option("--time-zone", help="As Europe/Berlin; without it, that of this machine.")
@click.option("--gateway-port", type=_PORT, show_default=DEFAULTS["--gateway-port"])
@click.option("--enrolment-port", type=_PORT, show_default=DEFAULTS["--enrolment-port"])
@click.option("--engine-port", type=_PORT, show_default=DEFAULTS["--engine-port"])
@click.option("--monitor-port", type=_PORT, show_default=DEFAULTS["--monitor-port"])
@click.option(
    "--orders",
    type=click.Choice([level.value for level in OrderLevel]),
    help="What operators order from the pages: what shuts, and devices; or what opens, too.",
    show_default="shuts, or what stands",
)
@click.option(
    "--cards",
    type=click.IntRange(0, 1_000_000),
    help="How many cards and phones of others (PKOC) there may be.",
    show_default="0, or what stands",
)
@click.option("--operator", default="", help="The account name of the first operator.")
@click.option("--certificate", type=_PATH, help="Yours for HOST, PEM, with its chain.")
@click.option("--key", type=_PATH, help="Its key, PEM.")
@click.option("--trial", is_flag=True, help="Make a certificate that no browser believes, to try.")
@click.option("--root", type=_PATH, default=Path("/"), hidden=True)
def setup(
    operator: str,
    certificate: Path | None,
    key: Path | None,
    trial: bool,
    root: Path,
    **typed: str | int | None,
) -> None:
    """Make and start a whole site on this machine: engine, gateway, signer and server.

    As root, after `make install-site`. What is there is kept, and what a file says already may be
    left out.
    """
    disk = Disk(root)
    if not disk.is_image and os.geteuid() != 0:
        raise ConfigError("only root may set up this machine: type sudo before the command")
    wish = _wish(disk, operator, typed)
    if not disk.is_image:
        check_ports(wish.ports, wish.listen, runs)
    brought = make_files(disk, wish, Given(certificate, key, trial), int(time.time()))
    click.echo(f"made: {', '.join(disk.made) or 'nothing, all was there'}")
    if disk.changed:
        click.echo(f"changed: {', '.join(disk.changed)}")
    _tell_rights(disk, brought)
    _tell_the_page(disk, wish)
    if places.GATEWAY_FILE in disk.changed:
        click.echo(HUBS_OF_BEFORE)
    if disk.is_image:
        return
    units.start_all(wish.ports.engine, again=wish.settles_orders or wish.cards is not None)
    if operator:
        units.first_operator(operator)
    _tell(wish)


def _wish(disk: Disk, operator: str, typed: dict[str, str | int | None]) -> Wish:
    """Return what was typed, and what stands where it was not. Raise ConfigError."""
    given = {key: str(value) for key, value in typed.items() if value is not None}
    orders = given.pop("orders", None)
    cards = given.pop("cards", None)
    line = {f"--{key.replace('_', '-')}": value for key, value in given.items()}
    judge({**line, "--operator": operator} if operator else line)
    if "--access-points" in line:
        line["--access-points"] = spans_of(points_of(line["--access-points"]))
    said = settle(disk, line, {**DEFAULTS, "--time-zone": zone_here(disk)})
    for option in ("--site", "--host"):
        if option not in said:
            raise ConfigError(f"{option} is wanted: hubsite setup --help says which")
    standing = _standing_orders(disk)
    if not operator and standing is None:
        raise ConfigError("--operator is wanted: the account name of the first operator")
    return Wish(
        site=said["--site"],
        host=said["--host"],
        listen=said["--listen"],
        points=points_of(said["--access-points"]),
        time_zone=said["--time-zone"],
        ports=Ports(**{name: int(said[f"--{name}-port"]) for name in _PORTS}),
        orders=OrderLevel(orders) if orders else standing or OrderLevel.SHUTS,
        settles_orders=bool(orders) or standing is None,
        cards=None if cards is None else int(cards),
    )


def _standing_orders(disk: Disk) -> OrderLevel | None:
    """Return what operators may order by the server's file, None where there is none."""
    data = disk.read(places.SERVER_FILE)
    if data is None:
        return None
    return standing_orders(config.parse(data, disk.at(places.SERVER_FILE)))


def zone_here(disk: Disk) -> str:
    """Return the time zone of the machine, UTC where it has none by a name."""
    try:
        target = str(disk.at("/etc/localtime").readlink())
    except OSError:
        return "UTC"
    name = target.rpartition(_ZONES)[2]
    return name if name in available_timezones() else "UTC"


def _tell_the_page(disk: Disk, wish: Wish) -> None:
    """Say what a file of before leaves the page of new hubs to guess, where it guesses wrong."""
    path = disk.at(places.SERVER_FILE)
    server = config.parse(disk.read(places.SERVER_FILE) or b"", path)
    if not server.new_hubs and wish.ports.enrolment != NEW_HUBS_PORT:
        place = f"{wish.host}:{wish.ports.enrolment}"
        click.echo(f'For the page "New hubs" write new_hubs = "{place}" into {path}')


def _tell_rights(disk: Disk, brought: Brought) -> None:
    """Say each line that came into the engine's file, and what is left to a person."""
    path = disk.at(places.ENGINE_FILE)
    for said in brought.added:
        click.echo(f"{path}: {said} now, which this version needs")
    for said in brought.left:
        click.echo(f"{path}: {said}. It is left as it is: write it by hand")


def _tell(wish: Wish) -> None:
    ports = wish.ports
    click.echo(WORDS[wish.orders])
    click.echo(
        f"The pages: {pages_address(wish.host, wish.listen)}\n"
        f"Hubs call ports {ports.gateway}, {ports.enrolment} and {ports.enrolment + 1} of this "
        "machine.\n"
        'A hub: its doors, and a token on the page "New hubs". Then at its machine, as root:\n'
        f"  {enroll_line(wish.host, ports.enrolment)}"
    )
