"""`hubctl bugreport`: it is always made, and no secret and no person is ever in it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hubcore.evidence.records import Record, RecordKind
from hubctl.commands.care.bugreport import STATE, learn
from hubctl.gathering import databases
from hubctl.gathering.archive import INDEX, index, write
from hubctl.gathering.asking import NOT_HUBDS, journal
from hubctl.gathering.collecting import COLLECTORS, Collector, Machine, Part, collect_all
from hubctl.gathering.redacting import LEFT_OUT, Redactor, config, frames
from hubctl.gathering.running import Begun, Output, TooLong, run
from hubctl.main import hubctl
from hubd.adapters.host import log
from hubd.adapters.local.api import LocalApi
from hubd.adapters.sqlite.audit import AuditStore
from hublocal.calls import Call
from hublocal.tail.events import EventTail
from hubterm.exits import INTERRUPTED
from hubterm.files import whole_file
from tests.fakes.programs import Programs

pytestmark = pytest.mark.once

SENTINEL = "tweety"
KEY_HEX = "8f3a1c55d20e47b9a6c4f1027e93bb18"
KEY_BASE64 = "q83vEjRWeJCrze8SNFZ4kKvN7xI0Vng="
KEY_Z85 = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
PHONE = "5C:F3:70:8B:11:22"
CARD = "04a2b3c4d5e6f7"
PIN = "402913"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{KEY_BASE64}\n-----END EC PRIVATE KEY-----"
DSK = "34673-15546-46480-39591-32400-22155-07715-45994"
SECRETS = (
    SENTINEL, KEY_HEX, KEY_BASE64.rstrip("="), KEY_Z85, PHONE, PHONE[9:], CARD, PIN, DSK, DSK[:11],
    DSK[-11:],
)  # fmt: skip
CONFIG = f"""
[hub]  # {SENTINEL} made this
id = "hub-1"
site = "acme"
time_zone = "Europe/Berlin"
[keys]
identity = "{SENTINEL}.pem"
certificate = "credential:certificate"
card_key = "{KEY_HEX}"
[openzwave]
network_key = "{KEY_HEX}"
[backend]
endpoint = "tcp://{SENTINEL}@backend.example:4505"
[[doors]]
id = "front"
name = "Flat of {SENTINEL}"
strike = {{ chip = "gpiochip0", line = 17 }}
pin = {PIN}
[[doors.access_points]]
number = 1
name = "{SENTINEL} inwards"
"""
STATUS = {
    "hub": "hub-1",
    "site": "acme",
    "zone": "Europe/Berlin",
    "version": "0.1.0",
    "problems": [
        {"id": "radio", "severity": "error", "what": f"Flat of {SENTINEL} and {PHONE}"},
        {"id": "keys", "severity": "error", "what": f"key {KEY_Z85} is not {KEY_HEX}"},
        {"id": "zwave", "severity": "error", "what": f"the device shows {DSK}, or {DSK[:11]}"},
    ],
    "backend": {"connected": False, "key": KEY_Z85, "why": f"token={KEY_BASE64}"},
    "doors": [{"id": "front", "name": f"Flat of {SENTINEL}", "state": "secured"}],
}
TRACE = (
    f'Traceback:\n  File "/a/b.py", line 7, in go\n    raise KeyError({PIN!r})\n'
    f"hubcore.errors.StoreError: {SENTINEL}"
)
LINES = (
    {"event": "access", "level": "info", "time": "t", "asker": f"{SENTINEL}…", "allowed": True},
    {"event": "problem", "what": f"{PHONE} at Flat of {SENTINEL}", "stands": True},
    {"event": "leak", "level": "error", "why": f"password={PIN} {KEY_HEX} {KEY_BASE64} {KEY_Z85}"},
    {"event": "leak", "level": "error", "anything": SENTINEL, "token": KEY_HEX},
    {"event": "x", "exception": TRACE},
    {"event": "card", "why": f"card {CARD} is not known"},
    {"event": "act", "what": "zwave_include", "why": f"not the key ({DSK})", "dsk": DSK},
)  # fmt: skip


def entry(message: object, identifier: str = "hubd") -> str:
    return json.dumps(
        {
            "__REALTIME_TIMESTAMP": "1795900000000000",
            "MESSAGE": message,
            "SYSLOG_IDENTIFIER": identifier,
        }
    )


JOURNAL = "\n".join(
    [
        *(entry(json.dumps(line)) for line in LINES),
        entry(f"a plain line of {SENTINEL} with {PIN}"),
        entry([116, 119, 101, 101, 116, 121]),
        entry("hubd.service: Main process exited, code=exited, status=78/CONFIG", "systemd"),
        entry(f"hubd.service: {KEY_HEX} {PHONE} {DSK}", "systemd"),
    ]
)
PROGRAMS = {
    "journalctl": Output(JOURNAL),
    "systemctl": Output("Id=hubd.service\nActiveState=active\nNRestarts=3"),
    "bluetoothctl": Output(
        f"Controller {PHONE} {SENTINEL} [default]\n\tName: {SENTINEL}\n\tAlias: {SENTINEL}\n"
        "\tPowered: yes\n"
    ),
    "bluetoothctl --version": Output("bluetoothctl: 5.66"),
    "gpioinfo": Output("gpiochip0 - 2 lines:\n\tline 0: unnamed"),
    "timedatectl": Output("NTP=yes\nNTPSynchronized=yes"),
    Path(sys.executable).name: Output(json.dumps({"schema": 1, "worst": "ok", "checks": []})),
}


@pytest.fixture(autouse=True)
def _no_logs() -> None:
    log.set_up("error", io.StringIO(), human=False)


@contextlib.asynccontextmanager
async def running(path: Path) -> AsyncIterator[None]:
    async def status(_args: Mapping[str, Any], _caller: object) -> object:
        return STATUS

    api = LocalApi(path, (Call("status", status),), EventTail())
    api.bind()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(api.serve())
        yield
        serving.cancel()


async def planted(tmp_path: Path) -> Machine:
    """A machine with secrets wherever a bug report looks."""
    (tmp_path / "hubd.toml").write_text(CONFIG)
    for name in ("etc/credstore", "dev", "state", "etc/credstore.encrypted"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text('PRETTY_NAME="Debian"\nVERSION_ID="12"\n')
    (tmp_path / "etc/credstore/hubd.identity").write_text(PEM)
    (tmp_path / "etc/credstore/hubd.card_key").write_text(KEY_HEX)
    (tmp_path / "dev/gpiochip0").touch()
    async with await AuditStore.open(tmp_path / "state/audit.db") as store:
        facts = {"allowed": False, "asker": SENTINEL, "why": "no-grant", "point": 1}
        await store.append(Record(RecordKind.ACCESS, 1_700_000_000_000, 1, facts))
    with contextlib.closing(sqlite3.connect(tmp_path / "state/policy.db")) as policy:
        policy.execute(f"CREATE TABLE persons AS SELECT '{SENTINEL}' AS {SENTINEL}")
    _, words = learn(tmp_path / "s", tmp_path / "hubd.toml")
    return Machine(
        socket=tmp_path / "s",
        config=tmp_path / "hubd.toml",
        state=tmp_path / "state",
        root=tmp_path,
        run=Programs(PROGRAMS),
        redactor=Redactor(words),
    )


def packed(parts: list[Part]) -> dict[str, str]:
    """Pack the parts and return what is in the archive, in its order."""
    file = io.BytesIO()
    write(file, parts, 1_795_900_000.0)
    file.seek(0)
    found: dict[str, str] = {}
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            assert (member.mode, member.isfile()) == (0o600, True)
            opened = archive.extractfile(member)
            assert opened is not None
            found[member.name.removeprefix("hubd-bugreport/")] = opened.read().decode()
    return found


async def test_no_secret_and_no_person_leaves_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canaries lie in the configuration, the key store, the journal, the records, the policy, the
    environment and what hubd says.
    """
    monkeypatch.setenv("HUBD_TOKEN", f"{SENTINEL}{KEY_HEX}")
    monkeypatch.setenv(SENTINEL.upper(), PIN)
    async with running(tmp_path / "s"):
        machine = await asyncio.to_thread(asyncio.run, planted(tmp_path))
        parts = await asyncio.to_thread(lambda: list(collect_all(machine, COLLECTORS)))
    found = packed(parts)
    for name, text in found.items():
        for secret in SECRETS:
            assert secret.lower() not in text.lower(), f"{name} holds {secret}: {text}"
    # each part is there, so that nothing was kept out by a failure alone
    assert set(found) == {INDEX, *(one.file for one in COLLECTORS)}
    assert {part.file: part.trouble for part in parts if part.trouble} == {}


