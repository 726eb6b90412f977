"""`hubsim site bridge`, `gateway` and `engine`: what stands between hubs and their backend."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from hubsim import site as sites
from hubsim.cli.options import open_site, site_option
from hubsim.words import counted


@click.command("bridge")
@site_option()
@click.argument("name", metavar="BRIDGE")
@click.option("--days", type=click.FloatRange(1, 3660), default=sites.HUB_DAYS, show_default=True)
@click.option("--listen", default="127.0.0.1", show_default=True, help="Its address.")
@click.option("--port", type=click.IntRange(1, 65535), default=7715, show_default=True)
@click.option(
    "--export",
    "directory",
    type=click.Path(path_type=Path),
    help="Write into this new folder what goes to its machine.",
)
@click.option(
    "--gateway",
    "gateways",
    multiple=True,
    metavar="NAME=HOST[:PORT]",
    help="A gateway of the backend that it calls; several times.",
)
@click.pass_obj
def site_bridge(
    path: Path,
    name: str,
    days: float,
    listen: str,
    port: int,
    directory: Path | None,
    gateways: tuple[str, ...],
) -> None:
    """Make what BRIDGE begins with: keys, certificate, mandates, configuration.

    Again: a newer certificate and newer mandates. For TLS it is called BRIDGE.bridge.SITE, whatever
    its address is.
    """
    from hubsim.bridge.files import CONFIG, export_bridge, gateway_at, make_bridge

    where = open_site(path)
    try:
        backend = [gateway_at(one) for one in gateways]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--gateway") from error
    folder = make_bridge(where, name, days, listen, port, backend=backend)
    click.echo(f"{folder}: for {name}.bridge.{where.name}")
    if directory is None:
        click.echo(f"run it: hubbridge --config {folder / CONFIG}")
        return
    export_bridge(folder, directory)
    click.echo(f"{directory}: bring it to the machine of the bridge, then there:")
    click.echo(f"sudo install -m 644 {directory.name}/hubbridge/* /etc/hubbridge/")
    click.echo(f"sudo install -m 600 {directory.name}/credstore/* /etc/credstore/")


@click.command("gateway")
@site_option()
@click.argument("name", metavar="GATEWAY")
@click.option("--server", "servers", multiple=True, default=["nats://127.0.0.1:4222"])
@click.option("--hubs", default="tcp://127.0.0.1:7011", show_default=True, help="Where hubs come.")
@click.option("--listen", default="127.0.0.1", show_default=True, help="Where bridges come.")
@click.option("--port", type=click.IntRange(1, 65535), default=7716, show_default=True)
@click.option("--days", type=click.FloatRange(1, 3660), default=sites.HUB_DAYS, show_default=True)
@click.pass_obj
def site_gateway(
    path: Path,
    name: str,
    servers: tuple[str, ...],
    hubs: str,
    listen: str,
    port: int,
    days: float,
) -> None:
    """Make what GATEWAY begins with: keys, certificate, mandate for receipts, configuration.

    For TLS it is called GATEWAY.backend.SITE, whatever its address is.
    """
    from hubsim.bridge.gateway import GATEWAY_CONFIG, make_gateway

    where = open_site(path)
    folder = make_gateway(where, name, servers, hubs, listen, port, days)
    click.echo(f"{folder}: for {name}.backend.{where.name}")
    click.echo("put the site into its engine: hubsim site engine")
    click.echo(f"run it: hubgateway --config {folder / GATEWAY_CONFIG}")


@click.command("engine")
@site_option()
@click.option("--server", "servers", multiple=True, default=["nats://127.0.0.1:4222"])
@click.pass_obj
def site_engine(path: Path, servers: tuple[str, ...]) -> None:
    """Put hubs, bridges, mandates and the policy into the engine of the site's gateways.

    A site with an operator has `hubissuer` for that.
    """
    from hubcore.errors import LinkError, StoreError
    from hubsim.bridge.engine import fill_engine

    try:
        count = asyncio.run(fill_engine(open_site(path), servers))
    except (LinkError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{counted(count, 'row')} in the engine")


OF_BRIDGES = (site_bridge, site_gateway, site_engine)
"""Commands of `hubsim site`."""
