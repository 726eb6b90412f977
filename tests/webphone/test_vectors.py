"""Every vector file for a phone, in a real browser: the same files that the Python phone runs.

A browser has no AES with 192 bits (docs/decisions/0158). So the two files that are about A192GCM
end otherwise here, and `WITHOUT_192` says how.
"""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from hubsim.chromium.browser import MISSING, PROGRAM, Browser, Page
from tests.vectors.form import Json, files, load
from tests.webphone.server import WebServer

pytestmark = [
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
ASKS_FOR_CERTIFICATES = {"sends": "8101"}
WITHOUT_192: dict[str, list[list[Json]]] = {
    # the site allows A192GCM alone: nothing that this phone could seal with
    "002-phone-full-path-a192gcm": [[ASKS_FOR_CERTIFICATES], [{"verdict": "ABORT"}]],
    # a ticket with A192GCM is kept, and not used
    "008-phone-resume-a192gcm": [[ASKS_FOR_CERTIFICATES]],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(browser: Browser, server: WebServer) -> Page:
    page = await browser.page()
    await page.go(f"{server.address}/empty.html")
    return page


async def run(page: Page, function: str, file: Json) -> Json:
    """Call a function of vectors.js with a file."""
    script = f"import('/vectors.js').then((it) => it.{function}({json.dumps(file)}))"
    done: Json = await page.run(script)
    return done


def told(file: Json) -> list[list[Json]]:
    """What a file says that a phone gives, less the causes that are the Python phone's own."""
    return [
        [{name: value for name, value in out.items() if name != "inside"} for out in step["gives"]]
        for step in file["steps"]
    ]


async def test_every_file_of_a_phone(page: Page) -> None:
    wrong = {}
    for path in files("phone"):
        file = load(path)
        expected = told(file)
        if path.stem not in WITHOUT_192:
            done = await run(page, "runPhone", file)
            right = done == {"gives": expected, "after": file["after"], "left": 0}
        else:
            expected = WITHOUT_192[path.stem]
            cut = {**file, "steps": file["steps"][: len(expected)]}
            done = await run(page, "runPhone", cut)
            right = done["gives"] == expected and done["after"]["tickets"] == _tickets(file)
        if not right:
            wrong[path.stem] = (done, expected)
    assert wrong == {}
    assert len(files("phone")) > 80


def _tickets(file: Json) -> list[Json]:
    """The tickets that a phone had beforehand, as `after` shows them where it took a full path."""
    hidden = ("aead", "secret")
    tickets = file["given"]["tickets"]
    return [{name: value for name, value in kept.items() if name not in hidden} for kept in tickets]


async def test_every_known_answer(page: Page) -> None:
    for path in files("known"):
        file = load(path)
        assert await run(page, "runKnown", file) == [one["bytes"] for one in file["answers"]], path


async def test_a_phone_that_gives_something_else_is_noticed(page: Page) -> None:
    (path,) = [one for one in files("phone") if one.stem == "008-phone-resume-a256gcm"]
    file = json.loads(path.read_text())
    sent = file["steps"][0]["gives"][0]
    sent["sends"] = sent["sends"][:-2] + "41"
    done = await run(page, "runPhone", file)
    assert done["gives"] != told(file)


async def test_this_browser_has_no_aes_of_192_bits(page: Page) -> None:
    """Where one has it, there is nothing to leave out any more (docs/decisions/0158)."""
    bits = "crypto.subtle.generateKey({name: 'AES-GCM', length: %d}, false, ['encrypt'])"
    made = f"{bits}.then(() => true, () => false)"
    assert [await page.run(made % size) for size in (128, 192, 256)] == [True, False, True]
