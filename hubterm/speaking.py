"""How a program of click ends when it was typed wrongly or interrupted, in prose and as JSON.

Laws:
1. A wrong command line ends with USAGE, a Ctrl-C with INTERRUPTED, and a time that is over with
   TRY_AGAIN. No answer of the hub ends so.
2. With `--json` or `-o json` among the words the error is one document on standard error. Standard
   output stays empty.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import click

from hubterm import deadline
from hubterm.ending import end, end_with_error
from hubterm.exits import INTERRUPTED, TRY_AGAIN, USAGE

__all__ = ["Speaking", "end", "end_with_error"]

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
            end(USAGE, "usage", _usage(error), for_machines(words))
        except click.ClickException as error:
            end(USAGE, "usage", error.format_message(), for_machines(words))
        except deadline.TimedOut as over:
            end(TRY_AGAIN, "timeout", str(over), for_machines(words))
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        finally:
            deadline.end()
        sys.exit(status if isinstance(status, int) else 0)


def for_machines(words: Sequence[str]) -> bool:
    """Tell whether the words ask for JSON."""
    return JSON in words or "-ojson" in words or ("-o", "json") in pairwise(words)


def _usage(error: click.UsageError) -> str:
    if error.ctx is None:
        return error.format_message()
    help_words = f"{error.ctx.command_path} --help"
    return f"{error.format_message()} Try: {help_words}"
