"""The page opens a real hub's door: Chromium, its emulated Bluetooth, the virtual air, a strike.

Law: each test leaves no link and the strike at rest (`visitor`).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubcore.access.grant import Access, read_grant
from hubcore.policy import document
from hubsim.chromium.browser import MISSING, PROGRAM, Browser
from hubsim.site import OPEN_AND_QUERY
from hubsim.stage import Stage
from tests.webphone.server import WebServer
from tests.webphone.siteserver import SiteServer
from tests.webphone.visitor import (
    DOOR,
    FEELS,
    MORE,
    OWN_KEY,
    READY,
    VISITED,
    WORD,
    passkeys,
    phone,
)

pytestmark = [
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
TROUBLE = "document.getElementById('site-trouble').textContent"
TOKENS = """import('./page/store.js').then(async ({Store}) =>
  Boolean(await (await Store.open()).get('tokens')))"""
IS_DUE = """import('./page/store.js').then(async ({Store}) => {
  const store = await Store.open();
  const tokens = await store.get('tokens');
  await store.put('tokens', {...tokens, fetchedAt: 0, until: 0});
  return tokens.refresh})"""
"""Makes a fetch due, and its access token over."""
WATCHES = """;window.doorWords = [];
document.addEventListener('DOMContentLoaded', () => {
  const shown = document.getElementById('door-state');
  const words = change => [...change.addedNodes].map(node => node.textContent).filter(Boolean);
  const note = changes => window.doorWords.push(...changes.flatMap(words));
  new MutationObserver(note).observe(shown, {childList: true});
})"""
"""Each word of the door's state is written down, in the order in which it was shown."""
QUERY_ONLY = (Access(1, OPEN_AND_QUERY & ~1, ()),)


@pytest.mark.parametrize("notifies", [False, True], ids=["by TXR", "by notifications"])
async def test_a_page_opens_a_door_and_again_by_its_ticket(
    browser: Browser, server: WebServer, stage: Stage, notifies: bool
) -> None:
    rises = stage.strike().rises
    before = FEELS + WATCHES
    async with phone(browser, server, stage, notifies=notifies, before=before) as anna:
        await anna.enrol()
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 1
        assert await anna.page.run("window.doorWords") == ["Push the door", "Open"]
        full = anna.radio.writes
        assert full > 2, "certificates and an open"
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 2
        assert anna.radio.writes == full + 1, "a resume in one frame"
        assert anna.radio.at_once == 1  # radio.js, law 1
        assert (anna.radio.txr_reads == 0) is notifies
        assert await anna.page.run("window.buzzed") == [[80], [80]]
    await recorded(stage, [None, None])


async def recorded(stage: Stage, whys: list[object]) -> None:
    """Wait until the newest decisions in the backend's records are these."""

    async def are_there() -> bool:
        decisions = [
            record["detail"]["why"] for record in await stage.records() if "op" in record["detail"]
        ]
        return decisions[-len(whys) :] == whys

    await stage.until(are_there, f"the records say {whys}", 10.0)


async def test_a_no_is_shown_and_moves_nothing(
    browser: Browser, server: WebServer, stage: Stage
) -> None:
    rises = stage.strike().rises
    async with phone(browser, server, stage) as bert:
        await bert.enrol(QUERY_ONLY)
        assert await bert.answered() == ("You have no access here", "no")
        assert await bert.page.run(DOOR) == ""
        assert await bert.page.run("window.buzzed") == [[60, 60, 60]]
    assert stage.strike().rises == rises
    await recorded(stage, ["no-grant"])


