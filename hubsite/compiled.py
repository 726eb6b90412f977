"""A query of the framework that is compiled once: compiling one costs far more than asking it.

How it works: the query is made once with a mark in the place of each value, and the framework
compiles that. Then each question only puts its values where the marks are.

Laws:
1. The framework makes the SQL, of its own models, for the database that is there. The driver binds
   the values: no value is ever part of the SQL.
2. Rows are those that the same query would give, value by value.
3. A query that does not have each of its values somewhere is refused when it is compiled.
4. What is compiled is for one connection, and one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet

Value = str | int | UUID
_FIRST_MARK = 2_000_000_000
"""Marks are numbers behind this one: no query has such a constant of its own."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What one connection asks. `places`: for each parameter its value's place, or None."""

    wire: Any
    compiler: Any
    sql: str
    constants: tuple[Any, ...]
    places: tuple[int | None, ...]
    converters: Any


class Compiled:
    """A query (`values_list`) with values that change. Call it with them: it returns the rows."""

    def __init__(self, rows: Callable[..., QuerySet[Any]], *kinds: type[Value]) -> None:
        """`rows` makes the query of values of these kinds: text, numbers, ids."""
        self._rows = rows
        self._kinds = kinds
        self._kept = threading.local()

    def __call__(self, *values: Value) -> list[tuple[Any, ...]]:
        """Return the rows for these values. Raise ValueError where they are not of their kinds."""
        if tuple(map(type, values)) != self._kinds:
            raise ValueError(f"asked by {values!r}, and not by {self._kinds!r}")
        made = self._made()
        bound = [
            constant if place is None else _like(constant, _plain(made.wire, values[place]))
            for constant, place in zip(made.constants, made.places, strict=True)
        ]
        with made.wire.cursor() as cursor:
            cursor.execute(made.sql, bound)
            rows = cursor.fetchall()
        return [tuple(row) for row in made.compiler.apply_converters(rows, made.converters)]

    def _made(self) -> _Made:
        """Return what this thread's connection asks (law 4)."""
        wire = connections[DEFAULT_DB_ALIAS]
        made: _Made | None = getattr(self._kept, "made", None)
        if made is None or made.wire is not wire:
            made = self._kept.made = self._make(wire)
        return made

    def _make(self, wire: Any) -> _Made:
        marks = [_mark(kind, number) for number, kind in enumerate(self._kinds)]
        compiler = self._rows(*marks).query.get_compiler(connection=wire)
        sql, constants = compiler.as_sql()
        place_of = {_plain(wire, mark): place for place, mark in enumerate(marks)}
        places = tuple(_place(place_of, constant) for constant in constants)
        if set(places) - {None} != set(place_of.values()):
            raise ValueError(f"not each value is in {sql}")
        columns = [column for column, _, _ in compiler.select[: compiler.col_count]]
        converters = compiler.get_converters(columns)
        return _Made(wire, compiler, sql, tuple(constants), places, converters)


class CompiledIn:
    """A compiled query of values of one kind, of any number of them.

    `rows` makes the query of `most` values, in no order that one could count on. With fewer the
    last one stands for the others; more are asked `most` at a time.
    """

    def __init__(
        self, rows: Callable[[tuple[Any, ...]], QuerySet[Any]], kind: type[Value], most: int
    ) -> None:
        self._most = most
        self._ask = Compiled(lambda *values: rows(values), *[kind] * most)

    def __call__(self, values: Iterable[Value]) -> list[tuple[Any, ...]]:
        """Return the rows for these values, each value once; none for no value."""
        different = list(dict.fromkeys(values))
        found: list[tuple[Any, ...]] = []
        for begin in range(0, len(different), self._most):
            some = different[begin : begin + self._most]
            found += self._ask(*some, *[some[-1]] * (self._most - len(some)))
        return found


def _place(place_of: dict[Any, int], constant: object) -> int | None:
    """Return the place of the value that a mark stands for, None for what is no mark."""
    return place_of.get(constant) if isinstance(constant, str | int | UUID) else None


def _mark(kind: type[Value], number: int) -> Value:
    """Return what stands for a value while the query is compiled."""
    marked = _FIRST_MARK + number
    return UUID(int=marked) if kind is UUID else kind(marked)  # type: ignore[arg-type]


def _plain(wire: Any, value: Value) -> Value:
    """Return a value as this database has it: some have no type for ids."""
    has_ids = wire.features.has_native_uuid_field
    return value.hex if isinstance(value, UUID) and not has_ids else value


def _like(constant: Any, value: Value) -> Any:
    """Return a value in the type that the framework gave its mark: some drivers ask for it."""
    return value if type(constant) is type(value) else type(constant)(value)


def first(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...] | None:
    """Return the first row, None where there is none."""
    return rows[0] if rows else None


def take_row(model: type[Model], columns: Sequence[str], left: list[Any]) -> Any:
    """Take a row of a model off the values that are left: `columns`, with the key first.

    None where there is no such row. Columns that are not among them are read when they are wanted.
    """
    values = left[: len(columns)]
    del left[: len(columns)]
    if values[0] is None:
        return None
    said = dict(zip(columns, values, strict=True))
    in_order = [one.attname for one in model._meta.concrete_fields if one.attname in said]
    return model.from_db(DEFAULT_DB_ALIAS, in_order, [said[name] for name in in_order])
