"""Which cards are a credential's: the index against a search through all, and its ceilings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.cards import Card
from hubcore.access.grant import Access
from hubcore.errors import StoreError
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.technician.cardindex import BEGINNING_CHARS, CardIndex, NotReadyError
from hubsim import site
from tests import policies
from tests.fakes.clock import FakeClock

SITE = "site-1"
ISSUER = site.make_key()
ACCESS = (Access(1, site.OPEN_AND_QUERY, ()),)


class Pages:
    """Cards, some on a page; `asked` counts the pages that were read."""

    def __init__(self, credentials: Sequence[str], a_page: int = 3) -> None:
        self.cards = [(name, at.to_bytes(16, "big")) for at, name in enumerate(credentials)]
        self.a_page = a_page
        self.name = b"a"
        self.asked = 0

    def digest(self) -> bytes:
        return self.name

    def holders_in(self, page: int) -> Sequence[tuple[str, bytes]] | None:
        self.asked += 1
        found = self.cards[page * self.a_page : (page + 1) * self.a_page]
        return found or None


def searched(pages: Pages, typed: str) -> dict[str, list[bytes]]:
    """The same by a search through all."""
    found: dict[str, list[bytes]] = {}
    for credential, digest in pages.cards:
        if credential.startswith(typed):
            found.setdefault(credential, []).append(digest)
    return {typed: found[typed]} if typed in found else found


_names = st.text("ab", min_size=1, max_size=9) | st.sampled_from(["person-1", "person-12"])


@settings(deadline=None)
@given(st.lists(_names, max_size=40), st.text("ab", min_size=6, max_size=9), st.integers(1, 5))
def test_it_finds_what_a_search_through_all_finds(
    credentials: list[str], typed: str, a_page: int
) -> None:
    pages = Pages(credentials, a_page)
    index = CardIndex(pages, FakeClock())

    async def ask() -> None:
        for word in (typed, "person", *(name for name in credentials if len(name) >= 6)):
            assert await index.find(word) == searched(pages, word)

    asyncio.run(ask())


async def test_a_question_reads_few_pages_once_all_were_read() -> None:
    pages = Pages([f"{at:08x}" for at in range(3000)])
    index = CardIndex(pages, FakeClock())
    await index.find("000007d0")
    built = pages.asked
    assert built > 1000
    assert list(await index.find("000007d0")) == ["000007d0"]
    assert pages.asked - built < 20


async def test_a_new_policy_is_read_anew_and_one_that_comes_meanwhile_is_told() -> None:
    pages = Pages(["anna-01"])
    clock = FakeClock()
    index = CardIndex(pages, clock)
    assert list(await index.find("anna-0")) == ["anna-01"]
    pages.cards = [("bert-01", bytes(16))]
    pages.name = b"b"
    assert await index.find("anna-0") == {}

    async def changes() -> None:
        pages.name = b"c"

    with pytest.raises(NotReadyError) as told:
        await CardIndex(pages, clock, rest=changes).find("anna-0")
    assert told.value.code == "policy-changes"


async def test_a_question_builds_for_a_while_and_the_next_one_goes_on() -> None:  # law 2
    pages = Pages([f"name-{at}" for at in range(30)])
    clock = FakeClock()

    async def takes_a_second() -> None:
        clock.advance(1.0)

    index = CardIndex(pages, clock, build_seconds=3.5, rest=takes_a_second)
    for _ in range(2):
        before = pages.asked
        with pytest.raises(NotReadyError) as told:
            await index.find("name-29")
        assert told.value.code == "busy"
        assert pages.asked - before == 4
    assert list(await index.find("name-29")) == ["name-29"]


async def test_between_two_pages_others_have_their_turn_and_may_hold_it_up() -> None:  # law 2
    """So an unlock waits for one page at most, and the next page for the unlock."""
    pages = Pages([f"name-{at}" for at in range(30)])
    at_rest = asyncio.Event()
    at_rest.set()
    most = 0
    before = 0

    async def rest() -> None:
        nonlocal most, before
        most = max(most, pages.asked - before)
        await asyncio.sleep(0)
        await at_rest.wait()
        before = pages.asked

    index = CardIndex(pages, FakeClock(), rest=rest)
    asked = asyncio.ensure_future(index.find("name-29"))
    await asyncio.sleep(0)
    at_rest.clear()
    for _ in range(20):
        await asyncio.sleep(0)
    assert pages.asked == 1, "a door is opened: nothing is read"
    at_rest.set()
    assert list(await asked) == ["name-29"]
    for word in ("name-29", "name-1"):
        with contextlib.suppress(NotReadyError):
            await index.find(word)
    assert most == 1


async def test_a_beginning_of_too_many_is_refused_and_a_whole_one_is_found() -> None:  # law 4
    pages = Pages([f"person-{at:04}" for at in range(60)])
    index = CardIndex(pages, FakeClock(), pages_max=8)
    with pytest.raises(NotReadyError) as told:
        await index.find("person")
    assert told.value.code == "ambiguous-credential"
    assert list(await index.find("person-0031")) == ["person-0031"]


async def test_a_page_that_cannot_be_read_is_an_error_and_read_again() -> None:
    pages = Pages(["anna-01"])
    broken = True
    read = pages.holders_in

    def holders_in(page: int) -> Sequence[tuple[str, bytes]] | None:
        if broken:
            raise StoreError("a page is damaged")
        return read(page)

    pages.holders_in = holders_in  # type: ignore[method-assign]
    index = CardIndex(pages, FakeClock())
    with pytest.raises(StoreError):
        await index.find("anna-0")
    broken = False
    assert list(await index.find("anna-0")) == ["anna-01"]


# On the real file.


@pytest_asyncio.fixture
async def file(tmp_path: Path) -> AsyncIterator[PolicyDatabase]:
    prove = partial(document.prove, issuer=ISSUER.verify_key, site=SITE)
    async with await PolicyDatabase.open(tmp_path / "policy.db", SITE, prove) as opened:
        yield opened


def cards(count: int) -> dict[bytes, Card]:
    made = [
        Card(at.to_bytes(16, "big"), f"{at * 2654435761 % (1 << 32):08x}", 0, 9, ACCESS)
        for at in range(count)
    ]
    return {card.digest: card for card in made}


async def test_each_card_of_the_file_is_found_by_its_credential(file: PolicyDatabase) -> None:
    made = cards(500)
    assert file.holders_in(0) is None, "no policy, no page"
    await policies.put_file(file, policies.proven(Policy(SITE, 1, 0, cards=made), ISSUER))
    index = CardIndex(file, FakeClock())
    for card in made.values():
        assert await index.find(card.credential) == {card.credential: [card.digest]}
    assert await index.find("nobody-here") == {}
    beginning = next(iter(made.values())).credential[:BEGINNING_CHARS]
    assert all(found.startswith(beginning) for found in await index.find(beginning))