async def test_what_helps_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path / "s"):
        machine = await asyncio.to_thread(asyncio.run, planted(tmp_path))
        found = packed(await asyncio.to_thread(lambda: list(collect_all(machine, COLLECTORS))))
    assert next(iter(found)) == INDEX
    status = json.loads(found["status.json"])
    assert status["doors"] == [{"id": "front", "name": LEFT_OUT, "state": "secured"}]
    assert status["problems"][0]["what"] == f"{LEFT_OUT} and 5C:F3:70:xx:xx:xx"
    settings = json.loads(found["config.json"])
    assert settings["hub"]["id"] == "hub-1"
    assert settings["doors"][0]["strike"] == {"chip": "gpiochip0", "line": 17}
    assert settings["keys"]["certificate"] == "credential:certificate"
    assert "backend.example:4505" in settings["backend"]["endpoint"]
    assert 'File \\"/a/b.py\\", line 7, in go' in found["journal.txt"]
    assert "hubcore.errors.StoreError" in found["journal.txt"]
    assert "status=78/CONFIG" in found["journal.txt"]
    assert NOT_HUBDS in found["journal.txt"]
    assert "quick_check: ok" in found["databases.txt"]
    assert "head 1:" in found["databases.txt"]
    assert "waiting for the backend: 1" in found["databases.txt"]
    assert "hubd.identity" in found["credentials.txt"]
    assert f"{len(PEM)} bytes" in found["credentials.txt"]
    assert "Powered: yes" in found["bluetooth.txt"]


