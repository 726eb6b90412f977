"""Every row of the table of checks has a test that names it by its id, or by words of its own.

A row without one was never seen to fail.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from hubcore.checks import CHECKS, Check, CheckId

pytestmark = pytest.mark.long

TESTS = Path(__file__).parents[1]
ROOMS = ("unit", "scenario", "ports", "zwave", "lab")
NOT_COUNTED = frozenset({"test_checks.py", "test_check_cases.py"})
"""These walk over rows, or show how a walk goes."""
CHARACTERS_MIN = 8
"""Fewer say nothing of a row."""
_FIELD = re.compile(r"\{[^{}]*\}")


def fragments(row: Check) -> list[str]:
    """The words of a row between its fields."""
    parts = [*_FIELD.split(row.cause), *_FIELD.split(row.remedy)]
    return [part.strip(" .:,;") for part in parts if len(part.strip(" .:,;")) >= CHARACTERS_MIN]


def words_of(sources: Iterable[str]) -> Iterator[str]:
    """Every text of some modules, and each `CheckId.NAME` as its id."""
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Constant(value=str(text)):
                    yield text
                case ast.Attribute(value=ast.Name(id="CheckId"), attr=name):
                    yield str(CheckId[name])


def unseen(table: Mapping[CheckId, Check], sources: Iterable[str]) -> list[CheckId]:
    """The rows that no test names."""
    texts = set(words_of(sources))
    whole = {check: f"{row.cause}\n{row.remedy}" for check, row in table.items()}

    def is_own(text: str, check: CheckId) -> bool:
        return not any(text in other for one, other in whole.items() if one is not check)

    def names(text: str, check: CheckId, parts: list[str]) -> bool:
        if text == check:
            return True
        said = text.strip(" .:,;")
        if len(said) >= CHARACTERS_MIN and said in whole[check] and is_own(said, check):
            return True
        return any(part in text and is_own(part, check) for part in parts)

    return [
        check
        for check, row in table.items()
        if not any(names(text, check, fragments(row)) for text in texts)
    ]


def sources() -> list[str]:
    return [
        path.read_text(encoding="utf-8")
        for room in ROOMS
        for path in sorted((TESTS / room).rglob("test_*.py"))
        if path.name not in NOT_COUNTED
    ]


def test_every_row_was_seen_to_fail() -> None:
    assert unseen(CHECKS, sources()) == []


def test_a_row_without_a_test_is_noticed() -> None:
    table = {
        check: CHECKS[check]
        for check in (CheckId.FLASH_WORN, CheckId.FLASH_ENDS, CheckId.RADIO_DOWN)
    }
    assert unseen(table, ["'nothing of them'"]) == list(table)
    assert unseen(table, ["CheckId.FLASH_WORN; 'radio-down'"]) == [CheckId.FLASH_ENDS]
    assert unseen(table, ["'says that its life is over'", "CheckId.RADIO_DOWN"]) == [
        CheckId.FLASH_WORN
    ]
    assert unseen(table, ["'used of its life'"]) == list(table), "words that are in no row"
