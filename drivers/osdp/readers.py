"""Readers and keypads on OSDP: `hubcore.ports.reader.Readers`, with the panel in its own process.

How it works. `serve` starts a panel, names the readers and their keys to it, and turns its reports
into cards, keys and faults. When the panel ends or falls silent, every reader is GONE, and another
panel is started after a pause.

Laws:
1. A reader is believed only while the panel says that it is PROVEN.
2. A read that is older than STALE_SECONDS is dropped: who stood there has left.
3. A fault is told when it begins and when it ends, however often the panel says it.
4. Keys are in no argument, no log and no repr.
5. A key is given up only when the reader has proven itself with the next one.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drivers.osdp.library import MISSING
from drivers.osdp.pace import ReadPace
from drivers.osdp.process import PanelLink, start_panel
from drivers.osdp.wire.orders import DEFAULT_BAUD, AddReader, ChangeKey, InstallKey, Show
from drivers.osdp.wire.reports import (
    Card,
    KeyChanged,
    Keys,
    ReaderState,
    Report,
    States,
    StatusBits,
)
from drivers.osdp.wire.words import READERS_MAX, check_key
from hubcore.errors import HardwareError
from hubcore.ports.reader import (
    CardRead,
    KeysPressed,
    ReaderFault,
    ReaderKey,
    ReaderListener,
    Sign,
)

FIRST_PAUSE_SECONDS = 0.2
LAST_PAUSE_SECONDS = 10.0
STABLE_SECONDS = 30.0
STALE_SECONDS = 3.0
CHANGE_KEY_SECONDS = 20.0

FAULT_OF_STATE = {
    ReaderState.UNKNOWN: None,
    ReaderState.PROVEN: None,
    ReaderState.GONE: ReaderFault.GONE,
    ReaderState.NOT_PROVEN: ReaderFault.NOT_PROVEN,
    ReaderState.LINE_GONE: ReaderFault.LINE_GONE,
}
LOSSES = (ReaderFault.GONE, ReaderFault.NOT_PROVEN, ReaderFault.LINE_GONE)
"""At most one of them stands."""
STATUS_FAULTS = (
    (StatusBits.TAMPERED, ReaderFault.TAMPERED),
    (StatusBits.NO_POWER, ReaderFault.NO_POWER),
)

TellPanel = Callable[[bool, str], None]
"""Takes (up, why): whether the panel is at work, and a sentence for people."""


@dataclass(frozen=True, slots=True)
class OsdpReader:
    """A reader: its id, its line and address there, and its key.

    `candidate`: a key that a change may have given it; both are tried.
    """

    id: str
    device: str
    address: int
    key: bytes = field(repr=False)
    candidate: bytes | None = field(default=None, repr=False)
    baud: int = DEFAULT_BAUD

    def keys(self) -> tuple[bytes, ...]:
        """Return the keys to try, in turn."""
        if self.candidate is None:
            return (self.key,)
        return (self.key, self.candidate)

    def order(self, number: int, keys: tuple[bytes, ...]) -> AddReader:
        """Return the order that names it to the panel. Raise ValueError for what cannot be."""
        return AddReader(
            number=number,
            address=self.address,
            baud=self.baud,
            device=self.device,
            keys=keys,
        )


class _Reader:
    """What is known of one reader."""

    def __init__(self, reader: OsdpReader) -> None:
        self.configured = reader
        self.id = reader.id
        self.keys = reader.keys()
        self.proven = False
        self.second_key = False
        self.pace = ReadPace()
        self.faults: set[ReaderFault] = set()
        self.change: asyncio.Future[bool] | None = None


class OsdpReaders:
    """All readers on OSDP of a hub."""

    def __init__(self, readers: Sequence[OsdpReader], tell: TellPanel) -> None:
        """Raise HardwareError for readers that cannot be."""
        check(readers)
        self._readers = [_Reader(reader) for reader in readers]
        self._numbers = {reader.id: number for number, reader in enumerate(readers)}
        self._tell = tell
        self._panel: PanelLink | None = None
        self._listener: ReaderListener | None = None

    @property
    def process_id(self) -> int | None:
        """The panel's process, while there is one."""
        return None if self._panel is None else self._panel.process_id

    def refused(self, reader: str) -> int:
        """Return how many reads of a reader went no further because they were too many."""
        return self._readers[self._numbers[reader]].pace.refused

    def key_in_use(self, reader: str) -> bytes | None:
        """Return the key with which a reader has proven itself, None while it has not."""
        known = self._readers[self._numbers[reader]]
        if not known.proven:
            return None
        return known.keys[1] if known.second_key else known.keys[0]

    def proven_with(self, reader: str) -> ReaderKey | None:
        """See `hubcore.ports.reader.Readers.proven_with`."""
        key = self.key_in_use(reader)
        if key is None:
            return None
        candidate = self._readers[self._numbers[reader]].configured.candidate
        return ReaderKey.NEXT if key == candidate else ReaderKey.CURRENT

    async def serve(self, listener: ReaderListener) -> None:
        """See `hubcore.ports.reader.Readers.serve`."""
        self._listener = listener
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                await self._live()
            except HardwareError as error:
                self._all_gone()
                self._tell(False, str(error))
            if time.monotonic() - began >= STABLE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LAST_PAUSE_SECONDS)

    def show(self, reader: str, sign: Sign) -> None:
        """See `hubcore.ports.reader.Readers.show`."""
        number = self._numbers.get(reader)
        if number is not None and self._panel is not None:
            self._panel.send(Show(number, sign))

    async def change_key(self, reader: str, new_key: bytes) -> None:
        """Give a reader that is proven a new key; return when it has proven itself with it.

        Write the new key durably as its candidate before, and drop the old one only after. Raise
        HardwareError when it is not certain: keep both keys, the next proof says which one holds.
        """
        try:
            check_key(new_key)
        except ValueError as error:
            raise HardwareError(f"Reader {reader} got no new key: {error}.") from error
        number = self._numbers[reader]
        known = self._readers[number]
        old_key = self.key_in_use(reader)
        if old_key is None or self._panel is None:
            raise HardwareError(
                f"Reader {reader} got no new key: it is not proven now. Try again when it is."
            )
        if known.change is not None:
            raise HardwareError(f"Reader {reader} is getting a new key already.")
        known.keys = (old_key, new_key)
        known.second_key = False
        if not await self._changed(self._panel, known, ChangeKey(number, new_key)):
            raise HardwareError(
                f"Reader {reader} has not proven itself with the new key. Keep both keys until it "
                "is proven again."
            )
        known.keys = (new_key,)
        known.second_key = False

    async def renew_key(self, reader: str) -> None:
        """See `hubcore.ports.reader.Readers.renew_key`."""
        known = self._readers[self._numbers[reader]]
        candidate = known.configured.candidate
        if candidate is None:
            raise HardwareError(
                f"Reader {reader} has no next_key in the configuration. Put 16 random bytes into a "
                "file, name it there as next_key, and restart hubd."
            )
        if self.key_in_use(reader) == candidate:
            return
        await self.change_key(reader, candidate)

    async def install_key(self, reader: str) -> None:
        """See `hubcore.ports.reader.Readers.install_key`."""
        number = self._numbers[reader]
        known = self._readers[number]
        if known.proven:
            return
        if self._panel is None:
            raise HardwareError("The OSDP panel is not at work. See: hubctl status.")
        if known.change is not None:
            raise HardwareError(f"Reader {reader} is getting a key already.")
        if not await self._changed(self._panel, known, InstallKey(number)):
            raise HardwareError(
                f"Reader {reader} has not proven itself with its key. Is it wired, and in its "
                "install mode (as its manual says: it must have the default key)?"
            )

    async def _changed(
        self, panel: PanelLink, known: _Reader, order: ChangeKey | InstallKey
    ) -> bool:
        """Have the panel give a key; return whether the reader has proven itself with it."""
        known.change = asyncio.get_running_loop().create_future()
        try:
            if not panel.send(order):
                return False
            async with asyncio.timeout(CHANGE_KEY_SECONDS):
                return await known.change
        except TimeoutError:
            return False
        finally:
            known.change = None

    async def _live(self) -> None:
        """Have one panel from its start to its end. Raise HardwareError when it has ended."""
        orders = [
            known.configured.order(number, known.keys) for number, known in enumerate(self._readers)
        ]
        panel = await start_panel(orders)
        try:
            await self._converse(panel)
        finally:
            self._panel = None
            await panel.end()

    async def _converse(self, panel: PanelLink) -> None:
        while True:
            report = await panel.report()
            if self._panel is None:
                self._panel = panel
                self._tell(True, f"The OSDP panel (process {panel.process_id}) is at work.")
            self.take_report(report)

    def take_report(self, report: Report) -> None:
        """Do what a report asks for. Raise HardwareError for one that cannot be."""
        if isinstance(report, States):
            if len(report.readers) != len(self._readers):
                raise HardwareError("The OSDP panel told of readers that are not here.")
            for known, (state, bits) in zip(self._readers, report.readers, strict=True):
                self._take_state(known, state, bits)
        elif isinstance(report, Card | Keys | KeyChanged):
            if report.number >= len(self._readers):
                raise HardwareError("The OSDP panel told of a reader that is not here.")
            known = self._readers[report.number]
            if isinstance(report, KeyChanged):
                if known.change is not None and not known.change.done():
                    known.proven = known.proven or report.done  # the states say so only afterwards
                    known.change.set_result(report.done)
            else:
                self._take_read(known, report)

    def _take_state(self, known: _Reader, state: ReaderState, bits: StatusBits) -> None:
        known.proven = state is ReaderState.PROVEN
        if known.proven and known.change is None:
            second_key = bool(bits & StatusBits.SECOND_KEY)
            known.second_key = second_key and len(known.keys) > 1
        if state is not ReaderState.UNKNOWN:
            self._lose(known, FAULT_OF_STATE[state])
        if known.proven and bits & StatusBits.TOLD:
            for bit, fault in STATUS_FAULTS:
                self._fault(known, fault, bool(bits & bit))
        chatters = known.pace.chatters(time.monotonic())
        self._fault(known, ReaderFault.CHATTERS, chatters)

    def _take_read(self, known: _Reader, report: Card | Keys) -> None:
        now = time.monotonic()
        at = min(report.at, now)
        if not known.proven or now - at > STALE_SECONDS:
            return
        if not known.pace.take(now):
            self._fault(known, ReaderFault.CHATTERS, True)
            return
        if self._listener is None:
            return
        if isinstance(report, Card):
            card = CardRead(reader=known.id, bits=report.bits, data=report.data, at=at)
            self._listener.card(card)
        else:
            self._listener.keys(KeysPressed(reader=known.id, keys=report.keys, at=at))

    def _fault(self, known: _Reader, fault: ReaderFault, stands: bool) -> None:
        """Tell of a fault that begins or ends."""
        if stands == (fault in known.faults):
            return
        if stands:
            known.faults.add(fault)
        else:
            known.faults.discard(fault)
        if self._listener is not None:
            self._listener.fault(known.id, fault, stands)

    def _all_gone(self) -> None:
        for known in self._readers:
            known.proven = False
            if known.change is not None and not known.change.done():
                known.change.set_result(False)
            self._lose(known, ReaderFault.GONE)

    def _lose(self, known: _Reader, loss: ReaderFault | None) -> None:
        """Tell how a reader is lost now, and that it is lost in no other way."""
        if loss is not None:
            self._fault(known, loss, True)
        for other in LOSSES:
            if other is not loss:
                self._fault(known, other, False)


def check(readers: Sequence[OsdpReader]) -> None:
    """Raise HardwareError for readers that cannot be, with a sentence that tells no key."""
    if not 1 <= len(readers) <= READERS_MAX:
        raise HardwareError(
            f"{len(readers)} OSDP readers are configured; one hub has 1 to {READERS_MAX}."
        )
    ids = {reader.id for reader in readers}
    if len(ids) < len(readers):
        raise HardwareError("Two OSDP readers have the same id.")
    places = {(reader.device, reader.address) for reader in readers}
    if len(places) < len(readers):
        raise HardwareError("Two OSDP readers have the same address on one line.")
    speeds = {(reader.device, reader.baud) for reader in readers}
    lines = {reader.device for reader in readers}
    if len(speeds) > len(lines):
        raise HardwareError("All OSDP readers on one line have the same speed.")
    for number, reader in enumerate(readers):
        try:
            reader.order(number, reader.keys())
        except ValueError as error:
            raise HardwareError(f"OSDP reader {reader.id}: {error}.") from error


def check_installed() -> None:
    """Raise HardwareError when libosdp is not there; does not load it."""
    if importlib.util.find_spec("osdp_sys") is None:
        raise HardwareError(MISSING)
