"""`python -m hubd.secure`: drives every configured strike inactive, once, whatever has died before (ExecStopPost=).

Laws: no line is ever driven active; each strike is tried, whatever became of the others; what is wrong in the
configuration costs the strikes it is wrong about, and only those; a line that a living guard holds is left to it and
told. Nothing of the daemon is loaded, so that this takes a fraction of a second. Exit status: 0 every
strike was driven inactive, 69 one was not, 78 the configuration could not be read.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from drivers.guardwire import LinesFactory, StrikeLine
from drivers.lines import open_lines
from hubd.errors import HardwareError

EX_UNAVAILABLE, EX_CONFIG = 69, 78

Say = Callable[[str], None]


class _Line(Struct):
    chip: str
    line: int | str
    active_low: bool = False


class _File(Struct):
    doors: list[Any]


class _Door(Struct):
    strike: _Line


def main() -> None:
    """Read the file, drive the lines."""
    parser = argparse.ArgumentParser("hubd.secure", description="Drive every strike inactive, once.")
    parser.add_argument("--config", type=Path, default=Path("/etc/hubd/hubd.toml"), help="default: %(default)s")
    sys.exit(run(parser.parse_args().config, open_lines, lambda text: print(f"hubd: {text}", file=sys.stderr)))  # noqa: T201


def run(file: Path, open_lines: LinesFactory, say: Say) -> int:
    """Drive every strike of the file inactive; `say` hears one sentence for each that was not. Return the status."""
    try:
        doors = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _File).doors
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        say(f"{file}: no strike could be driven inactive, the file does not say which there are: {error}")
        return EX_CONFIG
    done = 0
    for index, door in enumerate(doors):
        try:
            line = msgspec.convert(door, _Door).strike
            open_lines([StrikeLine(line.chip, line.line, line.active_low)]).close()
            done += 1
        except msgspec.ValidationError as error:
            say(f"{file}: key doors[{index}]: {error}")
        except HardwareError as error:
            say(str(error))
    say(f"strikes driven inactive: {done} of {len(doors)}")
    return 0 if done == len(doors) else EX_UNAVAILABLE


if __name__ == "__main__":
    main()
