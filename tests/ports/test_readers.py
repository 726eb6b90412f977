"""What all readers do, of whatever kind: one suite for the port `hubcore.ports.reader.Readers`.

Each kind brings a bench: two readers, `front` and `back`, what a person does at them, and ways to
break them. OSDP readers are simulated on a pseudo-terminal behind the real panel process. A case
names the law of the port that it shows.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from hubcore.ports.reader import READS_MAX, CardRead, ReaderFault, ReaderKey, Readers, Sign
from hubsim.osdp.reader import Shown
from tests.fakes.reader import LOST, FakeReaderListener, FakeReaders
from tests.osdp_bench import OsdpBench, osdp_bench

pytestmark = pytest.mark.asyncio

CARD = bytes.fromhex("0123456789abcd80")
CARD_BITS = 57
STATUS_FAULTS = (ReaderFault.TAMPERED, ReaderFault.NO_POWER)


class Bench(Protocol):
    """Two readers that are proven."""

    readers: Readers
    told: FakeReaderListener

    def hold(self, reader: str, data: bytes, bits: int) -> None:
        """Hold a card to a reader."""

    def press(self, reader: str, keys: str) -> None:
        """Press keys at a reader."""

    def cut(self) -> None:
        """Cut the line of both."""

    def mend(self) -> None:
        """Mend the line."""

    def replace(self, reader: str, with_its_key: bool) -> None:
        """Put another reader in the place of one."""

    def set_status(self, reader: str, faults: set[ReaderFault]) -> None:
        """Open a reader, take its power, or neither."""

    def signs(self, reader: str) -> list[Sign]:
        """Return the signs that a reader showed."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is seen."""

    async def until_back(self, reader: str) -> None:
        """Wait until cards of a reader are believed again."""


class FakeBench:
    """The fake of the port."""

    def __init__(self) -> None:
        self.told = FakeReaderListener()
        self.readers = FakeReaders()

    def hold(self, reader: str, data: bytes, bits: int) -> None:
        self.readers.hold(reader, data, bits)

    def press(self, reader: str, keys: str) -> None:
        self.readers.press(reader, keys)

    def cut(self) -> None:
        for reader in ("front", "back"):
            self.readers.begin(reader, ReaderFault.GONE)

    def mend(self) -> None:
        for reader in ("front", "back"):
            self.readers.end(reader, ReaderFault.GONE)

    def replace(self, reader: str, with_its_key: bool) -> None:
        if with_its_key:
            self.readers.end(reader, ReaderFault.NOT_PROVEN)
        else:
            self.readers.begin(reader, ReaderFault.NOT_PROVEN)

    def set_status(self, reader: str, faults: set[ReaderFault]) -> None:
        for fault in STATUS_FAULTS:
            if fault in faults:
                self.readers.begin(reader, fault)
            else:
                self.readers.end(reader, fault)

    def signs(self, reader: str) -> list[Sign]:
        return [sign for who, sign in self.readers.shown if who == reader]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the fake's pace is the clock's
                await asyncio.sleep(0.01)

    async def until_back(self, reader: str) -> None:
        assert not self.told.standing(reader) & LOST


SIGN_OF_COLOUR = {1: Sign.DENIED, 2: Sign.GRANTED, 3: Sign.WAIT}


class WiredBench:
    """OSDP readers behind the panel process."""

    def __init__(self, bench: OsdpBench) -> None:
        self.told = bench.told
        self.readers = bench.readers
        self._bench = bench

    def hold(self, reader: str, data: bytes, bits: int) -> None:
        self._bench.sims[reader].hold_card(data, bits)

    def press(self, reader: str, keys: str) -> None:
        self._bench.sims[reader].press(keys)

    def cut(self) -> None:
        self._bench.line.is_cut = True

    def mend(self) -> None:
        self._bench.line.is_cut = False

    def replace(self, reader: str, with_its_key: bool) -> None:
        key = self._bench.keys[reader] if with_its_key else secrets.token_bytes(16)
        self._bench.sims[reader].swap_key(key)

    def set_status(self, reader: str, faults: set[ReaderFault]) -> None:
        self._bench.sims[reader].set_status(
            tampered=ReaderFault.TAMPERED in faults, no_power=ReaderFault.NO_POWER in faults
        )

    def signs(self, reader: str) -> list[Sign]:
        colours = [shown.colour for shown in self._bench.sims[reader].shown]
        return [SIGN_OF_COLOUR[colour] for colour in colours if colour is not None]

    async def until(self, condition: Callable[[], bool]) -> None:
        await self._bench.until(condition)

    async def until_back(self, reader: str) -> None:
        await self._bench.until_settled(reader)


@asynccontextmanager
async def faked(_folder: Path) -> AsyncIterator[Bench]:
    bench = FakeBench()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(bench.readers.serve(bench.told))
        await asyncio.sleep(0)
        yield bench
        serving.cancel()


@asynccontextmanager
async def wired(folder: Path) -> AsyncIterator[Bench]:
    async with osdp_bench(folder) as bench:
        yield WiredBench(bench)


Kind = Callable[[Path], AbstractAsyncContextManager[Bench]]
KINDS: dict[str, Kind] = {"fake": faked, "osdp": wired}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    kind: Kind = request.param
    async with kind(tmp_path) as made:
        yield made


async def until_card(bench: Bench, reader: str) -> CardRead:
    """Hold a card and return how it was told."""
    before = len(bench.told.cards)
    bench.hold(reader, CARD, CARD_BITS)
    await bench.until(lambda: len(bench.told.cards) > before)
    return bench.told.cards[-1]


