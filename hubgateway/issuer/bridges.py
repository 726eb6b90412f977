"""The commands about bridges, and the gateways that they know."""

from __future__ import annotations

from pathlib import Path

import click

from hubcore.codec.tls import pem_of
from hubgateway.issuer import keys
from hubgateway.issuer.options import DAYS, KEY_FILE, OUT, until, validity_of
from hubgateway.issuer.running import Office, at_office


@click.command("bridge")
@click.argument("bridge")
@KEY_FILE
@OUT
@DAYS
@click.pass_obj
def bridge(config: Path, bridge: str, key: Path, out: Path, days: float) -> None:
    """Take BRIDGE in by its TLS key, and write its certificate (PEM)."""
    public = keys.read_public_key(key)
    validity = validity_of(days)
    document = at_office(config, lambda office: office.bridges.bridge(bridge, public, validity))
    keys.write_public(out, pem_of(document))
    click.echo(f"bridge {bridge} is enrolled, its certificate is in {out}")


@click.command("renew-bridge")
@click.argument("bridges", metavar="[BRIDGE]...", nargs=-1)
@click.option("--asked", is_flag=True, help="All that have asked and have none yet.")
@DAYS
@click.pass_obj
def renew_bridge(config: Path, bridges: tuple[str, ...], asked: bool, days: float) -> None:
    """Sign the certificate that BRIDGE has asked for, for a key that it has made itself.

    The bridge asks by itself, proves what comes, and puts it in force. A timer may give --asked.
    """
    if bool(bridges) is asked:
        raise click.UsageError("name bridges, or say --asked")

    async def work(office: Office) -> dict[str, int]:
        names_of_bridges = await office.bridges.asking_bridges() if asked else bridges
        validity = validity_of(days)
        renew = office.bridges.renew_bridge
        return {one: (await renew(one, validity)).expires for one in names_of_bridges}

    for name, expires in at_office(config, work).items():
        click.echo(f"bridge {name}: a certificate for its next key, {until(expires)}")


@click.command("end-bridge")
@click.argument("bridge")
@click.pass_obj
def end_bridge(config: Path, bridge: str) -> None:
    """End BRIDGE: no gateway speaks with it any more.

    Hubs hear of it by their uplink. A hub without one must have it taken out of its configuration.
    """
    at_office(config, lambda office: office.bridges.end_bridge(bridge))
    click.echo(f"bridge {bridge} has ended")


@click.command("gateway")
@click.argument("gateway")
@KEY_FILE
@OUT
@DAYS
@click.pass_obj
def gateway(config: Path, gateway: str, key: Path, out: Path, days: float) -> None:
    """Write the certificate (PEM) by which bridges know GATEWAY."""
    public = keys.read_public_key(key)
    validity = validity_of(days)

    async def work(office: Office) -> bytes:
        return office.bridges.gateway(gateway, public, validity)

    keys.write_public(out, pem_of(at_office(config, work)))
    click.echo(f"the certificate of gateway {gateway} is in {out}")
