"""What was asked lately: the table of operations and the tries of each asker, rule by rule.

The same laws over any order of asks stand in `test_unlock.py` and `test_pacedlog.py`.
"""

from __future__ import annotations

import pytest

from hubcore.access.once import OP_SECONDS, OPS_AN_ASKER, OPS_MAX, Asked, Key, OpTable, Tries
from hubcore.timing.pace import Rate

HERE = (1, 1)
ANNA: Key = ("anna", b"op-1")
BEN: Key = ("ben", b"op-1")


def key(asker: str, number: int) -> Key:
    return asker, number.to_bytes(2, "big")


def ask(table: OpTable[str], one: Key, now: float = 0.0, moved: bool | None = None) -> Asked:
    """Ask for an operation; `moved` says how it was answered, None that it is at work."""
    said = table.ask(one, HERE, now)
    if said is Asked.NEW and moved is not None:
        table.answered(one, "done", moved)
    return said


def test_an_operation_is_at_work_answered_or_not_known() -> None:  # law 1
    table: OpTable[str] = OpTable()
    assert table.answer(ANNA) is None
    assert ask(table, ANNA) is Asked.NEW
    assert table.answer(ANNA) is None
    assert ask(table, ANNA) is Asked.SAME
    assert table.ask(ANNA, (2, 1), 0.0) is Asked.CONFLICT
    assert table.ask(ANNA, (1, 2), 0.0) is Asked.CONFLICT
    table.answered(ANNA, "done", moved=True)
    assert table.answer(ANNA) == "done"
    assert ask(table, ANNA) is Asked.SAME
    assert table.answer(BEN) is None
    assert ask(table, BEN) is Asked.NEW


def test_what_is_not_known_cannot_be_answered_or_forgotten() -> None:
    table: OpTable[str] = OpTable()
    table.answered(ANNA, "done", moved=True)
    table.forget(ANNA)
    assert table.answer(ANNA) is None
    assert ask(table, ANNA) is Asked.NEW


@pytest.mark.parametrize("moved", [True, False])
def test_an_answer_is_remembered_from_the_ask_for_its_time(moved: bool) -> None:  # law 2
    table: OpTable[str] = OpTable(seconds=10.0)
    ask(table, ANNA, 100.0, moved)
    assert ask(table, ANNA, 110.0) is Asked.SAME
    assert ask(table, ANNA, 110.5) is Asked.NEW


def test_what_is_at_work_never_ends_by_time() -> None:
    table: OpTable[str] = OpTable()
    ask(table, ANNA, 0.0)
    ask(table, BEN, 0.0, moved=False)
    assert ask(table, ANNA, 10 * OP_SECONDS) is Asked.SAME
    table.answered(ANNA, "late", moved=True)
    assert table.answer(ANNA) == "late"
    assert ask(table, ANNA, 10 * OP_SECONDS) is Asked.NEW


def test_an_operation_that_was_forgotten_and_asked_again_has_a_time_of_its_own() -> None:  # law 3
    table: OpTable[str] = OpTable(seconds=10.0)
    ask(table, ANNA, 0.0, moved=True)
    table.forget(ANNA)
    assert ask(table, ANNA, 5.0, moved=True) is Asked.NEW
    assert ask(table, ANNA, 11.0) is Asked.SAME
    assert ask(table, ANNA, 15.5) is Asked.NEW


def test_an_operation_may_be_forgotten_and_asked_again_within_one_moment() -> None:  # law 3
    table: OpTable[str] = OpTable(seconds=10.0)
    for number in range(3):
        assert ask(table, ANNA, 0.0) is Asked.NEW
        table.answered(ANNA, str(number), moved=True)
        table.forget(ANNA)
    assert ask(table, ANNA, 0.0, moved=True) is Asked.NEW
    assert ask(table, ANNA, 10.0) is Asked.SAME
    assert ask(table, ANNA, 10.5) is Asked.NEW


def test_the_oldest_answer_that_moved_nothing_makes_room() -> None:  # law 4
    table: OpTable[str] = OpTable(an_asker=3)
    ask(table, key("anna", 0), moved=True)
    ask(table, key("anna", 1), moved=False)
    ask(table, key("anna", 2), moved=False)
    assert ask(table, key("anna", 3)) is Asked.NEW
    assert table.answer(key("anna", 0)) == "done"
    assert table.answer(key("anna", 1)) is None
    assert table.answer(key("anna", 2)) == "done"
    assert ask(table, key("anna", 4)) is Asked.NEW
    assert ask(table, key("anna", 5)) is Asked.FULL
    assert ask(table, BEN) is Asked.NEW


def test_what_was_forgotten_leaves_room() -> None:
    table: OpTable[str] = OpTable(an_asker=1)
    for number in range(3):
        assert ask(table, key("anna", number)) is Asked.NEW
        assert ask(table, BEN) in (Asked.NEW, Asked.SAME)
        table.forget(key("anna", number))


def test_all_together_have_a_ceiling_and_one_gives_way_to_another() -> None:  # law 4
    table: OpTable[str] = OpTable(an_asker=OPS_MAX)
    ask(table, key("ben", 0), moved=False)
    for number in range(OPS_MAX - 1):
        assert ask(table, key("anna", number), moved=True) is Asked.NEW
    assert ask(table, key("cleo", 0), moved=True) is Asked.NEW
    assert table.answer(key("ben", 0)) is None
    assert ask(table, key("cleo", 1)) is Asked.FULL


def test_asks_in_vain_keep_no_memory() -> None:
    table: OpTable[str] = OpTable()
    for number in range(20 * OPS_AN_ASKER):
        ask(table, key("anna", number), moved=False)
        assert len(table._ends) <= 2 * OPS_AN_ASKER + 1
    assert len(table._ops) == OPS_AN_ASKER
    assert ask(table, BEN, OP_SECONDS + 1) is Asked.NEW
    assert set(table._askers) == {"ben"}
    assert not table._removable
    assert not table._ends


def test_ends_come_in_the_order_of_their_times() -> None:
    """Answers come in any order, and many of one moment."""
    table: OpTable[str] = OpTable(an_asker=100, seconds=10.0)
    for number in range(20):
        ask(table, key("anna", number), float(number % 5))
    for number in reversed(range(20)):
        table.answered(key("anna", number), "done", moved=number % 2 == 0)
    table._clear_ends()
    table.ask(BEN, HERE, 12.5)
    left = {number for number in range(20) if table.answer(key("anna", number))}
    assert left == {number for number in range(20) if number % 5 > 2}


def remembered(table: OpTable[str], one: Key, at: float, answer: str, moved: bool) -> None:
    table.remember(one, HERE, at, answer, moved)


def test_a_restart_remembers_answers_with_their_times() -> None:
    table: OpTable[str] = OpTable(seconds=10.0)
    remembered(table, ANNA, 0.0, "done", moved=True)
    remembered(table, BEN, 5.0, "denied", moved=False)
    assert table.answer(ANNA) == "done"
    assert ask(table, ANNA, 10.0) is Asked.SAME
    assert table.ask(ANNA, (2, 1), 10.0) is Asked.CONFLICT
    assert ask(table, ANNA, 10.5) is Asked.NEW
    assert table.answer(BEN) == "denied"
    remembered(table, key("cleo", 1), 15.5, "done", moved=True)
    assert table.answer(BEN) is None


@pytest.mark.parametrize(
    ("first_moved", "second_moved", "answer"),
    [(True, True, "second"), (True, False, "first"), (False, True, "second")],
)
def test_of_two_answers_before_a_restart_the_one_that_moved_stays(
    first_moved: bool, second_moved: bool, answer: str
) -> None:
    table: OpTable[str] = OpTable()
    remembered(table, ANNA, 0.0, "first", first_moved)
    remembered(table, ANNA, 1.0, "second", second_moved)
    assert table.answer(ANNA) == answer
    assert len(table._ops) == 1


def test_an_answer_that_is_remembered_twice_takes_one_place() -> None:
    table: OpTable[str] = OpTable(an_asker=2)
    remembered(table, ANNA, 0.0, "fault", moved=True)
    remembered(table, ANNA, 1.0, "done", moved=True)
    assert ask(table, key("anna", 2), 1.0) is Asked.NEW
    assert ask(table, key("anna", 3), 1.0) is Asked.FULL


def test_a_restart_remembers_up_to_the_ceiling_and_what_moved_first() -> None:
    table: OpTable[str] = OpTable()
    for number in range(OPS_MAX - 1):
        remembered(table, key("anna", number), 0.0, "done", moved=True)
    remembered(table, key("ben", 0), 0.0, "denied", moved=False)
    assert table.answer(key("ben", 0)) == "denied"
    remembered(table, key("ben", 1), 0.0, "done", moved=True)
    assert table.answer(key("ben", 0)) is None
    remembered(table, key("ben", 2), 0.0, "denied", moved=False)
    assert table.answer(key("ben", 2)) is None
    remembered(table, key("ben", 3), 0.0, "done", moved=True)
    assert table.answer(key("ben", 3)) == "done"
    assert table.answer(key("anna", 0)) == "done"


RATE = Rate(burst=2, per_second=0.1)


def test_tries_are_given_by_burst_and_rate() -> None:  # law 5
    tries = Tries(RATE)
    assert [tries.begin("anna", 0.0) for _ in range(3)] == [True, True, False]
    assert not tries.begin("anna", 9.9)
    assert tries.begin("anna", 10.0)
    assert not tries.begin("anna", 10.0)
    assert tries.begin("ben", 10.0)
    assert [tries.begin("anna", 1000.0) for _ in range(3)] == [True, True, False]


def test_a_try_that_moved_a_door_does_not_count() -> None:
    tries = Tries(RATE)
    for _ in range(5):
        assert tries.begin("anna", 0.0)
        tries.moved("anna")
    assert [tries.begin("anna", 0.0) for _ in range(3)] == [True, True, False]
    tries.moved("nobody")
    assert len(tries) == 1


def test_one_that_moved_gives_back_one_try() -> None:
    tries = Tries(RATE)
    assert [tries.begin("anna", 0.0) for _ in range(2)] == [True, True]
    tries.moved("anna")
    assert [tries.begin("anna", 0.0) for _ in range(2)] == [True, False]


def test_more_moved_than_tried_gives_no_more_than_the_burst() -> None:
    tries = Tries(RATE)
    tries.begin("anna", 0.0)
    for _ in range(3):
        tries.moved("anna")
    assert [tries.begin("anna", 0.0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_steps_back_gives_no_try() -> None:
    tries = Tries(RATE)
    assert [tries.begin("anna", 100.0) for _ in range(2)] == [True, True]
    assert not tries.begin("anna", 0.0)
    assert not tries.begin("anna", 9.9)


def test_the_asker_that_tried_longest_ago_is_forgotten() -> None:
    tries = Tries(Rate(burst=1, per_second=0.001), triers_max=2)
    assert tries.begin("anna", 0.0)
    assert tries.begin("ben", 0.0)
    assert not tries.begin("anna", 0.0)
    assert tries.begin("cleo", 0.0)
    assert not tries.begin("anna", 0.0)
    assert tries.begin("ben", 0.0)
    assert len(tries) == 2
