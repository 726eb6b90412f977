"""A query that is compiled once gives what the framework gives."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, QuerySet
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from hubsite.compiled import Compiled, CompiledIn, take_row
from hubsite.register import models

pytestmark = pytest.mark.once

COLUMNS = ("id", "kind", "key", "family", "is_disabled", "revoked_at", "person__name")
TEXTS = ("", "Anna", "' OR 1=1 --", "%s", "2000000000", "Jörg \N{SNOWMAN}")


def _filled() -> list[models.Credential]:
    made = []
    for number, name in enumerate(TEXTS):
        person = models.Person.objects.create(name=name)
        revoked_at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=number)
        made.append(
            models.Credential.objects.create(
                person=person,
                kind=models.CredentialKind.WEB,
                label=name,
                key=bytes([number]),
                family=uuid.uuid4() if number else None,
                revoked_at=revoked_at if number % 2 else None,
            )
        )
    return made


def _of(name: str, family: uuid.UUID) -> QuerySet[Any]:
    rows = models.Credential.objects.filter(Q(person__name=name) | Q(family=family) | Q(label=name))
    return rows.order_by("pk").values_list(*COLUMNS)


def _as_it_is(rows: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in rows
    ]


def test_rows_are_those_of_the_query_itself() -> None:
    """compiled, laws 1 and 2: text, ids, moments, booleans, bytes and None come as they are."""
    ask = Compiled(_of, str, uuid.UUID)
    families = [one.family or uuid.uuid4() for one in _filled()]
    for name in (*TEXTS, "nobody"):
        for family in families:
            expected = _as_it_is(_of(name, family))
            assert _as_it_is(ask(name, family)) == expected
            assert name == "nobody" or expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 12), min_size=3, max_size=3), st.integers(0, 12))
def test_numbers_come_as_they_are_asked(numbers: list[int], above: int) -> None:
    if not models.Door.objects.exists():
        door = models.Door.objects.create(name="Front")
        for number in range(1, 11):
            models.AccessPoint.objects.create(number=number, name=str(number), door=door)

    def rows(*asked: int) -> QuerySet[Any]:
        found = models.AccessPoint.objects.filter(number__in=asked[:3], number__gt=asked[3])
        return found.order_by("number").values_list("number", "name")[:2]

    assert Compiled(rows, int, int, int, int)(*numbers, above) == list(rows(*numbers, above))


def test_the_framework_compiles_it_once_a_connection() -> None:
    """compiled, laws 2 and 4."""
    _filled()
    made = []

    def rows(name: str) -> QuerySet[Any]:
        made.append(name)
        return models.Person.objects.filter(name=name).values_list("name")

    ask = Compiled(rows, str)
    for name in TEXTS:
        assert ask(name) == [(name,)]
    assert len(made) == 1

    def elsewhere() -> list[tuple[Any, ...]]:
        try:
            return ask("nobody") + ask("nobody either")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        assert other.submit(elsewhere).result() == []
    assert len(made) == 2


def test_it_is_one_query_and_no_value_is_in_it() -> None:
    """compiled, law 1."""
    ask = Compiled(lambda name: models.Person.objects.filter(name=name).values_list("pk"), str)
    ask("first")
    with CaptureQueriesContext(connection) as said:
        assert ask("' OR 1=1 --") == []
    assert len(said) == 1


def test_what_is_not_in_the_query_or_of_another_kind_is_refused() -> None:
    """compiled, law 3."""
    with pytest.raises(ValueError, match="not each value"):
        Compiled(lambda name: models.Person.objects.values_list("name"), str)("Anna")
    ask = Compiled(lambda name: models.Person.objects.filter(name=name).values_list("name"), str)
    for asked in ((1,), (), ("a", "b"), (None,)):
        with pytest.raises(ValueError, match="asked by"):
            ask(*asked)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
def test_any_number_of_values_is_asked_by_one_query_of_so_many(count: int) -> None:
    names = [str(number) for number in range(count)]
    for name in [*names, "another"]:
        models.Person.objects.create(name=name)
    ask = CompiledIn(
        lambda some: models.Person.objects.filter(name__in=some).values_list("name"), str, 3
    )
    with CaptureQueriesContext(connection) as said:
        assert sorted(ask([*names, *names])) == [(name,) for name in names]
    assert len(said) == -(-count // 3)


def test_a_row_of_some_columns_reads_the_others_when_they_are_wanted() -> None:
    person = models.Person.objects.create(name="Anna", note="Room 2")
    left = [person.pk, "Anna", None, "no name", 1]
    row = take_row(models.Person, ("id", "name"), left)
    assert take_row(models.Person, ("id", "name"), left) is None
    assert left == [1]
    assert (row, row.name) == (person, "Anna")
    with CaptureQueriesContext(connection) as said:
        assert row.note == "Room 2"
    assert len(said) == 1
