"""What systemd is told of a site's server: lines that it understands, and few rights."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hubsite import config

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
UNITS = [ROOT / "systemd" / name for name in ("hubsite.service", "hubsite-backup.service")]
has_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


@has_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_each_line(tmp_path: Path, unit: Path) -> None:
    there = tmp_path / unit.name
    text = unit.read_text(encoding="utf-8")
    there.write_text(re.sub("/opt/hubsite/bin/[a-z]+", "/bin/true", text))
    argv = ["systemd-analyze", "verify", "--recursive-errors=no", str(there)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert unit.name not in said.stderr, said.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_hand_over_what_the_sample_asks_for(unit: Path) -> None:
    sample = ROOT / "config" / "hubsite.toml"
    read = config.parse(sample.read_bytes(), sample)
    handed = set(re.findall(r"^LoadCredential=(\S+)$", unit.read_text(), re.MULTILINE))
    asked = {read.secret, read.tls_key}
    assert {f"credential:{name}" for name in handed} >= asked
    assert read.database.startswith("/var/lib/hubsite/")
