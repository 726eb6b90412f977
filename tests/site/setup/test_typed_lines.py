"""From an empty Debian to a hub behind a site's server: the very lines of the page."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hubctl.table import find
from hubd.enrolment.__main__ import enroll
from hubsite.setup.command import DEFAULTS, setup
from tests.site.machine import Machine

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/site.md"
ONE_MACHINE = 6
TWO_MACHINES = 8
SHARED = 2
"""A machine of its own needs its packages and the clone, too."""


def blocks() -> list[list[str]]:
    """The lines that are typed at the site's machine, and at the hub."""
    part = PAGE.read_text(encoding="utf-8").partition("\n## Installing\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^    \S.*\n)+", part, re.M)
    return [[line.strip() for line in block.splitlines()] for block in found]


def test_six_lines_are_typed_and_eight_on_two_machines() -> None:
    site, hub = blocks()
    assert len(site) + len(hub) == ONE_MACHINE
    assert len(site) + len(hub) + SHARED == TWO_MACHINES
    assert [line.split()[0] for line in (*site, *hub)] == [
        "apt-get",
        "git",
        "make",
        "hubsite",
        "make",
        "hubctl",
    ]


@pytest.mark.parametrize("line", ["make install-site", "make install"])
def test_make_knows_its_lines(line: str) -> None:
    assert line in {*blocks()[0], *blocks()[1]}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("M")}
    argv = [*line.split(), "-n"]
    done = subprocess.run(argv, cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    script = "install-site.sh" if "site" in line else "install.sh"
    assert f"systemd/{script} install" in done.stdout


def test_the_line_that_sets_up_is_understood(tmp_path: Path) -> None:
    (line,) = [line for line in blocks()[0] if line.startswith("hubsite ")]
    words = shlex.split(line)[2:]
    context = setup.make_context("setup", [*words, "--root", str(tmp_path)])
    assert context.params["operator"]
    assert context.params["certificate"]
    at = words.index("--certificate")
    mine = [*words[:at], *words[at + 4 :], "--trial"]
    machine = Machine(tmp_path)
    done = CliRunner().invoke(setup, [*mine, "--root", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert machine.at("etc/hubsite/hubsite.toml").exists()
    assert context.params["host"] in machine.at("etc/hubsite/hubsite.toml").read_text()


def test_the_line_at_the_hub_is_understood() -> None:
    (line,) = [line for line in blocks()[1] if line.startswith("hubctl ")]
    words = shlex.split(line)
    found = find(words[1:])
    assert found is not None
    assert found.row.noun == "enroll"
    context = enroll.make_context("enroll", words[2:])
    assert context.params["start"]
    port = context.params["backend"].rpartition(":")[2]
    assert port == DEFAULTS["--enrolment-port"]


def test_the_machine_that_has_a_hub_gets_what_a_hub_needs() -> None:
    (line,) = [line for line in blocks()[0] if line.startswith("apt-get ")]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (of_hub,) = re.findall(r"^    (apt-get update && apt-get install bluez .+)$", readme, re.M)
    assert set(of_hub.split()) <= set(line.split())
