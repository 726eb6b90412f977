"""`hubctl doctor`: every check, each well, in doubt or failed, with what to do.

Laws:
1. The checks are those of hubd's one table: the running hubd tells which of them stand, and
   `hubd --check-config`, a program of its own, what it finds without one.
2. What could not be measured is `unknown`, and never counts as well.
3. The newest records of the evidence are checked by hubctl's own reader, with hubd up or down.
4. `--active` has hubd try its parts, too. Nothing moves, and hubd records it.
5. What hubupdate shows of itself is judged by hubctl, with hubd up or down.
6. Exit status: 0 all well, 1 something is in doubt or unknown, 2 something failed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import click

from hubcore.errors import AuditError, StoreError
from hubcore.update.running.board import BOARD, BOARD_VARIABLE
from hubcore.version import __version__
from hubctl.answers import ask, fail, print_json
from hubctl.client import NoAnswer
from hubctl.evidence.chain import verify_newest
from hubctl.evidence.opening import DatabaseError, open_log
from hubctl.options import CACHE_FILE, JSON, SOCKET
from hubctl.updating.board import UpdateTrouble, read_board, troubles
from hubctl.updating.cache import troubles_of_file
from hubterm.exits import FAILED, NO, OK
from hubterm.text import clean

CHECK_SECONDS = 60
CHAIN = "audit-chain"
DOWN = "down"
"""The code of no running hubd."""
ACTIVE = "active-"
"""How the ids of what was tried begin."""
AUDIT = Path("/var/lib/hubd/audit.db")
NEWEST = 10_000
"""So many of the newest records are checked: a second at most. All: `hubctl audit verify`."""
CONFIG = Path("/etc/hubd/hubd.toml")


class State(StrEnum):
    """How a check stands, the best first."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAILED = "failed"


EXIT_OF = {State.OK: OK, State.UNKNOWN: NO, State.WARNING: NO, State.FAILED: FAILED}
_OF_KIND = {
    "wrong": State.FAILED,
    "not there": State.FAILED,
    "not valid": State.FAILED,
    "unknown": State.UNKNOWN,
    "look at": State.WARNING,
    "fact": State.OK,
}
"""Of the findings of `hubd --check-config`."""
_OF_SEVERITY = {None: State.OK, "warning": State.WARNING, "error": State.FAILED}
_AREAS = ("configuration", "connectivity", "readiness")


class Checked(NamedTuple):
    """One check: its stable id, its class, how it stands, and what to do."""

    id: str
    area: str
    state: State
    what: str = ""
    remedy: str = ""


@click.command()
@click.option("--config", type=click.Path(path_type=Path), default=CONFIG, show_default=True)
@click.option("--only", multiple=True, metavar="ID", help="This check alone; may be repeated.")
@click.option("--skip", multiple=True, metavar="ID", help="Not this check; may be repeated.")
@click.option(
    "--active", is_flag=True, help="Try disk, backend, radio, inputs, readers, devices, too."
)
@click.option(
    "--audit",
    type=click.Path(path_type=Path, readable=False),
    envvar="HUBD_AUDIT",
    default=AUDIT,
    show_default=True,
    help="The evidence.",
)
@click.option(
    "--board",
    type=click.Path(path_type=Path, readable=False),
    envvar=BOARD_VARIABLE,
    default=BOARD,
    show_default=True,
    help="What hubupdate shows.",
)
@CACHE_FILE
@JSON
@SOCKET
@click.pass_obj
def doctor(
    path: Path,
    config: Path,
    audit: Path,
    board: Path,
    cache: Path,
    only: Sequence[str],
    skip: Sequence[str],
    active: bool,
    as_json: bool,
) -> None:
    """Look at everything: configuration, connectivity, readiness. It changes nothing.

    Exit status: 0 all is well, 1 something is in doubt or could not be measured, 2 something
    failed. As root it sees more. With hubd down it does what it can, and says so.

    --active really writes, sends, listens and asks. It takes group hubd-admin, or root, moves
    nothing, and is recorded.
    """
    tried = _tried(path, as_json) if active else []
    by_itself = [*_of_evidence(audit), *_of_updates(board), *_of_cache(cache)]
    checked = [*_of_daemon(path), *_of_program(config), *by_itself, *tried]
    chosen = [one for one in checked if (not only or one.id in only) and one.id not in skip]
    _refuse_unknown([*only, *skip], checked)
    worst = max((one.state for one in chosen), key=list(State).index, default=State.OK)
    if as_json:
        print_json({"worst": worst, "checks": [_document(one) for one in chosen]})
    else:
        _show(chosen)
    sys.exit(EXIT_OF[worst])


def _refuse_unknown(named: Sequence[str], checked: Sequence[Checked]) -> None:
    there = {one.id for one in checked}
    unknown = [name for name in named if name not in there]
    if unknown:
        raise click.UsageError(
            f"There is no check {unknown[0]!r} now; there are: {', '.join(sorted(there))}."
        )


def _of_daemon(path: Path) -> list[Checked]:
    """Ask the running hubd; a hubd that is down is a check that failed."""
    try:
        status = ask(path, "status")
        checks = ask(path, "checks")["checks"]
    except NoAnswer as error:
        return [Checked("hubd", "readiness", State.FAILED, str(error), "")]
    found = [Checked("hubd", "readiness", State.OK), _version(status.get("version"))]
    return found + [_of_topic(one) for one in checks]


