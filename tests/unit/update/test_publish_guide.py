"""docs/updates.md leads from nothing to the first update: each of its commands runs here."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from hubterm.exits import OK
from tests.unit.update.publisher import HubThere, Publisher

pytestmark = pytest.mark.once

GUIDE = Path(__file__).parents[3] / "docs" / "updates.md"
COMMAND = "    python -m hubupdate.publish "


def test_the_guide_leads_to_an_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the guide's order, in one folder, with the guide's plan."""
    text = GUIDE.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    image = os.urandom(50_000)
    (tmp_path / "hubd_1.2.0_amd64_cp311.squashfs").write_bytes(image)
    plan_file = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert plan_file is not None
    (tmp_path / "plan.toml").write_text(plan_file[1])
    (tmp_path / "fleet.json").write_text("[]")
    publisher = Publisher(tmp_path)
    commands = [line.removeprefix(COMMAND) for line in text.splitlines() if COMMAND in line]
    for command in commands:
        assert publisher.does(*shlex.split(command)) == OK, (command, publisher.said)
    assert {command.split()[0] for command in commands} == {
        "key", "draft", "sign", "accept", "add", "plan", "publish", "show", "explain", "tolerate"
    }  # fmt: skip
    hub = HubThere(publisher, tmp_path / "kept")
    plan = hub.look()
    assert plan is not None
    assert plan.image.version == "1.2.0"
    assert hub.bytes_of(plan) == image
