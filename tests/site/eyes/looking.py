"""Looks at a page in Chromium as people do: on a phone, by keyboard, by a screen reader.

Laws:
1. `looked_at` returns what is wrong, a sentence each, and nothing for a page that is well.
2. What the browser complains of while the page is open is wrong, and so is a request that fails.
"""

from __future__ import annotations

import json
from asyncio import gather
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubsim.chromium.browser import Browser, Page

Json = dict[str, Any]
_SCRIPT = (Path(__file__).parent / "eyes.js").read_text()
_PHONE = {"width": 360, "height": 640, "deviceScaleFactor": 1, "mobile": True}
_CONTROLS = {
    "button", "link", "textbox", "searchbox", "combobox", "listbox", "checkbox", "radio",
    "spinbutton", "slider", "gridcell", "Date", "DateTime", "InputTime",
}  # fmt: skip
_IMAGES = {"image", "img", "graphics-document"}
_IS_READY = "document.getElementById('starting')?.hidden !== false"
"""The phone's page shows its parts one after the other, and then hides this one."""
_TAB = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
_AXE = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "dark": ["color-contrast"],
}
"""What is asked of axe-core in each colour scheme: all, and then what a colour changes."""


class Eyes:
    """A page of a browser, and all that it complains of."""

    def __init__(self, page: Page, axe: str = "") -> None:
        self.page = page
        self._axe = axe
        self._failed: list[str] = []
        page.hear("Network.responseReceived", self._answered)
        page.hear("Network.loadingFailed", self._broken)

    @classmethod
    async def opened(cls, browser: Browser, axe: str = "") -> Eyes:
        """Open a page on a profile of its own, as large as a small phone."""
        made = cls(await browser.page(), axe)
        await made.page.call("Network.enable")
        await made.page.call("Accessibility.enable")
        await made.page.call("Emulation.setDeviceMetricsOverride", **_PHONE)
        return made

    def _answered(self, event: Json) -> None:
        answer = event["response"]
        if answer["status"] >= 400:
            self._failed.append(f"{answer['status']} for {answer['url']}")

    def _broken(self, event: Json) -> None:
        if not event.get("canceled"):
            self._failed.append(f"a request fails: {event['errorText']}")

    async def looked_at(self, address: str, is_signed_in: bool) -> list[str]:
        """Open an address; return what is wrong there (law 1)."""
        await self.page.go(address)
        await self.page.until(_IS_READY)
        wrong = [*await self.looks(), *await self.read(is_signed_in), *await self.tabbed()]
        if self._axe:
            wrong += await self.judged()
        wrong += [*self.page.complaints, *self._failed]
        self.page.complaints.clear()
        self._failed.clear()
        return wrong

    async def looks(self) -> list[str]:
        """Return what is too wide, too small to read, or too small to hit."""
        found: list[str] = await self.page.run(f"{_SCRIPT}.looks()")
        return found

    async def tabbed(self) -> list[str]:
        """Go through the page by Tab; return what is not reached, or not marked."""
        count = await self.page.run(f"{_SCRIPT}.listen()")
        tab = {"type": "rawKeyDown", **_TAB}
        await gather(*(self.page.call("Input.dispatchKeyEvent", **tab) for _ in range(count)))
        found: list[str] = await self.page.run(f"{_SCRIPT}.tabbed()")
        return found

    async def read(self, is_signed_in: bool) -> list[str]:
        """Return what a screen reader misses in the tree that it gets."""
        nodes = (await self.page.call("Accessibility.getFullAXTree"))["nodes"]
        return list(_missed([one for one in nodes if not one["ignored"]], is_signed_in))

    async def judged(self) -> list[str]:
        """Return what axe-core finds, in both colour schemes."""
        await self.page.run(f"{self._axe};0")
        found = []
        for scheme, rules in _AXE.items():
            feature = {"name": "prefers-color-scheme", "value": scheme}
            await self.page.call("Emulation.setEmulatedMedia", features=[feature])
            how = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
            said = await self.page.run(
                f"axe.run(document, {json.dumps(how)}).then(({{violations}}) => violations.map("
                "(one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120))}`))"
            )
            found += [f"{scheme}: {one}" for one in said]
        return found


def _missed(nodes: list[Json], is_signed_in: bool) -> Iterator[str]:
    roles = [_said(node, "role") for node in nodes]
    levels = [_level(node) for node in nodes if _said(node, "role") == "heading"]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} headings of the first level"
    landmarks = ["main", "banner", "navigation"] if is_signed_in else ["main"]
    yield from (f"no {one}" for one in landmarks if one not in roles)
    for node, role in zip(nodes, roles, strict=True):
        needs = role in _IMAGES or (role in _CONTROLS and _is_reached(node))
        if needs and not _said(node, "name").strip():
            yield f"a {role} has no name"


def _said(node: Json, what: str) -> str:
    return str(node.get(what, {}).get("value", ""))


def _is_reached(node: Json) -> bool:
    return any(one["name"] == "focusable" for one in node.get("properties", []))


def _level(node: Json) -> int:
    found = [one["value"]["value"] for one in node["properties"] if one["name"] == "level"]
    return int(found[0])
