"""The browser's emulated Bluetooth, joined to the virtual air: a page meets a real hub's table.

Laws:
1. Bytes go through unchanged, both ways: nothing here knows a message of the protocol.
2. What the hub refuses is refused in the page, and a link that ends there ends here.
3. The browser answers each chooser once, as a person does: with a hub, or with nothing.
4. The browser knows the hubs that were in sight when its adapter came, by the names that they have
   on the air, the nameless ones first.

The emulation has no way to send a notification. With `notifies`, a shim in the page raises the
browser's own event on the characteristic to which the page has subscribed; without, subscribing is
refused, and the page lives on TXR.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

from bumble.device import Device
from bumble.hci import Address

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubsim.chromium.browser import BrowserError, Json, Page
from hubsim.chromium.shim import SHIM
from hubsim.chromium.sight import hubs_near
from hubsim.chromium.table import add_table
from hubsim.phone.radio import BumbleLink, connect

Do = Callable[[Json], Coroutine[Any, Any, None]]
GOOD = 0
BAD = 0x80
"""An error code of ATT: what the page then sees is a failed read or write."""


class BrowserRadio:
    """An async context manager: inside it, the page's browser has a radio, and the hub is near.

    `mtu` is that of the link on the virtual air, `hubs` how many are to be in sight. `chooses` is
    what a person does in the chooser, once `lists` hubs are in it; `picks` is the name of the hub
    that is taken as soon as it is there, "" for the first. `listed` has the names that stood there
    then. A write of more than `frame_bytes_max` bytes is refused. After write number
    `cuts_at_write` the link on the air is cut: the next operation fails. The next `silent_reads`
    get no answer. `writes` counts writes, `txr_reads` reads of TXR, `connections` what the page has
    asked for; `at_once` is how many operations were under way together.
    """

    def __init__(
        self,
        page: Page,
        device: Device,
        mtu: int = 517,
        notifies: bool = False,
        hubs: int = 1,
    ) -> None:
        self.mtu = mtu
        self.hubs = hubs
        self.lists = 1
        self.picks = ""
        self.listed: list[str] = []
        self._near: dict[str, Address] = {}
        self._names: dict[str, str] = {}
        self._at = ""
        self.chooses = True
        self.frame_bytes_max = 512
        self.cuts_at_write: int | None = None
        self.silent_reads = 0
        self.connections = 0
        self.writes = 0
        self.txr_reads = 0
        self.at_once = 0
        self._page = page
        self._device = device
        self._notifies = notifies
        self._link: BumbleLink | None = None
        self._ends = AsyncExitStack()
        self._uuids: dict[str, str] = {}
        self._prompts: set[str] = set()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._unanswered = ""
        self._is_up = False
        self._group: asyncio.TaskGroup
        self._hearing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        for event, session, do in self._listeners():
            self._page.browser.hear(event, partial(self._hear, do), session)
        await self._page.call("DeviceAccess.enable")
        await self._page.call("Runtime.addBinding", name="pageLeft")
        await self._page.call("Page.addScriptToEvaluateOnNewDocument", source=SHIM)
        await self.power_on()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for event, session, _ in self._listeners():
            self._page.browser.hear_no_more(event, session)
        await self.leave()
        await self._group.__aexit__(None, None, None)
        await self._page.browser.call("BluetoothEmulation.disable")

    async def power_on(self) -> None:
        """Give the browser an adapter with the hub near it; a page that is loaded needs it anew."""
        call = self._page.browser.call
        with contextlib.suppress(BrowserError):
            await call("BluetoothEmulation.disable")
        await call("BluetoothEmulation.enable", state="powered-on", leSupported=True)
        near = await hubs_near(self._device, self.hubs)
        self._near = {address.to_string(False): address for address in near}
        self._names = {address.to_string(False): name for address, name in near.items()}
        for address, name in sorted(self._names.items(), key=itemgetter(1)):
            await call(
                "BluetoothEmulation.simulatePreconnectedPeripheral",
                address=address,
                name=name,
                knownServiceUuids=[gatt.SERVICE.lower()],
                manufacturerData=[],
            )

    async def cut(self) -> None:
        """End the link as it ends when a phone is carried away."""
        await self.leave()
        if self._is_up:
            self._is_up = False
            await self._idle.wait()  # amid an operation the emulation would never tell the page
            await self._fail_silent_read()
            await self._page.browser.call(
                "BluetoothEmulation.simulateGATTDisconnection", address=self._at
            )

    async def leave(self) -> None:
        """Leave the hub, if there is a link."""
        ends = self._ends
        self._ends = AsyncExitStack()
        self._link = None
        if self._hearing is not None:
            self._hearing.cancel()
            self._hearing = None
        await ends.aclose()

    def _listeners(self) -> tuple[tuple[str, str, Do], ...]:
        """Return each event that is heard, the session that it comes from, and what it does."""
        of_page = self._page.session
        return (
            ("DeviceAccess.deviceRequestPrompted", of_page, self._choose),
            ("BluetoothEmulation.gattOperationReceived", "", self._gatt),
            ("BluetoothEmulation.characteristicOperationReceived", "", self._characteristic),
            ("Runtime.bindingCalled", of_page, self._left),
        )

    def _hear(self, do: Do, what: Json) -> None:
        self._start(do(what))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._group.create_task(_until_the_page_leaves(work))

    async def _choose(self, prompt: Json) -> None:
        """Answer a chooser; the browser asks several times for one and wants one answer."""
        if prompt["id"] in self._prompts or len(prompt["devices"]) < self.lists:
            return
        names = [self._names[device["id"]] for device in prompt["devices"]]
        if self.chooses and self.picks and self.picks not in names:
            return
        self._prompts.add(prompt["id"])
        self.listed = names
        if self.chooses:
            device = prompt["devices"][names.index(self.picks) if self.picks else 0]["id"]
            await self._page.call("DeviceAccess.selectPrompt", id=prompt["id"], deviceId=device)
        else:
            await self._page.call("DeviceAccess.cancelPrompt", id=prompt["id"])

    async def _gatt(self, what: Json) -> None:
        """Answer a connection by one on the air, and a discovery once the table stands."""
        code = GOOD
        if what["type"] == "connection":
            self.connections += 1
            code = await self._connect(what["address"])
        elif what["type"] == "discovery":
            self._uuids |= await add_table(self._page.browser, self._at, self._notifies)
        await self._page.browser.call(
            "BluetoothEmulation.simulateGATTOperationResponse",
            address=what["address"],
            type=what["type"],
            code=code,
        )

    async def _connect(self, address: str) -> int:
        await self.leave()
        self._at = address
        try:
            found = connect(self._device, self.mtu, self._notifies, at=self._near[address])
            self._link = await self._ends.enter_async_context(found)
        except LinkError:
            return BAD
        self._is_up = True
        if self._notifies:
            self._hearing = self._start(self._pass_on(self._link))
        return GOOD

    async def _characteristic(self, what: Json) -> None:
        if what["type"] == "read" and self.silent_reads > 0:
            self.silent_reads -= 1
            self._unanswered = what["characteristicId"]
            self._idle.set()
            return
        self._idle.clear()
        self._under_way += 1
        self.at_once = max(self.at_once, self._under_way)
        answer: Json = {"code": BAD}
        try:
            data = await self._operate(what)
            read = {"data": base64.b64encode(data).decode()} if what["type"] == "read" else {}
            answer = {"code": GOOD, **read}
        except LinkError:
            pass
        self._under_way -= 1
        if what["type"] == "write" and self.writes == self.cuts_at_write:
            await self.leave()  # before the page hears of its write, and reads what the hub says
        await self._answer(what["characteristicId"], what["type"], answer)
        if self._under_way == 0:
            self._idle.set()

    async def _answer(self, characteristic: str, kind: str, answer: Json) -> None:
        with contextlib.suppress(BrowserError):  # the page has left meanwhile
            await self._page.browser.call(
                "BluetoothEmulation.simulateCharacteristicOperationResponse",
                characteristicId=characteristic,
                type=kind,
                **answer,
            )

    async def _fail_silent_read(self) -> None:
        """Fail it before the link ends: a read that is dropped ends all Bluetooth of a page."""
        if self._unanswered:
            await self._answer(self._unanswered, "read", {"code": BAD})
            self._unanswered = ""

    async def _operate(self, what: Json) -> bytes:
        link = self._link
        if link is None:
            raise LinkError("the phone has no link")
        uuid = self._uuids[what["characteristicId"]]
        if what["type"] == "write":
            await self._write(link, base64.b64decode(what["data"]))
        elif what["type"] == "read":
            return await self._read(link, uuid)
        return b""

    async def _read(self, link: BumbleLink, uuid: str) -> bytes:
        if uuid == gatt.INFO:
            return await link.read_info()
        self.txr_reads += 1
        return await link.pull()

    async def _write(self, link: BumbleLink, frame: bytes) -> None:
        if len(frame) > self.frame_bytes_max:
            raise LinkError("the frame does not fit")
        await link.write(frame)
        self.writes += 1

    async def _pass_on(self, link: BumbleLink) -> None:
        """Hand each notification of the hub to the page."""
        while True:
            frame = await link.notifications.get()
            with contextlib.suppress(BrowserError):
                await self._page.run(f"window.notified?.({json.dumps(list(frame))})")

    async def _left(self, _: Json) -> None:
        """End the link that the page has left: the emulation keeps it up by itself.

        The page connects again only after that.
        """
        await self.cut()
        await self._page.run("window.hasLeft?.()")


async def _until_the_page_leaves(work: Coroutine[Any, Any, None]) -> None:
    """Do it; what a page that has left refuses is refused to nobody."""
    with contextlib.suppress(BrowserError):
        await work
