"""One device whole and the card readers: what hubd knows of them, and what a technician reads."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hubcore.device.command import Command, Verb
from hubcore.device.state import DeviceFault, Quantity, Reading
from hubcore.errors import HardwareError
from hubcore.ports.reader import ReaderFault
from hubctl.main import hubctl
from hubctl.things.device import page as device_page
from hubctl.things.readers import all_page, channel_of, key_of
from hubctl.things.readers import page as reader_page
from hubd.calls.devices import DeviceCalls
from hubd.config.readers import Osdp
from hubd.devices.memory import COMMANDS_KEPT
from hubd.upkeep.shown.devices import DeviceReport
from hubd.upkeep.shown.readers import ReaderReport
from hublocal.calls import CallRefused
from hubterm import exits
from tests.fakes.daemon import Daemon, documents
from tests.readers_desk import READERS, ReadersDesk, with_readers
from tests.unit.test_hubctl_hostile import DEVICE, READER
from tests.unit.test_supervisor import ON, Rig, play

DOCS = Path(__file__).parents[2] / "docs" / "hubctl.md"


def run(path: Path, *typed: str) -> Result:
    return CliRunner().invoke(hubctl, ["--socket", str(path), *typed], prog_name="hubctl")


# Devices.


def _report(rig: Rig) -> DeviceReport:
    """A light, and a lock of a door, as `Status` shows them."""
    shown = [
        {"id": "light", "name": "Hall"},
        {"id": "front-lock", "name": "Front", "door": "front"},
    ]
    return DeviceReport(lambda: shown, rig.supervisor, rig.supervisor._clock)


def test_a_device_has_its_readings_with_ages_and_its_faults_with_what_to_do() -> None:
    async def scene(rig: Rig) -> None:
        await rig.driver.served.wait()
        rig.supervisor.read(Reading("light", Quantity.POWER, 7.5))
        rig.supervisor.fault("light", DeviceFault.DEAD, True)
        began = _report(rig).clock.wall()
        await asyncio.sleep(30.0)
        found: Any = _report(rig).document("light")
        (reading,) = found["reading_details"]
        assert reading == {"quantity": "power", "value": 7.5, "unit": "W", "age_seconds": 30.0}
        (fault,) = found["fault_details"]
        assert (fault["fault"], "light" in fault["what"]) == ("dead", True)
        assert fault["since"] == pytest.approx(began)
        assert "power" in fault["remedy"]
        rig.supervisor.fault("light", DeviceFault.DEAD, False)
        assert _report(rig).document("light")["fault_details"] == []  # type: ignore[index]

    play(scene)


def test_a_lock_of_a_door_has_the_remedies_of_one() -> None:
    async def scene(rig: Rig) -> None:
        for device in ("light", "front-lock"):
            rig.supervisor.fault(device, DeviceFault.DEAD, True)
        report: Any = _report(rig)
        light, lock = (report.document(one)["fault_details"][0] for one in ("light", "front-lock"))
        assert light["remedy"] != lock["remedy"]

    play(scene)


def test_the_last_commands_are_kept_with_what_became_of_them_and_no_more() -> None:  # memory, 1
    async def scene(rig: Rig) -> None:
        rig.driver.failing["light"].extend([HardwareError("jammed"), HardwareError("jammed")])
        await rig.do(ON)
        for _ in range(COMMANDS_KEPT):
            await rig.do(Command("light", Verb.OFF))
        await rig.do(Command("light", Verb.READ))
        kept: Any = _report(rig).document("light")["commands"]  # type: ignore[index]
        assert [(one["verb"], one["outcome"], one["why"]) for one in kept] == [
            ("off", "confirmed", None)
        ] * COMMANDS_KEPT
        rig.driver.failing["light"].extend([HardwareError("jammed"), HardwareError("jammed")])
        await rig.do(ON)
        kept = _report(rig).document("light")["commands"]  # type: ignore[index]
        assert (kept[0]["verb"], kept[0]["outcome"], kept[0]["why"]) == ("on", "failed", "jammed")
        assert len(kept) == COMMANDS_KEPT

    play(scene)


def test_a_device_that_is_none_is_refused_and_leaves_no_memory() -> None:
    async def scene(rig: Rig) -> None:
        calls = DeviceCalls(_report(rig))
        for wrong in ({}, {"device": "lihgt"}, {"device": 7}):
            with pytest.raises(CallRefused, match="no such device"):
                await calls.device(wrong, None)
        await rig.do(Command("elsewhere", Verb.ON))
        assert not rig.supervisor.memory("elsewhere").commands
        assert (await calls.device({"device": "light"}, None))["id"] == "light"  # type: ignore[index]

    play(scene)


def test_one_device_is_shown_by_its_id_or_its_name_and_a_misspelt_one_gets_a_hint(
    tmp_path: Path,
) -> None:
    known = {"devices": [DEVICE, {**DEVICE, "id": "light", "name": "Light"}], "device": DEVICE}
    with Daemon(tmp_path / "s", documents(known)) as hub:
        for typed in ("south", "light", "LIGHT"):
            shown = run(hub.path, "devices", typed)
            assert shown.exit_code == 0, shown.stderr
        assert "what to do: Check its power." in shown.stdout
        assert "7.5 W" in shown.stdout
        assert "failed: it is dead" in shown.stdout
        wrong = run(hub.path, "devices", "ligth")
        assert wrong.exit_code == exits.NO
        assert wrong.stderr == "There is no device ligth. Did you mean light?\n"
        odd = run(hub.path, "devices", "ligth", "--json")
        assert (odd.exit_code, odd.stdout) == (exits.NO, "")
        assert json.loads(odd.stderr)["error"]["code"] == "unknown-device"
        machine = json.loads(run(hub.path, "devices", "south", "--json").stdout)
        assert machine["device"]["commands"] == DEVICE["commands"]


def test_what_was_never_said_is_not_shown_as_well() -> None:
    shown = device_page({"id": "x", "age_seconds": None, "fault_details": []}).plain()
    assert "nothing since hubd started" in shown
    assert "readings" not in shown


# Card readers.

_CONFIG: Any = SimpleNamespace(
    doors=[
        SimpleNamespace(
            id="front",
            access_points=[
                SimpleNamespace(number=1, name="Street"),
                SimpleNamespace(number=2, name="Lab"),
            ],
        )
    ],
    readers=[
        Osdp(id=reader, access_point=point, device=Path("/dev/ttyUSB0"), address=number, key=None)  # type: ignore[arg-type]
        for number, (reader, point) in enumerate(READERS.items())
    ],
)


def _told(desk: ReadersDesk) -> dict[str, Any]:
    documents: Any = ReaderReport(_CONFIG, desk.attending).documents()
    return {one["id"]: one for one in documents}


def test_a_reader_is_secured_once_it_has_proven_itself_and_not_while_it_is_lost() -> None:
    async def scene(desk: ReadersDesk) -> None:
        front = _told(desk)["front"]
        assert (front["secured"], front["key"], front["last_fault"]) == (True, "key", None)
        assert (front["door"], front["point_name"], front["address"]) == ("front", "Street", 0)
        began = desk.clock.wall()
        await desk.lose("front", ReaderFault.NOT_PROVEN)
        told = _told(desk)
        assert (told["front"]["secured"], told["front"]["key"]) == (False, None)
        assert told["back"]["secured"] is True
        (fault,) = told["front"]["faults"]
        assert (fault["fault"], fault["since"]) == ("not_proven", began)
        assert "reader NAME install" in fault["remedy"]
        desk.readers.end("front", ReaderFault.NOT_PROVEN)
        await desk.settle()
        front = _told(desk)["front"]
        assert (front["secured"], front["faults"]) == (True, [])
        assert front["last_fault"] == {
            "fault": "not_proven",
            "began": began,
            "ended": pytest.approx(began + 0.1),
        }

    with_readers(scene)


def test_an_opened_reader_is_told_and_stays_secured() -> None:
    async def scene(desk: ReadersDesk) -> None:
        await desk.lose("lab", ReaderFault.TAMPERED)
        lab = _told(desk)["lab"]
        assert (lab["tamper"], lab["secured"]) == (True, True)
        assert _told(desk)["front"]["tamper"] is False

    with_readers(scene)


def test_a_reader_that_nothing_was_heard_of_is_neither_secured_nor_not() -> None:
    async def scene(desk: ReadersDesk) -> None:
        desk.readers.silent.add("front")
        front = _told(desk)["front"]
        assert (front["secured"], front["key"]) == (None, None)
        assert channel_of(front) == "not known yet"

    with_readers(scene)


def test_a_hub_without_readers_has_none(tmp_path: Path) -> None:
    assert ReaderReport(_CONFIG, None).documents() == []
    with Daemon(tmp_path / "s", documents({"readers": []})) as hub:
        assert "names none" in run(hub.path, "osdp").stdout
        wrong = run(hub.path, "reader", "front")
    assert (wrong.exit_code, wrong.stderr) == (
        exits.NO,
        "There is no reader front. There is none at all.\n",
    )


def test_what_is_wrong_with_a_reader_comes_first_with_what_to_do() -> None:
    for shown in (all_page([READER]).plain(), reader_page(READER).plain()):
        first, remedy, *_ = shown.splitlines()
        assert first.startswith("warning: gone: No answer.")
        assert remedy == "  what to do: Check its power."
        assert "not secured" in shown
        assert "no power, 2027-01-15T08:00:00.000Z to 2027-01-15T08:00:05.000Z" in shown


def test_a_next_key_that_waits_is_said() -> None:
    assert key_of({"key": "key", "has_next_key": True}) == "its key; next_key is not given yet"
    assert key_of({"key": "next_key", "has_next_key": True}) == "its next_key"
    assert key_of({"key": None, "has_next_key": True}) == "not proven"


def test_the_document_says_how_many_commands_are_kept() -> None:
    assert f"its last {COMMANDS_KEPT} commands since hubd started" in DOCS.read_text("utf-8")