async def test_a_card_comes_with_its_bits_its_reader_and_its_time(bench: Bench) -> None:  # law 3
    before = time.monotonic()
    read = await until_card(bench, "back")
    assert read == CardRead(reader="back", bits=CARD_BITS, data=CARD, at=read.at)
    assert before <= read.at <= time.monotonic()
    assert CARD.hex() not in repr(read)


async def test_keys_come_in_the_order_in_which_they_were_pressed(bench: Bench) -> None:
    bench.press("front", "1470*#")
    await bench.until(lambda: bool(bench.told.presses))
    assert "".join(pressed.keys for pressed in bench.told.presses) == "1470*#"
    assert bench.told.presses[0].reader == "front"


async def test_nothing_comes_from_a_reader_that_is_not_proven(bench: Bench) -> None:  # law 1
    bench.replace("front", with_its_key=False)
    await bench.until(lambda: bool(bench.told.standing("front") & LOST))
    bench.hold("front", CARD, CARD_BITS)
    bench.press("front", "1234")
    assert (await until_card(bench, "back")).reader == "back"
    assert [read.reader for read in bench.told.cards] == ["back"]
    assert not bench.told.presses


async def test_by_which_key_a_reader_is_proven_is_known_while_it_is(bench: Bench) -> None:
    assert bench.readers.proven_with("front") is ReaderKey.CURRENT
    bench.replace("front", with_its_key=False)
    await bench.until(lambda: bool(bench.told.standing("front") & LOST))
    assert bench.readers.proven_with("front") is None
    assert bench.readers.proven_with("back") is ReaderKey.CURRENT


async def test_a_replaced_reader_is_a_fault_until_the_right_one_is_back(
    bench: Bench,
) -> None:  # law 2
    bench.replace("front", with_its_key=False)
    await bench.until(lambda: bool(bench.told.standing("front") & LOST))
    bench.replace("front", with_its_key=True)
    await bench.until_back("front")
    assert not bench.told.standing("front")
    assert (await until_card(bench, "front")).reader == "front"


async def test_a_loss_is_told_once_and_mends_alone(bench: Bench) -> None:  # law 2
    bench.cut()
    await bench.until(lambda: all(bench.told.standing(one) for one in ("front", "back")))
    bench.mend()
    await bench.until_back("front")
    await bench.until_back("back")
    for reader in ("front", "back"):
        of_reader = [fault[1:] for fault in bench.told.faults if fault[0] == reader]
        assert of_reader == [(ReaderFault.GONE, True), (ReaderFault.GONE, False)]
        await until_card(bench, reader)


async def test_a_card_that_was_held_to_a_lost_reader_is_not_told_later(bench: Bench) -> None:
    bench.cut()
    await bench.until(lambda: bool(bench.told.standing("front")))
    bench.hold("front", bytes(8), 64)
    bench.mend()
    await bench.until_back("front")
    read = await until_card(bench, "front")
    assert bench.told.cards == [read]


@pytest.mark.parametrize("fault", STATUS_FAULTS)
async def test_an_opened_reader_and_one_without_power_are_faults(
    bench: Bench, fault: ReaderFault
) -> None:  # law 2
    bench.set_status("front", {fault})
    await bench.until(lambda: bench.told.standing("front") == {fault})
    assert not bench.told.standing("back")
    bench.set_status("front", set())
    await bench.until(lambda: not bench.told.standing("front"))
    assert bench.told.faults == [("front", fault, True), ("front", fault, False)]


async def test_of_a_flood_so_many_a_second_come_through(bench: Bench) -> None:  # law 5
    ends = time.monotonic() + 2.5
    while time.monotonic() < ends:
        bench.hold("front", CARD, CARD_BITS)
        await asyncio.sleep(0.02)
    assert ReaderFault.CHATTERS in bench.told.standing("front")
    times = [read.at for read in bench.told.cards]
    assert len(times) > READS_MAX
    for first, later in zip(times, times[READS_MAX:], strict=False):
        assert later - first > 0.9  # in each second at most READS_MAX, when it was told
    assert not bench.told.standing("back")
    await until_card(bench, "back")


async def test_a_reader_that_is_quiet_again_chatters_no_more(bench: Bench) -> None:  # law 2
    ends = time.monotonic() + 10.0
    while ReaderFault.CHATTERS not in bench.told.standing("front"):
        assert time.monotonic() < ends
        bench.press("front", "1")
        await asyncio.sleep(0.01)
    await asyncio.sleep(1.5)
    bench.press("front", "2")
    await bench.until(lambda: not bench.told.standing("front"))


@pytest.mark.parametrize("sign", Sign)
async def test_a_sign_is_shown_at_its_reader(bench: Bench, sign: Sign) -> None:
    bench.readers.show("front", sign)
    await bench.until(lambda: bench.signs("front") == [sign])
    assert not bench.signs("back")


async def test_a_sign_that_cannot_be_shown_is_lost(bench: Bench) -> None:
    bench.replace("front", with_its_key=False)
    await bench.until(lambda: bool(bench.told.standing("front") & LOST))
    bench.readers.show("front", Sign.GRANTED)
    bench.readers.show("nowhere", Sign.GRANTED)
    bench.readers.show("back", Sign.DENIED)
    await bench.until(lambda: bench.signs("back") == [Sign.DENIED])
    assert not bench.signs("front")


async def test_the_osdp_signs_are_heard_as_well(tmp_path: Path) -> None:
    async with osdp_bench(tmp_path) as bench:
        bench.readers.show("front", Sign.GRANTED)
        bench.readers.show("back", Sign.DENIED)
        front = [Shown(colour=2), Shown(beeps=1)]
        back = [Shown(colour=1), Shown(beeps=2)]
        await bench.until(lambda: bench.sims["front"].shown == front)
        await bench.until(lambda: bench.sims["back"].shown == back)
