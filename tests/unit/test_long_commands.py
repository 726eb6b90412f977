"""The commands that take long, at a terminal: each shows how far it is, and Ctrl-C ends it with
130, without the line and without a half file.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hubcore.evidence.export import UNSIGNED, write_begin, write_record
from hubcore.evidence.records import Head, Record, RecordKind, StoredRecord, chain_hash
from hubctl.evidence.opening import APPLICATION_ID
from hubsim.site.carrying import write_policy_file
from hubterm.exits import INTERRUPTED
from tests.terminal import SECONDS, at_terminal
from tests.unit.test_policy_stick import SECOND

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

COUNT = 300_000
"""They take some seconds to read."""
TO_A_TERMINAL = 'exec "$@" 2>&1'
INTO_A_FILE = 'exec "$@" 2>&1 >"$OUT"'
CTRL_C = "\x03"


def records() -> Iterator[tuple[StoredRecord, int]]:
    at = Head()
    began_ms = int(time.time() * 1000) - COUNT - 60_000
    for n in range(COUNT):
        at_ms = began_ms + n
        body = Record(RecordKind.DOOR, at_ms, n, {"door": "front", "what": "opened"}).encode()
        at = Head(at.number + 1, chain_hash(at.hash, at.number + 1, body))
        yield StoredRecord(at.number, body, at.hash), at_ms


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a long log, all of it acknowledged, and an export of it."""
    folder = tmp_path_factory.mktemp("long")
    with (
        contextlib.closing(sqlite3.connect(folder / "audit.db")) as connection,
        (folder / "all.cbor").open("wb") as exported,
    ):
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 2")
        connection.execute(
            "CREATE TABLE records (number INTEGER PRIMARY KEY, at_ms INTEGER, body BLOB, hash BLOB)"
        )
        connection.execute("CREATE INDEX records_at_ms ON records (at_ms)")
        connection.execute("CREATE TABLE outbox (number INTEGER PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE acknowledged (only_row INTEGER PRIMARY KEY, number INTEGER, hash BLOB)"
        )
        exported.write(write_begin(Head()))
        rows: list[tuple[int, int, bytes, bytes]] = []
        for record, at_ms in records():
            rows.append((record.number, at_ms, record.body, record.hash))
            exported.write(write_record(record))
        connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
        connection.execute("INSERT INTO acknowledged VALUES (1, ?, ?)", (rows[-1][0], rows[-1][3]))
        connection.commit()
        exported.write(UNSIGNED)
    return folder


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def text_of(path: Path) -> str:
    return path.read_text()


LONG = {
    "verify": ("audit", "verify", "--file", "{log}"),
    "verify --export": ("audit", "verify", "--export", "{export}"),
    "list": ("audit", "list", "--last", str(COUNT), "--file", "{log}"),
    "export": ("audit", "export", "{out}/new.cbor", "--file", "{log}", "--socket", "{out}/none"),
    "report": (
        "report", "--html", "{out}/r.html", "--file", "{log}", "--socket", "{out}/none"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
async def test_it_shows_how_far_it_is_and_ctrl_c_leaves_things_whole(
    long: Path, tmp_path: Path, name: str
) -> None:
    places = {"log": long / "audit.db", "export": long / "all.cbor", "out": tmp_path}
    words = [word.format(**places) for word in LONG[name]]
    shell = INTO_A_FILE if name == "list" else TO_A_TERMINAL
    before = digest(long / "audit.db")
    async with at_terminal(
        *("sh", "-c", shell, "sh", sys.executable, "-m", "hubctl.main", *words),
        environment={"TERM": "xterm-256color", "LANG": "C.UTF-8", "OUT": os.devnull},
    ) as terminal:
        await terminal.until("records ")
        terminal.type(CTRL_C)
        status, _ = await terminal.ended()
        await terminal.until(lambda text: "records " not in text)
    assert status == INTERRUPTED
    assert files(tmp_path) == []
    assert digest(long / "audit.db") == before


async def test_for_machines_and_for_pipes_it_shows_nothing(long: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "hubctl.main", "audit", "verify", "--file"]
    command = [*words, str(long / "audit.db")]
    run = partial(subprocess.run, capture_output=True, text=True, check=False)
    piped = await asyncio.to_thread(run, command)
    assert (piped.returncode, piped.stderr) == (0, "")
    assert f"{COUNT} records" in piped.stdout
    async with at_terminal(
        *("sh", "-c", INTO_A_FILE, "sh", *words, str(long / "audit.db"), "--json"),
        environment={"TERM": "xterm-256color", "OUT": str(tmp_path / "out")},
    ) as terminal:
        status, _ = await terminal.ended()
    assert (status, terminal.sent) == (0, b"")
    assert '"holds":true' in text_of(tmp_path / "out")


async def test_a_policy_that_is_being_loaded_is_left_on_its_stick(tmp_path: Path) -> None:
    """The hub takes the question, and says nothing more."""
    stick = tmp_path / "stick"
    stick.mkdir()
    write_policy_file(SECOND, stick / "policy.cbor")
    before = digest(stick / "policy.cbor")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        listening.settimeout(SECONDS)
        words = ("policy", "load", str(stick / "policy.cbor"), "--socket", str(tmp_path / "s"))
        async with at_terminal(sys.executable, "-m", "hubctl.main", *words) as terminal:
            hub, _ = await asyncio.to_thread(listening.accept)
            with hub:
                hub.settimeout(SECONDS)
                assert b"policy" in await asyncio.to_thread(hub.recv, 4096)
                terminal.type(CTRL_C)
                status, _ = await terminal.ended()
    assert status == INTERRUPTED
    assert files(stick) == [stick / "policy.cbor"]
    assert digest(stick / "policy.cbor") == before
