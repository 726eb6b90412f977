"""Laws of the page's modules that no visit at a door shows: ends of waits, ceilings, order of acts.

Each module is the real one, in a real browser; what it stands on is a small fake in the script.
"""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from hubcore.phone.messages import Reason
from hubsim.chromium.browser import MISSING, PROGRAM, Browser, Page
from tests.webphone.server import WebServer
from tests.webphone.visitor import passkeys

pytestmark = [
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
HELD = """
window.held = [];
const later = window.setTimeout;
window.setTimeout = (act, milliseconds) =>
  milliseconds < 1000 ? later(act, milliseconds) : window.held.push([act, milliseconds]);
"""
"""A timer of a second or more waits until the test fires it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(browser: Browser, server: WebServer) -> Page:
    page = await browser.page()
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=HELD)
    await page.go(f"{server.page_address}")
    await page.until("document.documentElement?.dataset.ready")
    await passkeys(page)
    return page


async def with_modules(page: Page, names: str, script: str) -> object:
    """Run the body of an async function; `names` are modules, in the order of its arguments."""
    imports = ", ".join(f"import('./{name}.js')" for name in names.split())
    arguments = ", ".join(name.rpartition("/")[2] for name in names.split())
    return await page.run(f"Promise.all([{imports}]).then(async ([{arguments}]) => {{{script}}})")


async def test_what_lasts_a_moment_is_taken_off(page: Page) -> None:  # screen, law 3
    script = """
      const made = new screen.Screen(document);
      const shown = () => document.getElementById("door-state").textContent;
      window.held.length = 0;
      made.door(2);
      const first = shown();
      const [act, after] = window.held.pop();
      act();
      const then = shown();
      made.door(1);
      return [first, after, then, shown(), window.held.length];
    """
    done = await with_modules(page, "page/screen", script)
    assert done == ["Push the door", 8000, "", "Closed", 0]


async def test_a_connection_and_an_operation_have_an_end(page: Page) -> None:  # radio, laws 1, 2, 6
    script = """
      const never = new Promise(() => {});
      const device = new EventTarget();
      const reads = [Promise.resolve(new DataView(new ArrayBuffer(1)))];
      const part = {
        readValue: () => reads.pop() ?? never,
        removeEventListener: () => {},
        startNotifications: () => Promise.reject(new Error()),
      };
      const service = {getCharacteristic: async () => part};
      let connects = () => never;
      device.gatt = {connect: () => connects(), disconnect: () => {}};
      const made = new radio.Radio();
      made.device = device;
      const told = async (promise) => promise.then(() => "done", (error) => error.name);
      const fire = async () => {
        while (window.held.length === 0) await new Promise((go) => setTimeout(go, 0));
        const [act, after] = window.held.pop();
        act();
        return after;
      };
      window.held.length = 0;
      const connecting = told(made.connect());
      const ends = [await fire(), await connecting];
      connects = async () => ({getPrimaryService: async () => service});
      made.leftAt = -Infinity;
      const link = await made.connect();
      window.held.length = 0;
      const reading = told(link.readTxr());
      ends.push(await fire(), await reading, link.subscribed);
      const hanging = told(link.readTxr());
      device.dispatchEvent(new Event("gattserverdisconnected"));
      ends.push(await hanging);
      window.held.length = 0;
      made.leftAt = -Infinity;
      const silent = told(made.connect());
      const isFirst = ([, after]) => after < 6000;
      while (!window.held.some(isFirst)) await new Promise((go) => setTimeout(go, 0));
      const [act, after] = window.held.find(isFirst);
      act();
      ends.push(after, await silent);
      return ends;
    """
    done = await with_modules(page, "page/radio", script)
    until_lost = [10_000, "LinkError", 6_000, "LinkError", False, "LinkError"]
    assert done == [*until_lost, 2_000, "LinkError"]


async def test_frames_that_wait_have_a_ceiling(page: Page) -> None:  # visit, law 2
    script = """
      const link = {lost: new Promise(() => {})};
      const made = new visit.Visit({link});
      for (let number = 0; number < 2 * visit.QUEUE_MAX; number += 1) {
        made.notified(Uint8Array.of(number % 256));
      }
      return [visit.QUEUE_MAX, made.frames.length, made.frames[1][0]];
    """
    assert await with_modules(page, "phone/visit", script) == [512, 512, 1]


async def test_what_was_learned_is_kept_before_a_request_leaves(page: Page) -> None:  # visit, law 4
    script = """
      const done = [];
      const link = {lost: new Promise(() => {}), write: async () => done.push("write")};
      const keep = async () => done.push("keep");
      const made = new visit.Visit({link, keep, wallet: {frameBytes: new Map()}});
      made.outbound = {cut: () => [new Uint8Array(1), new Uint8Array(1)]};
      await made.send(new Uint8Array(1));
      return done;
    """
    assert await with_modules(page, "phone/visit", script) == ["keep", "write", "write"]


async def test_a_link_that_ends_wakes_who_waits(page: Page) -> None:  # visit, law 3
    script = """
      let end;
      const link = {lost: new Promise((resolve) => { end = resolve; })};
      const made = new visit.Visit({link, clock: {now: () => 0}});
      const waiting = made.heard(1000);
      end();
      return [(await waiting) === undefined, made.isLost];
    """
    assert await with_modules(page, "phone/visit", script) == [True, True]


async def test_a_key_is_locked_again_after_a_while(page: Page) -> None:  # keys, law 4
    script = """
      let now = 0;
      let asked = 0;
      const get = navigator.credentials.get.bind(navigator.credentials);
      navigator.credentials.get = (what) => {
        asked += 1;
        return get(what);
      };
      const store = {get: async () => undefined, put: async () => {}};
      const key = await keys.OwnKey.open(store, () => now);
      await key.protect();
      const made = asked;
      const told = [];
      for (now of [0, keys.UNLOCKED_SECONDS, keys.UNLOCKED_SECONDS + 1]) {
        const {key: signing} = await key.signer();
        told.push([asked - made, signing.extractable]);
      }
      return told;
    """
    assert await with_modules(page, "key/keys", script) == [[1, False], [1, False], [2, False]]


async def test_what_a_server_is_told_of_a_passkey_has_no_byte_that_wraps(page: Page) -> None:
    # passkey, law 3
    script = """
      const secrets = [];
      const get = navigator.credentials.get.bind(navigator.credentials);
      navigator.credentials.get = async (what) => {
        const got = await get(what);
        secrets.push(got.getClientExtensionResults().prf.results.first);
        return got;
      };
      const challenge = bytes.toBase64url(new Uint8Array(32));
      const user = {id: challenge, name: "n", displayName: "n"};
      const made = await passkey.makeAsked({
        rp: {id: "localhost", name: "s"},
        user,
        challenge,
        pubKeyCredParams: [{type: "public-key", alg: -7}],
        authenticatorSelection: {residentKey: "required", userVerification: "required"},
      });
      const allowCredentials = [{type: "public-key", id: made.id}]; // others lie there, too
      const asked = {challenge, rpId: "localhost", userVerification: "required", allowCredentials};
      const {told, passkey: {salt}} = await passkey.signAsked(asked);
      const [secret] = secrets.map((one) => new Uint8Array(one));
      const text = JSON.stringify([made, told]);
      return [
        Object.keys(made.response), Object.keys(told.response), told.clientExtensionResults,
        secret.length, text.includes(bytes.toBase64url(secret)), text.includes("prf"),
        salt.length, told.response.userHandle === challenge];
    """
    assert await with_modules(page, "key/passkey protocol/bytes", script) == [
        ["clientDataJSON", "attestationObject"],
        ["clientDataJSON", "authenticatorData", "signature", "userHandle"],
        {},
        32,
        False,
        False,
        32,
        True,
    ]


SITE = """
  let kept = %s;
  const store = {get: async () => kept, put: async (name, value) => { kept = value; }};
  const asked = [];
  const answers = %s;
  const fetches = window.fetch;
  window.fetch = async (address) => {
    asked.push(new URL(address).pathname);
    const [status, said] = answers.shift() ?? [0, null];
    if (status === 0) throw new TypeError("no network");
    return new Response(JSON.stringify(said), {status});
  };
  const server = new site.SiteServer(store, () => 10000);
  server.isDue = %s;
  let coming = %s;
  let now = {shown: "k"};
  const key = {
    shown: "k",
    coming: async () => coming,
    expect: async (one) => { coming = one; },
    keep: async (one) => { now = one; },
    another: async () => ({publicKey: pair.publicKey, other: true}),
  };
  const told = await server.fetchGrant(key).then(String, (error) => error.name);
  if (told === "e") await server.tookGrant();
  window.fetch = fetches;
  return [told, asked, kept, [coming !== undefined, now.other ?? false]];
"""
PAIR = """const p256 = {name: "ECDSA", namedCurve: "P-256"};
  const pair = await crypto.subtle.generateKey(p256, false, ["sign"]);"""


async def ask(
    page: Page, kept: object, answers: list[object], is_due: bool = False
) -> list[object]:
    """Let the page fetch a grant at second 10,000, with these tokens, before these answers."""
    return (await ask_with_key(page, kept, answers, is_due, is_coming=False))[:3]


async def ask_with_key(
    page: Page, kept: object, answers: list[object], is_due: bool = False, is_coming: bool = False
) -> list[object]:
    """As `ask`; behind what it tells: whether a key waits, and whether one was taken."""
    coming = "{publicKey: pair.publicKey, other: true}" if is_coming else "undefined"
    script = PAIR + SITE % (json.dumps(kept), json.dumps(answers), json.dumps(is_due), coming)
    done = await with_modules(page, "page/site", script)
    assert isinstance(done, list)
    return done


TOKENS = {"access": "a", "refresh": "r", "until": 0, "fetchedAt": 0}
NEW = {"access_token": "b", "refresh_token": "s", "expires_in": 600}
KEPT = {"access": "b", "refresh": "s", "until": 10_600, "fetchedAt": 0}


async def test_nothing_is_fetched_twice_in_an_hour(page: Page) -> None:  # site, law 5
    recent = {**TOKENS, "fetchedAt": 9_000}
    assert await ask(page, recent, []) == ["null", [], recent]


AFTER_AN_ANSWER = """
  const made = new app.App(document);
  made.site = {isDue: false};
  made.wallet = {};
  made.tabs = {alone: (visit) => visit()};
  made.atDoor = made.doorway();
  made.renewGrant = async () => { asked += 1; made.site.isDue = false; };
  let asked = 0;
  const told = [];
  for (const [allowed, reason] of %s) {
    made.visit = async () =>
      made.atDoor.tell({do: "decided", verdict: {allowed, reason, door: codes.Door.UNKNOWN}});
    asked = 0;
    await made.open();
    told.push(asked);
  }
  return told;
"""


async def test_after_an_answer_that_a_newer_grant_may_mend_one_is_asked_for(page: Page) -> None:
    # app, law 4
    of_grants = [Reason.NO_RIGHT, Reason.GRANT_TIME, Reason.REVOKED]
    answers = [(reason is Reason.OK, int(reason)) for reason in Reason]
    script = AFTER_AN_ANSWER % json.dumps(answers)
    told = await with_modules(page, "page/app protocol/codes", script)
    assert told == [int(reason in of_grants) for reason in Reason]


async def test_a_grant_that_a_door_did_not_take_is_fetched_within_the_hour(page: Page) -> None:
    # site, law 5
    recent = {**TOKENS, "until": 20_000, "fetchedAt": 9_999}
    answer = [[200, {"enrolment": "e"}]]
    assert await ask(page, recent, answer) == ["null", [], recent]
    done = await ask(page, recent, answer, is_due=True)
    assert done == ["e", ["/api/phone/grant"], {**recent, "fetchedAt": 10_000}]


async def test_a_moment_that_is_still_to_come_is_no_hour_of_before(page: Page) -> None:
    # site, law 5: the clock was 20 days ahead when it was written, and was put right since.
    ahead = {**TOKENS, "until": 10_000, "fetchedAt": 10_000 + 20 * 86_400}
    done = await ask(page, ahead, [[200, NEW], [200, {"enrolment": "e"}]])
    assert done == ["e", ["/oauth/token", "/api/phone/grant"], {**KEPT, "fetchedAt": 10_000}]


async def test_a_token_that_ended_before_its_time_is_renewed_once(page: Page) -> None:
    # site, law 6: the clock that said when it ends was ahead.
    ahead = {**TOKENS, "until": 10_000 + 20 * 86_400}
    over = [401, {"sentence": "gone"}]
    done = await ask(page, ahead, [over, [200, NEW], [200, {"enrolment": "e"}]])
    asked = ["/api/phone/grant", "/oauth/token", "/api/phone/grant"]
    assert done == ["e", asked, {**KEPT, "fetchedAt": 10_000}]
    done = await ask(page, ahead, [over, [200, NEW], over])
    assert done[:2] == ["Told", asked]
    assert done[2:] in ([], [None])
    done = await ask(page, ahead, [over, [400, {"error": "invalid_grant"}]])
    assert done[:2] == ["Told", asked[:2]]
    assert done[2:] in ([], [None])


OWES = {"access": "a", "refresh": "r", "until": 20_000, "fetchedAt": 0, "owesKey": True}
PAID = {**OWES, "owesKey": False, "fetchedAt": 10_000}
GRANT = [200, {"enrolment": "e"}]
KEY = ["/api/phone/key"]
KEY_TWICE = [*KEY, *KEY]


@pytest.mark.parametrize(
    ("answers", "is_coming", "done"),
    [
        ([[200, {}], GRANT], False, ["e", [*KEY, "/api/phone/grant"], PAID, [False, False]]),
        ([], False, ["Away", KEY, OWES, [False, False]]),
        ([[200, {}], GRANT], True, ["e", [*KEY, "/api/phone/grant"], PAID, [False, True]]),
        ([], True, ["Away", KEY, OWES, [True, False]]),
        ([[403, {"sentence": "no"}]], True, ["Told", KEY, OWES, [False, False]]),
        (
            [[403, {"sentence": "known"}], [200, {}], GRANT],
            False,
            ["e", [*KEY_TWICE, "/api/phone/grant"], PAID, [False, True]],
        ),
    ],
    ids=["its own", "closed", "one that waits", "closed then", "refused", "known already"],
)
async def test_a_page_that_was_closed_before_its_key_was_taken_goes_on(
    page: Page, answers: list[object], is_coming: bool, done: list[object]
) -> None:  # site, law 4; keys, law 3; comingback, law 2
    assert await ask_with_key(page, OWES, answers, is_coming=is_coming) == done


LIVE = {"access": "l", "refresh": "m", "until": 20_000, "fetchedAt": 9_000}
BESIDE = {**OWES, "before": LIVE}


@pytest.mark.parametrize(
    ("answers", "done"),
    [
        ([[200, {}], GRANT], ["e", [*KEY, "/api/phone/grant"], PAID, [False, True]]),
        ([], ["Away", KEY, BESIDE, [True, False]]),
        ([[403, {"sentence": "out of use"}]], ["Told", KEY, LIVE, [False, False]]),
        ([[401, {"sentence": "gone"}]], ["Told", KEY, LIVE, [False, False]]),
    ],
    ids=["taken", "closed", "refused", "too late"],
)
async def test_tokens_of_before_count_until_the_new_key_is_taken(
    page: Page, answers: list[object], done: list[object]
) -> None:  # site, law 4; comingback, law 2
    assert await ask_with_key(page, BESIDE, answers, is_coming=True) == done


FINISHES = """
  const kept = new Map([["connecting", {state: "s", verifier: "v"}], ["tokens", %s]]);
  const get = async (name) => kept.get(name);
  const put = async (name, one) => kept.set(name, one);
  const fetches = window.fetch;
  const [status, said] = %s;
  window.fetch = async () => new Response(JSON.stringify(said), {status});
  const server = new site.SiteServer({get, put}, () => 10000);
  const address = `${location.origin}/?state=s&code=c&iss=${encodeURIComponent(location.origin)}`;
  const told = await server.finish(address).then(String, (error) => error.message);
  window.fetch = fetches;
  return [told, kept.get("tokens") ?? null];
"""
NOT_MADE = "The site did not connect this phone. Ask for a new link."


@pytest.mark.parametrize(
    ("before", "answer", "done"),
    [
        (LIVE, [200, NEW], ["undefined", {**KEPT, "owesKey": True, "before": LIVE}]),
        (BESIDE, [200, NEW], ["undefined", {**KEPT, "owesKey": True, "before": LIVE}]),
        (LIVE, [400, {"error": "invalid_grant"}], [NOT_MADE, LIVE]),
    ],
    ids=["taken", "begun twice", "refused"],
)
async def test_a_code_takes_nothing_from_a_phone_that_is_connected(
    page: Page, before: object, answer: object, done: list[object]
) -> None:  # site, law 4; comingback, law 2
    script = FINISHES % (json.dumps(before), json.dumps(answer))
    assert await with_modules(page, "page/site", script) == done


async def test_new_tokens_are_kept_before_they_are_used(page: Page) -> None:  # site, laws 2, 3
    done = await ask(page, TOKENS, [[200, NEW]])
    assert done == ["Away", ["/oauth/token", "/api/phone/grant"], KEPT]
    done = await ask(page, TOKENS, [[200, NEW], [200, {"enrolment": "e"}]])
    assert done == ["e", ["/oauth/token", "/api/phone/grant"], {**KEPT, "fetchedAt": 10_000}]


@pytest.mark.parametrize(
    ("answers", "told", "stays"),
    [
        ([], "Away", True),
        ([[503, {"sentence": "later"}]], "Away", True),
        ([[400, {"error": "invalid_grant"}]], "Told", False),
        ([[200, NEW], [503, {"sentence": "later"}]], "Away", True),
        ([[200, NEW], [403, {"sentence": "out of use"}]], "Told", True),
        ([[200, NEW], [401, {"sentence": "gone"}]], "Told", False),
    ],
)
async def test_tokens_go_only_when_the_server_says_so(
    page: Page, answers: list[object], told: str, stays: bool
) -> None:  # site, law 3
    done = await ask(page, TOKENS, answers)
    assert done[0] == told
    assert (done[2:] not in ([], [None])) is stays
