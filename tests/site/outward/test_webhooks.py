"""Webhooks: what goes out, to whom, how often, and what a receiver refuses."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.errors import LinkError
from hubsite.acts.models import Act
from hubsite.records.models import Record
from hubsite.register.models import Credential, Person
from hubsite.webhooks import kept, signing
from hubsite.webhooks.address import Destination, is_public, read_url, resolve
from hubsite.webhooks.courier import Courier
from hubsite.webhooks.kept import DAY, Done
from hubsite.webhooks.models import Delivery, Webhook
from hubsite.webhooks.posting import Poster
from tests.site.browser import Browser, at_work
from tests.site.server import HOST, begun

pytestmark = pytest.mark.once

SECONDS = 30
PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def _record(number: int, kind: str = "access", **more: object) -> Record:
    said = {"hub": "front-1", "at": 1_796_000_000, "dated": 0, "chain_hash": b"h", "record": b"r"}
    return Record.objects.create(number=number, kind=kind, **{**said, **more})


def _made(url: str = "https://receiver.example/hook", **rights: object) -> tuple[Webhook, bytes]:
    webhook = Webhook(label="x", url=url, **{"kinds": ["access"], "alarms": True, **rights})
    return webhook, kept.make("olga", webhook, begun().site.secret)


class Receiver:
    """A program that takes messages; `answers` says what it does with each connection."""

    def __init__(self, answers: Callable[[ssl.SSLSocket], None]) -> None:
        folder = begun().site.file.parent
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://{HOST}:{self._listener.getsockname()[1]}/hook?a=b"
        self.heard: list[tuple[dict[str, str], bytes]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._take, args=(plain,), daemon=True).start()
            except OSError:
                return

    def _take(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as wire:
                self.heard.append(_read(wire))
                self._answers(wire)
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def numbers(self) -> list[int]:
        return [json.loads(body)["data"].get("number", 0) for _, body in self.heard]


def _read(wire: ssl.SSLSocket) -> tuple[dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += wire.recv(4096)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += wire.recv(4096)
    return {**headers, "": first}, body


@contextmanager
def _receiver(
    answers: Callable[[ssl.SSLSocket], None] = lambda wire: wire.sendall(OK),
) -> Iterator[Receiver]:
    receiver = Receiver(answers)
    try:
        yield receiver
    finally:
        receiver.close()


def _poster(seconds: float = 15.0, allows_private: bool = True) -> Poster:
    context = ssl.create_default_context(cafile=begun().site.file.parent / "tls.pem")
    return Poster(context, allows_private, seconds)


@contextmanager
def _running(poster: Poster, wall: Callable[[], float] = time.time) -> Iterator[Courier]:
    courier = Courier(poster, begun().site.secret, days=3, wall=wall, pulse_seconds=0.02)
    courier.start()
    try:
        yield courier
    finally:
        courier.stop()


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def _state(webhook: Webhook) -> Delivery:
    return Delivery.objects.get(pk=webhook.pk)


def _sample() -> Callable[..., bool]:
    """The check of the page, as a receiver would copy it."""
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Callable[..., bool]] = {}
    exec(source, names)  # noqa: S102, the page's own sample
    return names["check"]


def test_records_come_in_order_once_each_signed_and_by_their_rights() -> None:
    _record(1)
    with _receiver() as receiver:
        webhook, secret = _made(receiver.url)
        _record(2)
        _record(3, kind="clock")
        _record(4, kind="door", is_alarm=True, door="front", outcome="forced")
        for number in range(5, 60):
            _record(number)
        with _running(_poster()):
            _until(lambda: len(receiver.heard) == 57)
            _record(60)
            _until(lambda: len(receiver.heard) == 58)
            _until(lambda: _state(webhook).place == Record.objects.last().pk)
        assert receiver.numbers == [2, *range(4, 61)]
        check = _sample()
        seen: set[str] = set()
        for headers, body in receiver.heard:
            assert check(signing.shown(secret), headers, body, seen)
            assert headers[""] == "POST /hook?a=b HTTP/1.1"
            assert headers["host"] == receiver.url.split("/")[2]
        alarm = json.loads(receiver.heard[1][1])
        assert alarm["type"] == "alarm.door"
        assert alarm["timestamp"] == "2026-11-30T00:53:20Z"
        assert (alarm["data"]["outcome"], alarm["data"]["door"]) == ("forced", "front")


@pytest.mark.parametrize("with_names", [False, True])
def test_names_go_out_only_by_a_right_of_their_own(with_names: bool) -> None:
    anna = Person.objects.create(name="Anna Ahrens")
    phone = Credential.objects.create(person=anna, kind="phone", label="x", key=b"k")
    with _receiver() as receiver:
        _made(receiver.url, with_names=with_names)
        _record(1, credential=phone.pk)
        with _running(_poster()):
            _until(lambda: len(receiver.heard) == 1)
    said = json.loads(receiver.heard[0][1])["data"]
    assert (said["person"], said["credential"]) == (anna.pk, phone.pk)
    assert said.get("name") == ("Anna Ahrens" if with_names else None)
    assert (b"Ahrens" in receiver.heard[0][1]) == with_names


def test_what_is_not_taken_comes_again_in_order_and_a_start_goes_on() -> None:
    answers = iter([OK, b"HTTP/1.1 500 No\r\n\r\n", b"HTTP/1.1 302 X\r\nLocation: /y\r\n\r\n"])
    now = [1_800_000_000.0]
    with _receiver(lambda wire: wire.sendall(next(answers, OK))) as receiver:
        webhook, _ = _made(receiver.url)
        for number in (1, 2, 3):
            _record(number)
        with _running(_poster(), lambda: now[0]):
            _until(lambda: _state(webhook).failure == "it answered 500")
            now[0] += kept.WAITS_SECONDS[0]
            _until(lambda: "redirects are not followed" in _state(webhook).failure)
        assert receiver.numbers == [1, 2, 2]
        assert _state(webhook).tries == 2
        now[0] += kept.WAITS_SECONDS[1]
        with _running(_poster(), lambda: now[0]):
            _until(lambda: len(receiver.heard) == 5)
            _until(lambda: _state(webhook).failing_since is None)
        assert receiver.numbers == [1, 2, 2, 2, 3]
        ids = [headers["webhook-id"] for headers, _ in receiver.heard]
        assert ids[1] == ids[2] == ids[3]


def _drip(wire: ssl.SSLSocket) -> None:
    while True:
        wire.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


def _flood(wire: ssl.SSLSocket) -> None:
    wire.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        wire.sendall(b"x" * 65_536)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (_drip, "no answer within"),
        (lambda wire: wire.recv(1), "no answer within"),
        (_flood, "the connection failed: LineTooLong"),
        (lambda wire: wire.sendall(b"junk\r\n\r\n"), "the connection failed: BadStatusLine"),
        (lambda _wire: None, "the connection failed: RemoteDisconnected"),
    ],
)
def test_a_hostile_receiver_costs_the_others_nothing(
    answers: Callable[[ssl.SSLSocket], None], said: str
) -> None:
    with _receiver(answers) as hostile, _receiver() as well:
        worse, _ = _made(hostile.url)
        _made(well.url)
        for number in range(1, 6):
            _record(number)
        with _running(_poster(seconds=1)):
            _until(lambda: well.numbers == [1, 2, 3, 4, 5])
            _until(lambda: said in _state(worse).failure)
        assert hostile.numbers == [1]


def test_an_answers_body_is_not_read_and_a_slow_handshake_ends() -> None:
    with _receiver(lambda wire: wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1 << 20))) as many:
        _poster().post(read_url(many.url), {}, b"{}")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://{HOST}:{silent.getsockname()[1]}/"
        with pytest.raises(LinkError, match="no answer within"):
            _poster(seconds=0.2).post(read_url(url), {}, b"{}")


def test_a_slow_resolver_and_a_host_that_takes_nobody_end_in_time() -> None:
    """posting, law 2"""
    goes_on = Event()

    def slow(_destination: Destination, _allows_private: bool) -> str:
        goes_on.wait()
        return "127.0.0.1"

    context = ssl.create_default_context()
    poster = Poster(context, True, seconds=0.1, look_up=slow)
    try:
        with pytest.raises(LinkError, match="was not found within"):
            poster.post(read_url("https://a.example/"), {}, b"{}")
    finally:
        goes_on.set()
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    with full, socket.create_connection(full.getsockname()):
        url = f"https://127.0.0.1:{full.getsockname()[1]}/"
        with pytest.raises(LinkError, match="no answer within"):
            _poster(seconds=0.2).post(read_url(url), {}, b"{}")


def test_whatever_fails_the_courier_goes_on_and_says_it() -> None:
    """courier, law 4"""
    is_odd = Event()
    is_odd.set()

    def wall() -> float:
        if is_odd.is_set():
            raise RuntimeError("odd")
        return time.time()

    with _receiver() as receiver:
        _made(receiver.url)
        _record(1)
        with _running(_poster(), wall) as courier:
            _until(lambda: "odd" in courier.problem)
            is_odd.clear()
            _until(lambda: receiver.numbers == [1])
            _until(lambda: courier.problem == "")


def test_a_receiver_that_proves_no_name_gets_nothing() -> None:
    with _receiver() as receiver:
        elsewhere = receiver.url.replace(HOST, "127.0.0.1")
        with pytest.raises(LinkError, match="certificate is not believed: IP address mismatch"):
            _poster().post(read_url(elsewhere), {}, b"{}")
        stranger = Poster(ssl.create_default_context(), allows_private=True)
        with pytest.raises(LinkError, match="certificate is not believed: self"):
            stranger.post(read_url(receiver.url), {}, b"{}")
        assert receiver.heard == []


def test_an_address_within_the_house_is_refused_unless_the_file_allows_it() -> None:
    with _receiver() as receiver:
        with pytest.raises(LinkError, match="leads to an address that is not public"):
            _poster(allows_private=False).post(read_url(receiver.url), {}, b"{}")
        assert receiver.heard == []
        assert resolve(read_url(receiver.url), allows_private=True) in ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1"),
        *("ff02::1", "::ffff:10.0.0.1", "2002:a00:1::1", "64:ff9b::a00:1", "2001:0:1::1"),
    ],
)
def test_addresses_within_a_house_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "https://",
        "https:///x",
        "https://user@a.example/",
        "https://user:word@a.example/",
        "https://a.example:0/",
        "https://a.example:99999/",
        "https://a.example/#x",
        "https://a.example/ x",
        "https://a.example/\r\nX: y",
        "https://ä.example/",
        "https://[::1",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_address_is_refused_on_the_page(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        read_url(url)
    browser = at_work()
    browser.get("/webhooks/add")
    answer = browser.submit(label="x", url=url, alarms="on")
    assert "Nothing was kept" in answer.text
    assert not Webhook.objects.exists()


def test_the_page_makes_tries_and_ends_one_and_each_is_an_act() -> None:
    browser = at_work()
    browser.get("/webhooks/add")
    assert (
        "Choose alarms, or a kind of record."
        in browser.submit(label="x", url="https://a.example", alarms=[]).text
    )
    with _receiver() as receiver:
        answer = browser.submit(
            label="<script>", url=receiver.url, alarms="on", kinds=["access", "door"]
        )
        secret = answer.page.fields["secret"]
        webhook = Webhook.objects.get()
        assert secret.startswith("whsec_")
        assert secret.encode() not in bytes(webhook.secret)
        page = f"/webhooks/{webhook.pk}"
        assert secret not in browser.get(page).text
        browser.submit(f"{page}/test")
        with _running(_poster()):
            _until(lambda: len(receiver.heard) == 1)
            _until(lambda: _state(webhook).succeeded_at is not None)
        headers, body = receiver.heard[0]
        assert json.loads(body)["type"] == "test"
        assert _sample()(secret, headers, body, set())
    assert "alarms, access, door; people by opaque ids" in browser.get(page).text
    answer = browser.submit(f"{page}/end")
    assert answer.where == "/webhooks"
    assert "There is none." in answer.text
    assert browser.get(page).status == 404
    said = [act.said for act in Act.objects.order_by("number")]
    assert [one["kind"] for one in said] == ["webhook-made", "webhook-tested", "webhook-ended"]
    assert (said[0]["host"], said[0]["rights"]) == (HOST, "access,door,alarms")
    with _running(_poster()):
        _record(1)
        assert kept.due(int(time.time()), (), {}, begun().site.secret) == []


def test_what_fails_for_days_is_given_up_and_said() -> None:
    webhook, _ = _made()
    for number in range(1, 8):
        _record(number)
    start = 1_800_000_000
    for at in (start, start + DAY, start + 3 * DAY - 1):
        kept.settle(Done(webhook.pk, 0, "it answered 500", has_sent=False), at, at - 3 * DAY)
    assert kept.waiting(Webhook.objects.get()) == 7
    browser = at_work()
    text = browser.get(f"/webhooks/{webhook.pk}").text
    assert "It fails since 2027-01-15" in text
    assert "it answered 500" in text
    at = start + 3 * DAY
    kept.settle(Done(webhook.pk, 0, "it answered 503", has_sent=False), at, at - 3 * DAY)
    text = browser.get(f"/webhooks/{webhook.pk}").text
    assert "Given up: 7 records, since 2027-01-15" in text
    assert kept.waiting(Webhook.objects.get()) == 0
    later = _record(8)
    kept.settle(Done(webhook.pk, later.pk, "", has_sent=True), at + 1, at + 1 - 3 * DAY)
    text = browser.get(f"/webhooks/{webhook.pk}").text
    assert "It fails since" not in text
    assert "Given up: 7 records" in text


def test_a_secret_that_another_server_sealed_is_said() -> None:
    webhook, _ = _made()
    _record(1)
    assert kept.due(1_800_000_000, (), {}, b"another secret") == []
    assert "make another webhook" in _state(webhook).failure


def test_the_signature_is_that_of_the_standard() -> None:
    """The example that Standard Webhooks' own libraries are tested by."""
    secret = signing.base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signing.headers_of(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.sampled_from(["body", "id", "time", "signature", "secret", "old", "early", "replay", ""]))
