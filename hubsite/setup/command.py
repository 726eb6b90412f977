"""`hubsite setup`: one command, by root, makes and starts all parts of a site on this machine.

Law: typed again it goes on where it was broken off, and changes nothing that is there.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from zoneinfo import available_timezones

import click

from hubcore.errors import ConfigError
from hubsite.setup import units
from hubsite.setup.certificate import Given
from hubsite.setup.disk import Disk
from hubsite.setup.making import make_files
from hubsite.setup.texts import Ports, Wish

POINT_MAX = 65_535
POINTS_MAX = 4096
_SPAN = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
LISTEN = "0.0.0.0:8443"
_PORT = click.IntRange(1, 65_534)
_PATH = click.Path(path_type=Path)
_PORTS = Ports()
_ZONES = "/usr/share/zoneinfo/"


@click.command("setup")
@click.option("--site", required=True, help="The site's name: small letters, digits and -.")
@click.option("--host", required=True, help="The name by which browsers call this machine.")
@click.option("--listen", default=LISTEN, show_default=True, help="ADDRESS:PORT of the pages.")
@click.option(
    "--access-points", default="1-32", show_default=True, help="Those of its doors: 1-32 or 1-8,20."
)
@click.option("--operator", required=True, help="The account name of the first operator.")
@click.option("--time-zone", default="", help="As Europe/Berlin; without it, that of this machine.")
@click.option("--certificate", type=_PATH, help="Yours for HOST, PEM, with its chain.")
@click.option("--key", type=_PATH, help="Its key, PEM.")
@click.option("--trial", is_flag=True, help="Make a certificate that no browser believes, to try.")
@click.option("--gateway-port", type=_PORT, default=_PORTS.gateway, show_default=True)
@click.option("--enrolment-port", type=_PORT, default=_PORTS.enrolment, show_default=True)
@click.option("--engine-port", type=_PORT, default=_PORTS.engine, show_default=True)
@click.option("--monitor-port", type=_PORT, default=_PORTS.monitor, show_default=True)
@click.option("--root", type=_PATH, default=Path("/"), hidden=True)
def setup(
    site: str,
    host: str,
    listen: str,
    access_points: str,
    operator: str,
    time_zone: str,
    certificate: Path | None,
    key: Path | None,
    trial: bool,
    gateway_port: int,
    enrolment_port: int,
    engine_port: int,
    monitor_port: int,
    root: Path,
) -> None:
    """Make and start a whole site on this machine: engine, gateway, signer and server.

    As root, after `make install-site`. What is there is kept.
    """
    disk = Disk(root)
    if not disk.is_image and os.geteuid() != 0:
        raise ConfigError("only root may set up this machine")
    ports = Ports(gateway_port, enrolment_port, engine_port, monitor_port)
    zone = time_zone or zone_here(disk)
    wish = Wish(site, host, listen, points_of(access_points), zone, ports)
    make_files(disk, wish, Given(certificate, key, trial), int(time.time()))
    click.echo(f"made: {', '.join(disk.made) or 'nothing, all was there'}")
    if disk.is_image:
        return
    units.start_all(ports.engine)
    units.first_operator(operator)
    _tell(wish)


def points_of(text: str) -> tuple[int, ...]:
    """Read access points, such as 1-32 or 1-8,20. Raise ConfigError."""
    found: set[int] = set()
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else 0
        if not 1 <= first <= last <= POINT_MAX:
            raise ConfigError(f"--access-points: {part!r} is no number, and no span such as 1-32")
        found.update(range(first, last + 1))
    if len(found) > POINTS_MAX:
        raise ConfigError(f"--access-points: over {POINTS_MAX}")
    return tuple(sorted(found))


def zone_here(disk: Disk) -> str:
    """Return the time zone of the machine, UTC where it has none by a name."""
    try:
        target = str(disk.at("/etc/localtime").readlink())
    except OSError:
        return "UTC"
    name = target.rpartition(_ZONES)[2]
    return name if name in available_timezones() else "UTC"


def _tell(wish: Wish) -> None:
    port = wish.listen.rpartition(":")[2]
    place = wish.host if port == "443" else f"{wish.host}:{port}"
    ports = wish.ports
    click.echo(
        f"The pages: https://{place}/\n"
        f"Hubs call ports {ports.gateway}, {ports.enrolment} and {ports.enrolment + 1} of this "
        "machine.\n"
        'A hub: its doors, and a token on the page "New hubs". Then at its machine, as root:\n'
        f"  hubctl enroll {wish.host}:{ports.enrolment} --strike POINT=CHIP:LINE --start"
    )
