"""A server that was restored from an older copy lets nobody in who was revoked since."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner
from django.conf import settings
from django.db import connection
from nats.js import api

from hubcore.policy import document
from hubcore.policy.policy import Operator, OperatorRight, Policy
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubsim.site.documents import make_key
from hubsite import config
from hubsite.__main__ import hubsite
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.commands.backup import copy_into
from hubsite.hubs import kept
from hubsite.hubs.behind import Behind, go_on
from hubsite.hubs.office import Office
from hubsite.hubs.publisher import Publisher
from hubsite.hubs.signer import FileSigner
from hubsite.pages.accounts.again import FRESH_SECONDS
from hubsite.register import changes, models
from hubsite.register.reading import newest_revoked, rows_of
from hubsite.rules.issuing import DAY
from tests.gateway.bench import running
from tests.site.browser import Answer, Browser, at_work, signed_in_ago
from tests.site.browser import Operator as Account
from tests.site.fakeway import FakeWay
from tests.site.hubs.test_hubs import in_thread
from tests.site.orders.test_orders import ask, confirm, desk_of, doors
from tests.site.policies.test_office import ISSUER, NOW, _site
from tests.site.server import Server

pytestmark = pytest.mark.once

PAGE = "/hubs/behind"
THERE = 57
STRAY = "f" * 32
STRAY_GRANT = bytes(16)
T = TypeVar("T")


@dataclass
class FakeEngine:
    """An engine that has the policies that it is given, piece by piece, as the real one has."""

    values: dict[str, bytes] = field(default_factory=dict)
    put_versions: list[int] = field(default_factory=list)
    reads: int = 0

    def has(self, version: int, whole: bytes) -> None:
        brought = document.split(whole)
        self.values[names.root_key(version)] = brought.root
        self.values |= {names.piece_key(name): one for name, one in brought.pieces.items()}

    async def put(self, key: str, value: bytes) -> int:
        self.values[key] = value
        version = names.root_version(key)
        if version is not None:
            self.put_versions.append(version)
        return 1

    async def versions(self) -> list[int]:
        found = map(names.root_version, self.values)
        return [version for version in found if version is not None]

    async def highest_version(self) -> int:
        return max(await self.versions(), default=0)

    async def purge(self, _below: int) -> None:
        """It is tested in test_putting.py."""

    async def next(self, _place: int, stream: str, subjects: str) -> api.RawStreamMsg | None:
        self.reads += 1
        begins = f"$KV.{names.POLICY_BUCKET}."
        assert (stream, subjects.startswith(begins)) == (f"KV_{names.POLICY_BUCKET}", True)
        value = self.values.get(subjects[len(begins) :])
        return None if value is None else api.RawStreamMsg(subjects, 1, value)

    async def hubs(self) -> frozenset[str]:
        return frozenset({"hub-1"})

    async def answers(self, place: int) -> tuple[list[Any], int]:
        return [], place


@dataclass
class Restored:
    """A server whose newest policy is 1, before an engine that has a newer one."""

    office: Office
    publisher: Publisher
    engine: FakeEngine
    phone: models.Credential
    above: int = THERE

    def turn(self) -> None:
        async def whole() -> None:
            await self.publisher._turn(self.engine, self.above)  # type: ignore[arg-type]
            await self.publisher.with_rows(lambda: connection.close())

        asyncio.run(whole())

    def there(self, **said: Any) -> None:
        """The engine has this policy; what is not said is as it is here."""
        newest = _newest()
        policy = replace(newest, version=THERE, **said)
        self.engine.has(THERE, document.issue(policy, ISSUER))

    def behind(self) -> Behind:
        self.turn()
        assert self.publisher.behind is not None
        return self.publisher.behind


def _newest() -> Policy:
    newest = models.SignedPolicy.objects.latest("version")
    return document.read(bytes(newest.document), ISSUER.verify_key, "acme")


@pytest.fixture
def restored() -> Iterator[Restored]:
    _, _, phone = _site()
    office = Office("acme", FileSigner(ISSUER))
    publisher = Publisher(office, config.Engine(("nats://127.0.0.1:9",)))
    settings.HUBSITE_RUNNING.begin(office, publisher)
    made = Restored(office, publisher, FakeEngine(), phone, above=0)
    made.turn()
    assert made.engine.put_versions == [1]
    made.above = THERE
    yield made
    settings.HUBSITE_RUNNING.begin(None, None)


def _go_on(browser: Browser, do: str, **typed: str) -> Answer:
    browser.get(PAGE)
    return browser.submit(do=do, sure="on", **typed)


def test_nothing_is_signed_until_an_operator_goes_on_and_hubs_are_read_on(
    restored: Restored,
) -> None:
    """behind, law 1; publisher, law 5"""
    restored.there(revoked_credentials=frozenset({restored.phone.pk}))
    for _ in range(3):
        changes.take_turn(restored.phone.person, restored.phone.person.revision, "olga")
        restored.turn()
    assert restored.engine.put_versions == [1]
    assert models.SignedPolicy.objects.count() == 1
    assert "The hubs have policy 57, and this server knows 1" in restored.publisher.problem
    assert models.HubPolicy.objects.filter(hub="hub-1").exists(), "hubs are looked for"
    browser = at_work()
    assert "this server knows 1" in browser.get("/").text
    shown = browser.get("/hubs").text
    assert "Look at what was revoked since" in shown
    assert "every change" not in shown


def test_a_policy_is_read_once_and_a_start_waits_again(restored: Restored) -> None:
    restored.there()
    restored.turn()
    reads = restored.engine.reads
    restored.turn()
    assert restored.engine.reads == reads
    again = Publisher(restored.office, config.Engine(("nats://127.0.0.1:9",)))
    restored.publisher = again
    assert restored.behind().engine == THERE


def test_nobody_knows_of_a_copy_until_the_engine_was_compared(restored: Restored) -> None:
    """behind, law 5: with the engine out of reach, too, and after each start."""
    kept.mark_restored()
    assert restored.publisher.is_level
    assert not restored.publisher.looks_first(), "it was compared in this life"
    restored.there(revoked_credentials=frozenset({restored.phone.pk}))
    for _ in range(2):
        restored.publisher = Publisher(restored.office, config.Engine(("nats://127.0.0.1:9",)))
        assert restored.publisher.looks_first(), "the engine was not reached yet"
        behind = restored.behind()
        assert restored.publisher.looks_first()
    go_on("olga", behind, True, NOW)
    restored.turn()
    assert not restored.publisher.looks_first()
    started = Publisher(restored.office, config.Engine(("nats://127.0.0.1:9",)))
    assert not started.looks_first(), "it was compared since"


def test_orders_go_on_meanwhile(restored: Restored) -> None:
    models.AccessPoint.objects.all().delete()
    doors()
    restored.there()
    restored.turn()
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        ask(browser)
        confirm(browser)
        assert way.given


def test_what_was_revoked_is_taken_over_and_signed_above(restored: Restored) -> None:
    """behind, laws 2 and 3"""
    grant = restored.office.grant("olga", restored.phone, NOW)
    other = models.Credential.objects.create(
        person=restored.phone.person, kind="phone", label="Old", key=b""
    )
    restored.there(
        revoked_credentials=frozenset({restored.phone.pk, STRAY}),
        disabled=frozenset({other.pk, "e" * 32}),
        revoked_grants=frozenset({STRAY_GRANT, bytes.fromhex(grant.grant_id)}),
    )
    restored.turn()
    browser = at_work()
    page = browser.get(PAGE).text
    assert "Phone of Anna" in page
    assert "Old of Anna: out of use for a while" in page
    assert "Phones that this server does not know: 2." in page
    answer = _go_on(browser, "take")
    assert (answer.where, "is signed above 57" in answer.text) == ("/hubs", True)
    restored.turn()
    assert restored.engine.put_versions == [1, 58]
    said = _newest()
    assert said.version == 58
    assert said.revoked_credentials == {restored.phone.pk, STRAY, "e" * 32}
    assert said.disabled == {other.pk}
    assert STRAY_GRANT in said.revoked_grants
    kinds = {act.said["kind"]: act.said for act in Act.objects.all()}
    assert {"credential-revoked", "credential-disabled", "went-on"} <= kinds.keys()
    act = kinds["went-on"]
    assert (act["about"], act["known"], act["taken_over"]) == ("policy 57", 1, 1)
    assert (act["credentials"], act["grants"]) == (4, 2)
    log.verify()
    assert restored.publisher.behind is None
    assert "Nothing is to be decided" in browser.get(PAGE).text


def test_what_this_server_does_not_know_stays_revoked_as_long_as_it_counts(
    restored: Restored,
) -> None:
    """behind, law 3"""
    restored.there(revoked_credentials=frozenset({STRAY}), revoked_grants=frozenset({STRAY_GRANT}))
    go_on("olga", restored.behind(), takes_over=True, now=NOW)
    restored.turn()
    assert newest_revoked(_newest(), NOW) == [STRAY, STRAY_GRANT]
    late = NOW + 31 * DAY
    assert rows_of("acme", late - 1).revoked_grants == {STRAY_GRANT}
    assert rows_of("acme", late).revoked_grants == frozenset()
    assert rows_of("acme", late).revoked == {STRAY}
    assert newest_revoked(_newest(), late) == []


def test_who_takes_nothing_over_goes_on_and_that_is_told(restored: Restored) -> None:
    restored.there(revoked_credentials=frozenset({restored.phone.pk}))
    restored.turn()
    _go_on(at_work(), "leave")
    restored.turn()
    assert (_newest().version, _newest().revoked_credentials) == (58, frozenset())
    act = Act.objects.order_by("number").last()
    assert act is not None
    assert (act.said["taken_over"], act.said["credentials"]) == (0, 0)


def test_the_page_says_whose_rights_and_which_operators_to_look_at(restored: Restored) -> None:
    grant = restored.office.grant("olga", restored.phone, NOW)
    at_work("bert")
    lock_down = Operator(OperatorRight.LOCK_DOWN)
    restored.there(
        revoked_grants=frozenset({bytes.fromhex(grant.grant_id)}),
        operators={"olga": lock_down},
        modes={},
        schedules={},
        points={10: document_rules()},
    )
    restored.turn()
    page = at_work().get(PAGE).text
    assert "Look at the grants of these persons" in page
    assert "Operators who count here, and not there" in page
    assert "bert" in page
    assert "or cards, or phones of others (PKOC), and what they may, are others there" in page


def document_rules() -> Any:
    from hubsite.rules.issuing import rules_of_point

    return rules_of_point(None, False, True, None)


@pytest.mark.parametrize("what", ["nothing", "no pieces", "another issuer", "another version"])
def test_what_cannot_be_proven_is_said_and_nothing_of_it_is_taken_over(
    restored: Restored, what: str
) -> None:
    """behind, law 4; newest, law 1"""
    there = replace(_newest(), version=THERE, revoked_credentials=frozenset({STRAY}))
    if what == "no pieces":
        root = document.split(document.issue(there, ISSUER)).root
        restored.engine.values[names.root_key(THERE)] = root
    elif what == "another issuer":
        restored.engine.has(THERE, document.issue(there, make_key()))
    elif what == "another version":
        restored.engine.has(THERE, document.issue(replace(there, version=9), ISSUER))
    found = restored.behind()
    assert found.policy is None
    assert found.unread
    browser = at_work()
    assert "cannot be read: " in browser.get(PAGE).text
    forged = _go_on(browser, "take")
    assert "Nothing was done" in forged.text
    restored.turn()
    assert restored.engine.put_versions == [1]
    _go_on(browser, "leave")
    restored.turn()
    assert (restored.engine.put_versions, _newest().revoked_credentials) == ([1, 58], frozenset())


def test_going_on_is_for_who_has_looked_and_shown_that_it_is_he(restored: Restored) -> None:
    """the page, law 1"""
    olga = Account.made()
    restored.there()
    restored.turn()
    browser = at_work()
    browser.get(PAGE)
    assert "Nothing was done" in browser.submit(do="leave").text
    signed_in_ago(browser, FRESH_SECONDS + 1)
    assert _go_on(browser, "leave").status == 403
    restored.turn()
    assert restored.engine.put_versions == [1]
    assert _go_on(browser, "leave", code=olga.code()).where == "/hubs"


def test_of_two_operators_the_second_is_told(restored: Restored) -> None:
    """the page, law 1; behind, law 2"""
    restored.there()
    found = restored.behind()
    olga = at_work("olga")
    bert = at_work("bert")
    for browser in (olga, bert):
        browser.get(PAGE)
    assert olga.submit(do="take", sure="on").where == "/hubs"
    told = bert.submit(do="leave", sure="on")
    assert (told.status, "Nothing was done" in told.text) == (409, True)
    with pytest.raises(ValueError, match="another operator has gone on"):
        go_on("bert", found, takes_over=False, now=NOW)
    acts = [act.said["by"] for act in Act.objects.all() if act.said["kind"] == "went-on"]
    assert acts == ["olga"]


def test_a_server_that_has_signed_nothing_begins_above_what_is_there() -> None:
    """behind, law 1"""
    office = Office("acme", FileSigner(ISSUER))
    publisher = Publisher(office, config.Engine(("nats://127.0.0.1:9",)))
    made = Restored(office, publisher, FakeEngine(), models.Credential())
    made.turn()
    assert (publisher.behind, made.engine.put_versions) == (None, [THERE + 1])


def _without_a_policy() -> Restored:
    """A server that has signed none, with a person and a phone."""
    _, _, phone = _site()
    office = Office("acme", FileSigner(ISSUER))
    publisher = Publisher(office, config.Engine(("nats://127.0.0.1:9",)))
    settings.HUBSITE_RUNNING.begin(office, publisher)
    return Restored(office, publisher, FakeEngine(), phone)


def _there(**said: Any) -> bytes:
    return document.issue(Policy("acme", THERE, NOW, **said), ISSUER)


@pytest.mark.parametrize("by_others", [0, 1, 64])
@pytest.mark.parametrize("taken", ["revoked_credentials", "disabled"])
def test_a_copy_of_before_the_first_policy_waits_if_hubs_have_one_that_takes_away(
    taken: str, by_others: int
) -> None:
    """behind, law 1; also with what others have put above it"""
    made = _without_a_policy()
    made.engine.has(THERE, _there(**{taken: frozenset({made.phone.pk})}))
    for more in range(1, by_others + 1):
        made.engine.values[names.root_key(THERE + more)] = b"of nobody"
    made.above = THERE + by_others
    behind = made.behind()
    assert behind.here == 0
    assert made.engine.put_versions == []
    assert not models.SignedPolicy.objects.exists()
    assert "this server has signed none" in made.publisher.problem if by_others < 64 else True
    assert bool(behind.policy) is (by_others < 64)
    if by_others == 0:
        assert _go_on(at_work(), "take").where == "/hubs"
        made.turn()
        assert min(made.engine.put_versions) == THERE + 1
        assert made.phone.pk in _newest().revoked_credentials | _newest().disabled
    settings.HUBSITE_RUNNING.begin(None, None)


def test_a_first_policy_of_which_pieces_are_gone_waits_too() -> None:
    made = _without_a_policy()
    many = frozenset(f"{number:032x}" for number in range(5000))
    made.engine.has(THERE, _there(revoked_credentials=many))
    root = names.root_key(THERE)
    made.engine.values = {root: made.engine.values[root]}
    behind = made.behind()
    assert (behind.here, behind.policy) == (0, None)
    assert made.engine.put_versions == []
    settings.HUBSITE_RUNNING.begin(None, None)


@pytest.mark.parametrize("whose", ["nobody", "the site"])
def test_a_new_server_begins_above_a_policy_that_takes_nothing_away(whose: str) -> None:
    """behind, law 1"""
    made = _without_a_policy()
    key = ISSUER if whose == "the site" else make_key()
    said = {} if whose == "the site" else {"revoked_credentials": frozenset({made.phone.pk})}
    made.engine.has(THERE, document.issue(Policy("acme", THERE, NOW, **said), key))
    made.turn()
    assert (made.publisher.behind, made.engine.put_versions) == (None, [THERE + 1])
    settings.HUBSITE_RUNNING.begin(None, None)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await in_thread(true):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _is_put() -> bool:
    """Tell whether the engine has a policy with every change."""
    newest = models.SignedPolicy.objects.order_by("-version").first()
    return newest is not None and newest.is_put and newest.act == Act.objects.count()


@pytest.mark.sqlite
async def test_a_restored_copy_waits_before_a_real_engine(server: Server, tmp_path: Path) -> None:
    """From a copy by the command, over a revocation, to a restore by the command."""
    async with running(tmp_path) as bench:
        await Buckets(bench.js).make(names.POLICY_BUCKET, 1)
        await Buckets(bench.js).make(names.KEYS_BUCKET, 1)
        await bench.js.add_stream(name=names.RESULTS_STREAM, subjects=[f"{names.RESULTS}.*"])
        office = Office("acme", FileSigner(ISSUER))

        def started() -> Publisher:
            made = Publisher(office, config.Engine((bench.server.url,)))
            settings.HUBSITE_RUNNING.begin(office, made)
            made.start()
            return made

        _, _, phone = await in_thread(_site)
        publisher = started()
        await _until(_is_put)
        copy, _ = await in_thread(lambda: copy_into(tmp_path / "copies", time.time()))
        await in_thread(lambda: changes.revoke_credential("olga", phone, 1))
        await _until(_is_put)
        await asyncio.to_thread(publisher.stop)
        words = ["--config", str(server.site.file), "restore", str(copy)]
        done = await in_thread(lambda: CliRunner().invoke(hubsite, words))
        assert done.exit_code == 0
        publisher = started()
        try:
            await _until(lambda: publisher.behind is not None)
            browser = await in_thread(at_work)
            assert "Phone of Anna" in (await in_thread(lambda: browser.get(PAGE))).text
            await in_thread(lambda: browser.submit(do="take", sure="on"))
            await _until(_is_put)
            assert (await in_thread(_newest)).revoked_credentials == {phone.pk}
            roots = await Buckets(bench.js).snapshot(names.POLICY_BUCKET, "root.*")
            assert max(map(names.root_version, roots)) == 3
        finally:
            await asyncio.to_thread(publisher.stop)
