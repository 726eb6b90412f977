"""`hubctl zwave include|exclude` and `hubctl zwave NODE ping|heal|remove-failed`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.commands.look.zwave import chosen
from hubctl.options import JSON, SOCKET, Named
from hubctl.things.acting import perform
from hubctl.things.zwave import lines_to_add, warning_of
from hubterm.exits import NO, OK
from hubterm.output import complain
from hubterm.text import clean


@click.command()
@click.option("--pin", metavar="12345", help="The first five digits of the key on the device.")
@click.option("--dsk", metavar="KEY", help="The whole key on the device: 12345-12345-...")
@JSON
@SOCKET
@click.pass_obj
def include(path: Path, pin: str | None, dsk: str | None, as_json: bool) -> None:
    """Take the next device that asks for it into the Z-Wave network, by S2. This is recorded.

    Type this, then press the button of the device. Its key is printed on it or on its box. The
    stick listens until a device was found, for 10 minutes, until --timeout, or until Ctrl-C. Exit
    status 1 when the device came in with less security than S2: take it out again.
    """
    if (pin is None) == (dsk is None):
        raise click.UsageError(
            "Expected --pin or --dsk, from the key that is printed on the device."
        )
    key = {"pin": pin} if dsk is None else {"dsk": dsk}
    state = perform(path, as_json, act="zwave_include", **key)
    is_low = state.get("low_security") is not False
    if as_json:
        print_json(dict(state))
    else:
        print(f"Node {clean(state.get('node'))} is in the network: {clean(state.get('security'))}.")
        if is_low:
            print("It has less security than S2: the key was another one, or it has no S2.")
            print("What to do: hubctl zwave exclude, and include it again with its own key.")
        else:
            print("For hubd.toml, then: sudo systemctl restart hubd")
            print(lines_to_add(state))
    sys.exit(NO if is_low else OK)


@click.command()
@JSON
@SOCKET
@click.pass_obj
def exclude(path: Path, as_json: bool) -> None:
    """Take the next device that asks for it out of its Z-Wave network. This is recorded.

    Type this, then press the button of the device. Only a device that answers can be taken out; for
    one that is broken there is remove-failed. Says which node it was, and what hubd.toml has it as.
    Exit status 0 also when it was the lock of a door: it is done. Standard error then says so.
    """
    state = perform(path, as_json, act="zwave_exclude")
    said = f"Node {clean(state.get('node'))} was taken out of the network."
    if not state.get("node"):
        said = "A device of another network was taken out; this network has all its nodes."
    _end_gone(state, said, as_json)


@click.command(cls=Named)
@click.argument("node")
@JSON
@SOCKET
@click.pass_obj
def ping(path: Path, node: str, as_json: bool) -> None:
    """Ask NODE whether it answers. This is recorded. Exit status 1 when it does not."""
    number = _number(path, node, as_json)
    state = perform(path, as_json, act="zwave_ping", node=number)
    answers = state.get("answered") is True
    if as_json:
        print_json(dict(state))
    else:
        print(f"Node {number} {'answers' if answers else 'does not answer'}.")
    sys.exit(OK if answers else NO)


@click.command(cls=Named)
@click.argument("node")
@JSON
@SOCKET
@click.pass_obj
def heal(path: Path, node: str, as_json: bool) -> None:
    """Have NODE look for its ways through the network again. This is recorded.

    It takes up to 5 minutes of air, and may make matters worse: not regularly. Exit status 1 when
    the node did not do it.
    """
    number = _number(path, node, as_json)
    state = perform(path, as_json, act="zwave_heal", node=number)
    is_done = state.get("answered") is True
    if as_json:
        print_json(dict(state))
    elif is_done:
        print(f"Node {number} has found its ways again.")
    else:
        print(f"Node {number} did not find its ways: does it answer (hubctl zwave {number} ping)?")
    sys.exit(OK if is_done else NO)


@click.command(cls=Named)
@click.argument("node")
@JSON
@SOCKET
@click.pass_obj
def remove_failed(path: Path, node: str, as_json: bool) -> None:
    """Forget NODE, which is broken and does not answer. This is recorded.

    A node that still answers is refused: take it out by `hubctl zwave exclude`.
    """
    number = _number(path, node, as_json)
    state = perform(path, as_json, act="zwave_remove_failed", node=number)
    _end_gone(state, f"Node {number} was forgotten.", as_json)


def _number(path: Path, typed: str, as_json: bool) -> int:
    """Return the number of a node that was typed by it or by its device."""
    if typed.isascii() and typed.isdigit() and len(typed) <= 4:
        return int(typed)
    return int(chosen(ask_or_end(path, "zwave", as_json), typed, as_json)["node"])


def _end_gone(state: Mapping[str, Any], said: str, as_json: bool) -> None:
    """Say that a node is gone. It is done, so that nobody types it again: the warning is beside it.

    That a door has lost its lock is said where a pipe does not take it.
    """
    warning = warning_of(state)
    if as_json:
        print_json({**state, "warning": warning})
        return
    print(said)
    if warning is not None and warning["doors"]:
        complain(warning["message"])
    elif warning is not None:
        print(warning["message"])