def test_a_hub_that_is_gone_still_gives_a_report(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "s", tmp_path / "c", tmp_path / "v", tmp_path, Programs({}))
    parts = list(collect_all(machine, COLLECTORS))
    assert [part.file for part in parts] == [one.file for one in COLLECTORS]
    troubles = {part.file: part.trouble for part in parts if part.trouble}
    assert "there is no such socket" in troubles["status.json"]
    assert troubles["config.json"] == f"{tmp_path}/c: No such file or directory"
    assert troubles["units.txt"] == "systemctl is not installed"
    assert "audit.db: No such file" in troubles["databases.txt"]
    found = packed(parts)
    assert "there is no such socket" in found[INDEX]
    assert {"disk.txt", "kernel.txt"} <= set(found)


def test_a_part_that_hangs_or_breaks_is_listed_and_the_others_are_there() -> None:
    programs = Programs({}, hanging=("slow",))

    def broken(_machine: Machine) -> Output:
        raise RuntimeError("boom")

    collectors = (
        Collector("slow.txt", "hangs", 0.05, lambda machine: machine.run(("slow",), 9.0)),
        Collector("broken.txt", "breaks", 5.0, broken),
        Collector("long.txt", "is too long", 5.0, lambda _machine: Output("x" * 300_000)),
        Collector("well.txt", "is well", 5.0, lambda _machine: Output("here")),
    )
    machine = Machine(Path("s"), Path("c"), run=programs)
    slow, broke, long, well = collect_all(machine, collectors)
    programs.released.set()
    assert slow.trouble == "it did not end within 0.05 s"
    assert broke.trouble == "RuntimeError: boom"
    assert (len(long.text), long.trouble) == (262_144, "only its beginning is here")
    assert (well.text, well.trouble) == ("here", "")
    said = index([slow, broke, long, well], 0.0)
    assert said.index("well.txt") < said.index("slow.txt") < said.index("broken.txt")


def test_a_broken_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "audit.db").write_bytes(b"no database" * 100)
    machine = Machine(tmp_path / "s", tmp_path / "c", tmp_path, tmp_path, Programs({}))
    (stores,) = [one for one in COLLECTORS if one.file == "databases.txt"]
    (part,) = collect_all(machine, [stores])
    assert "audit.db: file is not a database" in part.trouble


async def test_of_a_log_that_is_too_long_to_check_the_head_is_told(tmp_path: Path) -> None:
    async with await AuditStore.open(tmp_path / "audit.db") as store:
        for at in range(200):
            await store.append(Record(RecordKind.DOOR, at, at, {"door": "front", "what": "exit"}))
    lines, troubles = databases.look(tmp_path, seconds=-1.0, steps=1)
    assert [line.partition(" ")[0] for line in lines if "head" in line] == ["head"]
    assert any(line.startswith("page_count: ") for line in lines)
    assert not any("quick_check" in line for line in lines)
    assert [one.partition(" did")[0] for one in troubles[:2]] == [
        "audit.db: 'PRAGMA quick_check(10)'",
        "audit.db: 'SELECT count(*) FROM outbox'",
    ]
    lines, troubles = databases.look(tmp_path, seconds=60.0)
    assert "quick_check: ok" in lines
    assert "waiting for the backend: 200" in lines
    assert troubles == ["policy.db: No such file or directory"]


