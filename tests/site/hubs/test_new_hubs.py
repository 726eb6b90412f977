"""New hubs on the pages: what operators ask, what what signs answers, and what is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as drawing
from hypothesis import strategies as st

from hubcore.backend.enrolment.promise import Promise, promise_of, write_promise
from hubcore.errors import LinkError, TrustError
from hubcore.issuing.hubasks import HubAct, HubAsk
from hubcore.issuing.words import Refusal, RefusedError
from hubgateway.engine.buckets import Kept
from hubgateway.rules import names
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.config import Engine
from hubsite.fleet import asking, kept
from hubsite.fleet.models import HubAsked, HubPromise
from hubsite.fleet.promises import PromiseState, promised
from hubsite.hubs.kept import replace_hubs
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.register import models
from tests.newhub import NewHub
from tests.site.browser import Browser, at_work
from tests.site.fleetbench import ISSUER, fleet

pytestmark = pytest.mark.once

TOKEN = "ABCDE-ABCDE-ABCDE-ABCDE-ABCDE-ABCDE-ABCDE-ABCDE"
MACHINE = NewHub()
OTHER = NewHub()


@dataclass
class Signing:
    """What signs apart, as far as pages see it: it remembers each ask, and answers as told."""

    issuer = ISSUER.verify_key
    asked: list[HubAsk] = field(default_factory=list)
    error: Exception | None = None

    def decide(self, ask: HubAsk) -> str:
        self.asked.append(ask)
        if self.error is not None:
            raise self.error
        return TOKEN if ask.act is HubAct.TOKEN else ""


def promise(hub: str = "front-1", **said: object) -> Promise:
    made = promise_of(hub, bytes(32), time.time(), {10: "Front door"}, "Europe/Berlin", False)
    return Promise(**{**{name: getattr(made, name) for name in made.__slots__}, **said})  # type: ignore[arg-type]


def asked(hub: str = "front-1") -> Promise:
    return promise(hub).bound_to(MACHINE.ask(), MACHINE.curve_bytes)


def keep(*promises: Promise) -> None:
    found = {one.hub: promised(one.hub, Kept(write_promise(one), 1.0)) for one in promises}
    kept.keep_promises(found)


@pytest.fixture
def signing() -> Signing:
    made = Signing()
    settings.HUBSITE_RUNNING.begin(Office("acme", made), None)  # type: ignore[arg-type]
    return made


@pytest.fixture
def browser() -> Browser:
    return at_work()


def _point(browser: Browser) -> str:
    browser.get("/door/add")
    browser.submit(name="Front door")
    browser.get("/point/add")
    browser.submit(number="10", name="inward", door=str(models.Door.objects.get().pk))
    return str(models.AccessPoint.objects.get().pk)


def test_a_token_is_shown_once_and_lies_nowhere(signing: Signing, browser: Browser) -> None:
    """newhubs, law 2; asking, laws 1 and 2"""
    point = _point(browser)
    assert "Front door, inward (10)" in browser.get("/new-hubs/token").text
    answer = browser.submit(hub="front-1", points=[point])
    assert answer.page.fields["token"] == TOKEN
    assert signing.asked == [
        HubAsk(HubAct.TOKEN, "olga", "front-1", ((10, "Front door, inward"),), "UTC")
    ]
    assert TOKEN not in browser.get("/new-hubs").text
    (row,) = HubAsked.objects.all()
    assert (row.by, row.act, row.hub, row.is_done) == ("olga", "token", "front-1", True)
    assert TOKEN not in row.sentence
    bodies = b"".join(bytes(act.body) for act in Act.objects.all())
    assert b"hub-token-asked" in bodies
    assert TOKEN.encode() not in bodies
    log.verify()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"hub": "no.hub"}, "letters, digits"),
        ({"hub": "x" * 33}, "32"),
        ({"hub": "<script>"}, "letters, digits"),
        ({"hub": "front-1"}, "Choose one access point"),
        ({"hub": "front-1", "time_zone": "Europe/Nowhere"}, "no zone"),
        ({"hub": "front-1", "points": ["99999"]}, "Select a valid choice"),
    ],
)
def test_what_is_no_promise_asks_nobody(
    signing: Signing, browser: Browser, typed: dict[str, str | list[str]], said: str
) -> None:
    browser.get("/new-hubs/token")
    assert said in browser.submit(**typed).text
    assert signing.asked == []
    assert not HubAsked.objects.exists()


def test_a_machine_is_taken_in_by_the_fingerprint_that_somebody_typed(
    signing: Signing, browser: Browser
) -> None:
    """newhubs, law 1"""
    keep(asked())
    shown = asked().fingerprint
    assert shown in browser.get("/new-hubs").text
    browser.get("/new-hubs/of/front-1")
    assert "five groups" in browser.submit(button="approve", fingerprint=shown[:-1]).text
    assert signing.asked == []
    other = "ZZZZ-" * 4 + "ZZZZ"
    browser.submit(button="approve", fingerprint=other)
    assert signing.asked[-1].fingerprint == other  # the signer compares, not this page
    answer = browser.submit(button="approve", fingerprint=shown.lower().replace("-", " "))
    assert "The machine with this fingerprint is the hub." in answer.text
    assert signing.asked[-1] == HubAsk(HubAct.APPROVE, "olga", "front-1", fingerprint=shown)
    bodies = b"".join(bytes(act.body) for act in Act.objects.all())
    assert shown.encode() in bodies


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ("nats://127.0.0.1:4222", "hubctl enroll localhost:7013 --strike 10=CHIP:LINE --start"),
        ("tls://nats.example:4222", "hubctl enroll HOST:7013 --strike 10=CHIP:LINE --start"),
        (None, "hubctl enroll HOST:7013 --strike 10=CHIP:LINE --start"),
    ],
)
def test_the_line_for_the_machine_has_what_the_configuration_knows(
    signing: Signing, browser: Browser, engine: str | None, line: str
) -> None:
    point = _point(browser)
    browser.get("/new-hubs/token")
    section = None if engine is None else Engine((engine,))
    site = settings.HUBSITE
    config = msgspec.structs.replace(site.config, engine=section)
    with override_settings(HUBSITE=replace(site, config=config)):
        text = browser.submit(hub="front-1", points=[point]).text
    assert f"as root: {line} " in text
    assert ("HOST is the machine of a gateway." in text) is ("HOST:" in line)
    assert "7013 is the usual port" in text


def test_the_line_for_the_machine_has_the_place_that_the_file_says(
    signing: Signing, browser: Browser
) -> None:
    point = _point(browser)
    browser.get("/new-hubs/token")
    site = settings.HUBSITE
    config = msgspec.structs.replace(site.config, new_hubs="gate.example:7113")
    with override_settings(HUBSITE=replace(site, config=config)):
        text = browser.submit(hub="front-1", points=[point]).text
    assert "as root: hubctl enroll gate.example:7113 --strike 10=CHIP:LINE --start " in text
    assert "usual port" not in text
    assert "HOST is" not in text


def test_without_an_access_point_the_page_leads_to_a_door(
    signing: Signing, browser: Browser
) -> None:
    answer = browser.get("/new-hubs/token")
    assert "There is no access point yet. Add a door" in answer.text
    assert "There is no access point yet. Add a door" in browser.submit(hub="front-1").text
    _point(browser)
    assert "There is no access point yet" not in browser.get("/new-hubs/token").text


def test_after_a_yes_the_same_machine_is_not_offered_again(
    signing: Signing, browser: Browser
) -> None:
    """newhubs, law 5: the engine still says that it waits"""
    keep(asked())
    browser.get("/new-hubs/of/front-1")
    answer = browser.submit(button="approve", fingerprint=asked().fingerprint)
    for text in (answer.text, browser.get("/new-hubs/of/front-1").text):
        assert "How far enrolled" in text
        assert "waits for your yes" not in text
        assert "Take it in" not in text
        assert "Refuse it" not in text
    assert "waits for your yes" not in browser.get("/new-hubs").text
    other = promise().bound_to(OTHER.ask(), OTHER.curve_bytes)
    keep(other)
    assert other.fingerprint != asked().fingerprint
    assert "waits for your yes" in browser.get("/new-hubs").text


@drawing(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([HubAct.APPROVE, HubAct.TOKEN, HubAct.REFUSE]),
            st.sampled_from([True, False, None]),
            st.sampled_from(["AAAA", "BBBB"]),
            st.sampled_from([-60, 1, 60, 180]),
        ),
        max_size=4,
    )
)
def test_the_newest_ask_of_the_last_minutes_says_whether_it_was_taken_in(
    asks: list[tuple[HubAct, bool | None, str, int]],
) -> None:
    """asking, law 5: no order of asks, and no clock that was set back, hides who waits"""
    HubAsked.objects.all().delete()
    for act, is_done, fingerprint, age in asks:
        row = HubAsked.objects.create(
            by="olga", act=act.word, hub="front-1", fingerprint=fingerprint, is_done=is_done
        )
        HubAsked.objects.filter(pk=row.pk).update(at=timezone.now() - timedelta(seconds=age))
    new = [one for one in asks if one[3] in (1, 60)]
    is_yes = bool(new) and new[-1][:2] == (HubAct.APPROVE, True)
    assert asking.taken_in() == ({"front-1": new[-1][2]} if is_yes else {})


def test_an_act_says_of_an_ask_what_this_one_has(signing: Signing) -> None:
    keys = {"fingerprint", "access_points", "replaces"}
    for act, more, said in (
        (HubAct.TOKEN, {"doors": ((10, "in"),), "time_zone": "UTC"}, {"access_points", "replaces"}),
        (HubAct.APPROVE, {"fingerprint": asked().fingerprint}, {"fingerprint"}),
        (HubAct.END, {}, set()),
    ):
        asking.ask(HubAsk(act, "olga", "front-1", **more), signing)  # type: ignore[arg-type]
        assert keys & Act.objects.order_by("-number")[0].said.keys() == said


def test_a_machine_is_refused_and_a_hub_renewed_and_ended_in_two_steps(
    signing: Signing, browser: Browser
) -> None:
    keep(asked())
    browser.get("/new-hubs/of/front-1")
    assert "no use any more" in browser.submit("?refuse", button="refuse").text
    replace_hubs(frozenset({"yard-1"}))
    browser.get("/hubs/of/yard-1/keys")
    assert "newer certificates" in browser.submit("?renew", button="renew").text
    assert "another id" in browser.submit("?end", button="end", typed="front-1").text
    assert "It has ended" in browser.submit("?end", button="end", typed="yard-1").text
    words = [(one.act, one.hub) for one in signing.asked]
    assert words == [
        (HubAct.REFUSE, "front-1"),
        (HubAct.RENEW, "yard-1"),
        (HubAct.END, "yard-1"),
    ]
    answer = browser.post("/hubs/of/yard-1/keys", {**browser.page.form("?end").values, "do": "x"})  # type: ignore[union-attr]
    assert answer.status == 404
    assert len(signing.asked) == 3


def _old_signer() -> None:
    settings.HUBSITE_RUNNING.begin(Office("acme", FileSigner(ISSUER)), None)


@pytest.mark.parametrize("begin", [_old_signer, lambda: settings.HUBSITE_RUNNING.begin(None, None)])
def test_without_a_signer_that_does_it_the_page_names_the_commands(
    browser: Browser, begin: Callable[[], None]
) -> None:
    """newhubs, law 4"""
    begin()
    keep(asked())
    replace_hubs(frozenset({"yard-1"}))
    for path in ("/new-hubs", "/new-hubs/token", "/new-hubs/of/front-1", "/hubs/of/yard-1/keys"):
        assert "hubissuer token, list, approve" in browser.get(path).text
        assert len(browser.page.forms) == 1  # type: ignore[union-attr]


OUTCOMES: list[tuple[Exception | None, bool | None, str]] = [
    (None, True, "is the hub"),
    (RefusedError(Refusal.OFFICE, "no machine has asked"), False, "Nothing was done. no machine"),
    (RefusedError(Refusal.CEILING, "ends_a_day is 0"), False, "Nothing was done. ends_a_day"),
    (RefusedError(Refusal.ENGINE, "the engine is away"), None, "Nobody knows whether"),
    (LinkError("the signer is away: it took too long"), None, "Ask for the same again"),
    (TrustError("who answers is no signer"), False, "Nothing was asked: who answers"),
]


@pytest.mark.parametrize(("error", "is_done", "said"), OUTCOMES)
def test_each_outcome_is_a_sentence_that_stays(
    signing: Signing, browser: Browser, error: Exception | None, is_done: bool | None, said: str
) -> None:
    """asking, law 3"""
    keep(asked())
    signing.error = error
    browser.get("/new-hubs/of/front-1")
    answer = browser.submit(button="approve", fingerprint=asked().fingerprint)
    assert said in answer.text
    assert answer.status == {True: 200, None: 503, False: 409}[is_done]
    assert said in browser.get("/new-hubs").text
    assert HubAsked.objects.get().is_done is is_done


def test_an_ask_stands_there_before_anybody_hears_of_it(browser: Browser) -> None:
    """asking, law 1: this server ends in the middle of it."""

    class Ending(Signing):
        def decide(self, ask: HubAsk) -> str:
            assert "no answer has come" in HubAsked.objects.get().sentence
            assert b"hub-end-asked" in bytes(Act.objects.order_by("-number")[0].body)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asking.ask(HubAsk(HubAct.END, "olga", "front-1"), Ending())
    assert "no answer has come" in browser.get("/new-hubs").text


def test_the_newest_asks_are_kept() -> None:
    """asking, law 4"""
    for _ in range(asking.ASKS_KEPT + 3):
        asking.ask(HubAsk(HubAct.REFUSE, "olga", "front-1"), Signing())
    assert HubAsked.objects.count() == asking.ASKS_KEPT


# What was promised.


@drawing(deadline=None, max_examples=60)
@given(st.binary(max_size=99), st.integers(0, 400), st.booleans())
def test_whatever_lies_among_promises_is_a_state_and_has_no_secret(
    junk: bytes, place: int, is_long: bool
) -> None:
    """promises, laws 1 and 3"""
    sound = write_promise(asked())
    value = sound[:place] + junk + sound[place:] + bytes(40_000 if is_long else 0)
    found = promised("front-1", Kept(value, 1.0))
    row = HubPromise(hub="front-1", **{name: getattr(found, name) for name in found.__slots__})
    for column in HubPromise._meta.fields:
        text = getattr(row, column.name)
        assert column.max_length is None or len(text) <= column.max_length
    digest = asked().digest
    assert not [name for name in found.__slots__ if digest in str(getattr(found, name))]


def test_each_state_of_a_promise_is_told() -> None:
    """promises, laws 2 and 3"""
    for made, state in (
        (promise(), PromiseState.WAITS),
        (asked(), PromiseState.ASKED),
        (promise(refused=True), PromiseState.REFUSED),
    ):
        assert promised("front-1", Kept(write_promise(made), 1.0)).state == state
    assert promised("front-1", Kept(write_promise(asked()), 1.0)).fingerprint == (
        asked().fingerprint
    )
    assert promised("front-2", Kept(write_promise(asked()), 1.0)).state == PromiseState.UNREADABLE


async def test_who_has_asked_comes_to_the_page_from_the_engine(tmp_path: Path) -> None:
    async with fleet(tmp_path) as site:
        put = site.buckets.put
        await put(names.PROMISES_BUCKET, "front-1", write_promise(promise()))
        await put(names.PROMISES_BUCKET, "yard-1", b"\xff<script>")
        await put(names.PROMISES_BUCKET, "no.hub", write_promise(promise()))
        token = "its token waits for a machine"
        junk = "cannot be read: make another token"
        await site.shows("/new-hubs", token, "10 Front door", junk)
        await put(names.PROMISES_BUCKET, "front-1", write_promise(asked()))
        await site.shows("/new-hubs", "waits for your yes", asked().fingerprint)
        _, revision = await site.buckets.at(names.PROMISES_BUCKET, "front-1")
        await site.buckets.swap(names.PROMISES_BUCKET, "front-1", None, revision)
        await site.shows("/new-hubs", "yard-1", without="front-1")