def test_the_sample_receiver_refuses_what_is_forged(forged: str) -> None:
    check = _sample()
    secret = signing.new_secret()
    body = b'{"type":"alarm.door"}'
    at = 1_796_000_000
    headers = dict(signing.headers_of(secret, "rec_1", at, body))
    seen = {"rec_1"} if forged == "replay" else set()
    now = at + {"old": 301, "early": -301}.get(forged, 5)
    if forged == "id":
        headers["webhook-id"] = "rec_2"
    if forged == "time":
        headers["webhook-timestamp"] = str(at + 1)
    if forged == "signature":
        headers["webhook-signature"] = "v1,AAAA v1a,x"
    given_secret = signing.new_secret() if forged == "secret" else secret
    sent = body + b" " if forged == "body" else body
    assert check(signing.shown(given_secret), headers, sent, seen, now) == (forged == "")


_TRIES = st.lists(st.sampled_from(["taken", "lost", "refused", "restart", "new"]), max_size=25)


@settings(deadline=None, max_examples=12)
@given(_TRIES)
def test_each_record_comes_at_least_once_and_in_order(tries: list[str]) -> None:
    """Over all orders of answers that are lost, refusals and starts (laws 1 and 2 of `kept`)."""
    Delivery.objects.all().delete()
    Webhook.objects.all().delete()
    Record.objects.all().delete()
    webhook, _ = _made()
    now = 1_800_000_000
    heard: list[int] = []
    made = 0
    looked: dict[str, int] = {}
    for one in [*tries, *["taken"] * 10]:
        now += kept.WAITS_SECONDS[-1]
        if one == "new":
            made += 1
            _record(made)
        if one == "restart":
            looked = {}
        for work in kept.due(now, (), looked, begun().site.secret):
            first = work.messages[0]
            if one in ("taken", "lost"):
                heard.append(json.loads(first.body)["data"]["number"])
            if one == "taken":
                kept.settle(Done(webhook.pk, first.record, "", has_sent=True), now, 0)
            if one == "refused":
                kept.settle(Done(webhook.pk, 0, "no", has_sent=False), now, 0)
    firsts = list(dict.fromkeys(heard))
    assert firsts == list(range(1, len(firsts) + 1))
    assert heard == sorted(heard)
    taken = tries.count("taken") + 10
    assert len(firsts) >= min(made, taken - tries.count("new"))


def test_there_are_as_many_webhooks_as_threads_and_no_more() -> None:
    for _ in range(kept.WEBHOOKS_MAX):
        _made()
    browser: Browser = at_work()
    browser.get("/webhooks/add")
    answer = browser.submit(label="x", url="https://a.example", alarms="on")
    assert f"There are {kept.WEBHOOKS_MAX} webhooks: end one first." in answer.text
    acts = Act.objects.count()
    with pytest.raises(kept.TooManyError):
        _made()
    assert (Webhook.objects.count(), Act.objects.count()) == (kept.WEBHOOKS_MAX, acts)
