"""Taking a hub over: every order of events and failures of both processes, walked to its end.

The walk knows two processes, the socket pair between them, the kernel and the service manager. Each
may do its next step at any moment; each process may die at any moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

import pytest

from hubcore.errors import SequenceError
from hubcore.update.takeover import (
    NEW_DRIVES,
    NEW_TABLE,
    OLD_DRIVES,
    OLD_TABLE,
    NewAct,
    NewEvent,
    NewPhase,
    OldAct,
    OldEvent,
    OldPhase,
    new_step,
    old_step,
)

pytestmark = pytest.mark.once

OldRows = Mapping[tuple[OldPhase, OldEvent], tuple[OldPhase, tuple[OldAct, ...]]]
SAYS = {
    NewAct.SAY_WARM: OldEvent.WARM,
    NewAct.SAY_TAKEN: OldEvent.TAKEN,
    NewAct.SAY_COMMIT: OldEvent.COMMIT,
    NewAct.GIVE_BACK: OldEvent.BACK,
}
OWN_OF_OLD = {
    OldPhase.SERVING: (OldEvent.ORDERED,),
    OldPhase.WAITING: (OldEvent.QUIET,),
    OldPhase.SETTLING: (OldEvent.BUSY, OldEvent.SETTLED),
    OldPhase.PROMOTING: (OldEvent.UNMOVED,),
    OldPhase.RETURNED: (OldEvent.RESUMED, OldEvent.FAILED),
    OldPhase.RESUMING: (OldEvent.RESUMED, OldEvent.FAILED),
}
OWN_OF_NEW = {
    NewPhase.WARMING: (NewEvent.CHECKED, NewEvent.FAILED),
    NewPhase.WARM: (NewEvent.FAILED,),
    NewPhase.TAKING: (NewEvent.TOOK, NewEvent.FAILED),
    NewPhase.TRIAL: (NewEvent.HEALTHY, NewEvent.FAILED),
    NewPhase.COMMITTING: (NewEvent.LATE, NewEvent.FAILED),
    NewPhase.SERVING: (NewEvent.FAILED,),
}
UNREAD_MAX = 3
TRIES_MAX = 2


class Main(Enum):
    """Which process the service manager takes for the main one."""

    OLD = "old"
    NEW = "new"


@dataclass(frozen=True)
class World:
    """Both processes, and what lies between them."""

    old: OldPhase = OldPhase.SERVING
    old_lives: bool = True
    new: NewPhase | None = None
    """None: none was started, or its end was heard of."""
    new_lives: bool = False
    killed: bool = False
    """SIGKILL is on its way."""
    open: bool = False
    """The old process's end of the socket."""
    to_new: tuple[NewEvent, ...] = ()
    to_old: tuple[OldEvent, ...] = ()
    main: Main = Main.OLD
    promotes: bool = False
    """The service manager has the word and may act on it."""
    stops: bool = False
    """The service manager ends the unit."""
    tries: int = 0
    doubled: bool = False
    """A new process was started beside another new one."""

    @property
    def old_drives(self) -> bool:
        return self.old_lives and self.old in OLD_DRIVES

    @property
    def new_drives(self) -> bool:
        return self.new_lives and self.new in NEW_DRIVES


def old_hears(world: World, event: OldEvent, rows: OldRows) -> World:
    phase, acts = rows[world.old, event]
    world = replace(world, old=phase)
    for act in acts:
        world = old_does(world, act)
    return world


def old_does(world: World, act: OldAct) -> World:
    match act:
        case OldAct.START:
            return replace(
                world,
                doubled=world.doubled or world.new is not None,
                new=NewPhase.WARMING,
                new_lives=True,
                killed=False,
                open=True,
                to_new=(),
                to_old=(),
                tries=world.tries + 1,
            )
        case OldAct.GIVE:
            return replace(world, to_new=(*world.to_new, NewEvent.TURN))
        case OldAct.KILL:
            return replace(world, killed=True, open=False, to_old=())
        case OldAct.PROMOTE:
            return replace(world, promotes=True)
        case OldAct.EXIT:
            return replace(world, old_lives=False, open=False)
        case _:
            return world


def new_hears(world: World, event: NewEvent) -> World:
    assert world.new is not None
    phase, acts = new_step(world.new, event)
    world = replace(world, new=phase)
    for act in acts:
        if act in SAYS and world.open:
            world = replace(world, to_old=(*world.to_old, SAYS[act]))
        if act is NewAct.EXIT:
            world = replace(world, new_lives=False)
    return world


