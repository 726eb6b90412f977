"""The options that commands share; they may stand before a command as well as after it."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.client import DEFAULT_SOCKET


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