@pytest.mark.parametrize(
    "secret",
    [
        KEY_HEX, KEY_BASE64, KEY_Z85, CARD, PEM, "somebody@example.org", f"pin={PIN}",
        "3f2b8c1e-1234-4abc-9def-0123456789ab", "Api_Key: xyzzy", DSK,
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_left_out_of_a_sentence(secret: str) -> None:
    said = Redactor().text(f"It failed: {secret}, so look.")
    assert secret not in said
    assert said.startswith("It failed: ")
    assert said.endswith("so look.")


@pytest.mark.parametrize("name", ["Bo", "Al", "Zoë", "王小明", "李", "B.", "J", "A-1"])
@pytest.mark.parametrize(
    "around",
    ["Flat of {} is open.", "{}: door fault", "at {}", "({})", "“{}”, and {}", "{}’s door"],
)
def test_a_short_name_is_left_out_where_it_stands_as_a_word(name: str, around: str) -> None:
    said = Redactor([name]).text(around.format(name, name))
    assert said == around.format(LEFT_OUT, LEFT_OUT)


def test_a_short_name_leaves_other_words_alone() -> None:
    plain = "Bobbin, Also: about 12 of 12 alarms. The Bold Albatross_Bo9"
    assert Redactor(["Bo", "Al", "12", "7", "", " "]).text(plain) == plain


def test_short_names_of_the_configuration_and_of_hubd_are_learnt(tmp_path: Path) -> None:
    text = '[[doors]]\nid = "front"\nname = "Bo"\ncontact = "no"\nmotto = "never"\n'
    (tmp_path / "c").write_text(text)
    _, words = learn(tmp_path / "s", tmp_path / "c")
    assert words == {"Bo", "never"}
    assert Redactor(words).text("no door of Bo") == f"no door of {LEFT_OUT}"


@pytest.mark.parametrize(
    "plain",
    [
        "/etc/credstore/hubd.backend_public cannot be read",
        "hubd 0.1.0+g1a2b3c4d5e6f runs since 2026-11-27T14:56:43.123Z",
        "76338974720 of 270553174016 bytes free",
        "/opt/hubd/lib/python3.11/site-packages/hubd/Adapters9/sqlite/audit_writer.py",
        "tcp://backend.example:4505",
    ],
)
def test_what_is_plain_is_kept(plain: str) -> None:
    assert Redactor().text(plain) == plain


def test_of_an_exception_the_way_and_its_kind_are_kept() -> None:
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/x.py", line 3, in <module>\n    open("secret")\n'
        "KeyError: 'secret'\n"
    )
    assert frames(trace) == ['File "/x.py", line 3, in <module>', "KeyError"]


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
))  # fmt: skip
def test_any_message_in_the_journal_is_one_line(message: Any) -> None:
    text = message if isinstance(message, str) else json.dumps(message)
    said = journal(Programs({"journalctl": Output(entry(text))}), Redactor())
    assert len(said.text.splitlines()) == 1


def test_of_a_long_journal_the_newest_lines_are_kept() -> None:
    newest_first = [
        entry(json.dumps({"event": f"e{at}", "why": "w " * 900})) for at in range(999, -1, -1)
    ]
    said = journal(Programs({"journalctl": Output("\n".join(newest_first))}), Redactor())
    lines = said.text.splitlines()
    assert "e999" in lines[-1]
    assert f"e{1000 - len(lines)}" in lines[0]
    assert said.trouble == f"only the newest {len(lines)} lines are here"
    assert 190_000 < len(said.text) <= 200_000


def test_a_configuration_that_is_no_toml_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "c").write_text(f"[hub\n{SENTINEL} = ")
    result = CliRunner().invoke(
        hubctl,
        ["bugreport", str(tmp_path / "r"), "--config", str(tmp_path / "c"),
         "--socket", str(tmp_path / "s"), "--state", str(tmp_path), "--json"],
    )  # fmt: skip
    whys = {part["file"]: part["why"] for part in json.loads(result.stdout)["parts"]}
    assert "is no TOML" in whys["config.json"]
    assert SENTINEL not in result.output


