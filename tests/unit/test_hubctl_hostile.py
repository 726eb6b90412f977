"""Whatever the other end of the socket says, each command ends with a sentence and a status.

No text of it reaches a terminal that could steer it, and nothing ends in a traceback.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubctl.client import ANSWER_BYTES_MAX, HubClient, NoAnswer
from hubctl.main import hubctl
from hubctl.page import Page
from hubctl.table import TABLE
from hubterm import exits
from tests.fakes.daemon import Daemon, documents
from tests.unit.test_cli import DEVICES, DOORS, STATUS

pytestmark = pytest.mark.once

AT = 1_800_000_000.0
DENIAL = {
    "at": AT,
    "count": 2,
    "by": "access",
    "asker": "3fa9c2d1…",
    "path": "full",
    "reader": None,
    "point": 1,
    "point_name": "in",
    "door": "front",
    "door_name": "Front door",
    "why": "out-of-schedule",
    "begins": AT,
    "expires": AT + 9,
    "hours_begin": AT + 5,
    "now": "granted",
}
CHECK = {"id": "radio", "area": "readiness", "severity": "error", "what": "A", "remedy": "B"}
MEASURED = {
    "decisions": [{"by": "access", "door": "front", "why": "granted", "count": 3}],
    "strike_asked": {"buckets": [[0.1, 1], [None, 1]], "count": 1, "sum": 0.1},
}
FAULT = {"fault": "gone", "since": AT, "what": "No answer.", "remedy": "Check its power."}
DEVICE = {
    **DEVICES[0],
    "reading_details": [{"quantity": "power", "value": 7.5, "unit": "W", "age_seconds": 3.0}],
    "fault_details": [FAULT],
    "commands": [{"verb": "on", "level": 3, "at": AT, "outcome": "failed", "why": "it is dead"}],
}
READER = {
    "id": "front",
    "kind": "osdp",
    "door": "front",
    "access_point": 1,
    "point_name": "in",
    "line": "/dev/ttyUSB0",
    "address": 1,
    "baud": 9600,
    "secured": False,
    "key": "key",
    "has_next_key": True,
    "tamper": True,
    "faults": [FAULT],
    "last_fault": {"fault": "no_power", "began": AT, "ended": AT + 5},
}
PART = {"id": "vault", "name": "Vault", "door": "front", "capability": "lock"}
NODE = {
    "node": 2,
    "devices": [PART],
    "state": "dead",
    "ready": True,
    "security": "S0",
    "is_lock": True,
    "last_seen": AT,
    "battery": 7,
    "maker": 1,
    "product_type": 2,
    "product": 3,
    "faults": [FAULT],
}
NETWORK = {
    "zwave": {
        "fault": FAULT,
        "socket": "/run/s",
        "stick": "/dev/zwave",
        "home_id": "00000001",
        "own_node": 1,
        "driver_version": "15.0.0",
        "server_version": "3.0.0",
        "tested_driver_version": "15.29.0",
        "tested_server_version": "3.10.2",
        "is_tested_pair": False,
        "nodes": [NODE],
        "missing": [{"node": 9, "devices": [PART]}],
    },
    "openzwave": {"port": "/dev/ttyS9", "devices": [{**PART, "node": 5}]},
    "under_way": "zwave_include",
}
ACT = {
    "number": 1,
    "round": 3,
    "act": "zwave_include",
    "phase": "done",
    "node": 12,
    "devices": [PART],
    "shown": "11111-22222",
    "fits": True,
    "answered": True,
    "security": "S2 access control",
    "low_security": False,
    "is_lock": True,
    "why": None,
}
SAMPLES: dict[str, Any] = {
    "status": {
        **STATUS,
        "zone": "Europe/Berlin",
        "certificate": {"begins": AT, "expires": AT * 2, "key": "0a1a", "access_points": [1]},
        "bridge": {
            "phase": "down",
            "since": AT,
            "why": "away",
            "bridge": "bridge-1",
            "endpoint": "10.20.0.2:7715",
            "certificate_ends": AT,
            "failures": ["bridge-1: away"],
            "faults": {"bridge-1": "silent"},
            "waiting": 3,
            "is_full": False,
            "clock_offset_seconds": 0.5,
            "testimony": "3:ab",
            "trouble": "",
            "counters": {"sent": 3},
        },
        "backend": {
            "connected": False,
            "since": AT,
            "why": "away",
            "halt": None,
            "phase": "down",
            "waiting": 3,
            "unacknowledged_seconds": 3.0,
            "last_welcome": AT,
            "endpoint": "tcp://a:1",
            "failures": {"tcp://a:1": "away", "tcp://b:1": "odd"},
            "server_key": 2,
            "key": "abc",
            "key_since": AT,
            "key_trouble": "none",
            "clock_offset_seconds": 7.0,
            "clock_within_seconds": 0.5,
        },
        "devices": DEVICES,
        "problems": [{**CHECK, "severity": "error"}, {**CHECK, "id": "backend"}],
    },
    "doors": DOORS,
    "door": {
        **DOORS[0],
        "orders": [
            {"order": "lockdown", "source": "technician", "until": None, "by": "t…", "uid": 7},
            {"order": "no_entry", "source": "backend", "until": AT, "by": "bo…", "uid": None},
        ],
        "lines": [{"role": "strike", "chip": "gpiochip0", "line": 17}],
        "since": AT,
        "decisions": [
            {"at": AT, "by": "access", "asker": "3f…", "uid": None, "point": 1, "decided": "busy"},
            {"at": AT, "by": "technician", "asker": "t…", "uid": 7, "point": 1, "decided": "x"},
        ],
    },
    "door-test": {
        "door": "front",
        "points": [1],
        "would": "lockdown",
        "mode": "LockedDown",
        "orders": [],
        "release_seconds": 5.0,
        "rest_seconds": 0.0,
        "driven": False,
        "bolt": "at_rest",
        "movers": [{"id": "front", "kind": "strike", "up": True}],
        "inputs": {"dps": "closed", "rex": None},
        "lines": [{"role": "dps", "chip": "gpiochip0", "line": 18}],
        "pulsed": False,
    },
    "door-release": {"door": "front", "released": True, "seconds": 5.0},
    "door-lockdown": {"door": "front", "changed": True, "mode": "LockedDown", "orders": []},
    "door-normal": {
        "door": "front",
        "changed": True,
        "mode": "LockedDown",
        "orders": [{"order": "lockdown", "source": "backend", "until": None}],
    },
    "policy-why": {
        "zone": "Europe/Berlin",
        "at": AT,
        "asker": "3fa9c2d1…",
        "known": False,
        "kind": "phone",
        "door": "front",
        "door_name": "Front door",
        "points": [
            {"point": 1, "point_name": "in", "why": why, "begins": AT, "hours_begin": AT}
            for why in ("granted", "out-of-schedule", None)
        ],
    },
    "devices": DEVICES,
    "device": DEVICE,
    "readers": [READER],
    "zwave": NETWORK,
    "zwave-act": ACT,
    "zwave-wait": ACT,
    "zwave-stop": ACT,
    "denials": {"zone": "Europe/Berlin", "since": AT, "denials": [DENIAL]},
    "checks": [CHECK],
    "measured": MEASURED,
    "policy": {
        "version": 3,
        "digest": "ab",
        "issued": 9,
        "age_seconds": 7.0,
        "ahead_seconds": 0,
        "rows": {"cards": 1},
    },
    "radio": {
        "adapter": {
            "name": "hci0",
            "address": "00:11:22:33:44:55",
            "powered": True,
            "bluez": "5.82",
            "generation": 1,
        },
        "advertising": {"on_air": False, "since": AT, "why": "no adapter"},
        "links": [{"number": 1, "since": AT, "phase": "challenged", "rssi": -60, "point": 1}],
        "link_places": 8,
        "last_link": AT,
        "last_failure": {"at": AT, "code": "proof", "says": "a proof failed"},
    },
    "trace": {
        "unlocks": [
            {
                "number": 1,
                "at": AT,
                "by": "phone",
                "link": 1,
                "point": 1,
                "door": "front",
                "action": 1,
                "result": "granted",
                "steps": [{"step": "connected", "ms": 0.0}, {"step": "decided", "ms": 3.5}],
                "total_ms": 3.5,
            }
        ]
    },
    "try-parts": [
        {
            "id": "disk",
            "area": "readiness",
            "state": "failed",
            "what": "A",
            "remedy": "B",
            "milliseconds": 3.5,
        }
    ],
    "tail": [{"event": {"event": "access", "at": AT, "door": "front", "why": None}}, {"lost": 3}],
    "trust-clock": {"state": "trusted", "wall": AT, "vouched": True},
    "accept-state": {"was": "policy", "policy_version": 7},
    "passback-reset": {"credential": None, "forgotten": 3},
    "keys": {
        "keys": [
            {
                "role": "uplink",
                "algorithm": "Curve25519",
                "id": "def",
                "public": "def",
                "private": True,
                "in_use": True,
                "changed_by": "hub",
                "since": AT,
                "ends": None,
                "next": AT,
                "where": "/var/lib/hubd",
                "kept": "sealed",
                "mode": "0600",
                "waits_for": "nothing",
                "trouble": None,
            }
        ]
    },
    "rotate-key": {"key": "uplink", "before": "abc"},
    "seal-export": {"seal": "00", "certificate": "00"},
    "install-reader-key": {"reader": "front"},
    "change-reader-key": {"reader": "front"},
    "policy-offer": {"load": 1, "round": 0, "phase": "working"},
    "policy-bring": {"phase": "refused", "why": "old"},
    "takeover": {"version": "1", "standing": "warming", "why": ""},
    "takeover-end": {"version": "1", "standing": "serving", "why": ""},
    "takeover-status": {"version": "1", "standing": "serving", "why": ""},
}
"""What a hubd says that is well; each place of it may hold anything else."""
NAMES = {"NODE": "2", "NAME": "front", "CREDENTIAL": "3fa9c2d18b7e40c2"}
NOT_THE_SOCKET = frozenset(
    {
        "enroll",
        "netcheck",
        "config check",
        "config show",
        "audit export",
        "bench",
        "audit list",
        "audit show",
        "audit verify",
        "update",
        "update cache",
        "update check",
        "update hold",
        "update rollback",
        "update DIGEST let-out",
    }
)
"""They read files, or give way to a program; `test_audit_hostile.py` and others have those."""
SLOW = frozenset({"doctor", "keys rotate", "report", "bugreport"})
"""They run programs or read files too; here they meet the worst documents once."""
ENDLESS = frozenset({"top"})
"""It goes on until somebody ends it, whatever is said; `test_top.py` has its documents."""
ASKING = [
    row.words for row in TABLE if not row.hidden and row.words not in NOT_THE_SOCKET | ENDLESS
]
ASKING += ["devices NAME", "zwave NODE"]
DOCUMENTED = {value for name, value in vars(exits).items() if name.isupper() and type(value) is int}

EVIL = "\x1b[2J\x9b31m\x07\u202e\r\nx\x00\ud800[red]"
_texts = st.sampled_from(
    [EVIL, "", "front", "granted", "out-of-schedule", "a" * 5000, "\x1b]0;x\x07"]
)
_numbers = st.sampled_from([0, -1, 1, 10**400, -(10**30), 2**63, 1e308, -1e308, 5e-324, 0.5])
_leaves = st.none() | st.booleans() | _texts | _numbers
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container within a value, with each key of it."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        yield value, key
        yield from places_in(inner)


@st.composite
def spoiled(draw: st.DrawFn, calls: Sequence[str]) -> dict[str, Any]:
    """Draw what a hubd says, with other things in some places of what it says to these calls."""
    said = copy.deepcopy(SAMPLES)
    for _ in range(draw(st.integers(1, 8))):
        call = draw(st.sampled_from(calls))
        places = list(places_in(said[call]))
        if not places or draw(st.integers(0, 9)) == 0:
            said[call] = draw(_values) if call != "tail" else [draw(_values)]
            continue
        container, key = draw(st.sampled_from(places))
        container[key] = draw(_values)
    return said


def everywhere(value: Any, text: str) -> Any:
    """Return a document with this text in place of each text, and in each mapping as a key too."""
    match value:
        case dict():
            return {**{key: everywhere(item, text) for key, item in value.items()}, text: text}
        case list():
            return [everywhere(item, text) for item in value]
        case str():
            return text
    return value


def words_of(words: str, tmp_path: Path) -> list[str]:
    typed = [NAMES.get(word, word) for word in words.split()]
    match words:
        case "devices NAME":
            typed = ["devices", "south"]
        case "zwave NODE":
            typed = ["zwave", "vault"]
        case "zwave include":
            typed += ["--pin", "12345"]
        case "keys rotate":
            typed += ["uplink", "--timeout", "0.5"]
        case "policy why":
            typed += ["3fa9c2", "front"]
        case "policy load":
            typed.append(str(tmp_path / "policy.cbor"))
        case "doctor":
            typed += ["--config", str(tmp_path / "none.toml")]
        case "report":
            typed += ["--file", str(tmp_path / "none.db")]
        case "bugreport":
            typed += [str(tmp_path / "b.tar.gz")]
    return typed


_CALLS: dict[str, Sequence[str]] = {}


def calls_of(words: str, tmp_path: Path) -> Sequence[str]:
    """Return the calls that a command makes of a hub that is well."""
    if words not in _CALLS:
        with Daemon(tmp_path / "s", documents(SAMPLES)) as daemon:
            run(daemon.path, *words_of(words, tmp_path))
        _CALLS[words] = tuple(dict.fromkeys(daemon.asked))
    return _CALLS[words]


def run(path: Path, *typed: str) -> Result:
    return CliRunner().invoke(hubctl, ["--socket", str(path), *typed], prog_name="hubctl")


def well_ended(result: Result, fields: bool = False) -> None:
    """Check the status, that there was no traceback, and that nothing can steer a terminal."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in DOCUMENTED, result.exit_code
    for line in (result.stdout + result.stderr).split("\n"):
        shown = line.replace("\t", "") if fields else line
        assert shown.isprintable(), repr(line)


