"""What is over goes while the server runs, a few rows at a time, and what is needed stays."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

import pytest
from django.utils import timezone

from hubsite.accounts.models import Session, Spent
from hubsite.accounts.once import KEPT_SECONDS, spend
from hubsite.acts.models import Act
from hubsite.clocks.watch import ClockWatch
from hubsite.phones.guests import join_guest, make_link
from hubsite.phones.joining import invite
from hubsite.register.models import AccessPoint, Credential, Door, GuestLink, Invitation, Person
from hubsite.tidying import LINK_DAYS, ROWS, Tidier, tidy

pytestmark = pytest.mark.once

OVER = timedelta(days=LINK_DAYS, seconds=1)


def _sessions(count: int, seconds: int) -> None:
    ends = timezone.now() + timedelta(seconds=seconds)
    rows = [
        Session(session_key=f"{seconds} {number}", session_data="", expire_date=ends)
        for number in range(count)
    ]
    Session.objects.bulk_create(rows)


def test_a_turn_removes_so_many_rows_and_the_next_one_the_rest() -> None:
    """law 1"""
    _sessions(ROWS + 3, -1)
    _sessions(2, 60)
    for number in range(ROWS + 3):
        spend(f"{number}".encode())
    Spent.objects.update(at=timezone.now() - timedelta(seconds=KEPT_SECONDS + 1))
    spend(b"now")
    tidy()
    assert (Session.objects.count(), Spent.objects.count()) == (5, 4)
    tidy()
    assert (Session.objects.count(), Spent.objects.count()) == (2, 1)


def test_links_that_nobody_used_go_and_what_a_phone_came_by_stays() -> None:
    """laws 2 to 4"""
    anna = Person.objects.create(name="Anna")
    for _ in range(3):
        invite("olga", anna)
    used, unused, young = Invitation.objects.order_by("pk")
    late = timezone.now() - OVER
    Invitation.objects.exclude(pk=young.pk).update(ends=late)
    Invitation.objects.filter(pk=used.pk).update(used_at=late, family=f"{1:032x}")
    acts = Act.objects.count()
    tidy()
    assert set(Invitation.objects.values_list("pk", flat=True)) == {used.pk, young.pk}
    assert (Act.objects.count(), unused.pk in (used.pk, young.pk)) == (acts, False)


def _guest(name: str, ended: timedelta) -> tuple[GuestLink, str]:
    door, _ = Door.objects.get_or_create(name="Front")
    point, _ = AccessPoint.objects.get_or_create(number=10, name="in", door=door)
    link = GuestLink(ends=timezone.now() + timedelta(days=1))
    token = make_link("olga", link, name, [point.pk])
    GuestLink.objects.filter(pk=link.pk).update(ends=timezone.now() - ended)
    return link, token


def test_guests_go_whose_link_is_over_and_connected_no_phone() -> None:
    """laws 3 and 4"""
    _guest("over", OVER)
    _guest("young", timedelta(seconds=1))
    joined, token = _guest("joined", timedelta(days=-1))
    assert join_guest(token) is not None
    held, _ = _guest("held", OVER)
    Credential.objects.create(person=held.person, key=b"", kind="phone", label="x")
    GuestLink.objects.filter(pk=joined.pk).update(ends=timezone.now() - OVER)
    tidy()
    names = {"young", "joined", "held"}
    assert set(Person.objects.values_list("name", flat=True)) == names
    assert GuestLink.objects.count() == len(names)


def test_it_goes_on_while_the_server_runs_and_says_what_is_wrong() -> None:
    said: list[str] = []
    has_gone_on = Event()

    def turn() -> None:
        said.append(part.problem)
        if len(said) == 2:
            raise RuntimeError("no room")
        if len(said) == 4:
            has_gone_on.set()

    part = Tidier(ClockWatch(), every_seconds=0.001, turn=turn)
    part.start()
    try:
        assert has_gone_on.wait(20)
    finally:
        part.stop()
    assert ["no room" in one for one in said[:4]] == [False, False, True, False]