def test_a_configuration_that_never_comes_keeps_no_report_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c")
    assert learn(tmp_path / "s", tmp_path / "c", read_seconds=0.05) == (STATE, set())


def test_unknown_settings_are_left_out_and_remembered() -> None:
    shown, left_out = config({"hub": {"id": "a", "motto": SENTINEL}, "x": [[SENTINEL]]})
    assert shown == {"hub": {"id": "a", "motto": LEFT_OUT}, "x": [[LEFT_OUT]]}
    assert left_out == {SENTINEL}


def make(tmp_path: Path, target: Path, *more: str) -> Result:
    words = [
        "bugreport", str(target), "--config", str(tmp_path / "c"), "--state", str(tmp_path),
        "--socket", str(tmp_path / "s"), *more,
    ]  # fmt: skip
    return CliRunner().invoke(hubctl, words)


def test_the_command_writes_a_file_for_this_user_alone(tmp_path: Path, nicer: list[int]) -> None:
    target = tmp_path / "r.tar.gz"
    result = make(tmp_path, target)
    assert nicer == [10], "hubd comes first"
    assert result.exit_code == 0
    assert "INDEX.txt lists them" in result.stdout
    assert "failed: status.json: hubd does not answer" in result.stdout
    assert target.stat().st_mode & 0o777 == 0o600
    assert tarfile.is_tarfile(target)
    assert [path.name for path in tmp_path.iterdir()] == ["r.tar.gz"]


def test_a_place_that_takes_no_file_is_told(tmp_path: Path) -> None:
    result = make(tmp_path, tmp_path / "none" / "r.tar.gz", "--json")
    assert (result.exit_code, result.stdout) == (74, "")
    assert json.loads(result.stderr)["error"]["code"] == "unwritable"


def interrupted(target: Path) -> None:
    with whole_file(target) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_whatever_ends_the_writing_leaves_no_part_behind(tmp_path: Path) -> None:
    target = tmp_path / "r"
    target.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_no_ordinary_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    for there in (tmp_path / "link", Path("/dev/null"), tmp_path):
        with pytest.raises(OSError, match="no ordinary file"), whole_file(there):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, INTERRUPTED),
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
    ],
)
def test_what_ends_it_leaves_no_half_file(tmp_path: Path, number: int, status: int) -> None:
    """A socket that takes a connection and never answers keeps the report waiting."""
    folder = tmp_path / "out"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen(8)
        child = subprocess.Popen(
            [sys.executable, "-m", "hubctl.main", "bugreport", str(folder / "r"),
             "--config", str(tmp_path / "c"), "--socket", str(tmp_path / "s")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        first, _ = silent.accept()
        first.close()  # it learns nothing of the names, and goes on
        second, _ = silent.accept()
        assert b"status" in second.recv(1 << 16)
        assert [path.suffix for path in folder.iterdir()] == [".unfinished"]
        child.send_signal(number)
        out, _ = child.communicate(timeout=60)
        second.close()
    assert (child.returncode, out) == (status, b"")
    assert list(folder.iterdir()) == []


def test_a_program_that_never_ends_is_ended_with_its_children() -> None:
    said = run(("sh", "-c", "echo begun; sleep 600 & sleep 600"), 0.5)
    assert (said.text, said.trouble) == ("begun\n", "it did not end in time")


def test_a_program_that_never_stops_talking_is_cut() -> None:
    said = run(("yes",), 30.0, bytes_max=10_000)
    assert len(said.text) == 10_000
    assert "first 10000 bytes" in said.trouble


def test_a_program_gets_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBD_TOKEN", SENTINEL)
    said = run(("env",), 10.0)
    assert {line.partition("=")[0] for line in said.text.splitlines()} == {"PATH", "LC_ALL"}


def test_a_program_that_is_not_there_is_told() -> None:
    assert run(("no-such-program",), 10.0) == Output("", "no-such-program is not installed")
    assert run(("false",), 10.0).trouble == "false ended with status 1"


def test_a_function_that_hangs_is_left_alone() -> None:
    reading, writing = os.pipe()
    begun = Begun(lambda: os.read(reading, 1))
    with pytest.raises(TooLong):
        begun.result(0.05)
    os.close(writing)
    assert begun.result(10.0) == b""
    os.close(reading)
