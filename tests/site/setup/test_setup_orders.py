"""What operators may order after one command: the files, and a real hub's door."""

from __future__ import annotations

import asyncio
import base64
import difflib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hubcore.codec import cbor
from hubcore.codec.cose import read_key
from hubcore.errors import ConfigError
from hubcore.phone.messages import Reason
from hubgateway.issuer.signing.config import load_signing
from hubsim.enrolling import hand_over, start_enroll
from hubsim.phone.wallet import Wallet
from hubsim.site.documents import make_key
from hubsim.stage import Stage
from hubsim.trial import filling
from hubsim.trial.pages import Pages, newest_policy
from hubsite import config
from hubsite.__main__ import hubsite
from hubsite.setup import places
from hubsite.setup.disk import Disk
from hubsite.setup.orders import SHUTTING, WHOLE, OrderLevel
from tests.gateway.bench import WAIT_SECONDS
from tests.gateway.test_enrolment import Machine as HubMachine
from tests.scenario.conftest import FRONT
from tests.scenario.test_desk import visit
from tests.site.machine import Machine

pytestmark = pytest.mark.once
HUB = "hub-1"
FILES = (places.ENGINE_FILE, places.SIGNING_FILE, places.SERVER_FILE)


@pytest.fixture
def machine() -> Iterator[Machine]:
    root = Path(tempfile.mkdtemp(prefix="ord"))  # a socket's path has 107 bytes at most
    yield Machine(root)
    shutil.rmtree(root)


