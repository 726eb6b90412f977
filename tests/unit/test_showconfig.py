"""`hubctl config` and `hubd --show-config`: what hubd makes of its configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hubcore.errors import ConfigError
from hubd.start.showconfig import effective, show
from hubterm.exits import NO

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "hubd.toml"


def hubctl(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hubctl", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_setting_has_where_it_came_from() -> None:
    value = {"hub": {"id": "a", "size": 7}, "doors": [{"id": "x", "wires": [1, 2]}], "none": None}
    given = {"hub": {"id": "a"}, "doors": [{"wires": [1, 2]}]}
    assert list(effective(value, given)) == [
        ("hub.id", "a", "file"),
        ("hub.size", 7, "default"),
        ("doors[0].id", "x", "default"),
        ("doors[0].wires", [1, 2], "file"),
        ("none", None, "default"),
    ]


def test_the_example_is_shown_with_its_defaults_and_the_names_of_keys() -> None:
    settings = {
        one["key"]: (one["value"], one["from"]) for one in json.loads(show(EXAMPLE, {}))["settings"]
    }
    assert settings["hub.id"] == ("hub-1", "file")
    assert settings["hub.records_mib"][1] == "default"
    assert settings["keys.identity"] == ("/etc/credstore/hubd.identity", "file")
    assert settings["doors[0].id"] == ("front", "file")


def test_what_a_key_holds_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "identity").write_text("SECRET-CANARY")
    config = tmp_path / "hubd.toml"
    example = EXAMPLE.read_text().replace('"credential:identity"', '"identity"')
    config.write_text(example)
    shown = show(config, {})
    assert "SECRET-CANARY" not in shown
    assert str(tmp_path / "identity") in shown


def test_a_file_that_is_refused_is_said_as_the_start_says_it(tmp_path: Path) -> None:
    config = tmp_path / "hubd.toml"
    config.write_text("[hub]\nid = 7\n")
    with pytest.raises(ConfigError) as caught:
        show(config, {})
    plain = hubctl("config", "show", "--file", str(config))
    assert (plain.returncode, plain.stdout) == (NO, "")
    assert plain.stderr == f"{caught.value}\n"
    machine = hubctl("config", "show", "--json", "--file", str(config))
    assert (machine.returncode, machine.stdout) == (NO, "")
    assert json.loads(machine.stderr)["error"]["code"] == "config-refused"


def test_settings_are_one_document_for_machines_and_a_line_each_for_people() -> None:
    machine = hubctl("config", "show", "--json", "--file", str(EXAMPLE))
    document = json.loads(machine.stdout)
    assert (machine.returncode, document["schema"]) == (0, 1)
    people = hubctl("config", "show", "--file", str(EXAMPLE))
    assert len(people.stdout.splitlines()) == len(document["settings"])
    assert "hub.id = hub-1\n" in people.stdout
    assert "  (default)\n" in people.stdout
    fields = hubctl("config", "show", "-o", "key,from", "--file", str(EXAMPLE))
    assert "hub.id\tfile\n" in fields.stdout


def test_a_wrong_configuration_is_checked_as_wrong(tmp_path: Path) -> None:
    config = tmp_path / "hubd.toml"
    config.write_text("[hub]\nid = 7\n")
    machine = hubctl("config", "check", "--json", "--file", str(config))
    document = json.loads(machine.stdout)
    assert (machine.returncode, document["right"]) == (NO, False)
    assert document["findings"][0]["kind"] == "wrong"
    people = hubctl("config", "check", "--file", str(config))
    assert people.returncode == NO
    assert people.stdout.startswith("wrong: configuration: ")
