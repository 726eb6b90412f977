"""The program behind `hubctl enroll`: makes this machine a hub of a site, by one token.

Laws:
1. The token comes from a file, from standard input or from a prompt: never from the command line,
   where `ps` shows it.
2. Whatever ends it, the same command again goes on.
3. It speaks as `hubctl`: the same documents and exit statuses (docs/hubctl.md).
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from hubcore.backend.enrolment.token import read_token
from hubcore.errors import HubError
from hubd.enrolment.asking import Asking
from hubd.enrolment.durable import Sealer
from hubd.enrolment.enrol import Enrolment, Order
from hubd.enrolment.places import Places, choose_sealer
from hubd.enrolment.settings import DoorLines, Line
from hubd.enrolment.starting import Run, run_here, start_hub
from hubterm.deadline import TIMEOUT
from hubterm.exits import IN_DOUBT, OK
from hubterm.output import as_tool, complain, prepare
from hubterm.speaking import Speaking, end_with_error
from hubterm.text import clean, document

if TYPE_CHECKING:
    from hubcore.backend.enrolment.messages import Waiting
    from hubd.enrolment.enrol import Result

WAIT_SECONDS = 3600
TOKEN_CHARACTERS_MAX = 1024
_BACKEND = re.compile(
    r"(?:tcp://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})", re.ASCII
)
_WIRED = re.compile(r"([0-9]{1,5})=([^:\s]+):([^:\s]+?)(:low)?")
_PORT_MAX = 65_535
_WIRES = ("strike", "dps", "rex")
EXAMPLES = """\b
Examples:
  sudo hubctl enroll backend.example:4506 --strike 10=gpiochip0:17 --start
  sudo hubctl enroll backend.example:4506 --token-file token.txt
