"""The options that commands share; they may stand before a command as well as after it."""

from __future__ import annotations

from pathlib import Path

import click

from hubcore.update.running.board import CACHE_BOARD, CACHE_VARIABLE
from hubctl.client import DEFAULT_SOCKET
from hubterm.deadline import TIMEOUT

OUTPUT = click.Option(
    ["-o", "--output"],
    metavar="table|json|FIELDS",
    expose_value=False,
    help="As a table, as JSON, or as these fields of the JSON (a,b.c).",
)
"""It is taken out of the words before click sees them (`hubctl.shell.fields`)."""


class Named(click.Command):
    """A command whose name stands before its verb, as its words in the table show."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Leave out what the words show already."""
        return [self.options_metavar or ""]


def _remember(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        ctx.obj = path


JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON with a schema number, for machines."
)
SOCKET = click.option(
    "--socket",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_remember,
    help="The daemon's local socket.",
)
SOCKET_FIRST = click.option(
    "--socket",
    type=click.Path(path_type=Path),
    envvar="HUBD_SOCKET",
    default=DEFAULT_SOCKET,
    expose_value=False,
    callback=_remember,
    show_default=True,
    show_envvar=True,
    help="The daemon's local socket.",
)
"""Before the command: it has a default."""


CACHE_FILE = click.option(
    "--cache",
    type=click.Path(path_type=Path, readable=False),
    envvar=CACHE_VARIABLE,
    default=CACHE_BOARD,
    show_default=True,
    help="What the site's cache of updates shows.",
)


SITE = "hubctl.site"
"""Is in the meta of a context once `--site` was typed."""


def typed(ctx: click.Context) -> str:
    """Return how hubctl is typed here, for what people are told to type."""
    return "hubctl --site" if SITE in ctx.meta else "hubctl"


def _at_the_site(ctx: click.Context, _parameter: click.Parameter, said: bool) -> None:
    if said:
        ctx.meta[SITE] = True
        ctx.info_name = typed(ctx)


SITE_FLAG = click.option(
    "--site",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_at_the_site,
    help="All hubs of a site, on the machine of its bridge: hubctl --site --help.",
)


def with_shared(command: click.Command) -> click.Command:
    """Give a command the options that every one takes; one that is a program has its own."""
    if "allow_extra_args" in command.context_settings:
        return command
    if OUTPUT not in command.params:
        command.params.append(OUTPUT)
        TIMEOUT(command)
    return command
