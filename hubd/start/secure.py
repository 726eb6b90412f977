"""`python -m hubd.start.secure`: drives every configured strike inactive, once, whatever has died
(ExecStopPost=).

It also says what ended a start that systemd refused: nobody else is left to tell.

Laws: no line is ever driven active; each strike is tried, whatever became of the others; what is
wrong in the configuration costs the strikes it is wrong about, and only those; a line that a living
guard holds is left to it and told; that nobody can be told stops nothing. Nothing of the daemon is
loaded, so that this takes a fraction of a second. Exit status: 0 every strike was driven inactive,
69 one was not, 78 the configuration could not be read.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from drivers.gpio.lines import open_lines
from drivers.strike.wire import LinesFactory, StrikeLine
from hubcore.errors import HardwareError
from hubd.output import as_tool, complain, prepare

EX_UNAVAILABLE = 69
EX_CONFIG = 78
EXIT_CREDENTIALS = "243"
"""systemd.exec(5), EXIT_CREDENTIALS, as $EXIT_STATUS has it."""
DEFAULT_CONFIG = Path("/etc/hubd/hubd.toml")

Say = Callable[[str], None]


class _Line(Struct):
    chip: str
    line: int | str
    active_low: bool = False


class _File(Struct):
    doors: list[Any]


class _Door(Struct):
    strike: _Line


class _Strike(_Line, tag_field="kind", tag="strike"):
    """A mover of the only kind that is driven from here."""


def main() -> None:
    """Read the file, drive the lines."""
    prepare()
    parser = argparse.ArgumentParser(
        "hubd.start.secure", description="Drive every strike inactive, once."
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    file = as_tool("hubd.start.secure", parser.parse_args).config
    _say(keys_not_handed_over(os.environ, file))
    sys.exit(run(file, open_lines, _say))


def _say(text: str) -> None:
    if text:
        complain(f"hubd: {text}")


def keys_not_handed_over(environment: Mapping[str, str], file: Path) -> str:
    """Return a sentence when systemd could not hand over a key (status=243/CREDENTIALS), ''
    otherwise.

    systemd.exec(5): ExecStopPost= finds in its environment how the main process ended, here before
    it was hubd.
    """
    if environment.get("EXIT_STATUS") != EXIT_CREDENTIALS:
        return ""
    config = "" if file == DEFAULT_CONFIG else f" --config {file}"
    return (
        "systemd could not hand over the keys (status=243/CREDENTIALS), so hubd did not "
        "start; which key and why says: "
        f"sudo {Path(sys.executable).with_name('hubd')} --check-config{config}; then: sudo "
        "systemctl restart hubd"
    )


def run(file: Path, open_lines: LinesFactory, say: Say) -> int:
    """Drive every strike of the file inactive; `say` hears one sentence for each that was not.

    Return the status.
    """
    try:
        doors = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _File).doors
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        say(
            f"{file}: no strike could be driven inactive, the file does not say which there "
            f"are: {error}"
        )
        return EX_CONFIG
    strikes = [strike for index, door in enumerate(doors) for strike in _strikes(door, index)]
    done = 0
    for strike in strikes:
        try:
            line = strike.read()
            open_lines([StrikeLine(line.chip, line.line, line.active_low)]).close()
            done += 1
        except msgspec.ValidationError as error:
            say(f"{file}: {strike.name}: {error}")
        except HardwareError as error:
            say(str(error))
    say(f"strikes driven inactive: {done} of {len(strikes)}")
    return 0 if done == len(strikes) else EX_UNAVAILABLE


class _Found(NamedTuple):
    """A strike as the file has it: how to name it, and what reads its line or raises
    msgspec.ValidationError.
    """

    name: str
    read: Callable[[], _Line]


def _strikes(door: object, index: int) -> Iterator[_Found]:
    """Yield the strikes of a door; one that has neither short form nor list is wrong about its
    strike.
    """
    name = _name(door, index)
    movers = door.get("movers") if isinstance(door, dict) else None
    if not movers or (isinstance(door, dict) and "strike" in door):
        yield _Found(name, lambda: msgspec.convert(door, _Door).strike)
    if isinstance(movers, list):
        for number, mover in enumerate(movers):
            yield _Found(
                f"{name}, [[doors.movers]] number {number + 1}",
                partial(msgspec.convert, mover, _Strike),
            )
    elif movers:
        yield _Found(name, partial(msgspec.convert, movers, list[_Strike]))


def _name(door: object, index: int) -> str:
    """Name a door as the file does: by its id or by its place."""
    identity = door.get("id") if isinstance(door, dict) else None
    if isinstance(identity, str):
        return f"door {identity!r}"[:80]
    return f"[[doors]] number {index + 1}"


if __name__ == "__main__":
    main()
