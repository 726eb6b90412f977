"""What brings changes to the hubs keeps its pace, and says what is wrong."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from hubcore.errors import LinkError, StoreError
from hubsite.acts import log
from hubsite.acts.bell import Bell
from hubsite.acts.kinds import ActKind
from hubsite.config import Engine
from hubsite.hubs.publisher import Publisher
from hubsite.looping import OLD_SECONDS
from tests.site.browser import at_work

pytestmark = pytest.mark.once


class Refusing:
    """An office whose signer says no."""

    def __init__(self) -> None:
        self.asked = 0

    def renew_policy(self, _now: int, _above: int) -> None:
        self.asked += 1
        raise LinkError("the signer is away")


def _act() -> None:
    with transaction.atomic():
        log.write("olga", ActKind.SIGNED_OUT)


async def test_who_does_not_sign_is_not_asked_again_at_once_whatever_changes() -> None:
    """publisher, law 3"""
    office = Refusing()
    publisher = Publisher(office, Engine(("nats://127.0.0.1:9",)))  # type: ignore[arg-type]
    for _ in range(3):
        await publisher.with_rows(_act)
        with pytest.raises(LinkError):
            await publisher._renew(0)
    assert office.asked == 1
    await publisher.with_rows(lambda: connection.close())


def test_the_bell_rings_after_the_commit_and_for_who_listens_alone() -> None:
    bell = Bell()
    heard: list[int] = []

    def listener() -> None:
        heard.append(1)

    bell.listen(listener)
    bell.ring()
    bell.leave(listener)
    bell.ring()
    assert heard == [1]


def test_without_an_engine_the_page_says_that_changes_reach_no_hub() -> None:
    assert "changes reach no hub" in at_work().get("/hubs").text


def _locked() -> None:
    raise OperationalError("database is locked")


async def test_what_the_database_refuses_is_an_error_that_is_tried_again() -> None:
    """looping, law 2"""
    publisher = Publisher(Refusing(), Engine(("nats://127.0.0.1:9",)))  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="database is locked"):
        await publisher.with_rows(_locked)
    await publisher.with_rows(lambda: connection.close())


@pytest.mark.parametrize("error", [StoreError("no room"), ValueError("no room")])
async def test_whatever_happens_the_publisher_goes_on_and_says_it(error: Exception) -> None:
    """looping, law 2"""
    publisher = Publisher(Refusing(), Engine(("nats://127.0.0.1:9",)))  # type: ignore[arg-type]
    said: list[str] = []

    async def fails() -> None:
        said.append(publisher.problem)
        publisher._changed.set()
        if len(said) == 3:
            publisher._is_stopped = True
        raise error

    publisher.serve = fails  # type: ignore[method-assign]
    await publisher._serve()
    assert len(said) == 3
    assert "no room" in said[1]
    assert "no room" in publisher.problem


def test_a_publisher_that_has_ended_or_is_silent_says_so() -> None:
    """looping, law 2"""
    publisher = Publisher(Refusing(), Engine(("nats://127.0.0.1:9",)))  # type: ignore[arg-type]
    publisher.found("")
    assert publisher.problem == ""
    publisher._turned_at -= OLD_SECONDS + 1
    assert "has said nothing for" in publisher.problem
    publisher.start()
    publisher.stop()
    assert "has ended" in publisher.problem


def test_the_chain_is_verified_without_the_lock_for_writing() -> None:
    """log, law 4"""
    _act()
    with CaptureQueriesContext(connection) as asked:
        assert log.verify().number == 1
    said = [one["sql"] for one in asked.captured_queries]
    assert len(said) >= 2
    assert not [one for one in said if one.startswith("BEGIN")]
