"""`hubissuer init`: what a new site begins with."""

from __future__ import annotations

from pathlib import Path

import click

from hubcore.backend.ways import check_server
from hubcore.errors import ConfigError
from hubgateway.issuer import keys
from hubgateway.issuer.options import begins


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--site", required=True)
@click.option("--server", default="nats://127.0.0.1:4222", show_default=True)
def init(folder: Path, site: str, server: str) -> None:
    """Make the keys of a new site, and a configuration, in FOLDER."""
    try:
        check_server(server, in_clear=False)
    except ValueError as error:
        raise ConfigError(f"--server: {error}") from error
    public = keys.begin(folder, site, server, begins())
    click.echo(f"The gateways' public key, which hubs pin: {public}")
    click.echo(f"Keep {folder / keys.ISSUER_KEY} and {keys.AUTHORITY_KEY} here.")
    click.echo(f"Carry to each gateway: {keys.ISSUER}, {keys.AUTHORITY},")
    click.echo(f"{keys.CURVE_SECRET} and {keys.ENROLMENT_SECRET}; then delete the last two here.")
