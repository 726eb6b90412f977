"""A week is drawn on the schedule's form, in a real browser: by mouse, by finger, by keyboard."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from hubsim.chromium.browser import MISSING, PROGRAM, Browser, Page
from hubsite.rules import week
from tests.site.chromium import fill, key, signed_in_page
from tests.site.served import served
from tests.site.server import HOST

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
GRID = "#week [role=gridcell]"
FOCUSED = "document.activeElement.getAttribute('aria-label')"
MODULE = "import(document.querySelector('script[type=module]').src)"
Site = tuple[Path, int]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("week") / "s") as it:
        yield it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(site: Site) -> AsyncIterator[Page]:
    async with Browser("--ignore-certificate-errors") as browser:
        yield await signed_in_page(browser, *site, "olga")


@pytest_asyncio.fixture(loop_scope="module")
async def page(operator: Page, site: Site) -> AsyncIterator[Page]:
    """The form of a new schedule, with an hour a row."""
    await operator.go(f"https://{HOST}:{site[1]}/schedule/add")
    await operator.until(f"document.querySelectorAll('{GRID}').length === 7 * 24")
    yield operator
    assert operator.complaints == []


def cell(row: int, day: int) -> str:
    return f'#week [data-row="{row}"][data-day="{day}"]'


async def lines(page: Page) -> list[str]:
    """What stands in the lines of text, Monday first."""
    script = "Array.from({length: 7}, (_, day) => document.getElementById(`id_day_${day}`).value)"
    said: list[str] = await page.run(script)
    return said


async def middle(page: Page, selector: str) -> dict[str, float]:
    script = (
        f"(() => {{const box = document.querySelector('{selector}').getBoundingClientRect();"
        "return {x: box.x + box.width / 2, y: box.y + box.height / 2}})()"
    )
    found: dict[str, float] = await page.run(script)
    return found


async def drag(page: Page, *cells: str) -> None:
    """Press the mouse on the first cell, go over the others, let it go on the last one."""
    await page.run(f"document.querySelector('{cells[0]}').scrollIntoView({{block: 'center'}})")
    places = [await middle(page, one) for one in cells]
    mouse = {"button": "left", "buttons": 1, "clickCount": 1}
    await page.call("Input.dispatchMouseEvent", type="mousePressed", **places[0], **mouse)
    for place in places[1:]:
        await page.call("Input.dispatchMouseEvent", type="mouseMoved", **place, **mouse)
    await page.call("Input.dispatchMouseEvent", type="mouseReleased", **places[-1], **mouse)


async def paint(page: Page, row: int, day: int) -> str:
    shown: str = await page.run(f"document.querySelector('{cell(row, day)}').dataset.paint")
    return shown


async def test_a_mouse_draws_a_week_and_the_server_keeps_it(page: Page) -> None:
    """week.js, law 3"""
    await drag(page, cell(8, 0), cell(16, 4))
    assert await lines(page) == ["08:00-17:00"] * 5 + [""] * 2
    await drag(page, cell(12, 0), cell(12, 6))
    assert await lines(page) == ["08:00-12:00, 13:00-17:00"] * 5 + [""] * 2, "what it was is gone"
    await page.click(cell(23, 6))
    await fill(page, "id_name", "Office")
    await page.click(".fields > p button")
    await page.until("location.pathname.match(/^.schedule.[0-9]+$/) !== null")
    await page.until(f"document.querySelectorAll('{GRID}').length === 7 * 24")
    assert await lines(page) == ["08:00-12:00, 13:00-17:00"] * 5 + ["", "23:00-24:00"]
    assert await page.run("document.querySelector('.error') === null")
    assert await paint(page, 8, 0) == "on"
    assert await paint(page, 12, 0) == "off"


async def test_a_finger_draws_and_what_breaks_a_stroke_off_puts_back(page: Page) -> None:
    """week.js, laws 3 and 5"""
    await page.run(f"document.querySelector('{cell(10, 2)}').scrollIntoView({{block: 'center'}})")
    first = await middle(page, cell(9, 2))
    last = await middle(page, cell(11, 3))
    await page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[first])
    await page.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[last])
    assert (await lines(page))[2:4] == ["09:00-12:00"] * 2
    await page.call("Input.dispatchTouchEvent", type="touchCancel", touchPoints=[])
    await page.until("document.getElementById('id_day_2').value === ''")
    await page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[first])
    await page.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[last])
    await page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert (await lines(page))[2:4] == ["09:00-12:00"] * 2


async def test_the_keyboard_draws_a_week(page: Page) -> None:
    """week.js, laws 3, 4 and 5"""
    assert await page.run(f"document.querySelectorAll('{GRID}[tabindex=\"0\"]').length") == 1
    await page.run("document.getElementById('week-step').focus()")
    await key(page, "Tab")
    assert await page.run(FOCUSED) == "Monday 08:00 to 09:00"
    await key(page, " ")
    await key(page, "ArrowDown", shift=True, times=8)
    await key(page, "ArrowRight", shift=True, times=4)
    assert await lines(page) == ["08:00-17:00"] * 5 + [""] * 2
    assert await page.run("document.querySelector('#week [role=status]').textContent") == (
        "Friday: 08:00-17:00"
    )
    await key(page, "ArrowLeft", shift=True)
    assert await lines(page) == ["08:00-17:00"] * 4 + [""] * 3, "a stroke goes back, too"
    await key(page, "Escape")
    assert await lines(page) == [""] * 7
    await key(page, "Home")
    await key(page, "ArrowUp")
    assert await page.run(FOCUSED) == "Thursday 00:00 to 01:00"
    await key(page, "End")
    await key(page, "ArrowRight", times=9)
    assert await page.run(FOCUSED) == "Sunday 23:00 to 24:00"
    assert await page.run(f"document.querySelectorAll('{GRID}[tabindex=\"0\"]').length") == 1
    await key(page, "Tab")
    assert await page.run("document.activeElement.id") == "id_name", "one Tab leaves the grid"


async def test_quarters_are_drawn_by_finer_steps(page: Page) -> None:
    await page.run(
        "(() => {const step = document.getElementById('week-step'); step.value = '15';"
        "step.dispatchEvent(new Event('change'))})()"
    )
    assert await page.run(f"document.querySelectorAll('{GRID}').length") == 7 * 96
    await page.run(f"document.querySelector('{GRID}[tabindex=\"0\"]').focus()")
    assert await page.run(FOCUSED) == "Monday 08:00 to 08:15", "the focus stays at its time"
    await key(page, "ArrowDown")
    await key(page, " ")
    assert (await lines(page))[0] == "08:15-08:30"


async def test_what_is_typed_is_drawn_and_what_is_not_understood_stays(page: Page) -> None:
    """week.js, law 2"""
    await fill(page, "id_day_0", "08:30-10:00")
    assert [await paint(page, row, 0) for row in (7, 8, 9, 10)] == ["off", "part", "on", "off"]
    label = f"document.querySelector('{cell(8, 0)}').getAttribute('aria-label')"
    assert await page.run(label) == "Monday 08:00 to 09:00, in part"
    await fill(page, "id_day_1", "from eight on")
    assert await paint(page, 8, 1) == "unknown"
    await drag(page, cell(8, 0), cell(8, 2))
    assert (await lines(page))[:3] == ["08:00-10:00", "from eight on", "08:00-09:00"]
    await key(page, " ")
    await fill(page, "id_day_0", "")
    await key(page, "ArrowUp", shift=True)
    assert (await lines(page))[0] == "", "what was typed after a stroke is not undone by it"


LINES = [
    "", " closed ", "CLOSED", "08:00-12:00,13:00-18:00", "8:00 – 12:00", "22:00-24:00",
    "00:00-24:00", "13:00-14:00, 08:00-09:00", "08:00-09:00, 09:00-10:00", "10:00-09:00",
    "08:60-09:00", "08:00-24:01", "23:00-25:00", "08:00", "8-9", "08:00-09:00,", "x",
    "08:00--09:00",
    "1:00-2:00, 3:00-4:00, 5:00-6:00, 7:00-8:00, 9:00-10:00, 11:00-12:00",
]  # fmt: skip


def of_server(line: str) -> list[list[int]] | None:
    try:
        return [list(span) for span in week.read_day(line)]
    except ValueError:
        return None


async def test_the_page_and_the_server_understand_the_same(page: Page) -> None:
    """week.js, law 1"""
    script = f"{MODULE}.then(({{readDay}}) => {json.dumps(LINES)}.map(readDay))"
    assert await page.run(script) == [of_server(line) for line in LINES]


def stroke(chance: Random) -> tuple[list[int], int, int, bool]:
    """Minutes where spans begin and end in turn, and a stroke."""
    minutes = sorted(chance.sample(range(1441), chance.randrange(0, 9, 2)))
    start, end = sorted(chance.sample(range(1441), 2))
    return minutes, start, end, chance.random() < 0.5


def by_minutes(minutes: list[int], start: int, end: int, is_on: bool) -> list[list[int]]:
    """What a stroke makes of a day, minute by minute."""
    spans = list(zip(minutes[::2], minutes[1::2], strict=False))
    opened = {minute for first, last in spans for minute in range(first, last)}
    touched = set(range(start, end))
    opened = opened | touched if is_on else opened - touched
    edges = [at for at in range(1441) if (at in opened) != (at - 1 in opened)]
    return [list(pair) for pair in zip(edges[::2], edges[1::2], strict=True)]


async def test_a_stroke_is_what_it_is_minute_by_minute(page: Page) -> None:
    chance = Random(7)  # the same strokes each time
    cases = [stroke(chance) for _ in range(200)]
    given = [
        [[list(pair) for pair in zip(minutes[::2], minutes[1::2], strict=False)], *rest]
        for minutes, *rest in cases
    ]
    script = f"{MODULE}.then(({{painted}}) => {json.dumps(given)}.map((one) => painted(...one)))"
    made: list[Any] = await page.run(script)
    assert made == [by_minutes(*one) for one in cases]
