"""A radio in memory, and somebody who listens to a radio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hubcore.errors import LinkError, SequenceError
from hubcore.ports.radio import Adapter, LinkId, PkocListener, RadioListener

INFO_BYTES = 42


class FakeRadio:
    """`ports.radio.Radio` without air. A test plays the phones: it calls the listener.

    `sent` has the frames of each link, `dropped` the links that were to be ended. `come` and
    `leave` are a phone's; `heard` has how strongly a link is heard. `notify_fails`, `drop_fails`:
    raise it. Clear `free` to make `notify` wait. `on_notify`, `on_drop` are called when a frame
    went out or a link was to be ended. `pkoc_sent` has what went out to all phones of the second
    service, `on_pkoc` is called with it. `shown_name` is what it is called on the air.
    """

    def __init__(
        self,
        on_notify: Callable[[LinkId, bytes], None] = lambda _link, _frame: None,
        on_drop: Callable[[LinkId], None] = lambda _link: None,
        on_pkoc: Callable[[bytes], None] = lambda _message: None,
        shown_name: str = "",
    ) -> None:
        self.shown_name = shown_name
        self._on_pkoc = on_pkoc
        self.pkoc: PkocListener | None = None
        self.pkoc_sent: list[bytes] = []
        self._on_notify = on_notify
        self._on_drop = on_drop
        self.listener: RadioListener | None = None
        self.sent: dict[LinkId, list[bytes]] = {}
        self.dropped: list[LinkId] = []
        self.gone: set[LinkId] = set()
        self.heard: dict[LinkId, int] = {}
        self.notify_fails: Exception | None = None
        self.drop_fails: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()
        self._news = asyncio.Event()

    def come(self, link: LinkId) -> None:
        """Let a phone connect."""
        assert self.listener is not None
        self.listener.opened(link)

    def leave(self, link: LinkId) -> None:
        """Let a phone go; nothing reaches it any more."""
        assert self.listener is not None
        self.gone.add(link)
        self.listener.closed(link)

    async def serve(
        self,
        listener: RadioListener,
        ready: Callable[[bool], None],
        pkoc: PkocListener | None = None,
    ) -> None:
        self.listener = listener
        self.pkoc = pkoc
        ready(True)
        try:
            await asyncio.Event().wait()
        finally:
            self.listener = None

    async def notify(self, link: LinkId, frame: bytes) -> None:
        await self.free.wait()
        if self.notify_fails:
            raise self.notify_fails
        if link in self.gone:
            raise LinkError("radio: the link is gone")
        self.sent.setdefault(link, []).append(frame)
        self._news.set()
        self._on_notify(link, frame)

    async def notify_pkoc(self, message: bytes) -> None:
        await self.free.wait()
        if self.notify_fails:
            raise self.notify_fails
        if self.listener is None or self.pkoc is None:
            raise LinkError("radio: not on air")
        self.pkoc_sent.append(message)
        self._news.set()
        self._on_pkoc(message)

    async def more(self) -> None:
        """Wait until one more frame is notified."""
        self._news.clear()
        await self._news.wait()

    async def drop(self, link: LinkId) -> None:
        self.dropped.append(link)
        if self.drop_fails:
            raise self.drop_fails
        self._on_drop(link)

    def adapter(self) -> Adapter | None:
        return None if self.listener is None else Adapter("fake", "02:00:00:00:00:01", True, "5.2")

    def rssi(self, link: LinkId) -> int | None:
        return None if link in self.gone else self.heard.get(link)


@dataclass(frozen=True, slots=True)
class Opened:
    """A visit began."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class Closed:
    """A visit ended."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class Wrote:
    """A phone wrote a frame."""

    link: LinkId
    data: bytes
    mtu: int


Happened = Opened | Closed | Wrote


class FakeRadioListener:
    """`ports.radio.RadioListener` of a hub that only notes what happens.

    `happened` has visits and writes in their order, `minted` who read which INFO: the first is 42
    bytes of 1, the second of 2, and so on. `asked` has who read INFO or TXR or wrote.
    `busy`: INFO reads are empty. `refuses`: writes break a rule. `due`: by peer, the frame for its
    next read of TXR.
    """

    def __init__(self) -> None:
        self.happened: list[Happened] = []
        self.minted: list[tuple[LinkId, bytes]] = []
        self.asked: list[LinkId] = []
        self.busy = False
        self.refuses = False
        self.due: dict[str, bytes] = {}
        self.told: asyncio.Queue[Happened] = asyncio.Queue()

    @property
    def visits(self) -> list[Opened | Closed]:
        return [one for one in self.happened if not isinstance(one, Wrote)]

    @property
    def frames(self) -> list[Wrote]:
        return [one for one in self.happened if isinstance(one, Wrote)]

    def opened(self, link: LinkId) -> None:
        self._note(Opened(link))

    def closed(self, link: LinkId) -> None:
        self._note(Closed(link))

    def info(self, link: LinkId) -> bytes:
        self.asked.append(link)
        if self.busy:
            return b""
        value = bytes([len(self.minted) + 1]) * INFO_BYTES
        self.minted.append((link, value))
        return value

    def frame(self, link: LinkId, data: bytes, mtu: int) -> None:
        self.asked.append(link)
        if self.refuses:
            raise SequenceError("out of turn")
        self._note(Wrote(link, data, mtu))

    def next_frame(self, link: LinkId, mtu: int) -> bytes:
        self.asked.append(link)
        return self.due.pop(link.peer, b"")

    async def next(self, within_seconds: float = 10.0) -> Happened:
        """Wait for what the radio tells next."""
        async with asyncio.timeout(within_seconds):
            return await self.told.get()

    def _note(self, one: Happened) -> None:
        self.happened.append(one)
        self.told.put_nowait(one)


@dataclass(frozen=True, slots=True)
class Listens:
    """Somebody has subscribed to the second service, or nobody listens any more."""

    anybody: bool


@dataclass(frozen=True, slots=True)
class PkocWrote:
    """A phone wrote to the second service."""

    link: LinkId
    data: bytes


class FakePkocListener:
    """`ports.radio.PkocListener` that only notes; `refuses`: writes break a rule."""

    def __init__(self) -> None:
        self.refuses = False
        self.told: asyncio.Queue[Listens | PkocWrote] = asyncio.Queue()

    def listens(self, anybody: bool) -> None:
        self.told.put_nowait(Listens(anybody))

    def pkoc_frame(self, link: LinkId, data: bytes) -> None:
        if self.refuses:
            raise SequenceError("out of turn")
        self.told.put_nowait(PkocWrote(link, data))
