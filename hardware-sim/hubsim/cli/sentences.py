"""What a person reads when a command fails.

Law: what a person can get wrong is answered with one sentence that says what to do, never with a
traceback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hubcore.errors import HubError

INSTALLED_BY = {
    "bumble": "laptop-phone.txt",
    "bleak": "laptop-phone.txt",
    "bless": "laptop-hub.txt",
}
"""By radio library: the file of the clone's hardware-sim that installs it."""


class SentenceGroup(click.Group):
    """Turns what a command raises into a sentence; an unforeseen error keeps its traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads
        except Exception as error:
            text = sentence(error)
            if text is None:
                raise
            raise click.ClickException(text) from error


def sentence(error: Exception) -> str | None:
    """Return what a person reads about this error, None for an error of the program."""
    match error:
        case ModuleNotFoundError(name=str() as module):
            return _missing(module)
        case TimeoutError():
            return f"no answer in time: {error}" if str(error) else "no answer in time"
        case OSError(strerror=str() as why, filename=str() | Path() as file):
            return f"{file}: {why}"
        case HubError() | OSError() | ValueError() | OverflowError():
            return str(error)
    from hubsim.stage import StageError

    return str(error) if isinstance(error, StageError) else None


def _missing(module: str) -> str | None:
    library = module.split(".")[0]
    if library not in INSTALLED_BY:
        return None
    file = f"hardware-sim/{INSTALLED_BY[library]}"
    return f"{library} is missing: install it, in a clone of hubd, with `pip install -r {file}`"
