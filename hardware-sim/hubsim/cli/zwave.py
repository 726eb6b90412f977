"""`hubsim zwave`: a Z-Wave network without radio, with the real service in front of it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import click

from hubcore.errors import ConfigError
from hubsim.zwave.modules import find_modules
from hubsim.zwave.network import ZwaveNetwork

NODES = """\
node  what it is
2     door lock; its bolt travels for 1.5 s
3     shutter (Window Covering), 3 s
4     shutter (Multilevel Switch), 3 s
5     door contact, with a battery
6     door lock that says nothing of what it does, and jams
7     relay (Binary Switch)
8     door lock with a timer of its own
9     meter
10    garage door (Barrier Operator), open, 1.5 s
11    sensor of smoke, CO, water, motion, a door, temperature, light and humidity
"""
COMMANDS = """\
jam NODE on|off       a lock takes commands and does not move
fail NODE on|off      a lock refuses
dead NODE on|off      a node does not answer
hand NODE lock|unlock somebody locks or unlocks by hand
says NODE EVENT       a notification: 11 is jammed
door open|closed      the contact of node 5
battery PERCENT       of node 2
stick out|in          the stick is pulled, or plugged in
service kill|start    the program between hubd and the stick
quit
"""
SWITCHED = {"on": "1", "off": "0"}
MODES = {"lock": "255", "unlock": "0"}
CONTACT = {"open": "1", "closed": "0"}


@click.command()
@click.option(
    "--at",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where its socket and its logs are; else a passing folder.",
)
def zwave(folder: Path | None) -> None:
    """Run a Z-Wave network: locks, shutters, sensors, and their faults by commands.

    The service listens on the socket that it names. Lines on standard input make faults.
    """
    try:
        modules = find_modules()
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        asyncio.run(_run(modules, folder.absolute()))
        return
    with tempfile.TemporaryDirectory(prefix="hubsim-zwave-") as passing:
        asyncio.run(_run(modules, Path(passing)))


async def _run(modules: Path, folder: Path) -> None:
    print("starting, some 5 s ...", flush=True)
    async with ZwaveNetwork(modules, folder) as network:
        print(f"{NODES}\n{COMMANDS}\nthe service listens at {network.socket}", flush=True)
        stdin = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        while line := await stdin.readline():
            words = line.decode(errors="replace").split()
            if words == ["quit"]:
                return
            print(await obey(network, words), flush=True)


async def obey(network: ZwaveNetwork, words: list[str]) -> str:
    """Do what a line says; return what to print."""
    match words:
        case ["stick", "out"]:
            await network.stop("mock")
        case ["stick", "in"]:
            await network.start("mock")
        case ["service", "kill"]:
            await network.stop("service")
        case ["service", "start"]:
            await network.start("service")
        case _:
            path = path_of(words)
            if path is None:
                return COMMANDS
            await network.disturb(path)
    return "done"


def path_of(words: list[str]) -> str | None:
    """Return what the mock is asked for by a line, None for a line that is none."""
    match words:
        case [("jam" | "fail" | "dead") as what, node, state] if state in SWITCHED:
            path = f"/{what}?node={node}&on={SWITCHED[state]}"
        case ["hand", node, move] if move in MODES:
            path = f"/manual?node={node}&mode={MODES[move]}"
        case ["says", node, event] if event.isdecimal():
            path = f"/notify?node={node}&event={event}"
        case ["door", state] if state in CONTACT:
            return f"/door?open={CONTACT[state]}"
        case ["battery", level] if level.isdecimal():
            return f"/battery?level={level}"
        case _:
            return None
    return path if words[1] in ("2", "3", "4", "5", "6", "7", "8", "9") else None