def setup(machine: Machine, *more: str) -> str:
    words = machine.setup_words("--trial", *more)
    done = CliRunner().invoke(hubsite, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def texts(machine: Machine) -> dict[str, str]:
    return {place: machine.at(place).read_text() for place in FILES}


def level(machine: Machine) -> tuple[bool, bool, tuple[str, ...], tuple[str, ...]]:
    """Whether the server orders, whether the engine lets it, and the rights in both files."""
    server = config.parse(machine.at(places.SERVER_FILE).read_bytes(), Path("x"))
    signing = load_signing(machine.at(places.SIGNING_FILE))
    assert server.engine is not None
    engine = machine.at(places.ENGINE_FILE).read_text()
    assert engine.count('"hub.commands.*"') in (1, 2)  # the gateway hears them
    may = engine.count('"hub.commands.*"') == 2
    (anybody,) = signing.operators
    assert anybody.access_points == server.operators.access_points
    return server.engine.orders, may, server.operators.rights, anybody.rights


LEVELS = {
    OrderLevel.NONE: (False, False, SHUTTING, SHUTTING),
    OrderLevel.SHUTS: (True, True, SHUTTING, SHUTTING),
    OrderLevel.ALL: (True, True, WHOLE, WHOLE),
}


def server_of(machine: Machine) -> config.Config:
    return config.parse(machine.at(places.SERVER_FILE).read_bytes(), Path("x"))


@pytest.mark.parametrize("wanted", OrderLevel)
def test_a_new_site_has_what_was_said_and_what_shuts_where_nothing_was(
    machine: Machine, wanted: OrderLevel
) -> None:
    said = () if wanted is OrderLevel.SHUTS else ("--orders", wanted.value)
    setup(machine, *said, "--access-points", "1-3")
    assert level(machine) == LEVELS[wanted]
    assert server_of(machine).operators.access_points == (
        (1, 2, 3) if wanted is OrderLevel.ALL else ()
    )
    before = texts(machine)
    setup(machine, "--orders", wanted.value)
    assert texts(machine) == before


@pytest.mark.parametrize("first", OrderLevel)
@pytest.mark.parametrize("then", OrderLevel)
def test_typed_again_it_is_as_it_would_have_been_made(
    machine: Machine, first: OrderLevel, then: OrderLevel
) -> None:
    setup(machine, "--orders", first.value, "--access-points", "1-3")
    before = texts(machine)
    assert "changed" not in setup(machine)
    assert texts(machine) == before
    said = setup(machine, "--orders", then.value)
    assert ("changed: " in said) is (first is not then)
    assert level(machine) == LEVELS[then]
    assert server_of(machine).operators.access_points == (
        (1, 2, 3) if then is OrderLevel.ALL else ()
    )


@pytest.mark.parametrize("subject", ["hub.>", ">", "*.commands.*", "hub.commands.hub-a"])
def test_a_subject_that_orders_too_is_named_where_nobody_is_to_order(
    machine: Machine, subject: str
) -> None:
    """orders, law 1"""
    setup(machine, "--orders", "shuts")
    file = machine.at(places.ENGINE_FILE)
    file.write_text(file.read_text().replace('"hub.commands.*"', f'"hub.commands.*", "{subject}"'))
    before = texts(machine)
    with pytest.raises(ConfigError, match=re.escape(f'orders by "{subject}"')):
        setup(machine, "--orders", "none")
    assert texts(machine) == before


def _edited(machine: Machine, before: str, after: str) -> str:
    """Put other text into the list of the server's account; return what the engine reads of it."""
    file = machine.at(places.ENGINE_FILE)
    head, mark, tail = file.read_text().partition("# hubsite\n")
    assert before in tail
    file.write_text(head + mark + tail.replace(before, after, 1))
    return published(machine)


def published(machine: Machine) -> str:
    """Return the list of what the server may publish, without comments."""
    tail = machine.at(places.ENGINE_FILE).read_text().partition("# hubsite\n")[2]
    lines = "\n".join(line.partition("#")[0] for line in tail.splitlines())
    found = re.search(r"publish: \[([^]]*)\]", lines)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("subject", ["'hub.commands.*'", "hub.commands.*", "hub.>", "'>'"])
def test_a_list_in_other_words_is_refused_and_not_taken_for_one_without_orders(
    machine: Machine, subject: str
) -> None:
    """orders, law 1: the engine reads all of these as subjects."""
    setup(machine, "--orders", "shuts")
    _edited(machine, '"hub.commands.*"', subject)
    before = texts(machine)
    with pytest.raises(ConfigError, match="other than subjects in double quotation marks"):
        setup(machine, "--orders", "none")
    assert texts(machine) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("publish: [", '# it was: publish: ["a.b"]\n                publish: ['),
        ("publish: [", 'publish: [\n                    # "hub.commands.*", when we want it'),
        ("nkey: ", "# nkey: UABC, of the machine before\n            nkey: "),
        ('"hub.commands.*"', '# of doors:\n                    "hub.commands.*", "a.b"'),
        ('"hub.commands.*"', '"hub.commands.*",  # of doors, not: ["a.b"]'),
    ],
    ids=["a list", "a subject", "a key", "above", "behind"],
)
def test_comments_in_the_engines_file_are_no_subjects_and_stay(
    machine: Machine, before: str, after: str
) -> None:
    """orders, law 2"""
    setup(machine, "--orders", "shuts")
    others = _edited(machine, before, after).replace('"hub.commands.*"', "").split()
    comments = re.findall("#.*", texts(machine)[places.ENGINE_FILE])
    for wanted, times in ((OrderLevel.NONE, 0), (OrderLevel.SHUTS, 1), (OrderLevel.NONE, 0)):
        setup(machine, "--orders", wanted.value)
        listed = published(machine)
        assert listed.count('"hub.commands.*"') == times
        assert set(listed.replace('"hub.commands.*"', "").split()) - {","} == set(others) - {","}
        assert re.findall("#.*", texts(machine)[places.ENGINE_FILE]) == comments


def added(before: str, now: str) -> list[str]:
    """The lines that came; none may have gone."""
    lines = list(difflib.ndiff(before.splitlines(), now.splitlines()))
    assert not [line for line in lines if line.startswith("- ")]
    return [line[2:].strip() for line in lines if line.startswith("+ ")]


