"""What systemd and the journal say of a hubd that does not answer.

Law: each program has a time limit, and one that is not there or may not say it leaves a gap.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from hubctl.gathering.running import Run
from hubterm.text import clean

SECONDS = 3.0
LINES = 3
LINE_CHARS_MAX = 300
PROPERTIES = "LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts"
SHOW = ("systemctl", "show", "hubd.service", "-p", PROPERTIES)
JOURNAL = (
    "journalctl", "-q", "--no-pager", "-u", "hubd", "-p", "warning", "-n", str(LINES),
    "-o", "json", "--output-fields=MESSAGE",
)  # fmt: skip


class Unit(NamedTuple):
    """`state`: "" where systemd says nothing. `lines`: its last warnings, oldest first."""

    state: str
    lines: tuple[str, ...]


def look(run: Run) -> Unit:
    """Ask both."""
    said = run(SHOW, SECONDS)
    pairs = (line.partition("=") for line in said.text.splitlines())
    found = {name: clean(value) for name, _, value in pairs if name in PROPERTIES.split(",")}
    lines = tuple(_messages(run(JOURNAL, SECONDS).text))[-LINES:]
    return Unit(_state(found), lines)


def _state(found: dict[str, str]) -> str:
    active = found.get("ActiveState")
    if active is None:
        return ""
    if found.get("LoadState") == "not-found":
        return "there is no unit hubd.service on this machine"
    said = [f"{active} ({found.get('SubState', '-')})"]
    if found.get("Result") not in (None, "success"):
        status = found.get("ExecMainStatus", "-")
        said.append(f"it ended with {found['Result']}, status {status}")
    restarts = found.get("NRestarts", "0")
    if restarts != "0":
        said.append(f"started again {restarts} times")
    return ", ".join(said)


def _messages(text: str) -> Iterator[str]:
    for line in text.splitlines():
        try:
            message = json.loads(line)["MESSAGE"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(message, str):
            yield clean(message[:LINE_CHARS_MAX])
