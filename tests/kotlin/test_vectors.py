"""Every vector file for a phone, in Kotlin on a Java VM: the same files, the same verdicts.

`make kotlin` builds it and runs this; `HUBD_KOTLIN` names the folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kotlin.visits import JAVA
from tests.vectors.form import FOLDER, Json, files, load

SECONDS = 300
BEACON = FOLDER.parent / "beacon.json"
NAMES = {path.stem for path in files("phone") + files("known")} | {"beacon"}


def run(folder: Path) -> tuple[int, dict[str, str]]:
    """Run the files of a folder; return the status, and what is said of each."""
    argv = [*JAVA, "hub.vectors.VectorsKt", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    *lines, _ = done.stdout.splitlines()
    assert done.stderr == ""
    return done.returncode, dict(line.split(" ", 1) for line in lines)


def copy(folder: Path) -> Path:
    """A copy of the files for a phone."""
    (folder / "v1").mkdir()
    for path in files("phone") + files("known"):
        shutil.copy(path, folder / "v1")
    shutil.copy(BEACON, folder)
    return folder


def test_every_file_is_run_and_is_right() -> None:
    status, said = run(FOLDER.parent)
    assert said == dict.fromkeys(NAMES, "right")
    assert status == 0
    assert len(NAMES) > 90


def test_one_thing_changed_in_a_file_makes_that_file_wrong(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    for path in (folder / "v1").iterdir():
        file = load(path)
        change(file)
        path.write_text(json.dumps(file))
    tags = json.loads(BEACON.read_text())
    tags[0]["tag"] = turned(tags[0]["tag"])
    (folder / "beacon.json").write_text(json.dumps(tags))
    status, said = run(folder)
    assert status == 1
    assert {name for name, what in said.items() if what.startswith("WRONG")} == NAMES


def change(file: Json) -> None:
    """Change one byte that the phone must say, or one word."""
    if file["reader"] == "known":
        answer = file["answers"][0]
        is_text = isinstance(answer["bytes"], str)
        answer["bytes"] = turned(answer["bytes"]) if is_text else list(map(turned, answer["bytes"]))
        return
    gives = next(step["gives"] for step in file["steps"] if step["gives"])
    for name in ("payload", "sends", "writes"):
        if name in gives[0]:
            gives[0][name] = turned(gives[0][name])
            return
    gives[0] = {"verdict": "ANOTHER"}


def turned(text: str) -> str:
    """Turn the last bit of hex."""
    return text[:-1] + f"{int(text[-1], 16) ^ 1:x}"


@pytest.mark.parametrize("member", ["steps", "after", "random"])
def test_a_step_a_draw_or_what_is_kept_makes_a_file_wrong_as_well(
    tmp_path: Path, member: str
) -> None:
    folder = copy(tmp_path)
    path = folder / "v1" / "008-phone-resume-a256gcm.json"
    file = load(path)
    if member == "steps":
        file["steps"].append({"do": "unheard of", "at": 2, "gives": []})
    elif member == "after":
        file["after"]["tickets"] = []
    else:
        file["random"].append({"for": "op", "bytes": "00" * 8})
    path.write_text(json.dumps(file))
    status, said = run(folder)
    assert status == 1
    assert [name for name, what in said.items() if what != "right"] == [path.stem]


def test_a_file_that_nobody_can_read_and_a_reader_that_nobody_knows_are_wrong(
    tmp_path: Path,
) -> None:
    folder = copy(tmp_path)
    (folder / "v1" / "aaa.json").write_text('{"reader": "phone"} {}')
    (folder / "v1" / "bbb.json").write_text('{"reader": "somebody"}')
    status, said = run(folder)
    assert status == 1
    assert {name for name, what in said.items() if what != "right"} == {"aaa", "bbb"}


def test_no_file_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    shutil.copy(BEACON, tmp_path)
    assert run(tmp_path)[0] == 1
