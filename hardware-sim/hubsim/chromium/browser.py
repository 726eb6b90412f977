"""A real Chromium without a window, driven by its DevTools protocol over one socket.

Laws:
1. `Browser` ends the process that it starts, and its profile goes with it.
2. Every wait has an end.
3. What a page throws, or a command is refused with, is raised here with its own words.
4. Nothing is faked here: keys, cryptography, storage and clicks are the browser's.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

NAMES = ("chromium", "chromium-headless-shell", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
MISSING = "no browser here: apt-get install chromium-headless-shell"
SECONDS = 30.0
END_SECONDS = 5.0
POLL_SECONDS = 0.01
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--remote-debugging-port=0",
    "--enable-features=WebBluetooth",
    "--window-size=400,800",
)
"""Linux has Web Bluetooth behind a feature; elsewhere it is on."""

Json = dict[str, Any]
Hear = Callable[[Json], None]


class BrowserError(Exception):
    """A command was refused, or a script has thrown; the message is the browser's."""


class Navigated(BrowserError):
    """The page went elsewhere while it was asked."""


LEAVES = ("navigated", "context")
"""What the browser says then."""
ENDED = "the browser has ended"


class Browser:
    """An async context manager: inside it, the browser runs, with these flags and `more`."""

    def __init__(self, *more: str) -> None:
        self._flags = (*FLAGS, *more)
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._heard: dict[tuple[str, str], Hear] = {}
        self._process: asyncio.subprocess.Process
        self._socket: ClientConnection
        self._group: asyncio.TaskGroup

    async def __aenter__(self) -> Self:
        assert PROGRAM is not None
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *self._flags,
            f"--user-data-dir={self._profile.name}",
            "about:blank",
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(SECONDS):
                address = await self._address()
                self._socket = await connect(address, max_size=None)
        except BaseException:
            await self._end()
            raise
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._group.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(BrowserError, TimeoutError):
            await self.call("Browser.close")
        await self._socket.close()
        await self._group.__aexit__(None, None, None)
        await self._end()

    async def _address(self) -> str:
        """Return what the browser says that its socket is."""
        assert self._process.stderr is not None
        said = b""
        while line := await self._process.stderr.readline():
            said += line
            if found := re.search(rb"ws://\S+", line):
                return found[0].decode()
        raise BrowserError(said.decode(errors="replace"))

    async def _end(self) -> None:
        """Wait until the browser has ended; what is left of its processes is killed."""
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._profile.cleanup()

    async def _read(self) -> None:
        """Hand out what the browser says, until its socket is closed."""
        with contextlib.suppress(ConnectionClosed):
            async for line in self._socket:
                self._take(json.loads(line))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result({"error": ENDED})

    def _take(self, message: Json) -> None:
        if "id" in message:
            waiting = self._waiting.pop(message["id"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        hear = self._heard.get((message.get("sessionId", ""), message["method"]))
        if hear is not None:
            hear(message["params"])

    def hear(self, event: str, hear: Hear, session: str = "") -> None:
        """Call `hear` with what each such event says; one listener for each event."""
        self._heard[session, event] = hear

    def hear_no_more(self, event: str, session: str = "") -> None:
        """Drop the listener of an event."""
        self._heard.pop((session, event), None)

    async def call(self, method: str, session: str = "", **what: Any) -> Json:
        """Give a command; return its result. Raise BrowserError."""
        number = next(self._numbers)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        of_page = {"sessionId": session} if session else {}
        message = {"id": number, "method": method, "params": what, **of_page}
        try:
            await self._socket.send(json.dumps(message))
        except ConnectionClosed as error:
            raise BrowserError(f"{method}: {ENDED}") from error
        async with asyncio.timeout(SECONDS):
            answer = await waiting
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: Json = answer["result"]
        return result

    async def page(self) -> Page:
        """Open a page, on a profile of its own: another's storage is not there."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        made = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        page = Page(self, attached["sessionId"], context)
        page.hear("Runtime.exceptionThrown", page.complain)
        page.hear("Log.entryAdded", page.complain)
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        return page


class Page:
    """One tab. `complaints` is what it threw by itself, and each error that the browser logged."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self.browser = browser
        self.session = session
        self.complaints: list[str] = []
        self._context = context

    def complain(self, event: Json) -> None:
        """Note an exception of the page, or an error of the browser's log."""
        entry = event.get("entry")
        if entry is None:
            self.complaints.append(str(event["exceptionDetails"]))
        elif entry["level"] == "error":
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}")

    async def close(self) -> None:
        """Close it, and forget its profile."""
        await self.browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    async def call(self, method: str, **what: Any) -> Json:
        """Give a command about this page. Raise BrowserError."""
        return await self.browser.call(method, self.session, **what)

    def hear(self, event: str, hear: Hear) -> None:
        """Call `hear` with what each such event of this page says."""
        self.browser.hear(event, hear, self.session)

    async def go(self, address: str) -> None:
        """Load an address, and wait until all of it is there. Raise BrowserError."""
        loaded = asyncio.Event()
        self.hear("Page.loadEventFired", lambda _: loaded.set())
        done = await self.call("Page.navigate", url=address)
        if "errorText" in done:
            raise BrowserError(f"{address}: {done['errorText']}")
        async with asyncio.timeout(SECONDS):
            await loaded.wait()

    async def run(self, script: str) -> Any:
        """Return what an expression gives, or its promise; as JSON has it. Raise BrowserError."""
        try:
            done = await self.call(
                "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
            )
        except BrowserError as error:
            if any(word in str(error) for word in LEAVES):
                raise Navigated(str(error)) from error
            raise
        if "exceptionDetails" in done:
            details = done["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", details["text"])
            raise BrowserError(thrown)
        return done["result"].get("value")

    async def until(self, script: str, seconds: float = SECONDS) -> Any:
        """Wait until an expression gives something that is true; return it."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with contextlib.suppress(Navigated):
                value = await self.run(script)
                if value:
                    return value
            await asyncio.sleep(POLL_SECONDS)
        shown = await self.run("document.body.innerText")
        raise BrowserError(f"it never held: {script}; the page shows: {shown}")

    async def press(self, key: str) -> None:
        """Press a key and let it go: Tab or Enter."""
        codes = {"Tab": 9, "Enter": 13}
        text = {"text": "\r"} if key == "Enter" else {}
        what = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **what, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **what)

    async def click(self, selector: str) -> None:
        """Press the mouse on the middle of an element: a gesture, as of a person."""
        script = (
            f"(() => {{const one = document.querySelector({json.dumps(selector)});"
            "one.scrollIntoView({block: 'center'});"
            "const {x, y, width, height} = one.getBoundingClientRect();"
            "return [x + width / 2, y + height / 2]})()"
        )
        x, y = await self.run(script)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )
