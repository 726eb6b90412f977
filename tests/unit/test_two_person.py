"""Two persons, one after the other: who waits, for how long, and that a third one is a first."""

from __future__ import annotations

from hubcore.access.two_person import WITHIN_SECONDS, TwoPersons

DOOR = 1
OTHER_DOOR = 2


def test_the_second_person_has_as_long_as_the_rule_says() -> None:  # law 3
    rule = TwoPersons()
    rule.wait(DOOR, "anna", 100.0)
    assert rule.partner(DOOR, "ben", 100.0)
    assert rule.partner(DOOR, "ben", 100.0 + WITHIN_SECONDS)
    assert not rule.partner(DOOR, "ben", 100.1 + WITHIN_SECONDS)


def test_nobody_is_a_second_person_to_themselves_or_at_another_door() -> None:  # laws 1 and 2
    rule = TwoPersons()
    rule.wait(DOOR, "anna", 0.0)
    assert not rule.partner(DOOR, "anna", 1.0)
    assert not rule.partner(OTHER_DOOR, "ben", 1.0)


def test_who_came_first_is_known_until_both_have_come() -> None:  # law 4
    rule = TwoPersons()
    assert rule.waiting(DOOR) is None
    rule.wait(DOOR, "anna", 0.0)
    assert rule.waiting(DOOR) == "anna"
    assert rule.waiting(OTHER_DOOR) is None
    rule.completed(DOOR)
    assert rule.waiting(DOOR) is None
    assert not rule.partner(DOOR, "ben", 1.0)
    rule.completed(DOOR)


def test_the_one_who_came_last_waits() -> None:  # law 5
    rule = TwoPersons()
    rule.wait(DOOR, "anna", 0.0)
    rule.wait(DOOR, "ben", 15.0)
    assert rule.waiting(DOOR) == "ben"
    assert rule.partner(DOOR, "anna", 15.0 + WITHIN_SECONDS)