def due(world: World, rows: OldRows) -> Iterator[World]:
    """What comes of itself, without a further fault: the kernel's words, and messages."""
    if world.new_lives and world.killed:
        yield replace(world, new_lives=False)
    if world.old_lives and world.open and world.to_old:
        rest = replace(world, to_old=world.to_old[1:])
        yield old_hears(rest, world.to_old[0], rows)
    if world.old_lives and world.new is not None and not world.new_lives:
        reaped = replace(world, new=None, open=False, to_new=(), to_old=())
        yield old_hears(reaped, OldEvent.ENDED, rows)
    if world.new_lives and world.to_new:
        yield new_hears(replace(world, to_new=world.to_new[1:]), world.to_new[0])
    if world.new_lives and not world.open and not world.to_new:
        yield from _new_if_any(world, NewEvent.GONE)


def _new_if_any(world: World, event: NewEvent) -> Iterator[World]:
    """A closed socket is told again and again; SERVING does not look any more."""
    if world.new is not None and world.new not in (NewPhase.SERVING, NewPhase.LEFT):
        yield new_hears(world, event)


def faults(world: World, rows: OldRows) -> Iterator[World]:
    """Deaths, silence and nonsense, at any moment; and the service manager."""
    if world.old_lives:
        yield replace(world, old_lives=False, open=False)
    if world.new_lives:
        yield replace(world, new_lives=False)
    if world.old_lives and world.open:
        yield old_hears(world, OldEvent.BROKEN, rows)
    if world.new_lives:
        yield from _new_if_any(world, NewEvent.GONE)
    if world.promotes and world.main is Main.OLD and world.new_lives:
        yield replace(world, main=Main.NEW)
    if not world.stops:
        yield replace(world, stops=True)
    if world.stops and world.old_lives and world.old is not OldPhase.LEFT:
        yield old_hears(world, OldEvent.STOP, rows)
    if world.stops and world.new_lives and world.new is not NewPhase.LEFT:
        yield new_hears(world, NewEvent.STOP)


def own(world: World, rows: OldRows) -> Iterator[World]:
    """What each process comes to by itself."""
    if world.old_lives:
        for event in OWN_OF_OLD.get(world.old, ()):
            if event is not OldEvent.ORDERED or world.tries < TRIES_MAX:
                yield old_hears(world, event, rows)
        if world.old is OldPhase.PROMOTING and world.main is Main.NEW:
            yield old_hears(world, OldEvent.MOVED, rows)
    if world.new_lives and world.new is not None:
        for said in OWN_OF_NEW.get(world.new, ()):
            if said is not NewEvent.LATE or len(world.to_old) < UNREAD_MAX:
                yield new_hears(world, said)


def walk(rows: OldRows = OLD_TABLE) -> set[World]:
    """Return every world that any order of events leads to."""
    seen = {World()}
    todo = [World()]
    while todo:
        world = todo.pop()
        for step in (due, faults, own):
            for after in step(world, rows):
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
    return seen


def goes_on(world: World) -> bool:
    """Whether somebody drives in the end in each order of what is due, without a further fault."""
    todo = [world]
    seen = {world}
    while todo:
        now = todo.pop()
        if now.old_drives or now.new_drives:
            continue
        after = list(due(now, OLD_TABLE))
        if not after:
            return False
        todo += [one for one in after if one not in seen]
        seen.update(after)
    return True


@pytest.fixture(scope="module")
def worlds() -> set[World]:
    return walk()


def test_never_do_two_drive(worlds: set[World]) -> None:
    """Law 1."""
    assert len(worlds) > 1000
    assert [world for world in worlds if world.old_drives and world.new_drives] == []


def test_while_the_main_process_lives_and_nobody_stops_the_unit_somebody_drives_or_soon_will(
    worlds: set[World],
) -> None:
    """Laws 2 and 4: only a new process that has the turn may leave none to drive for a moment."""
    lost = [
        world
        for world in worlds
        if world.old_lives
        and world.main is Main.OLD
        and not world.stops
        and world.old is not OldPhase.LEFT
        and not goes_on(world)
    ]
    assert lost == []


def test_a_further_one_is_started_after_the_end_of_the_one_before(worlds: set[World]) -> None:
    """Law 6."""
    assert any(world.tries == TRIES_MAX and world.new is NewPhase.TRIAL for world in worlds)
    assert [world for world in worlds if world.doubled] == []


def test_the_old_process_drives_until_it_gives_the_turn(worlds: set[World]) -> None:
    """Law 4: before the turn nothing that the new process does changes who drives."""
    before = {OldPhase.WARMING, OldPhase.WAITING, OldPhase.SETTLING, OldPhase.DISMISSING}
    assert before <= OLD_DRIVES
    for world in worlds:
        if world.old_lives and world.old in before - {OldPhase.DISMISSING}:
            assert not world.new_drives
            assert NewEvent.TURN not in world.to_new


def test_one_process_at_most_has_the_turn(worlds: set[World]) -> None:
    """Law 2: it is not on its way while somebody drives, unless its receiver is to die unread."""
    for world in worlds:
        if NewEvent.TURN in world.to_new and world.new_lives and not world.killed:
            assert not world.new_drives
            assert not world.old_drives


