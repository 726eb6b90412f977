"""Nothing about people reaches GPIO.

A phone's claim, an order and a strike that fails, all with sentinel names: none of those is in any
byte between hubd and its strike guard, in the guard's arguments, environment or in what it logs.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from drivers.processes import SeenProcess
from drivers.strike.guard_client import StrikeGuard
from drivers.strike.guard_process import GuardStarter
from drivers.strike.strike import Strike
from drivers.strike.wire import Command, StrikeLine
from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import read_grant
from hubcore.access.words import Action, Denial
from hubcore.backend.uplink import from_backend
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.checks import Part
from hubcore.policy.policy import ALL_RIGHTS, Operator
from hubd.config.file import parse
from hubd.config.movers import Strike as Section
from hubd.wiring.made import MadeKind
from hubd.wiring.movers import make_movers, strike_lines
from hubd.wiring.parts import TellPart
from hubsim import site
from hubsim.door.lines import Bank, Fault
from tests.canary import SENTINEL, config_of
from tests.pair import SITE, DeskHub, make_wallet

PATIENCE_SECONDS = 30.0
CREDENTIAL = "7733773377337733"
CLAIMED = b"op-of-a-tweety-1"
ORDERED = b"op-of-a-tweety-2"
FACTORY = "hubsim.door.lines:open_lines"
PACKET_BYTES_MAX = 65536
CONFIG = config_of(
    "front",
    f"""kind = "strike"
id = "strike-of-{SENTINEL}"
chip = "gpiochip0"
line = 0
rest_seconds = 0.5""",
)


class Tap(GuardStarter):
    """Starts real guards, and keeps each packet between them and hubd."""

    def __init__(self, lines: Sequence[StrikeLine]) -> None:
        super().__init__(lines, FACTORY, 1.0)
        self.down = bytearray()
        self.up = bytearray()
        self.processes: list[int] = []

    async def spawn(self, descriptor: int) -> SeenProcess:
        """Start the guard on a pair of sockets of its own."""
        hubds = socket.socket(fileno=os.dup(descriptor))
        ours, guards = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with guards:
            process = await super().spawn(guards.fileno())
        self._carry(hubds, ours, self.down)
        self._carry(ours, hubds, self.up)
        self.processes.append(process.pid)
        return process

    def _carry(self, of: socket.socket, to: socket.socket, kept: bytearray) -> None:
        loop = asyncio.get_running_loop()
        of.setblocking(False)

        def comes() -> None:
            try:
                packet = of.recv(PACKET_BYTES_MAX)
                to.send(packet)
            except OSError:
                packet = b""
            kept.extend(packet)
            if not packet:
                loop.remove_reader(of)
                with suppress(OSError):
                    to.shutdown(socket.SHUT_RDWR)
                of.close()

        loop.add_reader(of, comes)


def _known_of(process: int) -> bytes:
    """What anybody on the machine may read of a process."""
    proc = Path(f"/proc/{process}")
    return (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()


async def test_no_name_goes_to_the_guard_or_into_what_it_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bank = Bank.create(tmp_path / "bank", ["front"])
    config = parse(CONFIG, Path("/etc/hubd/hubd.toml"))
    taps: list[Tap] = []

    def made(wanted: Sequence[Section], tell: TellPart) -> MadeKind:
        lines = {
            strike: replace(line, chip=str(bank.path))
            for strike, line in strike_lines(wanted).items()
        }
        taps.append(Tap(list(lines.values())))
        guard = StrikeGuard(lines, partial(tell, Part.STRIKES), starter=taps[0])
        makers = {one.id: partial(Strike, guard, one.id) for one in wanted}
        return MadeKind(makers, {Part.STRIKES: guard.run})

    said: list[str] = []
    movers = make_movers(
        config=config,
        publish=lambda _: None,
        tell=lambda _part, _up, why: said.append(why),
        rows={Section: made},
    )
    hub = DeskHub(site.make_key())
    hub.doors = {**movers.doors}
    hub.policy.operators[f"operator-{SENTINEL}"] = Operator(ALL_RIGHTS)
    hub.start_unlock()
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(movers.runs[Part.STRIKES](ready.set))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ready.wait()
            assert await _claims(hub, b"1") is None
            await _until(lambda: not bank.level(0).active)
            known = b"".join(_known_of(process) for process in taps[0].processes)
            hub.clock.advance(30.0)
            await asyncio.sleep(hub.doors["front"].must_rest_seconds(0.3))
            assert await _orders(hub) is ReleaseOutcome.RELEASED
            await _until(lambda: not bank.level(0).active)
            hub.clock.advance(30.0)
            bank.fail(0, Fault.NEVER_ACTIVE)
            await asyncio.sleep(hub.doors["front"].must_rest_seconds(0.3))
            assert await _claims(hub, b"2") is Denial.DOOR_FAULT
        running.cancel()
    assert bank.level(0).rises == 2
    (tap,) = taps
    assert len(tap.down) >= 3 * Command.SIZE
    assert tap.up
    logged = "".join(capfd.readouterr()) + "".join(said)
    all_bytes = bytes(tap.down + tap.up) + known + logged.encode()
    assert str(bank.path).encode() in known, "the guard's arguments were read"
    assert [one for one in _sentinels() if one.lower() in all_bytes.lower()] == []
    bank.close()


def _sentinels() -> list[bytes]:
    raw = [SENTINEL.encode(), CREDENTIAL.encode(), bytes.fromhex(CREDENTIAL)]
    for op in (CLAIMED, ORDERED):
        raw += [op, op.hex().encode()]
    return raw


async def _claims(hub: DeskHub, number: bytes) -> Denial | None:
    """Open the door by a phone; return why not."""
    wallet = make_wallet(hub.issuer, credential=CREDENTIAL)
    claim = Claim.under(
        read_grant(wallet.grant, hub.issuer.verify_key, SITE),
        access_point=1,
        action=Action.OPEN,
        op=CLAIMED[:-1] + number,
        strength=Strength.FULL,
        arrived=hub.clock.monotonic(),
    )
    return (await hub.unlock.present(claim, lambda: True)).why


async def _orders(hub: DeskHub) -> ReleaseOutcome:
    """Open the door from afar."""
    until = int(hub.clock.wall()) + 30
    order = from_backend.Release(ORDERED, 1, until, 1, f"operator-{SENTINEL}")
    return (await hub.unlock.release(order)).outcome


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what is awaited is in another process
        await asyncio.sleep(0.01)
