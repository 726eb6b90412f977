"""Cards and PINs at OSDP readers of a real hub: its processes, its panel, simulated readers on a
pseudo-terminal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from drivers.osdp.gate import crc
from hubcore.access.cards import CardNumber
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubsim.site import OPEN_AND_QUERY, DeskDoor
from hubsim.site.cards import Pins, add_card, card_key, demand
from hubsim.site.readers import add_reader
from hubsim.stage import Stage

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

FRONT = DeskDoor("front", "Front door", access_point=1, strike_seconds=1.0)
LAB = DeskDoor("lab", "Laboratory", access_point=2, strike_seconds=1.0)
ALWAYS = (Access(1, OPEN_AND_QUERY, ()), Access(2, OPEN_AND_QUERY, ()))
BITS = 58
ANNA = CardNumber.of(0x2C0FFEE5EED1234, BITS)
BERT = CardNumber.of(0x1BADBED5EED4321, BITS)
STRANGER = CardNumber.of(0x3DEAD015EED0001, BITS)
PIN = "40291377"
DURESS = "73190522"
SETTLE_SECONDS = 0.7
"""For so long after a session has begun its reads are dropped, and a little more."""
AGAIN_SECONDS = 1.3
"""After so long a card at a reader counts again, and a little more."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A hub with a reader at each of two doors; the laboratory demands card and PIN.

    A third reader, `back`, is as it came from its maker.
    """
    made = Stage(tmp_path_factory.mktemp("readers") / "site", [FRONT, LAB], person=False)
    add_reader(made.site, made.site.first_hub, "front", 1)
    add_reader(made.site, made.site.first_hub, "lab", 2)
    add_reader(made.site, made.site.first_hub, "back", 1, fresh=True)
    add_card(made.site, "anna", ANNA, ALWAYS, Pins(PIN, DURESS))
    add_card(made.site, "bert", BERT, ALWAYS, Pins())
    demand(made.site, 2, [Demand((Factor.CARD | Factor.PIN,))])
    async with made as running:
        await running.start_readers()
        await settled(running)
        yield running


async def settled(stage: Stage) -> None:
    """Wait until neither usual reader is lost, and their reads are believed."""

    async def all_there() -> bool:
        problems = (await stage.hub("status"))["problems"]
        of_readers = [one["what"] for one in problems if one["id"].startswith("reader")]
        return not any("front" in what or "lab" in what for what in of_readers)

    await stage.until(all_there, "the readers are there")
    await asyncio.sleep(SETTLE_SECONDS)


async def hold(stage: Stage, reader: str, card: CardNumber) -> None:
    await asyncio.sleep(AGAIN_SECONDS)
    await stage.at_reader("hold", reader=reader, bits=card.bits, data=card.data.hex())


async def press(stage: Stage, reader: str, keys: str) -> None:
    for key in keys:
        await stage.at_reader("press", reader=reader, keys=key)
        await asyncio.sleep(0.15)


async def shown(stage: Stage, reader: str) -> list[str]:
    """Return the colours that a reader has shown."""
    said: list[str] = await stage.at_reader("shown", reader=reader)
    return [one for one in said if "beep" not in one]


async def until_shown(stage: Stage, reader: str, before: int, *colours: str) -> None:
    async def is_shown() -> bool:
        return (await shown(stage, reader))[before:] == list(colours)

    await stage.until(is_shown, f"{reader} shows {colours}")


async def newest_access(stage: Stage, count: int) -> dict[str, Any]:
    """Return the facts of the newest record of an access, when there are `count` of them."""

    async def are_there() -> bool:
        return len(await accesses(stage)) == count

    await stage.until(are_there, f"{count} records of accesses are with the backend")
    return (await accesses(stage))[-1]


async def accesses(stage: Stage) -> list[dict[str, Any]]:
    records = await stage.records()
    return [record["detail"] for record in records if record["kind"] == "access"]


async def at_rest(stage: Stage) -> None:
    for door in (FRONT, LAB):
        await stage.until(lambda d=door: not stage.strike(d.id).active, "strikes rest")  # type: ignore[misc]
    await asyncio.sleep(0.6)


async def test_a_card_opens_its_door(stage: Stage) -> None:
    count = len(await accesses(stage))
    rises = stage.strike("front").rises
    await hold(stage, "front", ANNA)
    await stage.until(lambda: stage.strike("front").rises == rises + 1, "the strike is driven")
    await until_shown(stage, "front", 0, "green")
    record = await newest_access(stage, count + 1)
    assert (record["path"], record["allowed"], record["point"]) == ("card", True, 1)
    assert record["reader"] == "front"
    await at_rest(stage)


async def test_an_unknown_card_opens_nothing(stage: Stage) -> None:
    count = len(await accesses(stage))
    before = len(await shown(stage, "front"))
    rises = stage.strike("front").rises
    await hold(stage, "front", STRANGER)
    await until_shown(stage, "front", before, "red")
    record = await newest_access(stage, count + 1)
    assert (record["why"], record["asker"]) == ("unknown-credential", "reader/front")
    assert stage.strike("front").rises == rises
    measured = await stage.hub("measured")
    refused = {"reader": "front", "why": "unknown-credential", "count": 1}
    assert refused in measured["reader_decisions"]
    assert {row["reader"]: row["count"] for row in measured["cards"]}["front"] >= 1


async def test_a_card_alone_is_not_enough_where_a_pin_is_demanded(stage: Stage) -> None:
    count = len(await accesses(stage))
    before = len(await shown(stage, "lab"))
    await hold(stage, "lab", BERT)  # a card without a PIN
    await until_shown(stage, "lab", before, "red")
    assert (await newest_access(stage, count + 1))["why"] == "factor-needed"


async def test_card_and_pin_open_and_a_wrong_pin_does_not(stage: Stage) -> None:
    count = len(await accesses(stage))
    rises = stage.strike("lab").rises
    before = len(await shown(stage, "lab"))
    await hold(stage, "lab", ANNA)
    await until_shown(stage, "lab", before, "amber")
    await press(stage, "lab", "11112222#")
    await until_shown(stage, "lab", before, "amber", "red")
    assert (await newest_access(stage, count + 1))["why"] == "wrong-pin"
    assert stage.strike("lab").rises == rises
    await hold(stage, "lab", ANNA)
    await press(stage, "lab", f"{PIN}#")
    await stage.until(lambda: stage.strike("lab").rises == rises + 1, "the strike is driven")
    record = await newest_access(stage, count + 2)
    assert (record["path"], record["allowed"]) == ("card-pin", True)
    assert "duress" not in record
    await until_shown(stage, "lab", before, "amber", "red", "amber", "green")
    await at_rest(stage)


async def test_a_duress_pin_opens_and_tells_it_to_the_record_alone(stage: Stage) -> None:
    count = len(await accesses(stage))
    rises = stage.strike("lab").rises
    before = len(await shown(stage, "lab"))
    await hold(stage, "lab", ANNA)
    await press(stage, "lab", f"{DURESS}#")
    await stage.until(lambda: stage.strike("lab").rises == rises + 1, "the strike is driven")
    await until_shown(stage, "lab", before, "amber", "green")
    assert (await newest_access(stage, count + 1))["duress"] is True
    await at_rest(stage)
    said = (stage.path / "backend.log").read_text()
    assert said.count("backend: DURESS: ") == 1
    assert "opened access point 2 of hub hub-1 under threat" in said
    told = await stage.hub("status")
    assert "duress" not in str(told), "whoever looks at the hub sees nothing of it"
    assert "duress" not in stage.tail("hub").lower()


async def test_a_foreign_reader_never_opens_and_is_told(stage: Stage) -> None:
    rises = stage.strike("front").rises
    await stage.at_reader("swap", reader="front", foreign=True)

    async def is_told() -> bool:
        problems = (await stage.hub("status"))["problems"]
        lost = [one["what"] for one in problems if one["id"] == "reader-not-proven"]
        return any("front" in what for what in lost)

    await hold(stage, "front", ANNA)
    await stage.until(is_told, "the foreign reader is told")
    await hold(stage, "front", ANNA)
    await asyncio.sleep(1.0)
    assert stage.strike("front").rises == rises
    await stage.at_reader("swap", reader="front", foreign=False)
    await settled(stage)
    of_reader = [r["detail"] for r in await stage.records() if r["kind"] == "reader"]
    of_front = [one for one in of_reader if one["reader"] == "front"]
    not_proven = [one for one in of_front if one["what"] == "not_proven"]
    assert [one["stands"] for one in not_proven] == [True, False]
    await hold(stage, "front", ANNA)
    await stage.until(lambda: stage.strike("front").rises == rises + 1, "it opens again")
    await at_rest(stage)


async def test_a_chattering_reader_opens_no_more_and_another_one_goes_on(stage: Stage) -> None:
    rises = stage.strike("lab").rises
    count = len(await accesses(stage))
    ends = time.monotonic() + 3.0
    while time.monotonic() < ends:
        number = CardNumber.of(int(time.monotonic() * 1000), BITS)
        order = {"reader": "front", "bits": number.bits, "data": number.data.hex()}
        await stage.at_reader("hold", **order)
        await asyncio.sleep(0.02)
    await hold(stage, "lab", ANNA)
    await press(stage, "lab", f"{PIN}#")
    await stage.until(lambda: stage.strike("lab").rises == rises + 1, "the other one opens")
    found = await accesses(stage)
    assert len(found) < count + 12  # the rest is summed
    await at_rest(stage)


async def test_half_frames_and_forged_cards_open_nothing(stage: Stage) -> None:
    """A stranger on the wire: beginnings of frames, and a card in plain text."""
    rises = [stage.strike(door.id).rises for door in (FRONT, LAB)]
    count = len(await accesses(stage))
    size = 5 + 1 + 4 + len(ANNA.data) + 2
    body = bytes([0x53, 0x81, size, 0, 0x05, 0x50, 0, 0, BITS, 0]) + ANNA.data
    frame = body + crc(body)
    for cut in range(1, len(frame) + 1):
        await stage.at_reader("inject", data=frame[:cut].hex())
        await asyncio.sleep(0.03)
    await asyncio.sleep(1.0)
    assert len(await accesses(stage)) == count
    assert [stage.strike(door.id).rises for door in (FRONT, LAB)] == rises
    await settled(stage)
    await hold(stage, "front", ANNA)
    await stage.until(lambda: stage.strike("front").rises == rises[0] + 1, "the card opens")
    await at_rest(stage)


async def test_an_install_command_gives_a_new_reader_its_key(stage: Stage) -> None:
    rises = stage.strike("front").rises
    await hold(stage, "back", ANNA)
    await asyncio.sleep(1.0)
    assert stage.strike("front").rises == rises
    socket = stage.site.hub / "hubd.sock"
    hubctl = (sys.executable, "-m", "hubctl.main", "reader", "install", "back")
    done = await asyncio.create_subprocess_exec(
        *hubctl, "--socket", str(socket), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await done.communicate()
    assert said.decode() == "Reader back has proven itself with its key.\n"

    async def is_recorded() -> bool:
        records = [r["detail"] for r in await stage.records() if r["kind"] == "reader"]
        given = [one for one in records if one.get("vouched_by") == "technician"]
        said = [(one["reader"], one["what"]) for one in given]
        return said == [("back", "key_install_asked"), ("back", "key_installed")]

    await stage.until(is_recorded, "the key is on record")
    await asyncio.sleep(SETTLE_SECONDS)
    await hold(stage, "back", ANNA)
    await stage.until(lambda: stage.strike("front").rises == rises + 1, "it opens")
    await at_rest(stage)


async def hubsim(stage: Stage, *words: str) -> tuple[int, str]:
    """Run a command of the simulator's readers, as a person does."""
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubsim.main", "reader", "--at", str(stage.path), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await done.communicate()
    return await done.wait(), said.decode()


