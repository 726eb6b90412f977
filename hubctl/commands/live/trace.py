"""`hubctl trace`: the last unlocks, step by step."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hubcore.timing.steps import UnlockStep
from hubctl.answers import ask, ask_or_end, fail, print_json
from hubctl.client import NoAnswer
from hubctl.denials import SAID
from hubctl.doors.nearby import id_of, no_such_door
from hubctl.options import JSON, SOCKET
from hubterm.exits import OK
from hubterm.shapes import mappings
from hubterm.text import clean, is_number, moment

LAST = 1
LAST_MAX = 64
FOLLOW_SECONDS = 1.0
STEPS: Mapping[str, str] = {
    UnlockStep.CONNECTED: "the phone connected",
    UnlockStep.CHALLENGE: "it read its challenge",
    UnlockStep.LAST_BYTE: "the last byte of its request came",
    UnlockStep.UNSEALED: "the request was opened (RSA)",
    UnlockStep.DECIDED: "it was decided",
    UnlockStep.RECORDED: "the record was on the disk",
    UnlockStep.STRIKE_ASKED: "the strike was asked to move",
    UnlockStep.STRIKE_ANSWERED: "the strike had moved",
    UnlockStep.VERDICT_SENT: "the verdict went to the radio",
    UnlockStep.DOOR_OPENED: "the door was seen open",
}
"""What each step means, by its code. A code that is new is shown as it is."""


@click.command()
@click.argument("door", metavar="[DOOR]", required=False)
@click.option(
    "--last",
    type=click.IntRange(1, LAST_MAX),
    default=LAST,
    show_default=True,
    help="How many unlocks.",
)
@click.option("--follow", is_flag=True, help="Each one as it happens, until Ctrl-C.")
@JSON
@SOCKET
@click.pass_obj
def trace(path: Path, door: str | None, last: int, follow: bool, as_json: bool) -> None:
    """Show the last unlock step by step, with times: phones, cards and the backend's releases.

    Nobody is named. hubd keeps the last 32 that let somebody in, and the last 24 others.
    """
    asked: dict[str, Any] = {"last": last}
    if door is not None:
        doors = ask_or_end(path, "doors", as_json)["doors"]
        asked["door"] = id_of(door, doors) or no_such_door(door, doors, as_json)
    if follow:
        _follow(path, asked, as_json)
    answer = ask_or_end(path, "trace", as_json, **asked)
    if as_json:
        print_json(answer)
        return
    unlocks = mappings(answer.get("unlocks"))
    if not unlocks:
        print("Nobody has asked for a door since hubd started.")
    for unlock in reversed(unlocks):
        _show(unlock)


def _follow(path: Path, asked: dict[str, Any], as_json: bool) -> None:
    """Show the last ones, and then each unlock once, when it has ended."""
    shown: set[float] | None = None
    everything = {**asked, "last": LAST_MAX}
    try:
        while True:
            try:
                unlocks = mappings(ask(path, "trace", **everything).get("unlocks"))
            except NoAnswer as error:
                fail(error, as_json)
            if shown is None:
                shown = _numbers(unlocks[asked["last"] :])
            shown = still_kept(unlocks, shown)
            for unlock in new_ones(reversed(unlocks), shown):
                shown.add(unlock["number"])
                if as_json:
                    print_json({"unlock": unlock})
                else:
                    _show(unlock)
            sys.stdout.flush()
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        sys.exit(OK)


def _numbers(unlocks: Sequence[Mapping[str, Any]]) -> set[float]:
    return {one["number"] for one in unlocks if is_number(one.get("number"))}


def still_kept(unlocks: Sequence[Mapping[str, Any]], shown: set[float]) -> set[float]:
    """Return the shown ones that hubd still has; none, once a new hubd counts from 1 again."""
    return shown & _numbers(unlocks)


def new_ones(
    unlocks: Iterator[Mapping[str, Any]], shown: set[float]
) -> Iterator[Mapping[str, Any]]:
    """Yield those that have ended and were not shown, in the order given.

    A quick refusal may end before an unlock that began earlier.
    """
    for unlock in unlocks:
        number = unlock.get("number")
        if is_number(number) and number not in shown and unlock.get("over") is True:
            yield unlock


def _show(unlock: Mapping[str, Any]) -> None:
    print("\n".join(lines_of(unlock)))


def lines_of(unlock: Mapping[str, Any]) -> Sequence[str]:
    """Return what people read of one unlock: a head, and a line a step."""
    result = clean(unlock.get("result"))
    why = "granted" if result == "granted" else f"refused: {_why(result)}"
    where = clean(unlock.get("door") or f"access point {clean(unlock.get('point'))}")
    head = f"{moment(unlock.get('at'))}  {where}, by {clean(unlock.get('by'))}: {why}"
    total = unlock.get("total_ms")
    if is_number(total):
        head += f", answered after {total:.1f} ms"
    return [head, *_steps(mappings(unlock.get("steps")))]


def _why(result: str) -> str:
    said = SAID.get(result)
    return result if said is None else said.why


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    before = 0.0
    for step in steps:
        code = clean(step.get("step"))
        at = step.get("ms")
        if not is_number(at):
            yield f"  {'not measured':>14}             {STEPS.get(code, code)}"
            continue
        yield f"  {at:>11.1f} ms  {at - before:>+9.1f}  {STEPS.get(code, code)}"
        before = at