async def test_each_no_has_its_words(browser: Browser, server: WebServer, stage: Stage) -> None:
    rises = stage.strike().rises
    async with phone(browser, server, stage) as bert:
        await bert.enrol((Access(1, OPEN_AND_QUERY, (9,)),))
        assert await bert.answered() == ("Not at this time", "no")
        grant = await bert.enrol()
        await lockdown(stage, True)
        assert await bert.answered() == ("Closed by order of the site", "no")
        await lockdown(stage, False)
        await revoke(stage, grant)
        assert await bert.answered() == ("Your access was withdrawn", "no")
        assert await bert.page.run(DOOR) == ""
    assert stage.strike().rises == rises
    orders = [None, None]  # the two of the lockdown were allowed
    await recorded(
        stage, ["out-of-schedule", orders[0], "lockdown", orders[1], "credential-revoked"]
    )


async def lockdown(stage: Stage, on: bool) -> None:
    answer = await stage.backend("order", hub="hub-1", order="lockdown", on=on)
    assert answer["outcome"] == "taken", answer


async def revoke(stage: Stage, grant: bytes) -> None:
    """Let the hub have a policy that revokes the credential of a grant."""
    issuer = stage.site.issuer
    credential = read_grant(grant, issuer.verify_key, stage.site.name).credential
    version = int((await stage.hub("status"))["policy_version"]) + 1
    new = replace(stage.site.policy(), version=version, revoked_credentials=frozenset({credential}))
    file = stage.path / f"policy-{version}"
    file.write_bytes(document.issue(new, issuer))
    await stage.backend("policy", path=str(file.absolute()))

    async def in_force() -> bool:
        return bool((await stage.hub("status"))["policy_version"] == version)

    await stage.until(in_force, f"policy {version} is in force")


async def test_a_link_that_is_cut_in_the_middle_is_no_refusal_and_one_wish_moves_a_door_once(
    browser: Browser, server: WebServer, stage: Stage
) -> None:
    rises = stage.strike().rises
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        anna.radio.cuts_at_write = 6  # the last frame of the open
        assert await anna.answered() == ("No answer", "unsure")
        assert (await anna.page.run(MORE)).startswith("The door may have opened.")
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 1
    await recorded(stage, [None])


