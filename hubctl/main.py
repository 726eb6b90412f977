"""hubctl: what a technician types at a hub.

Laws:
1. A command without a verb only looks.
2. An exit status has one meaning (`hubterm.exits`, docs/hubctl.md).
3. `--json` prints one document with `"schema": 1`; keys are added but never change their meaning.
   What went wrong is on standard error, and standard output is empty.
4. What is shown cannot steer a terminal, as text and as JSON.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from hubcore.version import __version__
from hubctl.options import SITE, SITE_FLAG, SOCKET_FIRST, typed, with_shared
from hubctl.shell import examples
from hubctl.shell.fields import Chosen, without_output
from hubctl.shell.quick import COMPLETING
from hubctl.table import TABLE, Found, Row, find, nearest, nearest_verb, rows_of
from hubterm.deadline import TIMEOUT
from hubterm.endings import ending_by_exception
from hubterm.exits import INTERRUPTED
from hubterm.output import as_tool, prepare
from hubterm.speaking import Speaking

HELP = "help"
HELP_OPTIONS = ("-h", "--help")


class Hubctl(Speaking, click.Group):
    """The commands of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the first words."""
        return sorted({row.noun for row in _table(ctx) if not row.hidden})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the row that was typed, or say what is near."""
        if args[0] == HELP:
            args = [*(word for word in args[1:] if word[:1] != "-"), HELP_OPTIONS[-1]]
        table = _table(ctx)
        found = find(args, table)
        if found is not None:
            return self._chosen(ctx, found)
        rows = rows_of(args[0], table)
        asks_for_help = bool({*HELP_OPTIONS, HELP} & set(args))
        if asks_for_help and (rows or args[0] in HELP_OPTIONS):
            click.echo(_about(rows, typed(ctx)) if rows else ctx.get_help())
            raise click.exceptions.Exit
        raise click.UsageError(_what_then(args[0], rows, ctx), ctx)

    def _chosen(self, ctx: click.Context, found: Found) -> tuple[str, click.Command, list[str]]:
        command = with_shared(found.row.load())
        rest, fields = without_output(found.rest)
        takes_names = any(isinstance(one, click.Argument) for one in command.params)
        if not takes_names:
            rest = [HELP_OPTIONS[-1] if word == HELP else word for word in rest]
        if set(HELP_OPTIONS) & set(rest):
            command.epilog = _examples(ctx, found.row)
        verb = None if takes_names else nearest_verb(found.row, rest, _table(ctx))
        if verb is not None:
            said = found.row.words
            raise click.UsageError(
                f"{typed(ctx)} {said} takes no name. Did you mean {said} {verb}?"
            )
        if fields and "allow_extra_args" in command.context_settings:
            raise click.UsageError(f"{found.row.words} takes -o table or -o json, and no fields.")
        if fields:
            sys.stdout = Chosen(sys.stdout, fields)
        if SITE in ctx.meta:
            _ask_the_bridge(ctx)
        return found.row.words, command, rest

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write which command answers which question."""
        self.epilog = _questions(ctx)
        super().format_epilog(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, by what they are for."""
        table = _table(ctx)
        for section in dict.fromkeys(row.section for row in table):
            rows = [row for row in table if row.section == section and not row.hidden]
            with formatter.section(section):
                formatter.write_dl([(row.words, row.says) for row in rows])


def _table(ctx: click.Context) -> Sequence[Row]:
    """Return the commands of a hub, or those of a site."""
    if SITE not in ctx.meta:
        return TABLE
    from hubctl.shell import site as table

    return table.SITE


def _examples(ctx: click.Context, row: Row) -> str:
    if SITE not in ctx.meta:
        return examples.of_row(row)
    from hubctl.shell import site as table

    return examples.of_row(row, table.OF_COMMAND, table.SITE, typed(ctx))


def _questions(ctx: click.Context) -> str:
    if SITE not in ctx.meta:
        return examples.questions()
    from hubctl.shell import site as table

    return examples.questions(table.QUESTIONS)


def _ask_the_bridge(ctx: click.Context) -> None:
    """Ask the bridge's socket, unless somebody named another one."""
    from click.core import ParameterSource

    from hubctl.site.asking import default_socket

    if ctx.get_parameter_source("socket") is not ParameterSource.COMMANDLINE:
        ctx.obj = default_socket()


def _about(rows: list[Row], program: str) -> str:
    formatter = click.HelpFormatter()
    with formatter.section("Commands"):
        formatter.write_dl([(f"{program} {row.words}", row.says) for row in rows])
    return formatter.getvalue().rstrip("\n")


def _what_then(word: str, rows: list[Row], ctx: click.Context) -> str:
    if rows:
        return f"Expected {' or '.join(f'{typed(ctx)} {row.words}' for row in rows)}."
    near = nearest(word, _table(ctx))
    if near is None:
        return f"There is no command {word!r}."
    return f"There is no command {word!r}. Did you mean {near!r}?"


@click.group(
    cls=Hubctl,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@SITE_FLAG
@SOCKET_FIRST
@TIMEOUT
@click.version_option(version=__version__, prog_name="hubctl")
@click.pass_context
def hubctl(ctx: click.Context) -> None:
    """Look at the access hub of this machine, and act on it.

    With --site first, at all hubs of the site of which this machine is the bridge.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _complete() -> None:
    """Answer a shell; what goes wrong shows nothing in the line that somebody types."""
    from hubctl.shell import completion

    completion.register()


def main() -> None:
    """Run hubctl, in any locale."""
    prepare()
    if COMPLETING in os.environ:
        _complete()
    with ending_by_exception():
        as_tool("hubctl", lambda: hubctl(prog_name="hubctl"))


if __name__ == "__main__":
    main()
