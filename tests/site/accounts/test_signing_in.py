"""Who gets in, who does not, and what each is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import BoundedSemaphore

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from hubcore.errors import ConfigError
from hubcore.timing.pace import Rate
from hubsite.accounts import factor
from hubsite.accounts.gate import ALL_ADDRESSES, AN_ADDRESS, BUSY_SECONDS, CODES, Gate, network_of
from hubsite.accounts.hashing import Argon2
from hubsite.accounts.making import end_account, renew_account
from hubsite.accounts.models import Account, Session
from hubsite.acts.models import Act
from hubsite.settings import settings_of
from hubsite.tidying import tidy
from tests.site.browser import Browser, Operator, at_work, signed_in, timeless
from tests.site.quick import Quick
from tests.site.server import Server

pytestmark = pytest.mark.once

WRONG_TRIES = 300
"""At the pages. Ten thousand, by a clock that is driven: test_wrong_passwords.py."""


def test_name_password_and_code_let_in_and_each_alone_does_not() -> None:
    olga = Operator.made()
    right = {"name": olga.name, "password": olga.password, "code": olga.code()}
    for field, value in (("name", "nobody"), ("password", "wrong"), ("code", "000000")):
        browser = Browser()
        browser.get("/sign-in")
        answer = browser.submit(**{**right, field: value})
        assert answer.status == 403
        assert "The name, the password or the second factor is wrong." in answer.text
        assert browser.get("/acts").where.startswith("/sign-in")
    browser = Browser()
    browser.get("/sign-in?next=/acts")
    assert browser.submit(**right).where == "/acts"


def test_a_code_counts_once() -> None:
    olga = Operator.made()
    code = olga.at_step(0)
    for expected in (200, 403):
        browser = Browser()
        browser.get("/sign-in")
        assert browser.submit(name="olga", password=olga.password, code=code).status == expected
    browser = Browser()
    browser.get("/sign-in")
    assert browser.submit(name="olga", password=olga.password, code=olga.at_step(1)).status == 200
    assert browser.get("/").where == "/"


def test_a_clock_may_be_one_step_wrong_and_no_more() -> None:
    secret = factor.new_secret()
    now = 1_700_000_000.0
    step = int(now) // factor.STEP_SECONDS
    found = [factor.step_of(secret, factor.code_at(secret, step + n), now, 0) for n in range(-3, 4)]
    assert found == [None, None, step - 1, step, step + 1, None, None]


def test_the_codes_are_those_of_rfc_6238() -> None:
    secret = b"12345678901234567890"
    assert factor.code_at(secret, 59 // 30) == "287082"
    assert factor.code_at(secret, 1111111109 // 30) == "081804"
    assert factor.code_at(secret, 20000000000 // 30) == "353130"


def test_an_account_without_a_second_factor_lets_nobody_in() -> None:
    olga = Operator.made()
    code = olga.code()
    Account.objects.filter(name="olga").update(factor=b"")
    browser = Browser()
    browser.get("/sign-in")
    assert browser.submit(name="olga", password=olga.password, code=code).status == 403


def test_the_second_factor_lies_sealed_and_under_another_secret_nobody_gets_in(
    server: Server,
) -> None:
    olga = Operator.made()
    sealed = bytes(Account.objects.get(name="olga").factor)
    assert olga.secret not in sealed
    assert factor.unseal(sealed, "olga", server.site.secret) == olga.secret
    for name, key in (("olga", b"x" * 48), ("otto", server.site.secret)):
        with pytest.raises(ConfigError, match="hubsite operator renew"):
            factor.unseal(sealed, name, key)


class Counted(Quick):
    """A measure that counts how often a password is hashed to compare it with none."""

    hashed = 0

    def encode(self, password: str, salt: str) -> str:
        Counted.hashed += 1
        return super().encode(password, salt)


def test_for_a_name_that_there_is_not_a_password_is_hashed_too() -> None:
    """signin, law 2"""
    olga = Operator.made()
    browser = Browser()
    browser.get("/sign-in")
    with override_settings(PASSWORD_HASHERS=[f"{__name__}.Counted"]):
        answer = browser.submit(name="nobody", password="wrong", code=olga.code())
    assert answer.status == 403
    assert Counted.hashed == 1


def test_many_wrong_passwords_are_slowed_and_told_and_lock_nobody_out() -> None:
    olga = Operator.made()
    home = Browser("192.0.2.1")
    home.sign_in(olga)
    stranger = Browser("203.0.113.9")
    stranger.get("/sign-in")
    statuses = []
    for number in range(WRONG_TRIES):
        answer = stranger.submit(name="olga", password=f"guess {number}", code="000000")
        statuses.append(answer.status)
    judged = statuses.count(403)
    assert AN_ADDRESS.burst <= judged < AN_ADDRESS.burst + 5
    assert statuses.count(429) == WRONG_TRIES - judged
    assert answer.headers["Retry-After"] == "10"
    assert "Your account is not locked" in answer.text
    for browser in (Browser("198.51.100.4"), home):
        told = browser.sign_in(olga).text
        assert f"a wrong password or code was typed for your name {judged} times" in told
        assert "203.0.113.9" in told
    (one, *_) = [act.said for act in Act.objects.order_by("-number")[1:2]]
    assert one["wrong_tries"] == judged
    Account.objects.update(wrong_tries=judged + 1)
    told = home.submit("/sign-in/wrong-tries").text
    assert "for your name 1 time, the last" in told, "one more came after the page was shown"
    assert Act.objects.order_by("number").last().said["wrong_tries"] == judged
    assert "wrong password" not in home.submit("/sign-in/wrong-tries").text
    assert "wrong password" not in home.sign_in(olga).text


def test_each_sign_in_is_told_when_and_from_where_the_one_before_was() -> None:
    olga = Operator.made()
    assert "This is the first sign-in by your name." in Browser("192.0.2.1").sign_in(olga).text
    Account.objects.update(last_login=datetime(2026, 3, 4, 5, 6, tzinfo=UTC))
    assert "on 2026-03-04 05:06 UTC, from 192.0.2.1." in Browser("203.0.113.9").sign_in(olga).text
    assert "from 203.0.113.9." in Browser("192.0.2.1").sign_in(olga).text


def test_a_wrong_number_of_wrong_tries_changes_nothing() -> None:
    browser = signed_in()
    Account.objects.update(wrong_tries=3, wrong_at=timezone.now())
    for seen in ("", "x", "-1", "0", "4", "9" * 30):
        browser.get("/")
        browser.submit("/sign-in/wrong-tries", seen=seen)
        assert Account.objects.get().wrong_tries == 3


def test_who_has_the_password_guesses_few_codes_from_any_number_of_addresses() -> None:
    olga = Operator.made()
    home = Browser()
    home.sign_in(olga)
    for number in range(int(CODES.burst)):
        stranger = Browser(f"203.0.113.{number}")
        stranger.get("/sign-in")
        answer = stranger.submit(name="olga", password=olga.password, code="x")
        assert answer.status == 403
    refused = Browser("198.51.100.4").sign_in(olga)
    assert refused.status == 403, "a right code does not count"
    assert timeless(refused.text) == timeless(answer.text), (
        "nor does the answer say that the password was right"
    )
    assert home.sign_in(olga).status == 200, "a known browser has a pace of its own"


def test_codes_have_a_pace_that_right_ones_do_not_use_up() -> None:
    now = 0.0
    gate = Gate(monotonic=lambda: now)
    for _ in range(20):
        assert gate.lets_code("olga", None)
        gate.was_right("olga", None)
    judged = [gate.lets_code("olga", None) for _ in range(7)]
    assert judged == [True] * 5 + [False] * 2
    assert gate.lets_code("olga", "olga/known")
    assert gate.lets_code("otto", None)
    now = 599.0
    assert not gate.lets_code("olga", None)
    now = 600.0
    assert gate.lets_code("olga", None)
    assert not gate.lets_code("olga", None)


def test_a_browser_that_was_here_before_gets_in_beside_a_stranger_at_its_own_address() -> None:
    olga = Operator.made()
    home = Browser("192.0.2.1")
    home.sign_in(olga)
    stranger = Browser("192.0.2.1")
    stranger.get("/sign-in")
    while stranger.submit(name="olga", password="wrong", code="1").status != 429:
        pass
    assert home.sign_in(olga).status == 200
    assert Browser("192.0.2.1").sign_in(olga).status == 429
    stolen_for_another = Browser("192.0.2.1")
    stolen_for_another.client.cookies["__Host-known"] = home.client.cookies["__Host-known"].value
    assert stolen_for_another.sign_in(Operator.made("otto")).status == 429


def test_addresses_have_paces_of_their_own_and_all_together_one() -> None:
    now = 0.0
    gate = Gate(Rate(2, 0.1), Rate(5, 1), monotonic=lambda: now)
    tries = [gate.lets(f"192.0.2.{n}", None) for n in (1, 1, 1, 2, 2, 3, 4)]
    assert tries == [True, True, False, True, True, True, False]
    assert gate.lets("192.0.2.1", "olga/known")
    now = 10.0
    assert gate.lets("192.0.2.1", None)
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"


def test_strangers_hash_one_at_a_time_beside_a_known_browser() -> None:
    olga = Operator.made()
    home = Browser()
    home.sign_in(olga)
    gate = settings.HUBSITE_RUNNING.gate
    with gate.hashing(None) as has_place:
        assert has_place
        answer = Browser("203.0.113.9").sign_in(olga)
        assert answer.status == 503
        assert "Too many people sign in at this moment" in answer.text
        assert home.sign_in(olga).status == 200, "a known browser has a place of its own"
    assert Browser("203.0.113.9").sign_in(olga).status == 200


class Places(BoundedSemaphore):
    """Places that say how long somebody would have waited for one."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked: list[float | None] = []

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        return super().acquire(blocking, 0)


