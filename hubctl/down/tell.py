"""Says what the disk knows of a hub whose hubd does not answer.

Laws:
1. It says first that hubd is down, on standard error, and the exit status stays the one for that.
2. People read the page on standard output. For machines standard output is empty, as without any
   answer; the document of the error has `disk`.
3. Nothing is loaded but where a configuration lies.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from hubctl.answers import ask, fail
from hubctl.client import NoAnswer
from hubterm.exits import status_of
from hubterm.output import complain
from hubterm.text import clean

if TYPE_CHECKING:
    from pathlib import Path

    from hubctl.gathering.running import Run

CONFIG = "/etc/hubd/hubd.toml"
HEAD = "What the disk says meanwhile:"


def ask_or_disk(
    path: Path | str, call: str, as_json: bool, command: str, whom: str | None = None
) -> dict[str, Any]:
    """Return the document of one call, or end with why there is none and with what the disk says.

    `command` is a look of `hubctl.down.views`; `whom` is what it was asked about.
    """
    try:
        return ask(path, call)
    except NoAnswer as error:
        if tell(command, error, path, as_json, whom):
            sys.exit(status_of(error.code))
        fail(error, as_json)


def tell(
    command: str,
    error: NoAnswer,
    socket: Path | str,
    as_json: bool,
    whom: str | None = None,
    run: Run | None = None,
) -> bool:
    """Say that hubd is down and what is known; return whether anything was said."""
    config = os.environ.get("HUBD_CONFIG") or CONFIG
    if error.code != "down" or not os.path.exists(config):
        return False
    from hubctl.down.configured import of_socket
    from hubctl.down.views import view
    from hubctl.gathering.running import run as run_program
    from hubterm.text import document

    configured = of_socket(config, socket)
    if configured is None:
        return False
    disk, shown = view(command, configured, run or run_program, whom)
    if as_json:
        why = {"code": error.code, "message": str(error)}
        print(document(error=why, disk=disk), file=sys.stderr, flush=True)
        return True
    complain(clean(str(error)))
    print(HEAD)
    shown.show()
    return True
