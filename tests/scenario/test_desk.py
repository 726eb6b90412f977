"""Real processes, real bytes: a hub, a backend and a radio on one desk, with phones that do what
phones do and worse.

Law: every test leaves the stage as it found it: hub, backend and radio running, no link open, the
strike at rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bumble.device import Device
from click.testing import CliRunner

from hubcore.access.grant import Access
from hubcore.errors import HubError
from hubcore.phone.framing import Flag, control_frame
from hubcore.phone.messages import MESSAGE_BYTES_MAX, Reason, decode_challenge
from hubd.doors.unlock import LATE_SECONDS as LATE_SECONDS_OF_A_REQUEST
from hubsim.demo.show import show
from hubsim.door.lines import Level
from hubsim.main import main as hubsim
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Report, Session
from hubsim.phone.leaving import Leaving, Left
from hubsim.phone.radio import BumbleLink, PhoneLink, connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.site import OPEN_AND_QUERY
from hubsim.stage import Stage
from tests.scenario.conftest import PULSE_SECONDS, start_again, start_radio_again

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = 8
VISIT_SECONDS = 15.0
LATE_SECONDS = 0.4
"""How far a pulse may miss its end on a busy machine of two cores."""


def new_phone(stage: Stage) -> Wallet:
    """Return the wallet of a phone that the hub never saw."""
    name = secrets.token_hex(4)
    stage.site.grant(name, [Access(1, OPEN_AND_QUERY, ())], None)
    return wallets.load(stage.site.phone(name))


async def unlock(
    link: PhoneLink, wallet: Wallet, op: bytes | None = None, pull_only: bool = False
) -> Report:
    return await Session(link, wallet, pull_only).run(1, op=op)


def allowed(report: Report) -> bool:
    return report.verdict is not None and report.verdict.allowed


async def at_rest(stage: Stage) -> None:
    """Wait until the strike has fallen back and no link is left."""

    async def no_link() -> bool:
        return bool((await stage.hub("status"))["radio"]["links"] == 0)

    await stage.until(lambda: not stage.strike().active, "the strike is at rest", PULSE_SECONDS + 2)
    await stage.until(no_link, "no link is left", 8.0)


@asynccontextmanager
async def connected(
    device: Device, mtu: int = 247, subscribe: bool = True
) -> AsyncIterator[BumbleLink]:
    """Connect one phone at a time: on the virtual air, the loser of two in one advertising event is
    never told.
    """
    async with contextlib.AsyncExitStack() as stack:
        async with _CONNECTING:
            link = await stack.enter_async_context(connect(device, mtu, subscribe))
        yield link


_CONNECTING = asyncio.Lock()


async def visit(stage: Stage, wallet: Wallet, op: bytes | None = None) -> Report:
    """One phone comes, unlocks and goes."""
    async with on_air(stage.transport) as device, connected(device) as link:
        return await unlock(link, wallet, op)


async def in_mid_pulse(stage: Stage, wallet: Wallet, op: bytes | None = None) -> Level:
    """Unlock, and return while the strike is driven."""
    assert allowed(await visit(stage, wallet, op))
    level = stage.strike()
    assert level.active
    return level


async def fell(stage: Stage, driven: Level) -> float:
    """Wait until the strike falls; return the pulse's length in seconds."""
    await stage.until(lambda: not stage.strike().active, "the strike falls", PULSE_SECONDS + 2)
    return (stage.strike().changed_ns - driven.changed_ns) / 1e9


def verify_evidence(stage: Stage) -> None:
    audit = stage.site.hub / "state" / "audit.db"
    command = [sys.executable, "-m", "hubctl.main", "audit", "verify", "--file", str(audit)]
    verify = subprocess.run(command, capture_output=True, text=True, check=False)
    assert verify.returncode == 0, verify.stdout + verify.stderr


@pytest.mark.long
async def test_the_demo_shows_every_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await show(tmp_path / "demo") == 0
    shown = capsys.readouterr().out
    if "without its" in shown:
        pytest.skip(f"the demo went {shown[shown.index('without its') :]}")


async def test_two_phones_at_once(stage: Stage) -> None:
    async with (
        on_air(stage.transport) as one,
        on_air(stage.transport) as two,
        connected(one) as first,
        connected(two) as second,
    ):
        assert (await stage.hub("status"))["radio"]["links"] == 2
        reports = await asyncio.gather(
            unlock(first, new_phone(stage)), unlock(second, new_phone(stage))
        )
    assert [allowed(report) for report in reports] == [True, True], reports
    await at_rest(stage)


@pytest.mark.parametrize(("mtu", "pull_only"), [(23, False), (247, True), (23, True), (517, False)])
async def test_phones_of_every_kind(stage: Stage, mtu: int, pull_only: bool) -> None:
    before = stage.strike().rises
    wallet = new_phone(stage)
    async with on_air(stage.transport) as device, connected(device, mtu, not pull_only) as link:
        report = await unlock(link, wallet, pull_only=pull_only)
    assert allowed(report), report.why
    assert stage.strike().rises == before + 1
    await at_rest(stage)
    async with on_air(stage.transport) as device, connected(device, mtu, not pull_only) as link:
        report = await unlock(link, wallet, pull_only=pull_only)
    assert allowed(report), report.why
    assert report.short
    await at_rest(stage)