async def test_frames_that_do_not_fit_any_more_are_cut_smaller_at_the_next_touch(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # visit, law 5
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        assert await anna.answered() == ("Allowed", "yes")
        anna.radio.frame_bytes_max = 20
        anna.radio.mtu = 23
        assert await anna.answered() == ("No answer", "unsure")
        before = anna.radio.writes
        assert await anna.answered() == ("Allowed", "yes")
        assert anna.radio.writes - before > 60, "an open in frames of 20 bytes"


async def test_key_grant_and_ticket_outlive_a_reload_and_the_network(
    browser: Browser, stage: Stage
) -> None:
    with WebServer() as server:
        async with phone(browser, server, stage) as anna:
            await anna.enrol()
            key = await anna.page.run(OWN_KEY)
            assert await anna.answered() == ("Allowed", "yes")
            await anna.page.run("navigator.serviceWorker.ready.then(() => true)")
            server.end()
            await anna.load("?door=1")
            assert await anna.page.run(OWN_KEY) == key
            writes = anna.radio.writes
            assert await anna.answered() == ("Allowed", "yes")
            assert anna.radio.writes == writes + 1, "the ticket was kept: a resume in one frame"


async def test_nobody_is_chosen_and_then_somebody_by_the_keyboard_alone(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # app, laws 1 and 3
    rises = stage.strike().rises
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        await anna.page.run("document.getElementById('open').click()")  # a script is no person
        await anna.page.until(VISITED)
        assert "one more touch" in await anna.page.run(MORE)
        anna.radio.chooses = False
        assert await anna.answered() == ("Not asked", "unsure")
        assert "No door was chosen" in await anna.page.run(MORE)
        anna.radio.chooses = True
        await anna.page.run("document.activeElement.blur()")
        await anna.page.run("document.getElementById('door').focus()")
        await anna.page.press("Tab")
        assert await anna.page.run("document.activeElement.id") == "open"
        await anna.page.press("Enter")
        await anna.page.until(VISITED)
        assert await anna.page.run(WORD) == "Allowed"
    assert stage.strike().rises == rises + 1


async def test_a_protected_key_opens_nothing_without_the_person(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # keys, law 4
    rises = stage.strike().rises
    async with phone(browser, server, stage) as anna:
        authenticator = await passkeys(anna.page)
        plain = await anna.page.run(OWN_KEY)
        await anna.page.click("#protect-key")
        await anna.page.until("!document.getElementById('is-protected').hidden")
        assert await anna.page.run(OWN_KEY) != plain
        await anna.enrol()
        await anna.load()
        assert await anna.page.run(KEPT) == {"secret": False, "bytes": True}
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 1
        await anna.page.call(
            "WebAuthn.setUserVerified", authenticatorId=authenticator, isUserVerified=False
        )
        await anna.load()
        assert await anna.answered() == ("Not asked", "unsure")
        assert "did not recognise you" in await anna.page.run(MORE)
    assert stage.strike().rises == rises + 1


async def test_a_passkey_that_cannot_wrap_changes_nothing(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # passkey, law 2
    async with phone(browser, server, stage) as anna:
        await passkeys(anna.page, hasPrf=False)
        await anna.enrol()
        plain = await anna.page.run(OWN_KEY)
        await anna.page.run("document.getElementById('enrolment').open = true")
        await anna.page.click("#protect-key")
        trouble = "document.getElementById('protect-trouble').textContent"
        assert "the key is as it was" in await anna.page.until(trouble)
        assert await anna.page.run(OWN_KEY) == plain
        assert await anna.answered() == ("Allowed", "yes")


KEPT = """import('./page/store.js').then(async ({Store}) => {
  const kept = await (await Store.open()).get('key');
  const isSecret = (one) => one instanceof CryptoKey && one.type === 'private';
  return {secret: Object.values(kept).some(isSecret), bytes: kept.wrapped.length > 100};
})"""


async def test_a_link_and_a_touch_open_a_door_until_an_operator_ends_it(
    browser: Browser, site: SiteServer, stage: Stage
) -> None:  # site.js, laws 2 to 4
    rises = stage.strike().rises
    async with phone(browser, site, stage) as anna:
        await anna.join(site)
        assert await anna.page.run("location.search") == "", "the code is gone from the address"
        assert await anna.page.run("document.getElementById('door').textContent") == (
            "Front door, inward"
        )
        assert site.operator("look") == {"kind": "web", "signed": 1}
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 1
        await anna.page.run("navigator.serviceWorker.ready.then(() => true)")
        first = await anna.page.run(IS_DUE)
        with site.away():
            await anna.load()
            assert await anna.page.run(TROUBLE) == ""
            assert await anna.answered() == ("Allowed", "yes")
            assert stage.strike().rises == rises + 2
        assert await anna.page.run(IS_DUE) == first, "nothing was lost while nobody answered"
        await anna.load()
        assert await anna.page.run(IS_DUE) != first, "a refresh token counts once"
        assert site.operator("look") == {"kind": "web", "signed": 1}
        site.operator("revoke")
        await anna.load()
        assert "not connected any more" in await anna.page.run(TROUBLE)
        assert await anna.page.run(TOKENS) is False
        key = await anna.page.run(OWN_KEY)
        await anna.join(site)
        assert await anna.page.run(TROUBLE) == ""
        assert await anna.page.run(OWN_KEY) != key, "a key is one device's"
        assert await anna.answered() == ("Allowed", "yes")
        anna.page.complaints.clear()  # the browser logs who refused, and that nobody answered


async def test_a_code_that_this_page_did_not_ask_for_connects_nothing(
    browser: Browser, site: SiteServer, stage: Stage
) -> None:  # site.js, law 1
    async with phone(browser, site, stage) as anna:
        await anna.page.go(f"{site.page_address}?code=abc&state=def&iss={site.address}")
        await anna.page.until(READY)
        assert "did not connect this phone" in await anna.page.run(TROUBLE)
        assert await anna.page.run(TOKENS) is False