def test_the_old_process_drives_again_only_after_the_end_or_a_word(worlds: set[World]) -> None:
    """Law 3: a new process that had the turn has ended, or has said BACK, and it says nothing
    after that.
    """
    for world in worlds:
        if world.old_lives and world.old is OldPhase.RESUMING:
            assert world.new is None
        if world.old_lives and world.old is OldPhase.RETURNED:
            assert world.new is NewPhase.LEFT


def test_a_new_process_without_the_turn_leaves_when_the_old_one_is_gone(
    worlds: set[World],
) -> None:
    """Law 5."""
    for phase in (NewPhase.WARMING, NewPhase.WARM):
        assert new_step(phase, NewEvent.GONE) == (NewPhase.LEFT, (NewAct.EXIT,))
    for phase in NEW_DRIVES - {NewPhase.SERVING}:
        after, acts = new_step(phase, NewEvent.GONE)
        assert after in NEW_DRIVES
        assert acts == ()
    assert any(world.new_drives and not world.old_lives for world in worlds)


def test_each_row_is_walked() -> None:
    """A row that no order of events comes to says nothing."""
    used: set[tuple[OldPhase, OldEvent]] = set()

    class Noting(dict[tuple[OldPhase, OldEvent], tuple[OldPhase, tuple[OldAct, ...]]]):
        def __getitem__(
            self, pair: tuple[OldPhase, OldEvent]
        ) -> tuple[OldPhase, tuple[OldAct, ...]]:
            used.add(pair)
            return super().__getitem__(pair)

    seen = walk(Noting(OLD_TABLE))
    assert set(OLD_TABLE) - used == set()
    assert {world.old for world in seen} == set(OldPhase)
    assert {world.new for world in seen} - {None} == set(NewPhase)


@pytest.mark.parametrize(
    "row",
    [
        ((OldPhase.PASSED, OldEvent.BROKEN), (OldPhase.RESUMING, (OldAct.REGISTER,))),
        ((OldPhase.STANDBY, OldEvent.BROKEN), (OldPhase.DISMISSING, (OldAct.KILL,))),
        ((OldPhase.PROMOTING, OldEvent.UNMOVED), (OldPhase.SERVING, ())),
    ],
)
def test_the_walk_notices_a_table_by_which_two_drive(
    row: tuple[tuple[OldPhase, OldEvent], tuple[OldPhase, tuple[OldAct, ...]]],
) -> None:
    pair, instead = row
    assert any(world.old_drives and world.new_drives for world in _as_far(pair, instead))


def _as_far(
    pair: tuple[OldPhase, OldEvent], instead: tuple[OldPhase, tuple[OldAct, ...]]
) -> set[World]:
    """Walk a table with another row; a pair that is then missing changes nothing."""

    class Lenient(dict[tuple[OldPhase, OldEvent], tuple[OldPhase, tuple[OldAct, ...]]]):
        def __missing__(
            self, pair: tuple[OldPhase, OldEvent]
        ) -> tuple[OldPhase, tuple[OldAct, ...]]:
            return pair[0], ()

    return walk(Lenient({**OLD_TABLE, pair: instead}))


def test_an_update_that_goes_well() -> None:
    """The good way, line by line."""
    old = OldPhase.SERVING
    did: list[OldAct] = []
    for event in (
        OldEvent.ORDERED,
        OldEvent.WARM,
        OldEvent.QUIET,
        OldEvent.BUSY,
        OldEvent.QUIET,
        OldEvent.SETTLED,
        OldEvent.TAKEN,
        OldEvent.COMMIT,
        OldEvent.MOVED,
    ):
        old, acts = old_step(old, event)
        did += acts
    assert old is OldPhase.LEFT
    assert did == [
        OldAct.START,
        OldAct.SETTLE,
        OldAct.REOPEN,
        OldAct.SETTLE,
        OldAct.GIVE,
        OldAct.PROMOTE,
        OldAct.EXIT,
    ]


def test_a_stop_leaves_the_movers_at_rest() -> None:
    """Who drives secures; who does not leaves the movers to the other one."""
    for phase in OLD_DRIVES:
        assert OldAct.SECURE in old_step(phase, OldEvent.STOP)[1], phase
    for phase in set(OldPhase) - OLD_DRIVES - {OldPhase.LEFT}:
        assert OldAct.SECURE not in old_step(phase, OldEvent.STOP)[1], phase
    for new in set(NewPhase) - {NewPhase.LEFT}:
        secures = NewAct.SECURE in new_step(new, NewEvent.STOP)[1]
        assert secures == (new in NEW_DRIVES), new


def test_what_is_in_no_row_is_refused() -> None:
    """Law 8."""
    for old in OldPhase:
        for event in set(OldEvent) - {event for phase, event in OLD_TABLE if phase is old}:
            with pytest.raises(SequenceError):
                old_step(old, event)
    for new in NewPhase:
        for said in set(NewEvent) - {event for phase, event in NEW_TABLE if phase is new}:
            with pytest.raises(SequenceError):
                new_step(new, said)
