"""What counts as BlueZ's own fault, and in which guests a case looks for its deaths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hubsim import site as sites
from lab.guest import Done, Guest
from lab.hub import LabHub
from tests.lab.deaths import deaths, guests_of, times_let_go

pytestmark = pytest.mark.once

DIED = "bluetooth.service: Main process exited, code={}, status={}\r\n"


LET_GO = (
    "src/device.c:device_attach_att() bt_io_set: setsockopt(BT_SECURITY): Invalid argument (22)\n"
)


class Silent(Guest):
    """A guest that never boots, where every command succeeds."""

    async def run(self, *argv: str, **_: Any) -> Done:
        return Done(0, "", "")


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("", 0),
        (DIED.format("killed", "11/SEGV"), 1),
        (DIED.format("dumped", "6/ABRT") + DIED.format("killed", "11/SEGV"), 2),
        (DIED.format("killed", "9/KILL"), 0),
        (DIED.format("exited", "1/FAILURE"), 0),
        (DIED.format("killed", "11/SEGV").replace("bluetooth", "hubd"), 0),
    ],
)
async def test_a_death_is_its_own_when_no_signal_of_the_lab_was_its_cause(
    tmp_path: Path, said: str, count: int
) -> None:
    (tmp_path / "console.log").write_text(said)
    assert await deaths(Silent(tmp_path)) == count


class Said(Guest):
    """A guest that never boots, whose journal of bluetoothd is in a file."""

    async def run(self, *argv: str, **_: Any) -> Done:
        of_bluetoothd = argv[:1] == ("journalctl",) and "bluetooth" in argv
        return Done(0, (self._folder / "journal").read_text() if of_bluetoothd else "", "")


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("", 0),
        (LET_GO, 1),
        (LET_GO + "Endpoint registered\n" + LET_GO, 2),
        (LET_GO.replace("Invalid argument (22)", "Transport endpoint is not connected (107)"), 0),
        (LET_GO.replace("device_attach_att", "device_connect_le"), 0),
    ],
)
async def test_a_phone_was_let_go_only_when_bluetoothd_says_so(
    tmp_path: Path, said: str, count: int
) -> None:
    (tmp_path / "journal").write_text(said)
    assert await times_let_go(Said(tmp_path)) == count


def test_the_guest_of_a_hub_is_looked_at_too_and_each_once(tmp_path: Path) -> None:
    hub = LabHub(one := Guest(tmp_path), sites.init(tmp_path / "site"))
    assert guests_of([hub, one, "an air", 7]) == [one]
    assert guests_of([other := Guest(tmp_path), hub]) == [other, one]
    assert guests_of([]) == []
