"""The program behind `hubctl netcheck`: shows each step to the backend.

Laws:
1. It needs no running hubd and no enrolment, and changes nothing.
2. It speaks as `hubctl`: the same documents and exit statuses (docs/hubctl.md).
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import NoReturn

import click

from hubcore.errors import ConfigError
from hubd.adapters.host.kerneltime import look
from hubd.adapters.keys.uplinkkeys import key_from_text
from hubd.config.file import load
from hubd.netcheck.steps import (
    Found,
    Limits,
    Offset,
    State,
    Step,
    Target,
    clock_step,
    ntp_step,
    walk,
)
from hubterm.deadline import TIMEOUT
from hubterm.exits import NO, OK
from hubterm.output import as_tool, prepare
from hubterm.speaking import Speaking, end_with_error
from hubterm.text import clean, document

CONFIG = Path("/etc/hubd/hubd.toml")
KEY_CHARACTERS_MAX = 256
CLOCK = "clock"
"""The step that only a running hub can measure."""
_PLACE = re.compile(r"(?:tcp://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})", re.ASCII)
_PORT_MAX = 65_535
EXAMPLES = """\b
Examples:
  hubctl netcheck                       to the backend of the configuration
  hubctl netcheck backend.example:4505  before enrolment
"""


@click.command(cls=Speaking, epilog=EXAMPLES)
@click.argument("place", metavar="[HOST:PORT]", required=False)
@click.option(
    "--backend-key",
    type=click.Path(path_type=Path),
    help="File of the backend's public key: then it must prove it.",
)
@click.option("--config", type=click.Path(path_type=Path), default=CONFIG, show_default=True)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON with a schema number, for machines."
)
@click.option("--clock-of", hidden=True, help="The endpoint of the running hub.")
@click.option("--clock-offset", type=float, hidden=True, help="Its backend's time less its own.")
@click.option("--clock-within", type=float, hidden=True, help="The bound of that.")
@TIMEOUT
def netcheck(
    place: str | None,
    backend_key: Path | None,
    config: Path,
    as_json: bool,
    clock_of: str | None,
    clock_offset: float | None,
    clock_within: float | None,
) -> None:
    """Take each step to the backend, and say which one fails and why.

    Without HOST:PORT: to the first endpoint of the configuration. Exit status 1: a step did not go
    well, or could not be measured; the backend's clock alone may stay unmeasured.
    """
    try:
        host, port = _host_and_port(place or _configured(config))
        key = None if backend_key is None else _key(backend_key)
    except (ConfigError, OSError) as error:
        end_with_error("unreadable", str(error), as_json)
    found = asyncio.run(walk(Target(host, port, key), Limits()))
    offset = None
    if clock_offset is not None and clock_of is not None and _is_at(clock_of, host, port):
        offset = Offset(clock_offset, clock_within)
    found.steps += [clock_step(offset), ntp_step(look)]
    if as_json:
        steps = [_document(step) for step in found.steps]
        print(document(host=host, port=port, proven=found.proven, steps=steps))
    else:
        _show(found)
    is_well = all(step.state is State.OK for step in found.steps if step.id != CLOCK)
    sys.exit(OK if is_well else NO)


def _configured(file: Path) -> str:
    """Return the first endpoint of the configuration. Raise ConfigError."""
    backend = load(file).backend
    if backend is None:
        raise ConfigError(f"{file} names no backend; type: hubctl netcheck HOST:PORT")
    return str(backend.places[0])


def _key(file: Path) -> bytes:
    """Raise ConfigError or OSError."""
    with file.open(encoding="ascii", errors="replace") as opened:
        return key_from_text(opened.read(KEY_CHARACTERS_MAX))


def _host_and_port(text: str) -> tuple[str, int]:
    match = _PLACE.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= _PORT_MAX:
        _end(f"{text!r} is no HOST:PORT, such as backend.example:4505")
    return match[1].strip("[]"), int(match[2])


def _is_at(endpoint: str, host: str, port: int) -> bool:
    """Tell whether the running hub's endpoint is this place."""
    match = _PLACE.fullmatch(endpoint)
    return match is not None and (match[1].strip("[]"), int(match[2])) == (host, port)


def _document(step: Step) -> dict[str, object]:
    """Return a step for machines."""
    return {
        "id": step.id,
        "state": step.state,
        "what": step.what,
        "cause": step.cause,
        "remedy": step.remedy,
        "family": step.family,
        "milliseconds": step.milliseconds,
    }


def _show(found: Found) -> None:
    for step in found.steps:
        took = "" if step.milliseconds is None else f" ({step.milliseconds:g} ms)"
        print(f"{step.state:8} {step.id:8} {clean(step.what)}{took}")
        if step.remedy is not None:
            print(f"{'':17} {step.remedy}")


def _end(why: str) -> NoReturn:
    raise click.UsageError(why)


def main() -> None:
    """Run the program, in any locale."""
    prepare()
    as_tool("hubctl", lambda: netcheck(prog_name="hubctl netcheck"))


if __name__ == "__main__":
    main()