def test_a_site_of_before_gets_it_and_nothing_else_changes(machine: Machine) -> None:
    setup(machine, "--orders", "none")
    server = machine.at(places.SERVER_FILE)
    text = server.read_text()
    of_before = text.partition("# What operators order")[0] + "\n# mine: keep\n[records]\n"
    server.write_text(of_before + "keep_days = 30 # and this\n")
    server.chmod(0o640)
    before = texts(machine)
    setup(machine, "--orders", "shuts")
    now = texts(machine)
    new = {place: added(before[place], now[place]) for place in FILES}
    assert new == {
        places.ENGINE_FILE: ['"hub.commands.*"'],
        places.SIGNING_FILE: [],
        places.SERVER_FILE: ["orders = true"],
    }
    assert level(machine)[:2] == (True, True)
    assert server.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in machine.at("etc").rglob(".*")] == []


def test_a_run_that_was_killed_between_its_files_goes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup(machine, "--orders", "none", "--access-points", "1-3")
    change = Disk.change

    def dies(disk: Disk, place: str, before: bytes, after: bytes) -> None:
        if place == places.SERVER_FILE:
            raise KeyboardInterrupt
        change(disk, place, before, after)

    monkeypatch.setattr(Disk, "change", dies)
    words = machine.setup_words("--orders", "all")
    assert CliRunner().invoke(hubsite, words).exit_code == 1
    assert "orders = false" in machine.at(places.SERVER_FILE).read_text()
    assert '"hold-open"' in machine.at(places.SIGNING_FILE).read_text()
    monkeypatch.setattr(Disk, "change", change)
    setup(machine, "--orders", "all")
    assert level(machine) == LEVELS[OrderLevel.ALL]


def _without_list(machine: Machine) -> str:
    file = machine.at(places.ENGINE_FILE)
    key = re.findall(r"nkey: (\S+)", file.read_text())[2]
    file.write_text(file.read_text().replace(f"nkey: {key}\n", f"nkey: {key} \n"))
    return places.ENGINE_FILE


def _without_anybody(machine: Machine) -> str:
    file = machine.at(places.SIGNING_FILE)
    file.write_text(file.read_text().replace('name = "*"', 'name = "olga"'))
    return places.SIGNING_FILE


def _apart(machine: Machine) -> str:
    file = machine.at(places.SIGNING_FILE)
    file.write_text(file.read_text() + "\n[limits]\napart = [2]\n")
    return places.SIGNING_FILE


@pytest.mark.parametrize("spoil", [_without_list, _without_anybody, _apart])
def test_what_cannot_be_said_by_itself_is_refused_and_nothing_is_written(
    machine: Machine, spoil: Any
) -> None:
    """orders, law 1"""
    setup(machine, "--orders", "none", "--access-points", "1-3")
    place = spoil(machine)
    before = texts(machine)
    with pytest.raises(ConfigError, match=re.escape(str(machine.at(place)))):
        setup(machine, "--orders", "all")
    assert texts(machine) == before


def test_more_doors_than_an_operator_opens_are_refused_before_anything_is_made(
    machine: Machine,
) -> None:
    with pytest.raises(ConfigError, match="opens at most 256"):
        setup(machine, "--orders", "all", "--access-points", "1-257")
    assert not machine.at("etc").exists()


