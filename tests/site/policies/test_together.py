"""What many bring at the same moment is written together, and each is told of his own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.grant import Access, Grant
from hubcore.codec import cbor
from hubsim.site.documents import make_key
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.hubs import keeping
from hubsite.hubs.keeping import NewGrant, keep
from hubsite.hubs.together import AT_ONCE, Together
from hubsite.register import models
from hubsite.rules.issuing import OPEN_AND_QUERY

pytestmark = pytest.mark.once

NOW = int(time.time())
WAIT_SECONDS = 20


@dataclass
class Disk:
    """Writes what is even; refuses multiples of 3; fails whole for what is in `broken`."""

    broken: frozenset[int] = frozenset()
    writes: list[list[int]] = field(default_factory=list)
    may_write: threading.Event = field(default_factory=threading.Event)
    writing: threading.Event = field(default_factory=threading.Event)

    def write(self, brought: Sequence[int]) -> list[int | ValueError]:
        self.writing.set()
        assert self.may_write.wait(WAIT_SECONDS)
        if self.broken & set(brought):
            raise DatabaseError("the disk is full")
        self.writes.append(list(brought))
        return [ValueError(str(one)) if one % 3 == 0 else one * 2 for one in brought]


def _until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.0005)


def _brought(disk: Disk, numbers: list[int]) -> list[Future[int]]:
    """Bring the first number; while it is written bring the others. Then let the disk write."""
    together = Together(disk.write)
    with ThreadPoolExecutor(len(numbers)) as threads:
        futures = [threads.submit(together.keep, numbers[0])]
        assert disk.writing.wait(WAIT_SECONDS)
        for number in numbers[1:]:
            brought = len(futures)
            futures.append(threads.submit(together.keep, number))
            _until(lambda brought=brought: len(together._waiting) == brought)
        disk.may_write.set()
    return futures


def test_those_who_come_while_others_write_are_written_at_once_in_their_order() -> None:
    """together, laws 1 and 2."""
    disk = Disk()
    numbers = [1, *range(4, 4 + 3 * (AT_ONCE + 1), 3)]
    assert [one.result() for one in _brought(disk, numbers)] == [one * 2 for one in numbers]
    assert disk.writes == [[1], numbers[1 : AT_ONCE + 1], numbers[AT_ONCE + 1 :]]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True),
    st.frozensets(st.integers(1, 30), max_size=4),
)
def test_each_is_told_of_his_own(numbers: list[int], broken: frozenset[int]) -> None:
    """together, laws 1 and 3: whatever is refused or fails, the others are written once."""
    disk = Disk(broken)
    futures = _brought(disk, numbers)
    for number, future in zip(numbers, futures, strict=True):
        if number in broken:
            assert isinstance(future.exception(), DatabaseError)
        elif number % 3 == 0:
            assert str(future.exception()) == str(number)
        else:
            assert future.result() == number * 2
    written = sorted(one for some in disk.writes for one in some)
    assert written == sorted(set(numbers) - broken)


def _phones(count: int) -> list[models.Credential]:
    person = models.Person.objects.create(name="Anna")
    keys = [cbor.encode(make_key().cose_key) for _ in range(count)]
    phones = models.Credential.objects
    return [phones.create(person=person, kind="web", label="Phone", key=key) for key in keys]


def _new(phone: models.Credential, number: int, uses: int | None = None) -> NewGrant:
    granted = Grant(
        site="acme",
        credential=phone.pk,
        not_before=NOW,
        expires=NOW + 60,
        grant_id=number.to_bytes(16, "big"),
        key=make_key().verify_key,
        access=(Access(10, OPEN_AND_QUERY, ()),),
        uses=uses,
    )
    return NewGrant("", phone, granted, b"signed", NOW)


def _kept(new: NewGrant) -> models.SignedGrant:
    try:
        return keep(new)
    finally:
        connection.close()


def _at_once(new: list[NewGrant]) -> list[Future[models.SignedGrant]]:
    """Bring all of them at one moment: while the database is held by somebody else."""
    with ThreadPoolExecutor(len(new)) as threads:
        with transaction.atomic():
            models.Group.objects.create(name="Holds the database")
            futures = [threads.submit(_kept, one) for one in new]
            _until(lambda: len(keeping._TOGETHER._waiting) >= len(new) - 1)
        return futures


def test_grants_of_one_moment_are_all_kept_each_with_its_act() -> None:
    """keeping, law 2."""
    phones = _phones(8)
    futures = _at_once([_new(phone, number) for number, phone in enumerate(phones)])
    kept = {one.result().credential_id for one in futures}
    assert kept == {phone.pk for phone in phones}
    assert models.SignedGrant.objects.count() == len(phones)
    acts = [one.said for one in Act.objects.order_by("number")]
    assert sorted(one["about"] for one in acts) == sorted(f"credential {one}" for one in kept)
    assert {one["grant_id"] for one in acts} == {n.to_bytes(16, "big") for n in range(len(phones))}
    log.verify()


def test_of_many_with_a_number_of_uses_at_one_moment_one_is_kept() -> None:
    """keeping, law 1: also within one transaction; grants of others beside them are kept."""
    phone, other = _phones(2)
    counted = [_new(phone, number, uses=2) for number in range(5)]
    futures = _at_once([*counted, _new(other, 9)])
    refused = [one for one in futures[:5] if one.exception() is not None]
    assert [str(one.exception()) for one in refused] == [keeping.HAS_ITS_GRANT] * 4
    assert phone.signed.count() == other.signed.count() == 1
    assert Act.objects.count() == 2


def test_who_is_in_a_transaction_of_his_own_stays_in_it() -> None:
    """keeping, law 2: what fails there later takes the grant with it."""
    (phone,) = _phones(1)

    def fails_later() -> None:
        with transaction.atomic():
            keep(_new(phone, 1))
            raise DatabaseError("something else of it fails")

    def counted_beside() -> None:
        with transaction.atomic():
            keep(_new(phone, 1))
            keep(_new(phone, 2, uses=1))

    with pytest.raises(DatabaseError):
        fails_later()
    with pytest.raises(ValueError, match="gets no other"):
        counted_beside()
    assert not models.SignedGrant.objects.exists()
    assert not Act.objects.exists()
