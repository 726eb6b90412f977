"""The root of a policy after its version, read item by item, in the order in which it stands.

Laws:
1. No list, and no row in it, is longer than its ceiling, and all together have at most MAX_ITEMS.
2. Items are counted before they are read.
3. Keys of a map rise; what is named twice is refused.
4. All schedules together have at most SCHEDULE_ITEMS. Special days count in each schedule that
   names them: a row of the hub's tables holds them there. So what a door asks stays in its cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from hubcore.access.grant import ACCESS_POINT_MAX
from hubcore.access.words import Mode
from hubcore.calendar import codec as schedule_codec
from hubcore.calendar.codec import Take
from hubcore.calendar.recurrence import Recurrence
from hubcore.calendar.schedule import Rule, Schedule, Span, SpecialDays
from hubcore.codec import cwt
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError
from hubcore.policy import rows
from hubcore.policy.policy import Operator, PointRules
from hubcore.policy.root import Root, RootHead
from hubcore.policy.rows import NUMBER_MAX
from hubcore.policy.tree import BITS_MAX, HASH_BYTES, PIECES_MAX, Table, Tree

MAX_ITEMS = 500_000
"""Schedules, rules, modes, access points and the rest together.

So 4 MiB of the shortest cost no more than 4 MiB of others.
"""
SCHEDULE_ITEMS = 30_000
"""Rules, with their days, and special days of all schedules; fewer than the cache takes."""


class Label(IntEnum):
    """The claims of a policy, in the order of their encodings."""

    ISS = 1
    IAT = 6
    VERSION = -65538
    CREDENTIALS = -65539
    GRANTS = -65540
    SCHEDULES = -65541
    MODES = -65542
    SPECIAL_DAYS = -65543
    DISABLED = -65544
    EXTENDED_TIME = -65545
    CARDS = -65546
    POINTS = -65547
    OPERATORS = -65548
    GROUPS = -65549


class Lists:
    """The part of a root after its version, read from the cursor's place on."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._items_left = MAX_ITEMS
        self._schedule_items_left = SCHEDULE_ITEMS

    def read(self, head: RootHead) -> Root:
        """Read them in the order in which they stand. Raise FrameError or ValueError."""
        trees: dict[Table, Tree] = {}
        self._tree(Label.CREDENTIALS, Table.CREDENTIALS, trees)
        self._tree(Label.GRANTS, Table.GRANTS, trees)
        self._cursor.key(Label.SCHEDULES)
        unresolved = {number: self._schedule() for number in self._numbers(NUMBER_MAX)}
        self._cursor.key(Label.MODES)
        modes = {point: self._mode() for point in self._numbers(ACCESS_POINT_MAX)}
        self._cursor.key(Label.SPECIAL_DAYS)
        days = {number: self._days() for number in self._numbers(NUMBER_MAX)}
        self._tree(Label.DISABLED, Table.DISABLED, trees)
        self._tree(Label.EXTENDED_TIME, Table.EXTENDED_TIME, trees)
        self._tree(Label.CARDS, Table.CARDS, trees)
        points = self._points()
        operators = self._operators()
        self._cursor.key(Label.GROUPS)
        groups = {number: self._group() for number in self._numbers(NUMBER_MAX)}
        self._cursor.end()
        return Root(
            head=head,
            trees=trees,
            schedules={
                number: one.resolve(days, self._take_of_schedule)
                for number, one in unresolved.items()
            },
            modes=modes,
            points=points,
            operators=operators,
            groups=groups,
        )

    def _tree(self, label: Label, table: Table, trees: dict[Table, Tree]) -> None:
        """Read the tree of a table, or null for a table without rows."""
        self._cursor.key(label)
        items = self._cursor.array_or_null()
        if items is None:
            return
        if items != 2:
            raise FrameError("a table is [bits, hash]")
        bits = self._cursor.uint(BITS_MAX)
        trees[table] = Tree(bits, self._cursor.string(HASH_BYTES, HASH_BYTES))
        if sum(tree.pieces for tree in trees.values()) > PIECES_MAX:
            raise FrameError(f"more than {PIECES_MAX} pieces in all tables together")

    def _take(self, count: int) -> int:
        """Count items against the ceiling, before they are read."""
        self._items_left -= count
        if self._items_left < 0:
            raise FrameError(f"more than {MAX_ITEMS} items in all lists together")
        return count

    def _take_of_schedule(self, count: int) -> int:
        """Count items of schedules against their own ceiling, too."""
        self._schedule_items_left -= count
        if self._schedule_items_left < 0:
            raise FrameError(f"more than {SCHEDULE_ITEMS} items in all schedules together")
        return self._take(count)

    def _numbers(self, most: int) -> Iterator[int]:
        """Yield the keys of a map, each before its value is read. They must rise, up to `most`."""
        previous = -1
        count = self._take(self._cursor.map())
        for _ in range(count):
            number = self._cursor.uint(most)
            if number <= previous:
                raise FrameError("map keys unsorted or repeated")
            previous = number
            yield number

    def _points(self) -> dict[int, PointRules]:
        self._cursor.key(Label.POINTS)
        points: dict[int, PointRules] = {}
        for point in self._numbers(ACCESS_POINT_MAX):
            points[point] = rows.read_point(self._cursor, self._take)
        return points

    def _operators(self) -> dict[str, Operator]:
        self._cursor.key(Label.OPERATORS)
        operators: dict[str, Operator] = {}
        previous = b""
        for _ in range(self._take(self._cursor.array())):
            if self._cursor.array() != 2:
                raise FrameError("an operator is [name, rights]")
            name = self._cursor.text(1, cwt.NAME_BYTES)
            if name.encode() <= previous:
                raise FrameError("operators unsorted or repeated")
            previous = name.encode()
            operators[name] = rows.read_operator(self._cursor, self._take)
        return operators

    def _group(self) -> tuple[str, ...]:
        return rows.read_group(self._cursor, self._take)

    def _mode(self) -> Mode:
        return Mode(self._cursor.uint(max(Mode)))

    def _schedule(self) -> _Unresolved:
        cursor = self._cursor
        if cursor.array() != 2:
            raise FrameError("a schedule is [rules, special days]")
        rules = schedule_codec.read_rules(cursor, self._take_of_schedule)
        count = cursor.array()
        if count > schedule_codec.SPECIALS_A_SCHEDULE:
            raise FrameError(f"a schedule with {count} groups of special days")
        special = tuple(self._special() for _ in range(self._take_of_schedule(count)))
        return _Unresolved(rules, special)

    def _special(self) -> tuple[int, tuple[Span, ...]]:
        if self._cursor.array() != 2:
            raise FrameError("special days are [group, spans]")
        group = self._cursor.uint(NUMBER_MAX)
        return group, schedule_codec.read_spans(self._cursor, self._take_of_schedule)

    def _days(self) -> frozenset[int]:
        days = schedule_codec.read_days(self._cursor, self._take, schedule_codec.DAYS_A_GROUP)
        return frozenset(days)


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """A schedule whose groups of special days are still numbers."""

    rules: tuple[Rule | Recurrence, ...]
    special: tuple[tuple[int, tuple[Span, ...]], ...]

    def resolve(self, groups: Mapping[int, frozenset[int]], take: Take) -> Schedule:
        """Return the schedule. Raise FrameError when a group is not in the policy."""
        special = []
        for group, spans in self.special:
            if group not in groups:
                raise FrameError(f"a schedule names the special days {group}, which are none")
            take(len(groups[group]))
            special.append(SpecialDays(groups[group], spans))
        return Schedule(self.rules, tuple(special))