class SetUpStage(Stage):
    """A hub with a door at a machine that was set up by one command; its pages enrol it."""

    def __init__(self, path: Path, machine: Machine) -> None:
        super().__init__(path, [FRONT], person=False, enrols=True)
        self._enrols = False
        self.machine = machine
        self.pages = Pages(machine.address, machine.at(places.TLS_CERTIFICATE))

    async def start_backend(self) -> None:
        """The machine runs. Have the hub enrolled by its pages."""
        text = self.config.read_text()
        line = f'endpoint = "{self.endpoint}"'
        assert line in text
        self.config.write_text(text.replace(line, f'endpoints = ["{self.machine.endpoint}"]'))
        operator = await self.machine.first_operator()
        token = await asyncio.to_thread(self._token, operator)
        disk = self.path / "disk"
        made = HubMachine(await start_enroll(self.machine.enrolment_port, token, disk), disk)
        shown = await made.fingerprint()
        await self._page("/new-hubs", shown)
        await asyncio.to_thread(self.pages.get, f"/new-hubs/of/{HUB}")
        await asyncio.to_thread(self.pages.submit, {"fingerprint": shown}, stays=True)
        assert await made.end() == 0, made.said
        hand_over(disk, self.site.hub)

    async def _page(self, path: str, words: str) -> str:
        """Wait until a page says this; return all that it says."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                text = (await asyncio.to_thread(self.pages.get, path)).text
                if words in text:
                    return text
                await asyncio.sleep(0.05)

    async def has_all(self) -> None:
        """Wait until the hub has the policy with every change of the pages."""

        async def has() -> bool:
            version = newest_policy((await asyncio.to_thread(self.pages.get, "/hubs")).text)
            return version is not None and await _has(self, version)

        await self.until(has, "the hub has every change of the pages")

    def _token(self, operator: filling.Operator) -> str:
        pages = self.pages
        filling.sign_in(pages, operator)
        door = pages.add("door", {"name": "Front door"})
        self.point = pages.add("point", {"number": "1", "name": "inward", "door": door})
        pages.get("/new-hubs/token")
        typed = {"hub": HUB, "points": [self.point], "time_zone": "Europe/Berlin"}
        pages.submit(typed, stays=True)
        return pages.page.areas["token"].strip()

    def wallet(self) -> Wallet:
        """Give somebody a phone that may pass the door, on the pages alone."""
        pages = self.pages
        anna = pages.add("person", {"name": "Anna", "groups": []})
        pages.add("grant", {"points": [self.point]}, f"?person={anna}")
        key = make_key()
        text = base64.urlsafe_b64encode(cbor.encode(key.cose_key)).decode()
        pages.get(f"/person/{anna}/phone")
        pages.submit({"label": "Anna's phone", "kind": "phone", "key": text})
        pages.submit({"do": "grant"}, stays=True)
        shown = pages.page.areas["grant"].strip()
        enrolment = cbor.decode(base64.urlsafe_b64decode(shown + "=" * (-len(shown) % 4)))
        issuer = read_key(cbor.decode(enrolment[2]))
        return Wallet(enrolment[1], issuer, key, enrolment[3], beacon_key=self._beacon())

    def _beacon(self) -> bytes | None:
        file = self.site.hub / "beacon.key"
        return file.read_bytes() if file.exists() else None

    async def lock_down(self) -> None:
        await self._page("/orders", "Lock down")
        await asyncio.to_thread(self.pages.submit, {"place": "all"}, "/orders/ask/lockdown")
        await asyncio.to_thread(self.pages.submit, {}, "/orders/give")
        where = self.pages.where
        await self._page(where, f"{HUB} done")


@pytest.mark.long
async def test_a_lockdown_from_the_page_refuses_at_the_door_of_a_site_of_one_command(
    machine: Machine, tmp_path: Path
) -> None:
    machine.install()
    setup(machine, "--site", "site-1")
    machine.settle()
    async with machine.running(), SetUpStage(tmp_path / "site", machine) as stage:
        wallet = await asyncio.to_thread(stage.wallet)
        await stage.has_all()
        before = await visit(stage, wallet)
        assert before.verdict is not None
        assert before.verdict.reason is Reason.OK
        await stage.until(lambda: not stage.strike().active, "the strike has fallen back")
        rises = stage.strike().rises
        await stage.lock_down()
        after = await visit(stage, wallet)
        assert after.verdict is not None
        assert after.verdict.reason is Reason.LOCKED
        assert stage.strike().rises == rises
        assert "Violation" not in machine.log("hubgateway-engine")


async def _has(stage: Stage, version: int | None) -> bool:
    return bool((await stage.hub("status"))["policy_version"] == version)
