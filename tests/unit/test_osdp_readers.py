"""OSDP readers under what goes wrong: keys, cables, forgers, and a panel that dies or hangs.

Every case runs the real panel process and libosdp's own reader side on a pseudo-terminal. What all
kinds of readers have in common is shown in tests/ports/test_readers.py.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest

from drivers.osdp.gate import CRC_BIT, REPLY_BIT, SECURITY_BIT, START, crc
from drivers.osdp.library import MISSING, Library
from drivers.osdp.panel import PanelProcess, memory_bytes
from drivers.osdp.process import PanelLink, start_panel
from drivers.osdp.readers import OsdpReader, OsdpReaders, check_installed
from drivers.osdp.wire.orders import AddReader
from drivers.osdp.wire.reports import Card, KeyChanged, Keys, ReaderState, States, StatusBits, Unfit
from drivers.osdp.wire.words import DEFAULT_KEY
from hubcore.errors import HardwareError
from hubcore.ports.reader import ReaderFault, Sign
from tests.fakes.reader import LOST, FakeReaderListener
from tests.osdp_bench import OsdpBench, osdp_bench

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

BACK_SECONDS = 8.0
"""A mended cable works again so soon. libosdp alone takes 300 s."""
FORGED = b"FORGED!!"
RAW = 0x50
FORGE_SECONDS = 1.0


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[OsdpBench]:
    async with osdp_bench(tmp_path) as made:
        yield made


async def test_a_mended_cable_works_again_in_seconds(bench: OsdpBench) -> None:
    bench.line.is_cut = True
    await bench.until_stands("front", ReaderFault.GONE)
    bench.line.is_cut = False
    mended = time.monotonic()
    await bench.until(lambda: bench.is_proven("front") and bench.is_proven("back"))
    assert time.monotonic() - mended < BACK_SECONDS


async def test_a_short_gap_is_no_fault(bench: OsdpBench) -> None:
    bench.line.is_cut = True
    await asyncio.sleep(2.0)
    bench.line.is_cut = False
    await bench.until_card("front")
    assert not bench.told.faults


async def test_an_adapter_that_is_pulled_is_told_and_found_again(bench: OsdpBench) -> None:
    bench.line.unplug()
    await bench.until_stands("front", ReaderFault.LINE_GONE)
    await bench.until_stands("back", ReaderFault.LINE_GONE)
    bench.line.plug_in()
    await bench.until_settled()
    await bench.until_card("back")
    assert not bench.told.standing("front") | bench.told.standing("back")


async def test_a_line_that_another_panel_holds_is_not_shared(bench: OsdpBench) -> None:
    other = bench.new_readers()
    told = FakeReaderListener()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(other.serve(told))
        await bench.until(lambda: told.standing("front") == {ReaderFault.LINE_GONE})
        await bench.until_card("front")
        serving.cancel()


@pytest.mark.parametrize("key", [b"another key of 16"[:16], None])
async def test_a_reader_with_a_wrong_key_or_none_is_not_proven(
    tmp_path: Path, key: bytes | None
) -> None:
    bench = OsdpBench(tmp_path)
    bench.sims["front"].swap_key(key)
    async with bench.served():
        await bench.until_stands("front", ReaderFault.NOT_PROVEN)
        await bench.until_settled("back")
        for _ in range(5):
            bench.sims["front"].hold_card(FORGED)
            bench.sims["front"].press("1234")
            await bench.until_card("back")
        assert not bench.told.presses
        assert FORGED not in [read.data for read in bench.told.cards]
        assert bench.sims["front"].key == key  # nobody has given it the hub's key


def forged_reply(asked: bytes, security: bytes) -> bytes:
    """Return a forged card, as the reply to a command, in a frame with this security block."""
    body = security + bytes([RAW, 0, 0, 8 * len(FORGED), 0]) + FORGED
    control = asked[4] & 3 | CRC_BIT | (SECURITY_BIT if security else 0)
    length = 5 + len(body) + 2
    head = bytes([START, asked[1] | REPLY_BIT, length, 0, control])
    return head + body + crc(head + body)


def forge(bench: OsdpBench, security: bytes, before_session: bool) -> list[bytes]:
    """Have somebody at the wire answer now and then in the name of `front`.

    Return the list that fills with the forgeries.
    """
    forgeries: list[bytes] = []
    last = [0.0]

    def to_panel(data: bytes) -> bytes:
        start = data.find(START)
        is_front = start >= 0 and data[start + 1] == 1 | REPLY_BIT
        right_time = bench.sims["front"].is_secure is not before_session
        if not is_front or not right_time or time.monotonic() - last[0] < FORGE_SECONDS:
            return data
        last[0] = time.monotonic()
        forgeries.append(forged_reply(data[start:], security))
        return forgeries[-1]

    bench.line.to_panel = to_panel
    return forgeries


@pytest.mark.parametrize("kind", [None, 0x11, 0x12, 0x14, 0x16])
async def test_a_card_forged_on_the_wire_goes_nowhere(tmp_path: Path, kind: int | None) -> None:
    """libosdp 3.2.9 alone takes a forgery of kind 0x12 or 0x14 in the middle of a session."""
    async with osdp_bench(tmp_path) as bench:
        security = b"" if kind is None else bytes([2, kind])
        forgeries = forge(bench, security, before_session=False)
        await bench.until(lambda: len(forgeries) >= 1)
        bench.line.clear()
        await bench.until_settled()
        await bench.until_card("front")
        assert FORGED not in [read.data for read in bench.told.cards]


async def test_a_card_forged_before_the_session_goes_nowhere(tmp_path: Path) -> None:
    """libosdp 3.2.9 alone keeps it, and tells it when the session stands."""
    bench = OsdpBench(tmp_path)
    forgeries = forge(bench, b"", before_session=True)
    async with bench.served():
        await bench.until(lambda: len(forgeries) >= 1)
        bench.line.clear()
        await bench.until_settled()
        await bench.until_card("front")
        assert FORGED not in [read.data for read in bench.told.cards]


async def test_noise_forges_no_card_and_passes(bench: OsdpBench) -> None:
    bench.line.add_noise(0.05, seed=7)
    held = [secrets.token_bytes(8) for _ in range(20)]
    for card in held:
        bench.sims["front"].hold_card(card)
        await asyncio.sleep(0.15)
    bench.line.clear()
    await bench.until_settled()
    await bench.until_card("front")
    told = [read.data for read in bench.told.cards]
    assert set(told[:-1]) <= set(held)
    assert len(told) > len(held) // 2


async def test_bytes_that_are_no_frames_pass(bench: OsdpBench) -> None:
    for _ in range(50):
        bench.line.inject(secrets.token_bytes(200))
        bench.line.inject(bytes([START, 0x81, 0xFF, 0x00, 0x0C]))
        await asyncio.sleep(0.01)
    await bench.until_settled()
    await bench.until_card("front")
    await bench.until_card("back")


async def test_half_a_frame_is_asked_for_again(bench: OsdpBench) -> None:
    halves: list[bytes] = []

    def to_panel(data: bytes) -> bytes:
        if len(halves) >= 3:
            return data
        halves.append(data)
        return data[: len(data) // 2]

    bench.line.to_panel = to_panel
    await bench.until(lambda: len(halves) >= 3)
    await bench.until_settled()
    await bench.until_card("front")
    await bench.until_card("back")


async def test_a_panel_that_is_killed_is_started_again(bench: OsdpBench) -> None:
    process = bench.readers.process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)
    await bench.until_stands("front", ReaderFault.GONE)
    await bench.until_stands("back", ReaderFault.GONE)
    assert bench.readers.process_id is None
    await bench.until_settled()
    await bench.until_card("front")
    assert bench.readers.process_id != process
    assert not bench.told.standing("front") | bench.told.standing("back")


async def test_a_panel_that_stands_still_is_ended_and_started_again(bench: OsdpBench) -> None:
    process = bench.readers.process_id
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    await bench.until_stands("front", ReaderFault.GONE)
    assert bench.panels[-1] == (False, "The OSDP panel said nothing for 4 s.")
    await bench.until_settled()
    await bench.until_card("front")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_the_panel_ends_with_the_driver(tmp_path: Path) -> None:
    async with osdp_bench(tmp_path) as bench:
        process = bench.readers.process_id
        assert process is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_a_dead_reader_does_not_slow_the_other_one(bench: OsdpBench) -> None:
    bench.sims["back"].alive = False
    seconds = []
    for _ in range(25):
        held = time.monotonic()
        await bench.until_card("front")
        seconds.append(time.monotonic() - held)
        await asyncio.sleep(0.1)
    assert not bench.told.standing("front")
    assert statistics.median(seconds) < 0.25
    assert max(seconds) < 1.5
    await bench.until_stands("back", ReaderFault.GONE)


def what_is_seen_of(process: int) -> bytes:
    """Return the arguments of a process and, for root, its environment: it is not dumpable."""
    folder = Path(f"/proc/{process}")
    environment = (folder / "environ").read_bytes() if os.geteuid() == 0 else b""
    return (folder / "cmdline").read_bytes() + environment


async def test_keys_are_in_no_argument_and_no_environment(bench: OsdpBench) -> None:
    process = bench.readers.process_id
    assert process is not None
    shown = what_is_seen_of(process)
    for key in bench.keys.values():
        assert key not in shown
        assert key.hex().encode() not in shown.lower()


async def test_a_changed_key_is_proven_and_the_old_one_no_longer(bench: OsdpBench) -> None:
    old_key = bench.keys["front"]
    new_key = secrets.token_bytes(16)
    await bench.readers.change_key("front", new_key)
    assert bench.readers.key_in_use("front") == new_key == bench.sims["front"].key
    await asyncio.sleep(0.6)
    await bench.until_card("front")
    assert not bench.told.faults
    bench.sims["front"].swap_key(old_key)
    await bench.until_stands("front", ReaderFault.NOT_PROVEN)


async def test_one_change_of_a_key_at_a_time(bench: OsdpBench) -> None:
    new_key = secrets.token_bytes(16)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.readers.change_key("front", new_key))
        await asyncio.sleep(0)
        with pytest.raises(HardwareError, match="is getting a new key already"):
            await bench.readers.change_key("front", secrets.token_bytes(16))
        await bench.readers.change_key("back", secrets.token_bytes(16))
    assert bench.readers.key_in_use("front") == new_key


async def test_a_changed_key_outlives_the_panel(bench: OsdpBench) -> None:
    new_key = secrets.token_bytes(16)
    await bench.readers.change_key("front", new_key)
    process = bench.readers.process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)
    await bench.until_stands("front", ReaderFault.GONE)
    await bench.until(lambda: bench.readers.key_in_use("front") == new_key)


async def test_a_key_that_the_reader_refuses_leaves_the_old_one(bench: OsdpBench) -> None:
    bench.sims["front"].refuses_keys = True
    with pytest.raises(HardwareError, match="Keep both keys until it is proven again"):
        await bench.readers.change_key("front", secrets.token_bytes(16))
    await bench.until_settled()
    await bench.until_card("front")
    assert bench.readers.key_in_use("front") == bench.keys["front"] == bench.sims["front"].key


async def test_a_panel_that_dies_in_a_change_of_key_leaves_both_keys(bench: OsdpBench) -> None:
    process = bench.readers.process_id
    assert process is not None
    new_key = secrets.token_bytes(16)
    async with asyncio.TaskGroup() as tasks:
        change = tasks.create_task(outcome_of(bench.readers.change_key("front", new_key)))
        await bench.until(lambda: bench.sims["front"].key == new_key)
        os.kill(process, signal.SIGKILL)
    if isinstance(change.result(), HardwareError):
        assert "Keep both keys" in str(change.result())
    await bench.until(lambda: bench.readers.process_id not in (None, process))
    await bench.until(lambda: bench.readers.key_in_use("front") == new_key)
    await bench.until_card("front")


async def outcome_of(work: Coroutine[None, None, None]) -> HardwareError | None:
    try:
        await work
    except HardwareError as error:
        return error
    return None


async def test_a_candidate_key_is_tried_as_well(tmp_path: Path) -> None:
    bench = OsdpBench(tmp_path)
    candidate = secrets.token_bytes(16)
    path = str(bench.line.path)
    bench.sims["front"].swap_key(candidate)
    front = OsdpReader(
        id="front", device=path, address=1, key=bench.keys["front"], candidate=candidate
    )
    back = OsdpReader(id="back", device=path, address=2, key=bench.keys["back"])
    bench.readers = OsdpReaders([front, back], lambda up, why: bench.panels.append((up, why)))
    async with bench.served():
        await bench.until(lambda: bench.readers.key_in_use("front") == candidate)
        await bench.until_settled()
        await bench.until_card("front")
        assert not bench.told.standing("front")
        newer = secrets.token_bytes(16)
        await bench.readers.change_key("front", newer)
        assert bench.readers.key_in_use("front") == newer == bench.sims["front"].key


async def test_a_reader_that_is_not_proven_gets_no_key(tmp_path: Path) -> None:
    bench = OsdpBench(tmp_path)
    with pytest.raises(HardwareError, match="it is not proven now"):
        await bench.readers.change_key("front", secrets.token_bytes(16))
    bench.line.unplug()


@pytest.mark.parametrize("key", [DEFAULT_KEY, bytes(16), b"", bytes(range(15)), bytes(range(17))])
async def test_a_key_that_proves_nothing_is_refused(tmp_path: Path, key: bytes) -> None:
    bench = OsdpBench(tmp_path)
    with pytest.raises(HardwareError, match="OSDP reader front: ") as caught:
        bench.new_readers(front=key)
    if key:
        assert key.hex() not in str(caught.value)
    with pytest.raises(HardwareError, match="Reader front got no new key: "):
        await bench.readers.change_key("front", key)
    bench.line.unplug()


async def test_a_reader_that_cannot_tell_its_status_is_proven_all_the_same(
    tmp_path: Path,
) -> None:
    bench = OsdpBench(tmp_path)
    bench.sims["front"].refuses_status = True
    async with bench.served():
        await bench.until_settled()
        await bench.until_card("front")
        await bench.until_card("front")
        bench.sims["front"].set_status(tampered=True)
        await bench.until_stands("front", ReaderFault.TAMPERED)


async def test_a_missing_library_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "osdp_sys.py").write_text("raise ImportError('not here')")
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.getcwd()}{os.pathsep}{path}")
    bench = OsdpBench(tmp_path)
    async with bench.served():
        await bench.until(lambda: len(bench.panels) >= 2)
        assert set(bench.panels) == {(False, MISSING)}
        assert "'.[osdp]'" in MISSING
        assert bench.told.standing("front") == {ReaderFault.GONE}
        assert bench.told.standing("back") == {ReaderFault.GONE}
        assert len(bench.told.faults) == 2


async def test_the_library_that_is_installed_is_found() -> None:
    check_installed()


def link_of(bench: OsdpBench) -> PanelLink:
    link = bench.readers._panel
    assert link is not None
    return link


async def test_packets_that_are_no_orders_do_nothing(bench: OsdpBench) -> None:
    for size in range(300):
        link_of(bench)._peer.send(secrets.token_bytes(size + 1))
    for kind in range(256):
        link_of(bench)._peer.send(bytes([kind, 0]))
        await asyncio.sleep(0.001)
    await bench.until_card("front")
    assert not bench.told.faults


async def test_a_panel_that_is_told_nonsense_first_says_so(tmp_path: Path) -> None:
    """A panel that is told two readers out of order, or none, is unfit."""
    bench = OsdpBench(tmp_path)
    reader = AddReader(
        number=5, address=1, baud=9600, device=str(bench.line.path), keys=(bench.keys["front"],)
    )
    for readers in ([reader] * 3, []):
        link = await start_panel(readers)
        try:
            with pytest.raises(HardwareError, match="hubd named no readers, or not in their order"):
                await link.report()
        finally:
            await link.end()
    bench.line.unplug()


async def test_a_panel_that_has_grown_too_much_ends(tmp_path: Path) -> None:
    bench = OsdpBench(tmp_path)
    bench.line.unplug()
    reader = AddReader(
        number=0, address=1, baud=9600, device=str(bench.line.path), keys=(bench.keys["front"],)
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        panel = PanelProcess(theirs, Library(), [reader], memory_max_bytes=1 << 20)
        with pytest.raises(HardwareError, match="has grown too much"):
            await asyncio.to_thread(panel.run)
    assert memory_bytes() > 1 << 20


def told_readers(tmp_path: Path) -> tuple[OsdpReaders, FakeReaderListener]:
    """Return a driver without a panel, and its listener, for reports made by hand."""
    bench = OsdpBench(tmp_path)
    bench.line.unplug()
    bench.readers._listener = bench.told
    return bench.readers, bench.told


PROVEN = (ReaderState.PROVEN, StatusBits.NONE)
GONE = (ReaderState.GONE, StatusBits.NONE)


async def test_a_read_that_is_old_is_dropped(tmp_path: Path) -> None:
    readers, told = told_readers(tmp_path)
    readers.take_report(States((PROVEN, GONE)))
    now = time.monotonic()
    readers.take_report(Card(number=0, bits=8, at=now - 4.0, data=b"x"))
    readers.take_report(Keys(number=0, at=now - 4.0, keys="12"))
    readers.take_report(Card(number=1, bits=8, at=now, data=b"x"))  # its reader is gone
    assert not told.cards
    assert not told.presses
    readers.take_report(Card(number=0, bits=8, at=now + 1000.0, data=b"x"))
    assert [read.at <= time.monotonic() for read in told.cards] == [True]


@pytest.mark.parametrize(
    "report",
    [
        States((PROVEN,)),
        States((PROVEN, PROVEN, PROVEN)),
        Card(number=2, bits=8, at=1.0, data=b"x"),
        KeyChanged(number=2, done=True),
    ],
)
async def test_a_report_that_cannot_be_ends_the_panel(
    tmp_path: Path, report: States | Card | KeyChanged
) -> None:
    readers, told = told_readers(tmp_path)
    with pytest.raises(HardwareError):
        readers.take_report(report)
    readers.take_report(KeyChanged(number=0, done=True))  # nobody waits for it
    readers.take_report(Unfit("not here"))
    assert not told.cards


async def test_the_status_of_a_lost_reader_stays_as_it_was(tmp_path: Path) -> None:
    readers, told = told_readers(tmp_path)
    opened = (ReaderState.PROVEN, StatusBits.TOLD | StatusBits.TAMPERED)
    readers.take_report(States((opened, PROVEN)))
    readers.take_report(States((GONE, PROVEN)))
    assert told.standing("front") == {ReaderFault.TAMPERED, ReaderFault.GONE}
    readers.take_report(States((PROVEN, PROVEN)))  # a new panel has not heard of it yet
    assert told.standing("front") == {ReaderFault.TAMPERED}
    readers.take_report(States(((ReaderState.PROVEN, StatusBits.TOLD), PROVEN)))
    assert not told.standing("front")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda reader: [], "0 OSDP readers are configured"),
        (lambda reader: [reader] * 33, "33 OSDP readers are configured"),
        (lambda reader: [reader, reader], "the same id"),
    ],
)
async def test_readers_that_cannot_be_are_refused(
    change: Callable[[OsdpReader], list[OsdpReader]], part: str
) -> None:
    reader = OsdpReader(id="a", device="/dev/ttyUSB0", address=1, key=secrets.token_bytes(16))
    with pytest.raises(HardwareError, match=part):
        OsdpReaders(change(reader), lambda _up, _why: None)


@pytest.mark.parametrize(
    ("device", "address", "baud", "part"),
    [
        ("/dev/ttyUSB0", 1, 9600, "the same address on one line"),
        ("/dev/ttyUSB0", 2, 115200, "the same speed"),
        ("/dev/ttyUSB1", 127, 9600, "OSDP reader b: an OSDP address is within 0..126"),
        ("/dev/ttyUSB1", 2, 1200, "OSDP reader b: a line has one of"),
        ("ttyUSB1", 2, 9600, "OSDP reader b: a serial line is the whole path"),
        ("/" + "x" * 200, 2, 9600, "OSDP reader b: the path of a line has at most"),
    ],
)
async def test_a_second_reader_that_cannot_be_is_refused(
    device: str, address: int, baud: int, part: str
) -> None:
    key = secrets.token_bytes(16)
    first = OsdpReader(id="a", device="/dev/ttyUSB0", address=1, key=key)
    second = OsdpReader(id="b", device=device, address=address, key=key, baud=baud)
    with pytest.raises(HardwareError, match=part):
        OsdpReaders([first, second], lambda _up, _why: None)
    assert key.hex() not in repr(first)
    assert repr(key) not in repr(first)


async def test_what_is_not_proven_shows_no_sign_and_asks_nobody(bench: OsdpBench) -> None:
    bench.sims["front"].swap_key(None)
    await bench.until_stands("front", *LOST)
    bench.readers.show("front", Sign.GRANTED)
    bench.readers.show("back", Sign.GRANTED)
    await bench.until(lambda: bool(bench.sims["back"].shown))
    assert not bench.sims["front"].shown
