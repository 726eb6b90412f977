"""What operators did stands in a chain: nothing of it can be changed, and what was shows."""

from __future__ import annotations

import re

import pytest
from django.db import DatabaseError, connection, transaction

from hubcore.errors import AuditError
from hubcore.evidence.records import Head
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.models import Act, ChainHead
from tests.site.browser import signed_in

pytestmark = pytest.mark.once


def _write(count: int) -> None:
    for number in range(count):
        with transaction.atomic():
            log.write("olga", ActKind.SIGNED_OUT, about=str(number))


def _force(sql: str) -> None:
    """Do what the database refuses: as somebody does who has its file, or its server."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE acts_act DISABLE TRIGGER USER")
            cursor.execute(re.sub("x'(..)'", r"'\\x\1'::bytea", sql))
            return
        for verb in ("UPDATE", "DELETE"):
            cursor.execute(f"DROP TRIGGER IF EXISTS acts_act_{verb}")
        cursor.execute(sql)


def test_an_act_is_never_changed_and_never_removed() -> None:
    _write(3)
    for change in (
        lambda: Act.objects.filter(number=2).update(at_ms=1),
        lambda: Act.objects.filter(number=2).delete(),
        lambda: Act.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError, match="never changed and never removed"):
            change()
    assert log.verify().number == 3


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE acts_act SET body = x'a0' WHERE number = 2", "record 2 was edited"),
        ("UPDATE acts_act SET at_ms = 1 WHERE number = 2", "record 2 is filed under the time 1 ms"),
        ("DELETE FROM acts_act WHERE number = 2", "record 2 is missing: 3 comes in its place"),
        ("DELETE FROM acts_act WHERE number > 3", "the end of the chain was cut off"),
    ],
)
def test_what_somebody_does_to_the_file_shows(sql: str, said: str) -> None:
    _write(4)
    _force(sql)
    with pytest.raises(AuditError, match=said):
        log.verify()


def test_a_chain_that_was_written_again_shows_against_a_head_that_was_kept() -> None:
    _write(3)
    kept = log.verify()
    _force("DELETE FROM acts_act")
    ChainHead.objects.all().delete()
    _write(4)
    assert log.verify().number == 4
    with pytest.raises(AuditError, match="record 3 is not the one that was known"):
        log.verify([kept])
    with pytest.raises(AuditError, match="was known once"):
        log.verify([Head(9, bytes(32))])


def test_an_act_without_a_transaction_or_too_long_is_refused() -> None:
    with pytest.raises(AuditError, match="in the transaction of what it tells"):
        log.write("olga", ActKind.SIGNED_OUT)
    with pytest.raises(AuditError, match="at most 4096 bytes"), transaction.atomic():
        log.write("olga", ActKind.SIGNED_OUT, about="x" * 5000)
    assert log.verify() == Head()


def _write_and_fail() -> None:
    with transaction.atomic():
        log.write("olga", ActKind.SIGNED_OUT)
        raise RuntimeError


def test_what_fails_leaves_no_act() -> None:
    with pytest.raises(RuntimeError):
        _write_and_fail()
    assert log.verify() == Head()


def test_the_page_shows_acts_and_verifies_them() -> None:
    browser = signed_in()
    _write(60)
    page = browser.get("/acts")
    assert "Page 1 of 2" in page.text
    assert "account-made olga" in browser.get("/acts?page=2").text
    assert "wrong_tries 0" in browser.get("/acts?page=99").text
    browser.get("/acts")
    head = log.verify()
    assert f"The chain holds, up to act {head.number}. Its head is {head}" in (
        browser.submit("/acts/verify").text
    )
    _force("DELETE FROM acts_act WHERE number = 2")
    browser.get("/acts")
    answer = browser.submit("/acts/verify")
    assert answer.status == 409
    assert "The chain does not hold: record 2 is missing" in answer.text


def test_what_an_act_has_nothing_of_is_told_in_a_word() -> None:
    browser = signed_in()
    with transaction.atomic():
        log.write("olga", ActKind.GRANT_MADE, group=None, points="", person="9")
    text = browser.get("/acts").text
    assert "group none" in text
    assert "points none" in text
    assert "person 9" in text
    assert "None" not in text


def test_an_act_that_cannot_be_read_is_shown_as_such() -> None:
    browser = signed_in()
    _force("UPDATE acts_act SET body = x'ff' WHERE number = 1")
    assert "no record" in browser.get("/acts").text
