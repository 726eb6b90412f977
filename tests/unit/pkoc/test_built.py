"""hubd.building.readers.make_pkoc: what a desk's file and keys become, at a radio in memory."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.access.cards import Card, public_key_digest
from hubcore.access.grant import Access
from hubcore.errors import PeerError, SequenceError
from hubcore.pkoc.certificate import uncompressed
from hubcore.ports.radio import LinkId
from hubd.adapters.keys.keyfiles import load_keys
from hubd.building.readers import make_pkoc
from hubd.config.file import load
from hubsim import site as sites
from hubsim.pkoc.elements import write_long
from hubsim.pkoc.phone import Answer, PkocPhone
from hubsim.pkoc.place import PkocSite
from tests.fakes.radio import FakeRadio
from tests.pair import DeskHub, settle

pytestmark = pytest.mark.once


def _file(desk: sites.Site) -> Path:
    return desk.hub_folder(desk.first_hub) / "hub.toml"


@dataclass
class Built:
    """What `make_pkoc` makes of a desk's file and keys, at a radio in memory."""

    desk: sites.Site
    hub: DeskHub = field(default_factory=lambda: DeskHub(sites.make_key()))
    refused: list[PeerError] = field(default_factory=list)
    radio: FakeRadio = field(default_factory=FakeRadio)

    def __post_init__(self) -> None:
        config = load(_file(self.desk))
        hub = self.hub
        doors = SimpleNamespace(unlock=hub.unlock, denials=None, measured=None)
        refusals = SimpleNamespace(count=self.refused.append)
        evidence = SimpleNamespace(paced=hub.log, clock=hub.clock, tell=hub.tell, refusals=refusals)
        phones = make_pkoc(
            config,
            load_keys(config),
            self.radio,
            cast(Any, hub.policy),
            cast(Any, doors),
            cast(Any, evidence),
        )
        assert phones is not None
        self.phones = phones

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._serve())
        await settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            listener = cast(Any, SimpleNamespace(closed=lambda _link: None))
            tasks.create_task(self.radio.serve(listener, lambda _: None, cast(Any, self.phones)))
            await self.phones.run(tasks)

    async def hello(self, link: LinkId) -> bytes:
        """Let a phone connect and subscribe; return the hello that it hears."""
        before = len(self.radio.pkoc_sent)
        self.phones.opened(link)
        self.phones.listens(True)
        return await self.next_after(before)

    async def next_after(self, number: int) -> bytes:
        async with asyncio.timeout(10):
            while len(self.radio.pkoc_sent) <= number:
                await self.radio.more()
        return self.radio.pkoc_sent[number]

    def begin(self, link: LinkId) -> None:
        """Let a stranger write a first message that is in order."""
        self.phones.begin(link)
        first = write_long(0x07, uncompressed(ec.generate_private_key(ec.SECP256R1()).public_key()))
        self.phones.frame(link, first, self.hub.clock.monotonic())

    async def fail(self, link: LinkId) -> None:
        """Let a stranger come, and break its visit off by a second key."""
        await self.hello(link)
        self.begin(link)
        with pytest.raises(PeerError):
            self.phones.frame(link, b"\x07\x00", 0.0)


@pytest.mark.parametrize(("links_max", "places"), [(2, 1), (5, 2), (8, 4)])
async def test_they_have_half_of_the_links(desk: sites.Site, links_max: int, places: int) -> None:
    """docs/pkoc.md, "Messages", 5."""
    text = _file(desk).read_text()
    _file(desk).write_text(f"{text}\n[protocol]\nlinks_max = {links_max}\n")
    built = Built(desk)
    async with built.serving():
        links = [LinkId("stranger", number) for number in range(places + 1)]
        for link in links:
            built.phones.opened(link)
        await built.hello(links[0])
        for link in links[:-1]:
            built.begin(link)
        with pytest.raises(SequenceError, match=f"all {places} places"):
            built.begin(links[-1])


async def test_eight_failed_visits_a_second_are_met_after_a_burst_of_sixteen(
    desk: sites.Site,
) -> None:
    """docs/pkoc.md, "Messages", 5."""
    built = Built(desk)
    links = (LinkId("stranger", number) for number in itertools.count())
    async with built.serving():
        for met in (16, 8):
            for _ in range(met):
                await built.fail(next(links))
            too_many = next(links)
            await built.hello(too_many)
            with pytest.raises(SequenceError, match="too many"):
                built.begin(too_many)
            built.hub.clock.advance(1.0)


async def test_a_phone_is_let_in_at_the_access_point_of_the_section_by_the_card_key(
    desk: sites.Site,
) -> None:
    built = Built(desk)
    keys = load_keys(load(_file(desk)))
    assert keys.pkoc is not None
    own = ec.generate_private_key(ec.SECP256R1())
    now = int(built.hub.clock.wall())
    digest = public_key_digest(keys.pkoc.card_key, uncompressed(own.public_key()))
    card = Card(digest, "anna", now - 10, now + 1000, (Access(1, 1, ()),))
    built.hub.policy.cards[digest] = card
    known = PkocSite(desk).known()
    phone = PkocPhone(own, known, ec.generate_private_key(ec.SECP256R1()), time.time)
    link = LinkId("anna", 1)
    async with built.serving():
        message = await built.hello(link)
        built.phones.begin(link)
        for _ in range(2):
            written = phone.heard(message)
            assert written is not None
            said = len(built.radio.pkoc_sent)
            built.phones.frame(link, written, built.hub.clock.monotonic())
            message = await built.next_after(said)
        phone.heard(message)
    assert phone.answer is Answer.GRANTED
    assert built.hub.doors["front"].strikes == 1
    assert built.refused == []


def test_nothing_is_made_where_it_is_off(desk: sites.Site) -> None:
    keys = replace(load_keys(load(_file(desk))), pkoc=None)
    none = cast(Any, None)
    assert make_pkoc(load(_file(desk)), keys, FakeRadio(), none, none, none) is None
