"""While hubd is down, hubctl says so first, and then what disk, journal and systemd say."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hubcore.evidence.records import Record, RecordKind
from hubctl.down import records, unit
from hubctl.down.configured import Configured, of_socket
from hubctl.down.views import VIEWS, Down, Lines, view
from hubctl.gathering.running import Output
from hubctl.main import hubctl
from hubctl.table import TABLE
from hubd.adapters.sqlite.audit import AuditStore
from hubsim import site as sites
from hubsim.site import DeskDoor, Site
from hubterm.exits import NO_ANSWER
from tests.fakes.programs import Programs
from tests.unit.test_hubctl_hostile import EVIL, everywhere, well_ended

CREDENTIAL = bytes.fromhex("3fa9c2d18b7e40c2")
NOW = time.time()
HOUR = 3600.0
DENIED = {
    "asker": CREDENTIAL,
    "op": b"op",
    "point": 1,
    "action": 1,
    "path": "full",
    "allowed": False,
    "why": "no-grant",
}
ENDED: Sequence[tuple[RecordKind, dict[str, Any]]] = (
    (RecordKind.STARTED, {"version": "0.1.0+gabc", "floor": 0}),
    (RecordKind.POLICY, {"version": 7, "issued": int(NOW - 2 * HOUR), "tickets_dropped": 0}),
    (RecordKind.ACCESS, DENIED),
    (RecordKind.ACCESS, {**DENIED, "allowed": True, "why": None}),
    (RecordKind.STOPPED, {}),
)
SYSTEMD = """\
LoadState=loaded
ActiveState=failed
SubState=failed
Result=exit-code
ExecMainStatus=78
NRestarts=3
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A hub of a site that has run; nobody listens on its socket."""
    made = sites.init(tmp_path / "site")
    sites.write_config(made, "tcp://127.0.0.1:9", [DeskDoor()])
    return made


def kept(site: Site, said: Sequence[tuple[RecordKind, Mapping[str, Any]]] = ENDED) -> None:
    """Let the hub have kept these records, an hour ago."""

    async def write() -> None:
        state = site.hub / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        async with await AuditStore.open(state / "audit.db") as store:
            for number, (kind, facts) in enumerate(said):
                at_ms = int((NOW - HOUR) * 1000) + number
                await store.append(Record(kind, at_ms, number, facts))

    asyncio.run(write())


def run(site: Site, *typed: str) -> Result:
    words = ["--socket", str(site.hub / "hubd.sock"), *typed]
    environment = {"HUBD_CONFIG": str(site.hub / "hub.toml")}
    return CliRunner().invoke(hubctl, words, prog_name="hubctl", env=environment)


def page_of(site: Site, command: str, programs: Mapping[str, Output], whom: str = "") -> str:
    """Return what people read, with these programs on the machine."""
    configured = of_socket(site.hub / "hub.toml", site.hub / "hubd.sock")
    assert configured is not None
    _, page = view(command, configured, Programs(programs), whom or None)
    return "\n".join(page.lines) if isinstance(page, Lines) else page.plain()


SAYS = {
    "status": ("hub-1 of site", "it ended in order", "version 7", "front", "not known"),
    "why": ("Front door", "It was refused", "does not name this access point", "phone 3fa9c2d1…"),
    "hub": ("hub-1 of site", "certificate ends", "days", "none runs"),
    "policy": ("7, as the records say", "signed", "2 h"),
    "doors": ("front", "Front door", "not known"),
    "devices": ("devices",),
    "uplink": ("tcp://127.0.0.1:9", "records waiting", "5", "hubctl netcheck"),
    "bridge": ("none configured", "hubctl netcheck"),
}


@pytest.mark.parametrize("command", VIEWS)
def test_each_look_says_that_hubd_is_down_and_what_the_disk_says(site: Site, command: str) -> None:
    kept(site)
    result = run(site, command)
    well_ended(result)
    assert result.exit_code == NO_ANSWER
    assert result.stderr.startswith("hubd does not answer on ")
    assert "systemctl status hubd" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    for part in SAYS[command]:
        assert part in result.stdout
    assert CREDENTIAL.hex() not in result.stdout


@pytest.mark.parametrize("command", VIEWS)
def test_for_machines_the_error_has_what_the_disk_says(site: Site, command: str) -> None:
    kept(site)
    result = run(site, command, "--json")
    assert (result.exit_code, result.stdout) == (NO_ANSWER, "")
    (line,) = result.stderr.splitlines()
    said = json.loads(line)
    assert said["schema"] == 1
    assert said["error"]["code"] == "down"
    assert said["disk"]
    assert CREDENTIAL.hex() not in line


def test_the_other_looks_end_with_a_sentence_alone(site: Site) -> None:
    for words in ("clock", "tail", "metrics", "clock trust"):
        result = run(site, *words.split())
        assert (result.exit_code, result.stdout) == (NO_ANSWER, "")
        assert "systemctl status hubd" in result.stderr
    assert set(VIEWS) <= {row.words for row in TABLE}


@pytest.mark.parametrize("wrong", ["another socket", "no file", "no TOML", "a folder"])
def test_a_configuration_that_is_not_this_hubs_is_not_shown(site: Site, wrong: str) -> None:
    kept(site)
    config = site.hub / "hub.toml"
    if wrong == "another socket":
        config.write_text(config.read_text().replace("hubd.sock", "other.sock"))
    elif wrong == "no TOML":
        config.write_text("[[[")
    else:
        config.unlink()
        if wrong == "a folder":
            config.mkdir()
    result = run(site, "status")
    assert (result.exit_code, result.stdout) == (NO_ANSWER, "")
    assert len(result.stderr.splitlines()) == 1


def test_a_hub_that_was_killed_is_not_said_to_have_ended_in_order(site: Site) -> None:
    kept(site, ENDED[:-1])
    shown = run(site, "status").stdout
    assert "it was killed, or lost its power" in shown
    assert "in order" not in shown
    kept(site, [*ENDED[-1:], *ENDED[:1]])
    assert "it was killed" in run(site, "status").stdout


def test_systemds_word_and_the_last_warnings_are_shown(site: Site) -> None:
    kept(site)
    lines = [json.dumps({"MESSAGE": text}) for text in (f"one {EVIL}", "two", "x" * 9999)]
    said = {"systemctl": Output(SYSTEMD), "journalctl": Output("\n".join([*lines, "no JSON", "7"]))}
    shown = page_of(site, "status", said)
    assert "failed (failed), it ended with exit-code, status 78, started again 3 times" in shown
    assert "one \\x1b[2J" in shown
    assert "two" in shown
    assert "x" * (unit.LINE_CHARS_MAX + 1) not in shown
    assert all(line.isprintable() for line in shown.splitlines())


def test_a_machine_without_systemd_says_so(site: Site) -> None:
    assert "nothing: is systemd here?" in page_of(site, "status", {})
    gone = {"systemctl": Output("LoadState=not-found\nActiveState=inactive\n")}
    assert "there is no unit hubd.service" in page_of(site, "status", gone)


def test_a_name_chooses_among_the_refusals(site: Site) -> None:
    kept(site)
    assert "It was refused" in page_of(site, "why", {}, "front")
    assert "It was refused" in page_of(site, "why", {}, "3fa9")
    assert "nobody since" in page_of(site, "why", {}, "back")


def test_what_is_broken_is_a_sentence_and_the_rest_is_shown(site: Site) -> None:
    state = site.hub / "state"
    state.mkdir(mode=0o700)
    (state / "audit.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    (site.hub / "certificate.cbor").write_bytes(b"\x9f" * 4000)
    for command in VIEWS:
        result = run(site, command)
        well_ended(result)
        assert result.exit_code == NO_ANSWER
    assert "hub-1 of site" in run(site, "status").stdout
    assert "not known" in run(site, "hub").stdout
    shutil.rmtree(state)
    (site.hub / "issuer.cbor").unlink()
    for command in VIEWS:
        well_ended(run(site, command))


def test_names_that_are_escapes_are_shown_as_such(tmp_path: Path) -> None:
    settings = {
        "hub": {"id": "a", "site": "b", "time_zone": "c", "state_directory": "state"},
        "doors": [{"id": "a", "name": "b", "access_points": [{"number": 1, "name": "c"}]}],
        "devices": [{"id": "a", "name": "b", "kind": "c"}],
        "backend": {"endpoint": "a", "endpoints": ["b"]},
        "keys": {},
    }
    configured = Configured(tmp_path / "hub.toml", everywhere(settings, EVIL))
    for command in VIEWS:
        document, page = view(command, configured, Programs({}))
        shown = page.plain() if not isinstance(page, Lines) else "\n".join(page.lines)
        assert all(line.isprintable() for line in shown.splitlines())
        json.dumps(document)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("hub"),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["hub", "id", "site", "time_zone", "doors", "name", "access_points",
                         "number", "devices", "backend", "endpoints", "keys", "state_directory"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    settings=st.dictionaries(
        st.sampled_from(["hub", "doors", "devices", "backend", "keys", "api"]), _values, max_size=6
    )
)
def test_whatever_the_file_holds_has_a_page(settings: dict[str, Any]) -> None:
    configured = Configured(Path("/nowhere/hub.toml"), settings)
    for look in VIEWS.values():
        _, page = look(Down(configured, Programs({}), NOW))
        shown = page.plain() if not isinstance(page, Lines) else "\n".join(page.lines)
        assert all(line.isprintable() for line in shown.splitlines())


def test_only_the_newest_records_are_read(site: Site) -> None:
    """So that a log of ten million records keeps nobody waiting."""
    kept(site)
    found = records.read(site.hub / "state" / "audit.db", {}, count=2)
    assert found.started is None
    assert (found.last, found.stopped is not None) == (5, True)


def test_the_documents_table_names_the_looks_that_have_something_to_say() -> None:
    text = (Path(__file__).parents[2] / "docs" / "hubctl.md").read_text(encoding="utf-8")
    part = text.split("## While hubd is down")[1].split("\n## ")[0]
    (first,) = re.findall(r"^\| (`why`.*?) \|", part, re.M)
    assert set(re.findall("`(.+?)`", first)) == set(VIEWS)
