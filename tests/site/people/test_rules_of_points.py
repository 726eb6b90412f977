"""Doors that are held open in some hours, and those that let nobody in alone: page to policy."""

from __future__ import annotations

import time

import pytest

from hubcore.access.factors import Factor
from hubcore.policy import document
from hubcore.policy.policy import HoldOpen, Policy
from hubsite.acts.models import Act
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.register import models
from tests.site.browser import Browser, at_work
from tests.site.phones.test_web_phones import ISSUER

pytestmark = pytest.mark.once


@pytest.fixture
def browser() -> Browser:
    """It shows the form of access point 10; there is a schedule, too."""
    door = models.Door.objects.create(name="Front")
    point = models.AccessPoint.objects.create(number=10, name="inward", door=door)
    models.Schedule.objects.create(name="Day", week=[[[480, 1020]], [], [], [], [], [], []])
    made = at_work()
    made.get(f"/point/{point.pk}")
    return made


def schedule() -> models.Schedule:
    return models.Schedule.objects.get()


def policy() -> Policy:
    office = Office("acme", FileSigner(ISSUER))
    office.renew_policy(int(time.time()))
    newest = models.SignedPolicy.objects.order_by("-version").first()
    assert newest is not None
    return document.read(bytes(newest.document), ISSUER.verify_key, "acme")


@pytest.mark.parametrize("first", [True, False])
def test_a_door_is_held_open_in_the_hours_of_a_schedule(browser: Browser, first: bool) -> None:
    assert policy().points == {}
    said = {"first_person_in": "on"} if first else {}
    browser.submit(hold_open=str(schedule().pk), **said)
    rules = policy().points[10]
    assert rules.hold_open == HoldOpen(schedule().pk, first_person_in=first)
    assert rules.demands == ()
    act = Act.objects.order_by("number").last().said
    assert (act["kind"], act["hold_open"]) == ("point-changed", schedule().pk)
    browser.submit(hold_open="", first_person_in=[])
    assert policy().points == {}


@pytest.mark.parametrize("always", [True, False])
def test_two_persons_are_asked_for_always_or_in_some_hours(browser: Browser, always: bool) -> None:
    hours = "" if always else str(schedule().pk)
    browser.submit(two_persons="on", two_persons_in=hours)
    rules = policy().points[10]
    (demand,) = rules.demands
    assert (demand.persons, demand.schedule) == (2, None if always else schedule().pk)
    assert all(demand.met_by(factor) for factor in Factor), "each with whatever lets in alone"
    assert rules.hold_open is None


def test_hours_of_what_is_not_asked_for_are_refused(browser: Browser) -> None:
    answer = browser.submit(first_person_in="on")
    assert "Choose the hours in which it is held open." in answer.text
    browser.get(browser.where)
    answer = browser.submit(first_person_in=[], two_persons_in=str(schedule().pk))
    assert "Say that two persons are asked for, or no hours." in answer.text
    assert policy().points == {}


def test_a_schedule_of_a_door_stays(browser: Browser) -> None:
    browser.submit(hold_open=str(schedule().pk))
    browser.get(f"/schedule/{schedule().pk}")
    assert "It is in use, and stays: 10 inward." in browser.submit("?end", "remove").text
