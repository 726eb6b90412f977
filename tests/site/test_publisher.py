"""What brings changes to the hubs keeps its pace, and says what is wrong."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from hubcore.errors import LinkError
from hubsite.acts import log
from hubsite.acts.bell import Bell
from hubsite.acts.kinds import ActKind
from hubsite.config import Engine
from hubsite.hubs.publisher import Publisher
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
        await publisher._with_rows(_act)
        with pytest.raises(LinkError):
            await publisher._renew(0)
    assert office.asked == 1
    await publisher._with_rows(lambda: connection.close())


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
