"""How a program of click ends when it was typed wrongly or interrupted, in prose and as JSON.

Laws:
1. A wrong command line ends with USAGE, a Ctrl-C with INTERRUPTED. No answer of the hub ends so.
2. With `--json` among the words the error is one document on standard error. Standard output stays
   empty.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from hubterm.exits import INTERRUPTED, USAGE, status_of
from hubterm.output import complain
from hubterm.text import clean, error_document

JSON = "--json"


class Speaking(click.Command):
    """A command that is a program."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run it and end the program."""
        words = list(sys.argv[1:] if args is None else args)
        try:
            status = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        except click.UsageError as error:
            end(USAGE, "usage", _usage(error), JSON in words)
        except click.ClickException as error:
            end(USAGE, "usage", error.format_message(), JSON in words)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        sys.exit(status if isinstance(status, int) else 0)


def _usage(error: click.UsageError) -> str:
    if error.ctx is None:
        return error.format_message()
    help_words = f"{error.ctx.command_path} --help"
    return f"{error.format_message()} Try: {help_words}"


def end_with_error(code: str, message: str, as_json: bool) -> NoReturn:
    """End the program with what went wrong, by the status that its code means."""
    end(status_of(code), code, message, as_json)


def end(status: int, code: str, message: str, as_json: bool) -> NoReturn:
    """End the program; what went wrong is on standard error."""
    if as_json:
        print(error_document(code, message), file=sys.stderr, flush=True)  # noqa: T201
    else:
        complain(clean(message))
    sys.exit(status)