async def test_a_newcomer_opens_by_commands(stage: Stage) -> None:
    rises = stage.strike("lab").rises
    assert (await hubsim(stage, "hold", "lab", "anna"))[0] == 0
    assert (await hubsim(stage, "press", "lab", f"{PIN}#"))[0] == 0
    await stage.until(lambda: stage.strike("lab").rises == rises + 1, "the strike is driven")
    await at_rest(stage)
    status, said = await hubsim(stage, "shown", "lab")
    assert (status, said.split("\n")[-4:-2]) == (0, ["amber", "green"])
    status, said = await hubsim(stage, "hold", "lab", "nobody")
    assert status == 1
    assert "there is no card nobody: make it with `hubsim site card`" in said
    status, said = await hubsim(stage, "press", "cellar", "1")
    assert status == 1
    assert "Traceback" not in said


async def test_a_restarted_hub_opens_by_card_again(stage: Stage) -> None:
    await stage.stop("hub")
    await stage.kill("radio")
    port = stage.transport.rpartition(":")[2]
    await stage.start("radio", "radio", "--listen", f"127.0.0.1:{port}")
    await stage.start_hub()
    await settled(stage)
    rises = stage.strike("front").rises
    await hold(stage, "front", ANNA)
    await stage.until(lambda: stage.strike("front").rises == rises + 1, "the strike is driven")
    await at_rest(stage)


