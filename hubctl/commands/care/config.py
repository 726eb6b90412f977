"""`hubctl config`: what hubd makes of its configuration, with hubd up or down.

Laws:
1. hubd's own program reads the file: `hubd --check-config` and `hubd --show-config`.
2. Exit status: 0 all is right, 1 something is wrong or the file is refused. A program that gives no
   answer is neither.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import print_json
from hubctl.options import JSON
from hubterm.ending import end_with_error
from hubterm.exits import NO, OK
from hubterm.text import clean

SECONDS = 60
CONFIG = Path("/etc/hubd/hubd.toml")
REFUSED = 78
"""hubd's exit status for a configuration that it does not start with (sysexits.h)."""
WELL = ("fact", "look at")
"""The kinds of findings that do not speak against a start."""

_file = click.option(
    "--file",
    "config",
    type=click.Path(path_type=Path),
    default=CONFIG,
    show_default=True,
    help="The configuration.",
)


@click.command()
@_file
@JSON
def check(config: Path, as_json: bool) -> None:
    """Check configuration, keys and machine, as a start would. It starts nothing.

    Exit status 1 when something is wrong. As root it sees more.
    """
    findings = [
        {"kind": one.get("kind"), "about": one.get("about"), "text": one.get("text")}
        for one in _tables(_answer("--check-config", config, as_json), as_json)
    ]
    is_right = all(one["kind"] in WELL for one in findings)
    if as_json:
        print_json({"file": str(config), "right": is_right, "findings": findings})
    else:
        for one in findings:
            print(f"{clean(one['kind'])}: {clean(one['about'])}: {clean(one['text'])}")
    sys.exit(OK if is_right else NO)


@click.command()
@_file
@JSON
def show(config: Path, as_json: bool) -> None:
    """Show each setting that a start would use, and which are defaults.

    Keys are shown by the name of their file, never by what it holds.
    """
    answer = _answer("--show-config", config, as_json)
    settings = _tables(answer.get("settings") if isinstance(answer, dict) else None, as_json)
    if as_json:
        print_json({"file": str(config), "settings": settings})
        return
    for one in settings:
        where = "" if one.get("from") == "file" else "  (default)"
        print(f"{clean(one.get('key'))} = {clean(one.get('value'))}{where}")


def _answer(option: str, config: Path, as_json: bool) -> Any:
    """Ask hubd's program, or end with a sentence."""
    # isolated: neither the working folder nor PYTHONPATH says what root runs
    command = [sys.executable, "-I", "-m", "hubd", option, "--json", "--config", str(config)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=SECONDS)
        if not done.stdout and done.returncode == REFUSED:
            why = done.stderr.decode(errors="replace").strip().removeprefix("hubd: ")
            end_with_error("config-refused", why, as_json)
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        end_with_error("timeout", f"hubd {option} did not end within {SECONDS} s", as_json)
    except (OSError, ValueError, RecursionError) as error:
        why = f"hubd {option} gave no answer that hubctl understands: {clean(str(error))}"
        end_with_error("protocol", why, as_json)


def _tables(found: object, as_json: bool) -> list[Mapping[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        end_with_error("protocol", "hubd printed something else than a list", as_json)
    return found