def test_each_call_of_hubd_has_a_sample() -> None:
    text = (Path(__file__).parents[2] / "docs" / "hubctl.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`status`.*?|`trust-clock`.*?) \|", text, re.M)
    calls = {name for row in rows for name in re.findall("`(.+?)`", row)}
    assert len(calls) >= 12
    assert calls - set(SAMPLES) == set()


@pytest.mark.parametrize("words", ASKING)
def test_a_well_hub_is_shown_by_each_command(tmp_path: Path, words: str) -> None:
    """So that the samples are what the commands expect."""
    with Daemon(tmp_path / "s", documents(SAMPLES)) as daemon:
        result = run(daemon.path, *words_of(words, tmp_path))
        well_ended(result)
    if words != "policy load":
        assert daemon.asked
        assert "does not understand" not in result.stderr


@pytest.mark.parametrize("more", [(), ("--json",), ("-o", "id,hub,door,zone")])
@pytest.mark.parametrize("words", [words for words in ASKING if words not in SLOW])
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_document_steers_a_terminal_or_ends_in_a_traceback(
    tmp_path: Path, words: str, more: tuple[str, ...], data: st.DataObject
) -> None:
    calls = calls_of(words, tmp_path)
    said = data.draw(spoiled(calls)) if calls else SAMPLES
    with Daemon(tmp_path / "s", documents(said)) as daemon:
        well_ended(run(daemon.path, *words_of(words, tmp_path), *more), fields="-o" in more)


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("words", ASKING)
def test_a_hub_whose_every_name_is_an_escape(
    tmp_path: Path, words: str, more: tuple[str, ...]
) -> None:
    said = {call: everywhere(document, EVIL) for call, document in SAMPLES.items()}
    said["status"]["zone"] = said["denials"]["zone"] = "Europe/Berlin"
    said["trust-clock"]["state"] = "trusted"
    with Daemon(tmp_path / "s", documents(said)) as daemon:
        well_ended(run(daemon.path, *words_of(words, tmp_path), *more))


