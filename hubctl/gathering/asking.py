"""Parts of a bug report that are documents: hubd's, the doctor's, the configuration, the log."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from hubctl.answers import ask
from hubctl.client import NoAnswer
from hubctl.gathering.redacting import Redactor, config
from hubctl.gathering.running import Output, Run
from hubterm.files import read_ordinary

CONFIG_BYTES_MAX = 1 << 20
JOURNAL_LINES = 1000
JOURNAL_CHARS_MAX = 200_000
SYSTEMD = "systemd"
NOT_HUBDS = "(a line that is not hubd's JSON, left out)"


def status(socket: Path, redactor: Redactor) -> Output:
    """Ask the running hubd how the hub is."""
    try:
        said = ask(socket, "status")
    except NoAnswer as error:
        return Output("", redactor.text(str(error)))
    return Output(_pretty(redactor.document(said)))


def document_of(said: Output, redactor: Redactor) -> Output:
    """Return the JSON document that a program printed."""
    try:
        # what is on standard error comes after the document
        document, _ = json.JSONDecoder().raw_decode(said.text.lstrip())
    except (ValueError, RecursionError):
        return Output("", said.trouble or "it printed no JSON")
    trouble = "" if "ended with status" in said.trouble else said.trouble
    return Output(_pretty(redactor.document(document)), trouble)


def configuration(path: Path, redactor: Redactor) -> Output:
    """Show what may be shown of the configuration. Raise OSError."""
    said, _ = read_config(path)
    return Output(_pretty(redactor.document(said)))


def read_config(path: Path) -> tuple[dict[str, Any], set[str]]:
    """Return what may be shown, and what is to be left out everywhere.

    Raise OSError, or ValueError without a word of the file.
    """
    text = read_ordinary(path, CONFIG_BYTES_MAX)
    try:
        said = tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        # from None: the parser's error holds words of the file
        raise ValueError("the configuration is no TOML; hubd --check-config says where") from None
    return config(said)


def journal(run: Run, redactor: Redactor) -> Output:
    """Return the last lines of hubd: those of hubd's JSON, and those of systemd about it."""
    fields = "MESSAGE,SYSLOG_IDENTIFIER,PRIORITY"
    command = (
        "journalctl", "--no-pager", "-q", "-r", "-u", "hubd", "-n", str(JOURNAL_LINES),
        "-o", "json", f"--output-fields={fields}",
    )  # fmt: skip
    said = run(command, 20.0)
    lines: list[str] = []
    room = JOURNAL_CHARS_MAX
    trouble = said.trouble
    for entry in said.text.splitlines():  # the newest first
        line = _line(entry, redactor) if entry.startswith("{") else ""
        room -= len(line) + 1
        if room < 0:
            trouble = trouble or f"only the newest {len(lines)} lines are here"
            break
        if line:
            lines.append(line)
    lines.reverse()
    if not lines and not trouble:
        trouble = "no line was seen; as root, or in group systemd-journal, more can be seen"
    return Output("\n".join(lines), trouble)


def _line(line: str, redactor: Redactor) -> str:
    try:
        entry = json.loads(line)
        at = f"{int(entry['__REALTIME_TIMESTAMP']) / 1e6:.3f}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return NOT_HUBDS
    message = entry.get("MESSAGE")
    if not isinstance(message, str):
        return f"{at} {NOT_HUBDS}"
    if entry.get("SYSLOG_IDENTIFIER") == SYSTEMD:
        return f"{at} {SYSTEMD}: {redactor.text(message[:500])!r}"
    return f"{at} {redactor.line(message) or NOT_HUBDS}"


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=True)
