"""hubsite: argv and the command that it names; nothing else.

Exit status (sysexits.h): 0 done, 1 it cannot be done, 69 the database is away, 78 the
configuration is refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hubcore.errors import AuditError, ConfigError, LinkError, StoreError
from hubcore.version import __version__
from hubsite.commands.acts import acts
from hubsite.commands.backup import backup, restore
from hubsite.commands.begin import init
from hubsite.commands.check import check
from hubsite.commands.operators import operator
from hubsite.commands.serve import serve
from hubsite.setup.command import setup

EX_CONFIG = 78
EX_UNAVAILABLE = 69
COMMANDS = (setup, init, check, serve, operator, acts, backup, restore)


@click.group("hubsite")
@click.version_option(version=__version__, prog_name="hubsite", message="%(prog)s %(version)s")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("/etc/hubsite/hubsite.toml"),
    show_default=True,
)
@click.pass_context
def hubsite(context: click.Context, config: Path) -> None:
    """Serve the people of one site: who may open which door, and when."""
    context.obj = config


for _command in COMMANDS:
    hubsite.add_command(_command)


def main() -> None:
    """Do one command."""
    try:
        hubsite()
    except ConfigError as error:
        _end(EX_CONFIG, str(error))
    except AuditError as error:
        _end(1, f"the chain does not hold: {error}")
    except (LinkError, StoreError) as error:
        _end(EX_UNAVAILABLE, f"{error}; give the same command again")
    except ValueError as error:
        _end(1, str(error))


def _end(status: int, text: str) -> None:
    click.echo(f"hubsite: {text}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
