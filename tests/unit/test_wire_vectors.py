"""Every file of messages against the readers of both sides: ours, and one in another language."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubcore.backend.enrolment import messages as enrolment
from hubcore.backend.uplink import codec as uplink
from hubcore.errors import FrameError
from tests.vectors.cases_wire import FOLDER, SIDES, bytes_of, encode, known_values, texts

ROOT = Path(__file__).parents[2]
READERS: dict[tuple[str, str], Callable[[bytes], Any]] = {
    ("uplink", "hub"): uplink.decode_from_hub,
    ("uplink", "backend"): uplink.decode_from_backend,
    ("enrolment", "hub"): enrolment.decode_from_hub,
    ("enrolment", "backend"): enrolment.decode_from_backend,
}
KINDS = {
    ("uplink", "hub"): uplink.FROM_HUB,
    ("uplink", "backend"): uplink.FROM_BACKEND,
    ("enrolment", "hub"): enrolment.FROM_HUB,
    ("enrolment", "backend"): enrolment.FROM_BACKEND,
}
files = pytest.mark.parametrize("path", [side.path for side in SIDES], ids=lambda path: path.stem)


def messages_of(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text("ascii"))["messages"]
    return found


@files
def test_our_reader_says_what_the_file_says(path: Path) -> None:
    file = json.loads(path.read_text("ascii"))
    read = READERS[file["talk"], file["from"]]
    for entry in file["messages"]:
        data = bytes_of(entry)
        if entry["verdict"] == "invalid":
            with pytest.raises(FrameError):
                read(data)
            continue
        message = read(data)
        assert type(message).__name__ == entry["name"]
        assert encode(message) == data


@files
def test_every_message_of_a_side_is_there_right_and_wrong(path: Path) -> None:
    file = json.loads(path.read_text("ascii"))
    kinds = KINDS[file["talk"], file["from"]]
    entries = file["messages"]
    right = {entry["name"] for entry in entries if entry["verdict"] == "valid"}
    assert right == {kind.__name__ for kind in kinds.values()}
    wrong = [entry for entry in entries if entry["verdict"] == "invalid"]
    assert len(wrong) > len(kinds)
    assert all(entry["why"] for entry in wrong)


# cases_wire, its law
def test_the_files_are_those_that_the_cases_make() -> None:
    made = dict(texts())
    assert {path.name for path in made} == {path.name for path in FOLDER.iterdir()}
    for path, text in made.items():
        assert path.read_text("ascii") == text, "python -m tests.vectors.generate wire"


def test_the_values_of_an_enrolment_stand_in_the_page_too() -> None:
    page = (ROOT / "docs" / "uplink.md").read_text("utf-8")
    values = known_values()
    for value in (values["trust"], values["token"], values["greeting"]["bytes"]):
        assert value in page


def in_javascript(*paths: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js on this machine")
    return subprocess.run(
        [node, ROOT / "tests" / "gateway" / "messages.js", *paths],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.once
def test_a_reader_in_another_language_says_the_same() -> None:
    paths = [side.path for side in SIDES]
    ran = in_javascript(*paths)
    assert (ran.returncode, ran.stderr) == (0, "")
    counts = [len(messages_of(path)) for path in paths]
    assert [line.rpartition(": ")[2] for line in ran.stdout.splitlines()] == [
        f"{count} of {count}" for count in counts
    ]


@pytest.mark.once
def test_that_reader_notices_each_entry_whose_verdict_is_wrong(tmp_path: Path) -> None:
    for side in SIDES:
        file = json.loads(side.path.read_text("ascii"))
        for entry in file["messages"]:
            entry["verdict"] = "invalid" if entry["verdict"] == "valid" else "valid"
        turned = tmp_path / side.path.name
        turned.write_text(json.dumps(file))
        ran = in_javascript(turned)
        assert ran.returncode == 1
        assert len(ran.stderr.splitlines()) == len(file["messages"])
