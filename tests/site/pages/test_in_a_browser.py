"""Every page in a real Chromium: on a small phone, by keyboard, and as a screen reader gets it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from hubsim.chromium.browser import MISSING, PROGRAM, Browser
from hubsite.pages.urls import urlpatterns
from tests.site.browser import at_work
from tests.site.eyes.addresses import FILES, NO_PAGES, PAGES, STRANGERS, addresses_of
from tests.site.eyes.looking import Eyes
from tests.site.eyes.rows import SESSION
from tests.site.eyes.standing import Standing, full_site
from tests.site.fetched import fetched

pytestmark = pytest.mark.once
in_a_browser = pytest.mark.skipif(PROGRAM is None, reason=MISSING)
in_one_loop = pytest.mark.asyncio(loop_scope="module")
FEW = ("home", "records", "row")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with full_site(tmp_path_factory.mktemp("eyes")) as it:
        yield it


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    folder = fetched("axe-modules")
    if folder is None:
        pytest.skip("no Node.js, and no pip that could fetch it: .ci/axe-modules")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser("--ignore-certificate-errors") as it:
        yield it


async def operators_eyes(browser: Browser, site: Standing, axe: str) -> Eyes:
    eyes = await Eyes.opened(browser, axe)
    cookie = {"name": SESSION, "value": site.seen.session, "url": site.address}
    await eyes.page.call("Network.setCookie", secure=True, httpOnly=True, **cookie)
    return eyes


async def wrong_at(
    eyes: Eyes, site: Standing, paths: list[str], is_signed_in: bool
) -> dict[str, list[str]]:
    wrong = {}
    for path in paths:
        found = await eyes.looked_at(site.address + path, is_signed_in)
        if found:
            wrong[path] = found
    return wrong


@in_a_browser
@in_one_loop
@pytest.mark.long
async def test_each_page_of_an_operator_is_well(browser: Browser, site: Standing, axe: str) -> None:
    eyes = await operators_eyes(browser, site, axe)
    paths = addresses_of(PAGES, site.seen.keys)
    assert await wrong_at(eyes, site, paths, is_signed_in=True) == {}


@in_a_browser
@in_one_loop
@pytest.mark.long
async def test_each_page_of_a_stranger_is_well(browser: Browser, site: Standing, axe: str) -> None:
    eyes = await Eyes.opened(browser, axe)
    paths = addresses_of(STRANGERS, site.seen.keys)
    assert await wrong_at(eyes, site, paths, is_signed_in=False) == {}


@in_a_browser
@in_one_loop
async def test_a_few_pages_are_well(browser: Browser, site: Standing) -> None:
    eyes = await operators_eyes(browser, site, "")
    paths = [addresses_of({name: PAGES[name]}, site.seen.keys)[0] for name in FEW]
    assert await wrong_at(eyes, site, paths, is_signed_in=True) == {}


HEAD = "<!doctype html><html lang=en><meta name=viewport content='width=device-width'>"
WELL = "<main><h1>x</h1></main>"
ILLS = [
    ("<h1>y</h1>", "2 headings of the first level"),
    ("<p style='width: 500px'>x</p>", "it is 500 px wide"),
    ("<p style='font-size: 12px'>x</p>", "<p> x has small letters"),
    ("<button style='width: 20px'>x</button>", "<button> x is too small a target"),
    ("<table><tr><td>x</td></tr></table>", "a table has no header cell"),
    ("<p><input></p>", "a textbox has no name"),
    ("<p><button style='height: 30px; width: 30px'></button></p>", "a button has no name"),
    ("<svg role='img' width='9' height='9'></svg>", "a image has no name"),
    ("<button style='outline: none'>stay</button>", "the focus cannot be seen at <button> stay"),
    ("<button tabindex='2'>one</button>", "Tab reaches <button> one in place of <a> zero"),
    (
        "<button onkeydown='event.preventDefault()'>one</button><button>two</button>",
        "Tab does not reach <button> two",
    ),
    ("<script>throw new Error('oh')</script>", "Error: oh"),
    ("<img alt='x' src='https://127.0.0.1:9/'>", "ERR_"),
]


@in_a_browser
@in_one_loop
async def test_each_ill_of_a_page_is_noticed(browser: Browser) -> None:
    eyes = await Eyes.opened(browser)
    well = f"{HEAD}<title>x</title><style>body {{margin: 0}}</style><a href='#x'>zero</a>{WELL}"
    assert await eyes.looked_at(f"data:text/html,{quote(well)}", is_signed_in=False) == []
    for ill, said in ILLS:
        found = await eyes.looked_at(f"data:text/html,{quote(well + ill)}", is_signed_in=False)
        assert any(said in one for one in found), (ill, found)


@in_a_browser
@in_one_loop
async def test_axe_notices_what_cannot_be_read(browser: Browser, axe: str) -> None:
    eyes = await Eyes.opened(browser, axe)
    pale = f"{HEAD}<title>x</title><main><h1 style='color: #ddd'>Hardly there</h1></main>"
    found = await eyes.looked_at(f"data:text/html,{quote(pale)}", is_signed_in=False)
    assert [one.split(": ")[:2] for one in found] == [
        ["light", "color-contrast"],
        ["dark", "color-contrast"],
    ]


def test_each_address_is_a_page_that_is_looked_at_or_none() -> None:
    named = [one.name for one in urlpatterns if one.name]
    listed = [*PAGES, *STRANGERS, *NO_PAGES, *FILES]
    assert sorted(listed) == sorted(named)
    nameless = {str(one.pattern) for one in urlpatterns if not one.name}
    assert all(one.startswith("scim/v2/") for one in nameless), "give a page a name"


def test_what_is_said_to_be_no_page_is_none() -> None:
    client = at_work().client
    answers = {
        name: client.get(path, secure=True, SERVER_NAME="localhost").status_code
        for name, (path, _) in NO_PAGES.items()
    }
    assert answers == {name: status for name, (_, status) in NO_PAGES.items()}
