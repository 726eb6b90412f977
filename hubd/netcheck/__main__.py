"""The program behind `hubctl netcheck`: shows each step to the backend and to each bridge.

Laws:
1. It needs no running hubd and no enrolment, and changes nothing.
2. It speaks as `hubctl`: the same documents and exit statuses (docs/hubctl.md).
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from hubcore.codec.tls import der_of
from hubcore.errors import ConfigError, TrustError
from hubd.adapters.host.kerneltime import look
from hubd.adapters.keys.uplinkkeys import key_from_text
from hubd.config.file import Config, load
from hubd.config.keys import PLAIN_STORE
from hubd.netcheck.bridge import BridgeTarget, walk_to_bridge
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
HANDED_OVER = "/run/credentials/hubd.service"
KEY_CHARACTERS_MAX = 256
CERTIFICATE_BYTES_MAX = 16_384
CLOCK = "clock"
"""The step that only a running hub can measure."""
_PLACE = re.compile(r"(?:tcp://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})", re.ASCII)
_PORT_MAX = 65_535
EXAMPLES = """\b
Examples:
  hubctl netcheck                       to backend and bridges of the configuration
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
    """Take each step to the backend and to each bridge, and say which one fails and why.

    Without HOST:PORT: to the first endpoint and to the bridges of the configuration. Exit status 1:
    a step did not go well, or could not be measured; the backend's clock alone may stay unmeasured.
    """
    try:
        target, bridges = _targets(place, backend_key, config)
    except (ConfigError, OSError) as error:
        end_with_error("unreadable", str(error), as_json)
    found = asyncio.run(_walk(target, bridges))
    offset = None
    if clock_offset is not None and clock_of is not None and _is_at(clock_of, target):
        offset = Offset(clock_offset, clock_within)
    found.steps += [clock_step(offset)] if target is not None else []
    found.steps.append(ntp_step(look))
    if as_json:
        steps = [_document(step) for step in found.steps]
        host, port = (None, None) if target is None else (target.host, target.port)
        print(document(host=host, port=port, proven=found.proven, steps=steps))
    else:
        _show(found)
    is_well = all(step.state is State.OK for step in found.steps if step.id != CLOCK)
    sys.exit(OK if is_well else NO)


async def _walk(target: Target | None, bridges: list[BridgeTarget]) -> Found:
    """Take all steps, one way after the other."""
    found = Found() if target is None else await walk(target, Limits())
    for bridge in bridges:
        found.steps += await walk_to_bridge(bridge, Limits(), time.time())
    return found


def _targets(
    place: str | None, backend_key: Path | None, file: Path
) -> tuple[Target | None, list[BridgeTarget]]:
    """Return where to go: the place that was typed, or all of the configuration.

    Raise ConfigError or OSError.
    """
    key = None if backend_key is None else _key(backend_key)
    if place is not None:
        return Target(*_host_and_port(place), key), []
    # where systemd hands keys over to hubd, so that their names can be read; no key is
    config = load(file, {"CREDENTIALS_DIRECTORY": HANDED_OVER, **os.environ})
    bridges = _bridges(config)
    if config.backend is not None:
        return Target(*_host_and_port(str(config.backend.places[0])), key), bridges
    if not bridges:
        raise ConfigError(f"{file} names no backend; type: hubctl netcheck HOST:PORT")
    return None, bridges


def _bridges(config: Config) -> list[BridgeTarget]:
    """Return the bridges, with the site's authority where this user may read it."""
    files = config.keys.tls_files
    authority = None
    if files is not None:
        named = files[2].path
        lies = Path(PLAIN_STORE) / f"hubd.{named.name}" if files[2].credential else named
        with suppress(OSError, TrustError), lies.open("rb") as opened:
            authority = der_of(opened.read(CERTIFICATE_BYTES_MAX))
    return [
        BridgeTarget(
            site=config.hub.site,
            bridge=one.name,
            address=one.address,
            port=one.port,
            authority=authority,
            search_from=one.search_from,
        )
        for one in config.bridges
    ]


def _key(file: Path) -> bytes:
    """Raise ConfigError or OSError."""
    with file.open(encoding="ascii", errors="replace") as opened:
        return key_from_text(opened.read(KEY_CHARACTERS_MAX))


def _host_and_port(text: str) -> tuple[str, int]:
    match = _PLACE.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= _PORT_MAX:
        _end(f"{text!r} is no HOST:PORT, such as backend.example:4505")
    return match[1].strip("[]"), int(match[2])


def _is_at(endpoint: str, target: Target | None) -> bool:
    """Tell whether the running hub's endpoint is this place."""
    match = _PLACE.fullmatch(endpoint)
    if match is None or target is None:
        return False
    return (match[1].strip("[]"), int(match[2])) == (target.host, target.port)


def _document(step: Step) -> dict[str, object]:
    """Return a step for machines."""
    return {
        "id": step.id,
        "state": step.state,
        "what": step.what,
        "cause": step.cause,
        "remedy": step.remedy,
        "family": step.family,
        "bridge": step.bridge,
        "milliseconds": step.milliseconds,
    }


def _show(found: Found) -> None:
    for step in found.steps:
        took = "" if step.milliseconds is None else f" ({step.milliseconds:g} ms)"
        print(f"{step.state:8} {step.id:14} {clean(step.what)}{took}")
        if step.remedy is not None:
            print(f"{'':23} {step.remedy}")


def _end(why: str) -> NoReturn:
    raise click.UsageError(why)


def main() -> None:
    """Run the program, in any locale."""
    prepare()
    as_tool("hubctl", lambda: netcheck(prog_name="hubctl netcheck"))


if __name__ == "__main__":
    main()