async def test_leaving_at_every_step_leaves_nothing_behind(stage: Stage) -> None:
    left = steps = 0
    while True:
        async with on_air(stage.transport) as device, connected(device) as link:
            report = Report()
            with contextlib.suppress(Left):
                report = await unlock(Leaving(link, steps), new_phone(stage))
        await at_rest(stage)
        if report.verdict is not None:
            break
        left = left + 1
        steps = steps + 1
    assert left >= 6  # INFO, the question for certificates, and an open of several frames
    assert allowed(await visit(stage, new_phone(stage)))
    await at_rest(stage)


async def test_a_hub_killed_in_mid_pulse_releases_nobody_twice(stage: Stage) -> None:
    wallet = new_phone(stage)
    op = secrets.token_bytes(8)
    driven = await in_mid_pulse(stage, wallet, op)
    await stage.kill("hub")
    assert await fell(stage, driven) < PULSE_SECONDS + LATE_SECONDS
    verify_evidence(stage)
    await start_again(stage)
    before = stage.strike().rises
    again = await visit(stage, wallet, op)
    assert again.verdict is not None
    # whether it was driven before the kill nobody knows
    assert again.verdict.reason is Reason.FAULT
    assert stage.strike().rises == before
    assert allowed(await visit(stage, wallet))  # a new operation is a new unlock
    assert stage.strike().rises == before + 1
    await at_rest(stage)


async def test_a_frozen_hub_holds_no_door(stage: Stage) -> None:
    driven = await in_mid_pulse(stage, new_phone(stage))
    hub = stage.process_id("hub")
    os.kill(hub, signal.SIGSTOP)
    try:
        assert abs(await fell(stage, driven) - PULSE_SECONDS) < LATE_SECONDS
    finally:
        os.kill(hub, signal.SIGCONT)
    await at_rest(stage)
    assert allowed(await visit(stage, new_phone(stage)))
    await at_rest(stage)


async def test_a_hub_stopped_in_mid_pulse_secures_the_door(stage: Stage) -> None:
    driven = await in_mid_pulse(stage, new_phone(stage))
    assert await stage.stop("hub") == 0
    assert not stage.strike().active
    assert (stage.strike().changed_ns - driven.changed_ns) / 1e9 < PULSE_SECONDS + LATE_SECONDS
    verify_evidence(stage)
    await start_again(stage)
    await at_rest(stage)


async def test_records_reach_a_backend_that_was_away_once(stage: Stage) -> None:
    await stage.kill("backend")
    op = secrets.token_bytes(8)
    assert allowed(await visit(stage, new_phone(stage), op))
    await at_rest(stage)
    await stage.start_backend()

    async def has_it() -> bool:
        return any(record["detail"].get("op") == op.hex() for record in await stage.records())

    await stage.until(has_it, "the record reaches the backend")

    async def all_acknowledged() -> bool:
        return bool((await stage.hub("status"))["records"]["waiting"] == 0)

    await stage.until(all_acknowledged, "every record is acknowledged")
    times = Counter(record["number"] for record in await stage.records())
    assert set(times.values()) == {1}
    assert sorted(times) == list(range(1, max(times) + 1))


async def test_an_operator_releases_a_door_and_reads_the_records_by_commands(stage: Stage) -> None:
    async def typed(*words: str) -> tuple[int, str]:
        command = ["backend", "--at", str(stage.path), *words]
        done = await asyncio.to_thread(CliRunner().invoke, hubsim, command)
        return done.exit_code, done.output

    assert await typed("release", "hub-1", "1") == (0, "hub-1: released\n")
    await at_rest(stage)
    status, said = await typed("release", "hub-1", "99")
    assert (status, said.startswith("hub-1: refused")) == (1, True)

    async def all_acknowledged() -> bool:
        return bool((await stage.hub("status"))["records"]["waiting"] == 0)

    await stage.until(all_acknowledged, "every record is acknowledged")
    _, newest = await typed("records", "hub-1", "--last", "3")
    numbers = [int(line.split()[0]) for line in newest.splitlines()]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert 'asker="operator-7" point=1 ' in newest
    _, after = await typed("records", "hub-1", "--after", str(numbers[0]))
    assert after.splitlines() == newest.splitlines()[1:]


async def test_a_frozen_backend_delays_no_door(stage: Stage) -> None:
    backend = stage.process_id("backend")
    os.kill(backend, signal.SIGSTOP)
    try:
        report = await visit(stage, new_phone(stage))
        assert allowed(report)
        assert report.decided - report.last_byte < 1.0
    finally:
        os.kill(backend, signal.SIGCONT)
    await at_rest(stage)


