"""`hubctl audit export`: a file of records that proves itself on any machine.

Laws:
1. Each record is checked against the one before while it is written. Broken evidence makes no file.
2. The running hubd signs both ends, and records who took them. Without it the file says that nobody
   signed.
3. The file is there as a whole, for this user alone, or not at all.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from hubcore.errors import AuditError, FrameError
from hubcore.evidence.export import UNSIGNED, Ends, read_end, write_begin, write_record
from hubcore.evidence.records import Head, StoredRecord, facts, follows
from hubctl.answers import ask, print_json
from hubctl.client import NoAnswer
from hubctl.commands.audit.opening import file_option, reading
from hubctl.commands.audit.times import Times, times_options
from hubctl.evidence.reading import Row, Window, begin_of, in_window
from hubctl.options import JSON, SOCKET
from hubterm.files import whole_file
from hubterm.progress import Progress
from hubterm.speaking import end_with_error
from hubterm.text import clean

NICER = 10
"""Doors come first, also while evidence is copied."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What stands at the end of an export. `why`: why nobody signed it, "" when the hub did."""

    document: bytes
    why: str = ""


@click.command()
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@file_option
@times_options
@JSON
@SOCKET
@click.pass_obj
def export(
    socket: Path,
    target: Path,
    path: Path,
    since: float | None,
    until: float | None,
    as_json: bool,
) -> None:
    """Write records into FILE, which proves itself: `hubctl audit verify --export FILE`.

    All records, or those from the first since a time to the last before one. The running hub signs
    them, and records who took them. With hubd down the file is made unsigned, and says so.
    Ids of persons stand in it as in the evidence.
    """
    if _is_evidence(target, path):
        raise click.UsageError("FILE is the evidence itself: name another file.")
    os.nice(NICER)
    times = Times.of(since, until)
    with (
        reading(path, as_json) as connection,
        Progress("records written", as_json=as_json) as shown,
    ):
        found, before = begin_of(connection, times.since_ms, times.until_ms)
        count = found.last - found.first + 1
        if count < 1:
            shown_path = clean(str(path))
            end_with_error("no-record", f"{shown_path}: no record is of that time", as_json)
        rows = shown.over(_checked(connection, found, before), count)
        try:
            with whole_file(target) as file:
                ends = _write(file, rows, before)
                sealed = _seal(socket, ends)
                file.write(sealed.document)
        except OSError as error:
            sentence = f"{clean(str(target))} cannot be written: {error.strerror or error}"
            end_with_error("unwritable", sentence, as_json)
    _say(target, ends, sealed, as_json)


def _is_evidence(target: Path, path: Path) -> bool:
    """Tell whether a file of this name would take the place of the evidence, or of a part of it."""
    parts = {path.name, f"{path.name}-wal", f"{path.name}-shm"}
    return target.name in parts and target.parent.resolve() == path.parent.resolve()


def _checked(connection: sqlite3.Connection, found: Window, before: Head) -> Iterator[Row]:
    """Yield the records, each of which follows. Raise AuditError."""
    at = before
    for row in in_window(connection, found):
        follows(at, StoredRecord(row.number, row.body, row.hash))
        at = Head(row.number, row.hash)
        try:
            said_ms = facts(row.body)["at"]
        except AuditError as error:
            raise AuditError(f"record {row.number}: {error}") from error
        if said_ms != row.at_ms:
            raise AuditError(f"record {row.number} is filed under another time than it says")
        yield row


def _write(file: BinaryIO, rows: Iterator[Row], before: Head) -> Ends:
    """Write all but the end. Raise OSError, AuditError."""
    file.write(write_begin(before))
    last = before
    for row in rows:
        file.write(write_record(StoredRecord(row.number, row.body, row.hash)))
        last = Head(row.number, row.hash)
    return Ends(before, last)


def _seal(socket: Path, ends: Ends) -> Sealed:
    """Have the running hub sign both ends."""
    try:
        answer = ask(
            socket,
            "seal-export",
            first=ends.before.number + 1,
            before=ends.before.hash.hex(),
            last=ends.last.number,
            hash=ends.last.hash.hex(),
        )
        document = bytes.fromhex(answer["seal"]) + bytes.fromhex(answer["certificate"])
        read_end(document)
        return Sealed(document)
    except NoAnswer as error:
        return Sealed(UNSIGNED, str(error))
    except (ValueError, FrameError):  # else nobody could read the file
        return Sealed(UNSIGNED, "hubctl does not understand hubd's answer")


def _say(target: Path, ends: Ends, sealed: Sealed, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": clean(str(target)),
                "records": ends.count,
                "first": ends.before.number + 1,
                "head": str(ends.last),
                "signed": not sealed.why,
                "why_unsigned": sealed.why or None,
            }
        )
        return
    print(
        f"{clean(str(target))}: {ends.count} records, {ends.before.number + 1} to "
        f"{ends.last.number}."
    )
    print(f"head {ends.last}")
    if sealed.why:
        print(f"Not signed: {clean(sealed.why)}")
    else:
        print("The hub signed it, and recorded who took it.")
    print(f"To check it anywhere: hubctl audit verify --export {clean(str(target))} --issuer KEY")