"""


@click.command(cls=Speaking, epilog=EXAMPLES)
@click.argument("backend", metavar="HOST:PORT")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="Where the token is; - for standard input. Without it, it is asked for.",
)
@click.option("--strike", multiple=True, metavar="POINT=CHIP:LINE", help="The strike of a door.")
@click.option("--dps", multiple=True, metavar="POINT=CHIP:LINE", help="Its door position switch.")
@click.option(
    "--rex", multiple=True, metavar="POINT=CHIP:LINE[:low]", help="Its exit button; low: to ground."
)
@click.option(
    "--sealed/--plain",
    default=None,
    help="Encrypt keys on the disk, or not; by itself where systemd-creds can.",
)
@click.option("--start", is_flag=True, help="Then start the hub, if it finds all right.")
@click.option("--anew", is_flag=True, help="Enrol a machine again that is a hub already.")
@click.option(
    "--wait",
    type=click.FloatRange(1, 86_400),
    default=WAIT_SECONDS,
    show_default=True,
    help="How many seconds to wait for the operator.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON with a schema number, for machines."
)
@TIMEOUT
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), hidden=True)
def enroll(
    backend: str,
    token_file: Path | None,
    strike: tuple[str, ...],
    dps: tuple[str, ...],
    rex: tuple[str, ...],
    sealed: bool | None,
    start: bool,
    anew: bool,
    wait: float,
    as_json: bool,
    root: Path,
) -> None:
    """Make this machine a hub, by the token that the operator of the backend at HOST:PORT gave.

    Needs root. It may be typed again at any time: it goes on where it stopped.
    """
    if start and root != Path("/"):
        _end("--start is for this machine, and not for files below --root")
    if root == Path("/") and os.geteuid() != 0:
        sentence = "only root may enrol this machine: type sudo before the command"
        end_with_error("not-allowed", sentence, as_json)
    host, port = _host_and_port(backend)
    lines = _wiring({"strike": strike, "dps": dps, "rex": rex})
    try:
        token = read_token(_token_text(token_file))
        order = Order(host=host, port=port, token=token, lines=lines, anew=anew)
        places = Places(root)
        sealer = choose_sealer(places, sealed, Sealer())
        enrolment = Enrolment(places, sealer)
        asking = Asking(seconds=wait, waits=_tell_waiting, away=_tell_away)
        result = _run(enrolment, order, asking, _how_kept(sealer))
    except (HubError, OSError) as error:
        end_with_error("not-enrolled", str(error), as_json)
    status = started(as_json, run_here) if start else OK
    if as_json:
        print(document(**_document(result, lines)))
    else:
        _show(result, lines, start)
    if status != OK:
        sys.exit(status)


def started(as_json: bool, run: Run) -> int:
    """Start the hub; return the exit status. End with what keeps it from starting."""
    try:
        return OK if start_hub(run, complain) else IN_DOUBT
    except HubError as error:
        end_with_error("not-started", str(error), as_json)


def _run(enrolment: Enrolment, order: Order, asking: Asking, kept: str) -> Result:
    """Do what is left to do. Raise HubError or OSError."""
    standing = enrolment.standing(order)
    if standing is not None:
        return standing
    keys = enrolment.own_keys(order)
    complain(kept)
    complain(f"fingerprint of this machine: {keys.fingerprint}")
    complain("The operator sees the same one, or somebody else has the token.")
    enrolled = asyncio.run(enrolment.answer(order, keys, asking))
    return enrolment.install(order, keys, enrolled)


def _how_kept(sealer: Sealer | None) -> str:
    """Say how the private keys lie on this disk."""
    if sealer is None:
        return "private keys lie plain on this disk; only root may read them"
    if sealer.has_tpm():
        return "private keys are sealed by this machine's TPM"
    return (
        "private keys are sealed by this machine's key in /var/lib/systemd, for it has no TPM: "
        "a copy of /etc alone holds none, a copy of the whole disk holds them"
    )


def _token_text(path: Path | None) -> str:
    """Return what was typed, scanned or written. Raise OSError."""
    if path is not None and str(path) != "-":
        with path.open(encoding="ascii", errors="replace") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                complain(f"note: others may read {path}; remove it when this is done")
            return file.read(TOKEN_CHARACTERS_MAX)
    if path is None and sys.stdin.isatty():
        text: str = click.prompt("token", type=str)
        return text
    return sys.stdin.readline(TOKEN_CHARACTERS_MAX)


def _host_and_port(text: str) -> tuple[str, int]:
    match = _BACKEND.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= _PORT_MAX:
        _end(f"{text!r} is no HOST:PORT, such as backend.example:4506")
    return match[1].strip("[]"), int(match[2])


def _wiring(said: dict[str, tuple[str, ...]]) -> dict[int, DoorLines]:
    """Read how the doors are wired, by access point."""
    doors: dict[int, DoorLines] = {}
    for wire in _WIRES:
        for text in said[wire]:
            point, line = _line(wire, text)
            doors[point] = replace(doors.get(point, DoorLines()), **{wire: line})
    return doors


def _line(wire: str, text: str) -> tuple[int, Line]:
    match = _WIRED.fullmatch(text)
    if match is None:
        _end(f"--{wire} {text!r}: expected POINT=CHIP:LINE, such as 10=gpiochip0:17")
    return int(match[1]), Line(match[2], match[3], active_low=match[4] is not None)


def _tell_waiting(waiting: Waiting) -> None:
    complain(
        f"the backend of site {waiting.site} waits for its operator to approve "
        f"hub {waiting.hub} ..."
    )


def _tell_away(why: str) -> None:
    complain(f"no connection: {why}; trying again ...")


def _document(result: Result, lines: dict[int, DoorLines]) -> dict[str, Any]:
    """Return the result for machines."""
    return {
        "hub": result.hub,
        "site": result.site,
        "access_points": list(result.access_points),
        "new": result.new,
        "kept": None if result.kept is None else str(result.kept),
        "unwired": [point for point in result.access_points if point not in lines],
    }


def _show(result: Result, lines: dict[int, DoorLines], is_started: bool) -> None:
    points = ", ".join(map(str, result.access_points))
    what = "enrolled" if result.new else "enrolled already"
    print(f"{what}: hub {clean(result.hub)} of site {clean(result.site)}, access points {points}")
    if not result.new:
        return
    if result.kept is not None:
        print(f"the configuration before is kept as {result.kept}")
    unwired = [point for point in result.access_points if point not in lines]
    if unwired:
        print(
            "in /etc/hubd/hubd.toml the strike of access point "
            f"{', '.join(map(str, unwired))} still needs its chip and line, "
            "unless it is your own file"
        )
    if is_started:
        return
    print(
        "next: systemctl daemon-reload && /opt/hubd/bin/hubd --check-config && "
        "systemctl restart bluetooth hubd"
    )


def _end(why: str) -> NoReturn:
    raise click.UsageError(why)


def main() -> None:
    """Run the program, in any locale."""
    prepare()
    as_tool("hubctl", lambda: enroll(prog_name="hubctl enroll"))


if __name__ == "__main__":
    main()