class Stopping:
    """`link`, whose first write reaches the hub's process while that is stopped.

    Implements PhoneLink.
    """

    def __init__(self, link: PhoneLink, process: int, seconds: float) -> None:
        self._link = link
        self._process = process
        self._seconds = seconds
        self.mtu = link.mtu
        self.notifications = link.notifications
        self.read_info = link.read_info
        self.pull = link.pull

    async def write(self, frame: bytes) -> None:
        stop_seconds = self._seconds
        self._seconds = 0.0
        written = asyncio.create_task(self._link.write(frame))
        if stop_seconds:
            os.kill(self._process, signal.SIGSTOP)  # before the task has begun to write
            try:
                await asyncio.sleep(stop_seconds)
            finally:
                os.kill(self._process, signal.SIGCONT)
        await written


async def test_a_request_that_waited_for_a_stopped_hub_moves_nothing_and_a_retry_does(
    stage: Stage,
) -> None:
    """The hub's 2 s count from when the bytes may have come, not from when it reads them."""
    phone = new_phone(stage)
    op = secrets.token_bytes(8)
    assert allowed(await visit(stage, phone))
    await at_rest(stage)
    async with on_air(stage.transport) as device, connected(device) as link:
        stopping = Stopping(link, stage.process_id("hub"), LATE_SECONDS_OF_A_REQUEST + 1.5)
        report = await unlock(stopping, phone, op)
    assert allowed(report), report.why
    assert report.round_trips == 2

    async def fates() -> list[object]:
        records = [record["detail"] for record in await stage.records()]
        return [record["why"] for record in records if record.get("op") == op.hex()]

    async def both_are_there() -> bool:
        return len(await fates()) == 2

    await stage.until(both_are_there, "the backend has both records")
    assert await fates() == ["too-late", None]
    await at_rest(stage)


async def test_a_radio_that_was_away(stage: Stage) -> None:
    await stage.kill("radio")

    async def off_air() -> bool:
        return not (await stage.hub("status"))["radio"]["on_air"]

    await stage.until(off_air, "the hub knows that it is off air")
    await start_radio_again(stage)
    await stage.until(stage._up, "the hub is on air again")
    assert allowed(await visit(stage, new_phone(stage)))
    await at_rest(stage)


async def silent(link: BumbleLink) -> None:
    """Connect and say nothing."""
    await asyncio.Event().wait()


async def flooding(link: BumbleLink) -> None:
    """Write nonsense as fast as it goes."""
    while True:
        await link.write(secrets.token_bytes(secrets.randbelow(200) + 1))


async def slow_loris(link: BumbleLink) -> None:
    """Begin a long message and send a byte of it now and then."""
    sid = decode_challenge(await link.read_info()).sid
    await link.write(
        control_frame(Flag.FIRST, sid, 0) + MESSAGE_BYTES_MAX.to_bytes(2, "big") + b"x"
    )
    for seq in range(1, 255):
        await asyncio.sleep(0.3)
        await link.write(control_frame(Flag(0), sid, seq) + b"x")


async def asking(link: BumbleLink) -> None:
    """Read challenge after challenge."""
    while True:
        await link.read_info()


async def hostile(device: Device, act: Callable[[BumbleLink], asyncio.Future[None]]) -> None:
    """Connect again and again, and act."""
    while True:
        with contextlib.suppress(HubError, TimeoutError):
            async with connected(device) as link:
                await act(link)
        await asyncio.sleep(0.2)


@asynccontextmanager
async def attacked(stage: Stage) -> AsyncIterator[None]:
    acts = [silent, silent, silent, flooding, flooding, slow_loris, slow_loris, asking]
    assert len(acts) == HOSTILE
    async with contextlib.AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(on_air(stage.transport)) for _ in acts]
        tasks = [asyncio.create_task(hostile(d, act)) for d, act in zip(devices, acts, strict=True)]  # type: ignore[arg-type]
        try:
            yield
        finally:
            left = set(tasks)
            for _ in range(
                10
            ):  # one that is disconnecting while it is dropped waits for an answer that never comes
                for task in left:
                    task.cancel()
                left = (await asyncio.wait(left, timeout=1.0))[1] if left else left
            assert not left


async def test_an_honest_phone_among_hostile_links(stage: Stage) -> None:
    hub = stage.process_id("hub")
    async with attacked(stage):

        async def crowded() -> bool:
            return bool((await stage.hub("status"))["radio"]["links"] >= HOSTILE // 2)

        await stage.until(crowded, "strangers take the links")
        before = resident_bytes(hub)
        report = Report()
        for _ in range(5):  # its link may be the one that makes room
            with contextlib.suppress(HubError, TimeoutError):
                async with asyncio.timeout(VISIT_SECONDS):
                    report = await visit(stage, new_phone(stage))
            if allowed(report):
                break
        assert allowed(report), report.why
        assert (await stage.hub("status"))["radio"]["links"] <= HOSTILE
    await at_rest(stage)
    assert resident_bytes(hub) - before < 16 * 1024 * 1024


def resident_bytes(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