@pytest.mark.parametrize("words", [words for words in ASKING if words not in SLOW])
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_daemon_that_closes_at_any_byte_or_says_anything(
    tmp_path: Path, words: str, data: st.DataObject
) -> None:
    """No half of an answer is taken for one: it ends as one that did not come."""
    whole = documents(SAMPLES)
    part = data.draw(st.floats(0, 1, exclude_max=True))
    garbage = data.draw(st.binary(max_size=40) | st.none())

    def answer(call: str) -> bytes:
        said = whole(call)
        return said[: int(len(said) * part)] if garbage is None else garbage + b"\n"

    with Daemon(tmp_path / "s", answer) as daemon:
        result = run(daemon.path, *words_of(words, tmp_path), "--json")
    well_ended(result)
    if daemon.asked and words != "tail":
        assert result.exit_code in (exits.NO_ANSWER, exits.PROTOCOL)
        assert result.stdout == ""
        assert json.loads(result.stderr.splitlines()[-1])["error"]["code"] in ("down", "protocol")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"[" * 200_000 + b"\n", "protocol"),
        (b'{"id":1,"api":1,"result":' + b'{"a":' * 100_000 + b"\n", "protocol"),
        (b'{"id":1,"api":1,"result":' + b"9" * 5000 + b"}\n", "protocol"),
        (b'{"id":1,"api":1,"result":1e999}\n', "protocol"),
        (b'{"id":1,"api":1,"result":NaN}\n', "protocol"),
        (b'{"id":1,"api":1}\n', "protocol"),
        (b'{"id":1,"api":1,"error":{"code":7}}\n', "protocol"),
        (b'{"id":1,"api":1,"error":"x"}\n', "protocol"),
        (b'{"id":1,"api":[1],"result":{}}\n', "version"),
        (b'{"id":1,"api":2,"result":{}}\n', "version"),
        (b"\xff\xfe\n", "protocol"),
        (b"\n", "protocol"),
        (b"", "down"),
        (b"x" * (ANSWER_BYTES_MAX + 1), "down"),
    ],
    ids=range(14),
)
def test_what_is_no_answer_has_a_code(tmp_path: Path, said: bytes, code: str) -> None:
    with Daemon(tmp_path / "s", lambda _: said) as daemon:
        with HubClient(daemon.path) as client, pytest.raises(NoAnswer) as caught:
            client.call("status")
        assert caught.value.code == code
        result = run(daemon.path, "doors")
        well_ended(result)
        assert result.exit_code == exits.status_of(code)
        assert len(result.stderr.splitlines()) == 1


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=30) | st.just(EVIL))
def test_no_error_of_the_daemon_steers_a_terminal(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("d") / "s"
    refusal = {"id": 1, "api": 1, "error": {"code": text, "message": text}}
    with Daemon(path, lambda _: json.dumps(refusal).encode() + b"\n"):
        for more in ((), ("--json",)):
            result = run(path, "clock", "trust", *more)
            well_ended(result)
            assert result.exit_code != 0
            assert result.stdout == ""


def test_a_drawn_page_holds_no_control_character_of_the_hub(tmp_path: Path) -> None:
    """On a terminal rich draws; only its own colours may be there."""
    from rich.console import Console

    from hubctl.show import devices_table, doors_table, status_page

    said = {call: everywhere(document, EVIL) for call, document in SAMPLES.items()}
    pages = [
        status_page(said["status"]),
        Page(tables=[doors_table(said["doors"]), devices_table(said["devices"])]),
    ]
    for page in pages:
        with (tmp_path / "shown").open("w+", encoding="utf-8", errors="backslashreplace") as file:
            Console(file=file, force_terminal=True, width=100).print(page.rich())
            file.seek(0)
            shown = re.sub(r"\x1b\[[0-9;]*m", "", file.read())
        assert all(line.isprintable() for line in shown.split("\n"))
        assert "\\x1b[2J" in shown.replace("\n", "")


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("steps", [[{}], [{"id": EVIL, "state": EVIL, "area": 7}], [1], {}, None])
def test_the_doctor_shows_whatever_the_trials_say(
    tmp_path: Path, steps: object, more: tuple[str, ...]
) -> None:
    said = {**SAMPLES, "try-parts": steps}
    typed = ("doctor", "--active", "--config", str(tmp_path / "none.toml"), *more)
    with Daemon(tmp_path / "s", documents(said)) as daemon:
        result = run(daemon.path, *typed)
    well_ended(result)
    assert "try-parts" in daemon.asked