def test_known_browsers_wait_for_their_place_and_strangers_do_not() -> None:
    gate = Gate()
    gate._of_known, gate._of_strangers = known, strangers = Places(), Places()
    for places, browser, seconds in ((known, "olga/known", BUSY_SECONDS), (strangers, None, 0)):
        with gate.hashing(browser) as first, gate.hashing(browser) as second:
            assert (first, second) == (True, False)
        assert places.asked == [seconds, seconds]
        with gate.hashing(browser) as again:
            assert again


def test_many_strangers_use_up_their_own_common_pace_alone() -> None:
    olga = Operator.made()
    home = Browser()
    home.sign_in(olga)
    gate = settings.HUBSITE_RUNNING.gate
    tries = [gate.lets(f"203.0.{n}.1", None) for n in range(int(ALL_ADDRESSES.burst) + 10)]
    assert not tries[-1]
    assert Browser("198.51.100.4").sign_in(olga).status == 429
    assert home.sign_in(olga).status == 200


def test_who_has_no_session_sees_the_sign_in_alone() -> None:
    for path in ("/", "/acts"):
        assert Browser().get(path).where.startswith("/sign-in")
    assert Browser().get("/sign-in").status == 200


def test_signing_out_renewing_and_ending_end_a_session(server: Server) -> None:
    browser = signed_in("olga")
    session = browser.client.cookies["__Host-session"].value
    browser.submit("/sign-out")
    browser.client.cookies["__Host-session"] = session
    assert browser.get("/").where.startswith("/sign-in"), "a stolen session ends with its owner's"
    for name, end in (
        ("otto", lambda: renew_account("otto", "acme", server.site.secret)),
        ("pia", lambda: end_account("pia")),
    ):
        browser = signed_in(name)
        end()
        assert browser.get("/").where.startswith("/sign-in"), name