def panel_of(hub: int) -> int:
    """Return the process of a hub's OSDP panel."""
    children = Path(f"/proc/{hub}/task/{hub}/children").read_text().split()
    for child in children:
        if b"drivers.osdp.panel" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("the hub has no panel")


async def test_a_killed_panel_is_a_problem_and_comes_back(stage: Stage) -> None:
    os.kill(panel_of(stage.process_id("hub")), signal.SIGKILL)

    async def is_told() -> bool:
        records = await stage.records()
        return any(r["detail"].get("what") == "gone" for r in records if r["kind"] == "reader")

    await stage.until(is_told, "the readers are gone")
    await settled(stage)
    rises = stage.strike("front").rises
    await hold(stage, "front", ANNA)
    await stage.until(lambda: stage.strike("front").rises == rises + 1, "the strike is driven")
    await at_rest(stage)


async def test_no_card_number_pin_or_key_is_in_any_byte_that_is_kept(stage: Stage) -> None:
    """Canary: the audit log, the policy on the hub, the journal and the panel's words."""
    await hold(stage, "lab", ANNA)
    await press(stage, "lab", f"{PIN}#")
    await at_rest(stage)
    await stage.stop("hub")
    kept = (stage.path / "hub.log").read_bytes()
    for file in (stage.site.hub / "state").rglob("*"):
        if file.is_file():
            kept += file.read_bytes()
    secrets = secret_forms(stage)
    assert all(len(secret) >= 4 for secret in secrets)
    assert [secret for secret in secrets if secret in kept] == []


def secret_forms(stage: Stage) -> list[bytes]:
    """Return what must be nowhere: raw, in hexadecimal digits, and as people write it."""
    raw = [card_key(stage.site)]
    for reader in ("front", "lab", "back"):
        raw.append((stage.site.hub / "readers" / f"{reader}.key").read_bytes())
    for card in (ANNA, BERT, STRANGER):
        raw.append(card.data)
    forms = [*raw, *(one.hex().encode() for one in raw), PIN.encode(), DURESS.encode()]
    numbers = [int.from_bytes(card.data, "big") >> 64 - BITS for card in (ANNA, BERT, STRANGER)]
    return [*forms, *(str(number).encode() for number in numbers)]
