"""Every vector file against the readers: the hub's, the phone's and the known answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubcore import errors
from tests.vectors.form import BYTES_MAX, FOLDER, Chance, Json, files, load
from tests.vectors.hub_run import HubRun, verdicts
from tests.vectors.known import ANSWERS
from tests.vectors.phone_run import PhoneRun

ROWS = {f"{row:03}" for row in range(1, 88)}


def _name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", files("hub"), ids=_name)
async def test_hub(path: Path) -> None:
    file = load(path)
    chance = Chance(file["random"], "")
    run = HubRun(file["given"], chance)
    done: list[Json] = []
    for number, step in enumerate(file["steps"]):
        gives, causes = await run.step(step)
        assert json.loads(json.dumps(gives)) == step["gives"], f"step {number}: {step['do']}"
        inside = step.get("inside", [])
        assert [type(cause) for cause in causes] == [
            getattr(errors, cause["class"]) for cause in inside
        ]
        assert [str(cause) for cause in causes] == [cause["words"] for cause in inside]
        done.append({"gives": gives})
    assert verdicts(done) == file["verdict"]
    assert run.strikes.driven == file["strikes"]
    assert chance.left == 0
    if file.get("equal_length"):
        sealed = [
            bytes.fromhex(out["message"])
            for step in done
            for out in step["gives"]
            if "opened" in out
        ]
        assert len(sealed) == 2
        assert len({len(message) for message in sealed}) == 1


@pytest.mark.parametrize("path", files("phone"), ids=_name)
def test_phone(path: Path) -> None:
    file = load(path)
    chance = Chance(file["random"], "")
    run = PhoneRun(file["given"], chance)
    done: list[Json] = []
    for number, step in enumerate(file["steps"]):
        gives = run.step(step)
        assert gives == step["gives"], f"step {number}: {step['do']}"
        done.append({"gives": gives})
    assert verdicts(done) == file["verdict"]
    assert run.after() == file["after"]
    assert chance.left == 0


@pytest.mark.parametrize("path", files("known"), ids=_name)
def test_known(path: Path) -> None:
    for answer in load(path)["answers"]:
        assert ANSWERS[answer["of"]](answer) == answer["bytes"], answer["of"]


def test_every_row_has_a_file_and_every_file_a_reader() -> None:
    everything = [load(path) for path in FOLDER.glob("*.json")]
    assert {file["reader"] for file in everything} == {"hub", "phone", "known"}
    assert {file["row"] for file in everything} >= ROWS
    assert all(file["name"] == path.stem for path in FOLDER.glob("*.json") for file in [load(path)])


def test_the_files_are_small_together() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.json")) < BYTES_MAX


def test_a_phone_names_nobody_in_the_clear() -> None:
    """What a phone sends in any file holds no credential, no site, no grant and no key of a
    person.
    """
    sent = [
        bytes.fromhex(step["bytes"])
        for path in files("hub")
        for step in load(path)["steps"]
        if step["do"] == "message"
    ]
    assert len(sent) > 100
    for message in sent:
        assert b"c0ffee0123456789" not in message
        assert b"site-1" not in message
        assert b"hub-grant" not in message


def test_every_failed_proof_has_one_answer_outside() -> None:
    """CLEAR 6 is the same bytes, whatever failed inside."""
    steps = [step for path in files("hub") for step in load(path)["steps"]]
    failed = {
        out["message"] for step in steps for out in step["gives"] if out.get("verdict") == "CLEAR 6"
    }
    causes = {
        cause["words"]
        for step in steps
        for cause in step.get("inside", [])
        if cause["class"] == "ProofError"
    }
    assert failed == {"820006"}
    assert len(causes) > 10
