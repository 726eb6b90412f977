"""The files that an installer of a bridge begins with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from hubbridge.config import BACKEND_PORT, DEFAULT_PORT, load
from hubd.config import bridges
from hubgateway.config import BRIDGES_PORT

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "config/hubbridge.toml"
UNIT = ROOT / "systemd/hubbridge.service"


def test_the_sample_is_a_configuration(tmp_path: Path) -> None:
    assert load(SAMPLE).name == "bridge-1"
    shown = re.sub(
        r"^# (\[room\]|\[\[backend\]\]|[a-z_]+ = )", r"\1", SAMPLE.read_text(), flags=re.MULTILINE
    )
    whole = tmp_path / "hubbridge.toml"
    whole.write_text(shown)
    config = load(whole)
    assert config.orders_key == "credential:orders_key"
    assert len(config.mandates) == 3
    (backend,) = config.backend
    assert (backend.name, backend.port) == ("gateway-1", BACKEND_PORT)
    assert BACKEND_PORT == BRIDGES_PORT
    plain = load(SAMPLE)
    assert config.room == plain.room, "what the sample shows is the default"
    assert config.port == plain.port == DEFAULT_PORT == bridges.DEFAULT_PORT


def test_the_unit_runs_the_sample() -> None:
    unit = UNIT.read_text()
    assert "ExecStart=/opt/hubd/bin/hubbridge --config /etc/hubbridge/hubbridge.toml" in unit
    handed_over = set(re.findall(r"LoadCredential=([a-z_]+):", unit))
    assert set(re.findall(r"credential:([a-z_]+)\"", SAMPLE.read_text())) == handed_over
    assert "StateDirectory=hubbridge" in unit
    assert SAMPLE.read_text().count('"/var/lib/hubbridge/') == 1


def test_a_hub_without_a_bridge_loads_no_tls_for_one() -> None:
    """wiring.uplinks: TLS takes memory and time"""
    code = (
        "import sys, hubd.__main__, hubd.app, hubd.wiring.hardware; "
        "sys.exit(any(name.startswith('hubd.adapters.bridge') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