@pytest.mark.sqlite
def test_a_copy_of_the_database_is_no_session(server: Server) -> None:
    browser = signed_in()
    cookie = browser.client.cookies["__Host-session"].value
    row = Session.objects.get()
    assert row.account == Account.objects.get().pk
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert cookie.encode() not in Path(server.site.database.name).read_bytes()
    thief = Browser()
    thief.client.cookies["__Host-session"] = row.pk
    assert thief.get("/").where.startswith("/sign-in")
    assert browser.get("/").where == "/", "the owner's goes on"


def test_sessions_that_are_over_are_removed_and_others_stay() -> None:
    at_work("otto")
    browser = at_work("olga")
    over = Session.objects.get(account=Account.objects.get(name="otto").pk)
    Session.objects.filter(pk=over.pk).update(expire_date=timezone.now() - timedelta(seconds=1))
    tidy()
    assert not Session.objects.filter(pk=over.pk).exists()
    assert browser.get("/").where == "/"


def test_after_a_sign_in_nobody_is_sent_elsewhere() -> None:
    olga = Operator.made()
    for wanted in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        assert Browser().sign_in(olga, wanted).where == "/"


def test_a_form_that_came_from_elsewhere_changes_nothing() -> None:
    browser = signed_in()
    answer = browser.post("/sign-out", {"csrfmiddlewaretoken": "x" * 64})
    assert answer.status == 403
    assert "Nothing was changed." in answer.text
    assert browser.get("/").where == "/"


def test_cookies_and_headers_are_those_that_were_promised() -> None:
    browser = signed_in()
    for name in ("__Host-session", "__Host-csrf", "__Host-known"):
        cookie = browser.client.cookies[name]
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert (cookie["path"], cookie["domain"]) == ("/", "")
    headers = browser.get("/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_passwords_are_kept_by_argon2_alone(server: Server) -> None:
    hashers = settings_of(server.site)["PASSWORD_HASHERS"]
    assert hashers == ["hubsite.accounts.hashing.Argon2"]
    kept = Argon2().encode("a password", "a good salt of its own")
    assert kept.startswith("argon2$argon2id$v=19$m=47104,t=2,p=1$")
    Operator.made()
    assert Account.objects.get(name="olga").password.startswith("argon2$argon2id$v=19$")


@pytest.mark.parametrize("name", ["", "O", "a b", "<script>", "-a", "a" * 33])
def test_a_name_that_is_none_makes_no_account(name: str) -> None:
    with pytest.raises(ValueError, match="A name has 1 to 32"):
        Operator.made(name)
    assert not Act.objects.exists()


def test_one_name_is_one_account() -> None:
    Operator.made()
    with pytest.raises(ValueError, match="there is an operator olga already"):
        Operator.made()