def _tried(path: Path, as_json: bool) -> list[Checked]:
    """Have hubd try its parts; a hubd that is down tries none. End when this user may not."""
    try:
        steps = ask(path, "try-parts")["try-parts"]
    except NoAnswer as error:
        if error.code != DOWN:
            fail(error, as_json)
        what = "nothing was tried: it takes a running hubd"
        return [Checked("active", "readiness", State.UNKNOWN, what, "sudo systemctl start hubd")]
    return [_of_step(one) for one in steps]


def _of_step(one: Mapping[str, Any]) -> Checked:
    state = one.get("state")
    return Checked(
        id=clean(one.get("id")),
        area=_area(one.get("area")),
        state=State(state) if state in list(State) else State.UNKNOWN,
        what=clean(one.get("what") or ""),
        remedy=clean(one.get("remedy") or ""),
    )


def _version(running: object) -> Checked:
    if running == __version__:
        return Checked("version", "readiness", State.OK)
    what = f"hubd {__version__} is installed, and {clean(running)} runs"
    return Checked("version", "readiness", State.WARNING, what, "sudo systemctl restart hubd")


def _of_topic(one: Mapping[str, Any]) -> Checked:
    severity = one.get("severity")
    state = _OF_SEVERITY.get(severity, State.UNKNOWN) if _is_text(severity) else State.UNKNOWN
    return Checked(
        id=clean(one.get("check") or one.get("id")),
        area=_area(one.get("area")),
        state=state,
        what=clean(one.get("what") or ""),
        remedy=clean(one.get("remedy") or ""),
    )


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _area(value: object) -> str:
    return value if isinstance(value, str) and value in _AREAS else "configuration"


def _of_program(config: Path) -> list[Checked]:
    """Run hubd's own look at configuration, keys and machine."""
    command = [sys.executable, "-I", "-m", "hubd", "--check-config", "--json"]
    try:
        done = subprocess.run(
            [*command, "--config", str(config)],
            check=False,
            capture_output=True,
            timeout=CHECK_SECONDS,
        )
        findings = _list(json.loads(done.stdout))
    except (OSError, subprocess.TimeoutExpired, ValueError, RecursionError) as error:
        what = f"hubd --check-config gave no answer: {clean(str(error))}"
        return [Checked("check-config", "configuration", State.UNKNOWN, what, "")]
    found = [_of_finding(one) for one in findings if isinstance(one, dict)]
    return found or [Checked("check-config", "configuration", State.OK)]


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("it printed something else than findings")  # noqa: TRY004
    return value


def _of_finding(one: Mapping[str, Any]) -> Checked:
    about = clean(one.get("about"))
    kind = one.get("kind")
    return Checked(
        id=clean(one.get("check") or f"config-{about}").replace(" ", "-"),
        area=_area(one.get("area")),
        state=_OF_KIND.get(kind, State.UNKNOWN) if isinstance(kind, str) else State.UNKNOWN,
        what=f"{about}: {clean(one.get('text'))}",
    )


def _of_evidence(file: Path) -> list[Checked]:
    """Check the newest records of the evidence; a machine without any has no such check."""
    try:
        if not file.exists():
            return []
        with contextlib.closing(open_log(file)) as connection:
            verify_newest(connection, NEWEST)
    except AuditError as error:
        what = f"the evidence is broken: {clean(str(error))}"
        return [Checked(CHAIN, "readiness", State.FAILED, what, "sudo hubctl audit verify")]
    except PermissionError:
        what = f"{clean(str(file))}: this user may not read it"
        return [Checked(CHAIN, "readiness", State.UNKNOWN, what, "sudo hubctl doctor")]
    except (DatabaseError, StoreError, OSError) as error:
        what = f"{clean(str(file))} cannot be read: {clean(str(error))}"
        return [Checked(CHAIN, "readiness", State.FAILED, what, "sudo hubctl audit verify")]
    return [Checked(CHAIN, "readiness", State.OK)]


def _of_updates(file: Path) -> list[Checked]:
    """Judge what hubupdate shows; a hub that takes no updates has no such check."""
    try:
        board = read_board(file)
    except (OSError, ValueError) as error:
        what = f"{clean(str(file))} cannot be read: {clean(str(error))}"
        return [Checked("update", "readiness", State.UNKNOWN, what, "systemctl status hubupdate")]
    return [] if board is None else _judged("update", troubles(board, time.time()))


def _of_cache(file: Path) -> list[Checked]:
    """Judge what a site's cache of updates shows; a machine that keeps none has no such check."""
    found = troubles_of_file(file, time.time())
    return [] if found is None else _judged("cache", found)


def _judged(name: str, found: Sequence[UpdateTrouble]) -> list[Checked]:
    checks = [
        Checked(one.id, "readiness", _OF_SEVERITY[one.severity], one.what, one.remedy)
        for one in found
    ]
    return checks or [Checked(name, "readiness", State.OK)]


def _document(one: Checked) -> dict[str, Any]:
    return {
        "id": one.id,
        "class": one.area,
        "state": one.state,
        "what": one.what or None,
        "remedy": one.remedy or None,
    }


def _show(checked: Sequence[Checked]) -> None:
    """Print what needs somebody, the gravest first; then how many are well."""
    well = [one for one in checked if one.state is State.OK]
    for state in reversed(State):
        for one in checked:
            if one.state is state and state is not State.OK:
                print(f"{state}: {one.id} ({one.area}): {clean(one.what)}")
                if one.remedy:
                    print(f"  what to do: {clean(one.remedy)}")
    for one in well:
        if one.id.startswith(ACTIVE):
            print(f"{one.state}: {one.id}: {clean(one.what)}")
    print(f"{len(well)} checks are well. All of them: hubctl doctor --json")
