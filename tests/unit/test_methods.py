"""The laws of `hubd.start.methods`, by their numbers."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from hubd.start import methods

SECONDS = 150.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "__pycache__" / "methods"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave `dataclasses` as it was."""
    names = vars(dataclasses)
    before = names.pop("exec", None)
    yield
    names.pop("exec", None)
    if before is not None:
        names["exec"] = before


def made() -> type[Any]:
    @dataclass(frozen=True, slots=True)
    class Pair:
        """Two."""

        first: int
        second: str = "b"
        third: list[int] = dataclasses.field(default_factory=list, compare=False)

    return Pair


def test_a_class_with_compiled_methods_is_the_same(file: Path) -> None:
    usual = made()
    methods.write(methods.collect(), file)
    vars(dataclasses).pop("exec")
    collected = methods.collect()
    made()
    methods.write(collected, file)
    vars(dataclasses).pop("exec")
    methods.use(file)
    quick = made()
    assert collected
    assert repr(quick(1)) == repr(usual(1))
    assert quick(1, "c") == quick(1, "c", [3]) != quick(2, "c")
    assert hash(quick(1)) == hash(usual(1))
    assert quick.__init__.__annotations__ == usual.__init__.__annotations__
    assert quick.__init__.__qualname__ == usual.__init__.__qualname__
    assert [one.name for one in fields(quick)] == [one.name for one in fields(usual)]
    with pytest.raises(dataclasses.FrozenInstanceError):
        quick(1).first = 2


def test_what_is_in_the_file_is_not_compiled_again(file: Path) -> None:
    collected = methods.collect()
    made()
    marked = {}
    for text in collected:
        assert "def " in text
        marked[text] = compile("raise LookupError('of the file')", "<marked>", "exec")
    methods.write(marked, file)
    vars(dataclasses).pop("exec")
    methods.use(file)
    with pytest.raises(LookupError, match="of the file"):
        made()


def test_what_is_not_in_the_file_is_compiled_as_ever(file: Path) -> None:
    """Law 1."""
    methods.write({"pass": compile("pass", "<string>", "exec")}, file)
    methods.use(file)
    assert "exec" in vars(dataclasses)
    quick = made()
    assert quick(1).second == "b"
    assert quick.__init__.__annotations__["first"] == "int"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: bytes(4) + data[4:],
        lambda data: data[:4],
        lambda data: data[:4] + b"i\x01\x00\x00\x00",
    ],
    ids=["empty", "cut off", "another Python's", "nothing in it", "a number"],
)
def test_a_file_that_is_none_changes_nothing(file: Path, spoil: Any) -> None:
    """Law 1."""
    methods.write({"pass": compile("pass", "<string>", "exec")}, file)
    file.write_bytes(spoil(file.read_bytes()))
    methods.use(file)
    assert "exec" not in vars(dataclasses)


def test_without_a_file_nothing_is_changed(file: Path) -> None:
    """Law 1."""
    methods.use(file)
    assert "exec" not in vars(dataclasses)


def test_the_file_of_the_same_texts_is_the_same(file: Path) -> None:
    """Law 3."""
    collected = methods.collect()
    made()
    methods.write(collected, file)
    first = file.read_bytes()
    backwards = dict(reversed(methods.read(file).items()))
    methods.write(backwards, file)
    assert file.read_bytes() == first
    assert list(file.parent.iterdir()) == [file]


COUNT = """
import dataclasses, sys
from pathlib import Path
from hubd.start import methods
methods.use(Path(sys.argv[1]))
known = methods.read(Path(sys.argv[1]))
take = vars(dataclasses)["exec"]
missed = []
def counting(text, *scopes):
    if text not in known:
        missed.append(text)
    take(text, *scopes)
vars(dataclasses)["exec"] = counting
import hubd.__main__, hubd.adapters.bluez.adapter_session
print(len(known) > 200, len(missed))
"""


def test_a_start_compiles_no_methods(file: Path) -> None:
    """Every text of a start is in the file that an installation makes."""
    file.parent.mkdir()
    for program in (["-m", "hubd.start.methods", str(file)], ["-c", COUNT, str(file)]):
        done = subprocess.run(
            [sys.executable, "-P", *program],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    assert done.stdout.split() == ["True", "0"]


def test_hubd_takes_them_before_it_makes_a_class() -> None:
    text = (ROOT / "hubd" / "__main__.py").read_text()
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imports[1].startswith("import hubd.start.readymade")
