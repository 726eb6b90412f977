"""`python -m hubd.start.secure` secures every configured mover, whatever has died (ExecStopPost=).

It also says what ended a start that systemd refused, since no hubd is there to say it.

Laws:
1. No mover is ever driven active.
2. Each mover is tried, whatever became of the others.
3. What is wrong in the configuration costs the movers it is wrong about, and only those.
4. A line that a living guard holds is left to it, with a sentence.
5. That nobody hears the sentences stops nothing.
6. Nothing of the daemon is loaded, so that this takes a fraction of a second.

Exit status: 0 every mover was secured, 69 one was not, 78 the configuration could not be read.
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

from hubcore.errors import ConfigError, HardwareError
from hubd.wiring.securing import Securing
from hubterm.output import as_tool, complain, prepare

EX_UNAVAILABLE = 69
EX_CONFIG = 78
EXIT_CREDENTIALS = "243"
"""systemd.exec(5), EXIT_CREDENTIALS, as $EXIT_STATUS has it."""
DEFAULT_CONFIG = Path("/etc/hubd/hubd.toml")
_NAME_CHARS_MAX = 80

Say = Callable[[str], None]


def main() -> None:
    """Read the file, secure the movers."""
    prepare()
    parser = argparse.ArgumentParser(
        "hubd.start.secure", description="Drive every strike inactive, once."
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    file = as_tool("hubd.start.secure", parser.parse_args).config
    _say(keys_not_handed_over(os.environ, file))
    sys.exit(run(file, Securing(), _say))


def _say(text: str) -> None:
    if text:
        complain(f"hubd: {text}")


def keys_not_handed_over(environment: Mapping[str, str], file: Path) -> str:
    """Return a sentence when systemd could not hand over a key (status=243/CREDENTIALS), else ''.

    systemd.exec(5): the environment of ExecStopPost= says how the main process ended. With this
    status it ended before it was hubd.
    """
    if environment.get("EXIT_STATUS") != EXIT_CREDENTIALS:
        return ""
    hubd = Path(sys.executable).with_name("hubd")
    config = "" if file == DEFAULT_CONFIG else f" --config {file}"
    return (
        "systemd could not hand over the keys (status=243/CREDENTIALS), "
        f"so hubd did not start; which key and why says: sudo {hubd} --check-config{config}; "
        "then: sudo systemctl restart hubd"
    )


def run(file: Path, securing: Securing, say: Say) -> int:
    """Secure every mover of the file; `say` hears a sentence for each one that was not.

    Return the exit status.
    """
    try:
        doors = _doors(file)
    except ConfigError as error:
        say(
            f"{file}: no strike could be driven inactive, "
            f"the file does not say which there are: {error}"
        )
        return EX_CONFIG
    movers: list[_MoverInFile] = []
    for index, door in enumerate(doors):
        movers += _movers(door, index, securing)
    done = 0
    for mover in movers:
        try:
            mover.secure()
            done += 1
        except ConfigError as error:
            say(f"{file}: {mover.name}: {error}")
        except HardwareError as error:
            say(str(error))
    say(f"strikes driven inactive: {done} of {len(movers)}")
    return 0 if done == len(movers) else EX_UNAVAILABLE


class _File(Struct):
    """All that is asked of the file as a whole."""

    doors: list[Any]


def _doors(file: Path) -> list[Any]:
    """Return the doors of the file, none of them checked. Raise ConfigError."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
        return msgspec.convert(raw, _File).doors
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(str(error)) from error


class _MoverInFile(NamedTuple):
    """A mover as the file has it: how to name it, and what secures it or raises HubError."""

    name: str
    secure: Callable[[], None]


def _movers(door: object, index: int, securing: Securing) -> Iterator[_MoverInFile]:
    """Yield the movers of a door; a door with neither form has a wrong strike."""
    keys = door if isinstance(door, dict) else {}
    name = _name(keys, index)
    listed = keys.get("movers")
    if "strike" in keys or not listed:
        yield _MoverInFile(name, partial(securing.short_form, door))
    if not listed:
        return
    if not isinstance(listed, list):
        yield _MoverInFile(name, partial(_no_array, listed))
        return
    for number, table in enumerate(listed, 1):
        of_list = f"{name}, [[doors.movers]] number {number}"
        yield _MoverInFile(of_list, partial(securing.mover, table))


def _no_array(found: object) -> None:
    try:
        msgspec.convert(found, list[Any])
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error


def _name(door: Mapping[str, object], index: int) -> str:
    """Name a door as the file does: by its id or by its place."""
    identity = door.get("id")
    if isinstance(identity, str):
        return f"door {identity!r}"[:_NAME_CHARS_MAX]
    return f"[[doors]] number {index + 1}"


if __name__ == "__main__":
    main()
