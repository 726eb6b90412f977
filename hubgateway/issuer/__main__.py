"""hubissuer: an operator's commands about the hubs of a fleet.

Exit status (sysexits.h): 0 done, 1 it cannot be done, 78 the configuration is refused, 69 the
engine or the key's token is away: give the same command again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hubcore.errors import ConfigError, HardwareError, LinkError, StoreError
from hubcore.version import __version__
from hubgateway.issuer import begin, bridges, hubs, mandate, servers, updates
from hubgateway.issuer.holding.command import keys_group
from hubgateway.issuer.office.words import NoError
from hubgateway.issuer.signing.command import serve, signed

EX_CONFIG = 78
EX_UNAVAILABLE = 69
COMMANDS = (
    begin.init,
    hubs.token,
    hubs.show,
    hubs.approve,
    hubs.refuse,
    hubs.renew,
    hubs.end,
    updates.updates,
    mandate.mandate,
    bridges.bridge,
    bridges.renew_bridge,
    bridges.end_bridge,
    bridges.gateway,
    servers.certify_server,
    keys_group,
    serve,
    signed,
)


@click.group("hubissuer")
@click.version_option(version=__version__, prog_name="hubissuer", message="%(prog)s %(version)s")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("/etc/hubissuer/hubissuer.toml"),
    show_default=True,
)
@click.pass_context
def hubissuer(context: click.Context, config: Path) -> None:
    """Hubs of a fleet: tokens, approval, certificates. It needs the issuer's key and the engine."""
    context.obj = config


for _command in COMMANDS:
    hubissuer.add_command(_command)


def main() -> None:
    """Do one command."""
    try:
        hubissuer()
    except ConfigError as error:
        _end(EX_CONFIG, str(error).removeprefix("hubgateway: "))
    except (HardwareError, LinkError, StoreError) as error:
        _end(EX_UNAVAILABLE, f"{error}; give the same command again")
    except (NoError, ValueError) as error:
        _end(1, str(error))


def _end(status: int, text: str) -> None:
    click.echo(f"hubissuer: {text}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
