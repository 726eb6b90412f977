"""What brings changes to the hubs keeps its pace, and says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from hubcore.errors import LinkError, StoreError
from hubgateway.rules import names
from hubsim.site.documents import make_key
from hubsite.acts import log
from hubsite.acts.bell import Bell
from hubsite.acts.kinds import ActKind
from hubsite.config import Engine
from hubsite.hubs.publisher import Publisher
from hubsite.hubs.signer import FileSigner
from hubsite.looping import OLD_SECONDS
from hubsite.register import models
from tests.site.browser import at_work

pytestmark = pytest.mark.once


class Refusing:
    """An office whose signer says no."""

    def __init__(self) -> None:
        self.asked = 0

    def renew_at_once(self, _now: int, _above: int) -> None:
        self.asked += 1
        raise LinkError("the signer is away")


async def _never() -> None:
    raise AssertionError("nothing was signed")


@dataclass
class Signing:
    """An office that signs at once what it is told to, and then the whole."""

    said: list[str]
    is_new: bool
    whole_fails: bool = False
    signer: FileSigner = field(default_factory=lambda: FileSigner(make_key()))
    site: str = "acme"

    def renew_at_once(self, _now: int, above: int) -> models.SignedPolicy | None:
        self.said.append("at once")
        return self._made(above + 1) if self.is_new else None

    def renew_policy(self, _now: int, above: int) -> models.SignedPolicy | None:
        self.said.append("whole")
        if self.whole_fails:
            raise LinkError("the signer is away")
        return self._made(above + 2)

    def renew_list(self, _now: int) -> None:
        self.said.append("list")

    def _made(self, version: int) -> models.SignedPolicy:
        return models.SignedPolicy.objects.create(
            version=version, issued_at=1, act=0, document=b"policy"
        )


@dataclass
class Offered:
    """An engine that only takes policies."""

    said: list[str]

    async def put(self, key: str, value: bytes) -> int:
        assert value == b"policy"
        self.said.append(f"put {names.root_version(key)}")
        return 5

    async def highest_version(self) -> int:
        return 9 if "put 9" in self.said else 8

    async def versions(self) -> list[int]:
        return []

    async def purge(self, below: int) -> None:
        assert below == 5
        self.said.append("older out")

    async def hubs(self) -> frozenset[str]:
        return frozenset()

    async def answers(self, place: int) -> tuple[list[object], int]:
        return [], place


@pytest.mark.parametrize(
    ("is_new", "whole_fails", "expected"),
    [
        (True, False, ["at once", "put 8", "whole", "put 9", "list", "older out"]),
        (False, False, ["at once", "whole", "put 9", "list", "older out"]),
        (True, True, ["at once", "put 8", "whole", "list", "older out"]),
        (False, True, ["at once", "whole", "list"]),
    ],
)
async def test_what_needs_no_look_at_each_grant_is_put_first(
    is_new: bool, whole_fails: bool, expected: list[str]
) -> None:
    """publisher, law 4"""
    said: list[str] = []
    office = Signing(said, is_new, whole_fails)
    publisher = Publisher(office, Engine(("nats://127.0.0.1:9",)))  # type: ignore[arg-type]
    await publisher._turn(Offered(said), 7)  # type: ignore[arg-type]
    assert said == expected
    await publisher.with_rows(lambda: connection.close())


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
            await publisher._renew(_never, 0)
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
