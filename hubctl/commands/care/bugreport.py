"""`hubctl bugreport`: gathers what somebody far away needs to know of a hub in trouble.

Laws:
1. It is made, whatever is broken: a part that fails is listed with its failure.
2. No secret and no person is in it (`hubctl.gathering.redacting`).
3. The file is there as a whole, or not at all.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubcore.timing.moment import show_seconds
from hubctl.answers import ask, print_json
from hubctl.client import NoAnswer
from hubctl.gathering.archive import write
from hubctl.gathering.asking import read_config
from hubctl.gathering.collecting import COLLECTORS, Machine, Part, collect_all
from hubctl.gathering.redacting import PERSONAL, Redactor
from hubctl.gathering.running import Begun, TooLong
from hubctl.options import JSON, SOCKET
from hubterm.files import whole_file
from hubterm.progress import Progress
from hubterm.speaking import end_with_error
from hubterm.text import clean

CONFIG = Path("/etc/hubd/hubd.toml")
STATE = Path("/var/lib/hubd")
ANSWER_SECONDS = 10.0
READ_SECONDS = 10.0
"""A file on a dead disk gives nothing, and a FIFO waits for a writer."""
NICER = 10
"""Doors come first, also while a report is made."""


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), default=CONFIG, show_default=True)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help=f"The state directory; without it, that of the configuration, or {STATE}.",
)
@JSON
@SOCKET
@click.pass_obj
def bugreport(
    path: Path, file: Path | None, config: Path, state: Path | None, as_json: bool
) -> None:
    """Write a report of this hub to FILE, for whoever is to help.

    It works with hubd down and without root, and says what it could not see. Keys, names and ids
    of persons are left out. FILE is a .tar.gz; without it the report lies in this folder.
    """
    at = time.time()
    target = file or Path(f"hubd-bugreport-{show_seconds(at).replace(':', '')}.tar.gz")
    os.nice(NICER)
    setting, words = learn(path, config)
    machine = Machine(path, config, state or setting, redactor=Redactor(words))
    try:
        with whole_file(target) as opened:
            parts = gather(machine, as_json)
            write(opened, parts, at)
    except OSError as error:
        sentence = f"{clean(str(target))} cannot be written: {error.strerror or error}"
        end_with_error("unwritable", sentence, as_json)
    if as_json:
        print_json({"file": str(target), "parts": [_document(part) for part in parts]})
    else:
        _say(target, parts)


def learn(socket: Path, config: Path, read_seconds: float = READ_SECONDS) -> tuple[Path, set[str]]:
    """Return the state directory, and the words that stand for somebody, such as names of doors."""
    asked = Begun(lambda: ask(socket, "status"))
    reading = Begun(lambda: read_config(config))
    state = STATE
    words: set[str] = set()
    with contextlib.suppress(OSError, ValueError, TooLong):
        said, left_out = reading.result(read_seconds)
        words |= left_out
        match said.get("hub"):
            case {"state_directory": str(named)}:
                state = Path(named)
    with contextlib.suppress(NoAnswer, TooLong):
        _names(asked.result(ANSWER_SECONDS), words)
    return state, words


def _names(value: Any, words: set[str]) -> None:
    match value:
        case Mapping():
            for key, item in value.items():
                if key in PERSONAL and isinstance(item, str):
                    words.add(item)
                _names(item, words)
        case list():
            for item in value:
                _names(item, words)


def gather(machine: Machine, as_json: bool) -> list[Part]:
    """Return the parts; a terminal shows how far it is."""
    parts: list[Part] = []
    with Progress("parts gathered", as_json=as_json) as shown:
        for part in collect_all(machine, COLLECTORS):
            parts.append(part)
            shown.show(len(parts), len(COLLECTORS))
    return parts


def _document(part: Part) -> dict[str, Any]:
    return {
        "file": part.file,
        "state": state_of(part),
        "bytes": len(part.text.encode()),
        "why": part.trouble or None,
    }


def state_of(part: Part) -> str:
    """Return how a part came out: `ok`, `partial` or `failed`."""
    if not part.trouble:
        return "ok"
    return "partial" if part.text else "failed"


def _say(target: Path, parts: list[Part]) -> None:
    there = sum(bool(part.text) for part in parts)
    print(f"{clean(str(target))}: {there} parts; its INDEX.txt lists them.")
    print("Look it through before you send it.")
    for part in parts:
        if part.trouble:
            print(f"{state_of(part)}: {part.file}: {part.trouble}")
