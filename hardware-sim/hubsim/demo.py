"""The demo: the main job, step by step, on real bytes.

Laws:
1. A step is printed only after its facts were checked, at the strike's line, in the hub's answers
   or at the backend.
2. A step that did not happen ends the demo with exit status 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bumble.device import Device
from rich.console import Console

from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.calendar.recurrence import MINUTES_A_DAY
from hubcore.calendar.schedule import Rule
from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.errors import ConfigError, HubError
from hubcore.phone.messages import Error, ErrorCode, Reason, decode_to_phone
from hubsim.bridge.files import make_bridge
from hubsim.bridge.running import NAME, running_bridge, section
from hubsim.bridge.secondact import SecondAct
from hubsim.door.person import Act, do
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.picture import FORMAT
from hubsim.site import DAY, OPEN_AND_QUERY, Site, Validity
from hubsim.site.building import ARCHIVE, FRONT, READER, zwave_sections
from hubsim.site.cards import CardNumber, Pins, add_card, card_number, demand
from hubsim.site.readers import add_reader
from hubsim.stage import Stage, StageError, free_port
from hubsim.zwave.modules import find_modules
from hubsim.zwave.network import ZwaveNetwork

SHUTTER = "shutter-south"
DAYS_A_WEEK = 7
PIN = "402913"


class NotShown(Exception):
    """A step did not happen as it must."""


@dataclass(slots=True)
class Steps:
    """Prints each step with its time, after its facts were checked."""

    console: Console = field(default_factory=lambda: Console(highlight=False))
    began: float = field(default_factory=time.monotonic)
    count: int = 0

    def done(self, what: str, took_seconds: float | None = None) -> None:
        """A step has happened."""
        self.count += 1
        took = "" if took_seconds is None else f"  [dim]{took_seconds * 1000:.0f} ms[/dim]"
        at = time.monotonic() - self.began
        self.console.print(f"[green]✓[/green] [dim]{at:5.2f} s[/dim]  {what}{took}")


def expect(fact: bool, what: str) -> None:
    """Raise NotShown unless the fact holds."""
    if not fact:
        raise NotShown(what)


PICTURE_COLUMNS = 108
REST_SECONDS = 5.0
STATE_SECONDS = 5.0
ANSWER_SECONDS = 5.0
ZWAVE_SECONDS = 60.0
READER_SETTLES_SECONDS = 0.7
"""For so long after its proof a reader's cards are dropped, and a little more."""


async def show(path: Path, picture: Path | None = None) -> int:
    """Run the demo in a new folder; return the exit status.

    Draw what it printed into `picture`, if that is given.
    """
    if picture is None:
        return await _run(path, Steps(Console(highlight=False)))
    console = Console(highlight=False, record=True, width=PICTURE_COLUMNS)
    status = await _run(path, Steps(console))
    console.save_svg(str(picture), title="make demo", code_format=FORMAT, unique_id="demo")
    return status


async def _run(path: Path, steps: Steps) -> int:
    try:
        modules = _modules(steps)
        doors = [FRONT] if modules is None else [FRONT, ARCHIVE]
        devices = "" if modules is None else zwave_sections(SHUTTER)
        port = free_port()
        stage = Stage(path, doors, extra_config=devices + section(port), enrols=True)
        _grant_phones(stage.site)
        _give_card(stage.site)
        steps.done("a site: keys of issuer and backend, and four phones with grants")
        async with contextlib.AsyncExitStack() as stack:
            if modules is not None:
                await stack.enter_async_context(_network(modules, stage))
                steps.done("the Z-Wave service runs, with a simulated lock and shutter")
            await stack.enter_async_context(stage)
            steps.done(
                f"the hub is enrolled: one token, and {stage.fingerprint} seen on both sides"
            )
            steps.done("the radio, the backend and the hub run; the hub is on air")
            await stage.start_readers()
            async with on_air(stage.transport) as device:
                demo = _Demo(stage, device, steps)
                await demo.run()
            if modules is not None:
                await demo.devices()
            await demo.forced()
            await _second_act(demo, port)
            expect(await stage.stop("hub") == 0, "the hub stops cleanly")
        _verify_evidence(stage)
        steps.done(
            "the hub has stopped, and `hubctl audit verify` finds its chain of records whole"
        )
    except (NotShown, StageError, HubError, FileExistsError, TimeoutError) as error:
        steps.console.print(f"[red]✗[/red] {error}")
        return 1
    steps.console.print(f"\n{steps.count} steps, all of them checked. The files are in {path}.")
    return 0


async def _second_act(demo: _Demo, port: int) -> None:
    """Put a real gateway and its engine into the backend's place; then cut the internet.

    Without a NATS server and its client it is left out, and that is said.
    """
    stage = demo.stage
    try:
        from hubsim.bridge.behind import BackendBehind

        made = BackendBehind(stage)
    except (ModuleNotFoundError, ConfigError) as error:
        demo.steps.console.print(f"[yellow]–[/yellow] without its second act: {error}")
        return
    async with contextlib.AsyncExitStack() as stack:
        backend = await stack.enter_async_context(made)
        make_bridge(stage.site, NAME)
        backend.make()
        await stage.stop("backend")
        await backend.begin()
        log = stack.enter_context((stage.path / "bridge.log").open("a"))
        stack.enter_context(contextlib.redirect_stderr(log))  # where a bridge has its journal
        gateways = [backend.for_bridges]
        bridge = await stack.enter_async_context(running_bridge(stage.site, port, backend=gateways))
        demo.device = await stack.enter_async_context(on_air(stage.transport))
        await SecondAct(demo, bridge, backend).run()


def _modules(steps: Steps) -> Path | None:
    """Return where the Z-Wave service's modules are; without them say how to get them."""
    try:
        return find_modules()
    except ConfigError as error:
        steps.console.print(f"[yellow]–[/yellow] without its Z-Wave steps: {error}")
        return None


def _network(modules: Path, stage: Stage) -> ZwaveNetwork:
    """Return a Z-Wave network without radio, reached where a desk's hub looks for it."""
    state = stage.site.hub / "state"
    state.mkdir(exist_ok=True, mode=0o700)
    return ZwaveNetwork(modules, state.absolute())


def _grant_phones(site: Site) -> None:
    """Make four phones: two with good grants, one expired, one out of its schedule."""
    always = [Access(FRONT.access_point, OPEN_AND_QUERY, ())]
    site.grant("anna", always)
    site.grant("bert", always)

    now = int(time.time())
    expired = Validity(now - 3 * DAY, now - DAY)
    site.grant("carl", always, expired)

    today = datetime.now(UTC).weekday()
    another_day = Rule(1 << (today + 3) % DAYS_A_WEEK, 0, MINUTES_A_DAY)
    elsewhen = [Access(FRONT.access_point, OPEN_AND_QUERY, (another_day,))]
    site.grant("dora", elsewhen)


def _give_card(site: Site) -> None:
    """Put a reader beside the door, where a card is not enough without its PIN."""
    always = [Access(FRONT.access_point, OPEN_AND_QUERY, ())]
    add_reader(site, site.first_hub, READER, FRONT.access_point)
    add_card(site, "ella", CardNumber.of(0x2C0FFEE, 26), always, Pins(PIN))
    either = Demand((Factor.PHONE, Factor.CARD | Factor.PIN))
    demand(site, FRONT.access_point, [either])


class _Demo:
    """The steps in which phones take part, on one radio."""

    def __init__(self, stage: Stage, device: Device, steps: Steps) -> None:
        self.stage = stage
        self.device = device
        self.steps = steps
        self._rises = 0

    async def run(self) -> None:
        anna = self._load("anna")
        report = await self._open_front(anna)
        await self._short_path(anna)
        await self._remote()
        await self._replay(report.sent[-1])
        await self._revoked()
        await self.refused("carl", "a grant that has expired", Reason.GRANT_TIME)
        await self.refused("dora", "a phone out of its schedule", Reason.SCHEDULE)
        await self._card_and_pin()

    def _load(self, name: str) -> Wallet:
        return wallets.load(self.stage.site.phone(name))

    async def _attempt(self, wallet: Wallet, check: Callable[[Session, Report], Any]) -> Report:
        async with connect(self.device) as link:
            session = Session(link, wallet)
            report = await session.run(FRONT.access_point)
            await check(session, report)
            return report

    async def _open_front(self, wallet: Wallet) -> Report:
        async def check(session: Session, report: Report) -> None:
            expect(_allowed(report), f"the phone opens the front door: {report.why}")
            expect(
                not report.short and report.round_trips == 2,
                "a new phone takes the full path in two round trips",
            )
            aead = _aead_of_first_ticket(wallet)
            self.steps.done(
                f"a phone the hub never saw opens the front door over BLE (RSA-3072, {aead.name})",
                report.decided - report.began,
            )
            self._rose(1)
            await self._falls_back()
            state = await session.state(STATE_SECONDS)
            expect(
                state is not None and state.door is DoorState.OPEN,
                "the phone hears that the door has opened",
            )
            self.steps.done("apart from the verdict, the phone hears that the door was opened")

        report = await self._attempt(wallet, check)
        op = report.verdict.op.hex() if report.verdict else ""

        async def recorded() -> bool:
            records = await self.stage.records()
            return any(record["detail"].get("op") == op for record in records)

        took = await self.stage.until(recorded, "the record reaches the backend")
        self.steps.done("its record is with the backend, over CurveZMQ, and acknowledged", took)
        return report

    async def opens(self, name: str) -> None:
        """A phone opens the front door."""

        async def check(_: Session, report: Report) -> None:
            expect(_allowed(report), f"the phone opens: {report.why}")
            self._rose(1)

        await self._attempt(self._load(name), check)
        await self._until_at_rest("the strike rests")

    async def _falls_back(self) -> None:
        driven = self.stage.strike()
        expect(driven.active, "the strike line is driven")
        await self._until_at_rest("the strike falls back by itself")
        rested = self.stage.strike()
        pulse_seconds = (rested.changed_ns - driven.changed_ns) / 1e9
        of_wanted = pulse_seconds / FRONT.strike_seconds
        expect(0.9 < of_wanted < 1.5, f"the pulse was {pulse_seconds:.3f} s")
        self.steps.done(
            f"the strike was released, and fell back by itself after {pulse_seconds:.2f} s"
        )

    async def _until_at_rest(self, what: str) -> None:
        def rests() -> bool:
            return not self.stage.strike().active

        await self.stage.until(rests, what, REST_SECONDS)

    async def _short_path(self, wallet: Wallet) -> None:
        async def check(_: Session, report: Report) -> None:
            expect(_allowed(report), f"the phone opens again: {report.why}")
            expect(
                report.short and report.round_trips == 1,
                "the second time takes the short path, one round trip",
            )
            self._rose(1)

        report = await self._attempt(wallet, check)
        took = report.decided - report.began
        self.steps.done("the same phone again: the short path, one round trip, no RSA", took)

    async def _remote(self) -> None:
        await self._until_at_rest("the strike rests")
        began = time.monotonic()
        answer = await self.stage.backend(
            "release", hub="hub-1", access_point=FRONT.access_point, by="operator-7"
        )
        expect(answer["outcome"] == "released", f"the backend opens the door: {answer}")
        took = time.monotonic() - began
        self._rose(1)
        again = await self.stage.backend(
            "release",
            hub="hub-1",
            access_point=FRONT.access_point,
            by="operator-7",
            id=answer["id"],
        )
        expect(again["outcome"] == "released", "the same order again gets the same answer")
        self._rose(0)
        self.steps.done(
            "the backend opens the door remotely; the same order again moves nothing", took
        )

    async def _replay(self, recorded: bytes) -> None:
        async with connect(self.device) as link:
            thief = Session(link, self._load("bert"))
            await thief.read_info()
            await thief.send(recorded)
            answer = await thief.message(ANSWER_SECONDS)
        expect(answer is not None, "the hub answers the recording")
        refusal = Error(ErrorCode.FAILED)
        expect(decode_to_phone(answer or b"") == refusal, "a recording is refused")
        self._rose(0)
        self.steps.done(
            "a recording of the first unlock, replayed: refused with the one answer for "
            "failed proofs"
        )

    async def _revoked(self) -> None:
        site = self.stage.site
        new = site.revoke(site.credential("bert"))
        policy = site.path / "policy.cbor"
        await self.stage.backend("policy", path=str(policy.absolute()))

        async def in_force() -> bool:
            status = await self.stage.hub("status")
            return bool(status["policy_version"] == new.version)

        await self.stage.until(in_force, "the new policy is in force")
        await self.refused("bert", "a phone revoked a moment ago", Reason.REVOKED)

    async def refused(self, name: str, what: str, reason: Reason) -> None:
        """A phone is refused for this reason."""

        async def check(_: Session, report: Report) -> None:
            verdict = report.verdict
            if verdict is None:
                raise NotShown(f"{what}: {report.why}")
            expect(not verdict.allowed, f"{what} is refused")
            expect(verdict.reason is reason, f"{what}: the reason is {verdict}")

        await self._attempt(self._load(name), check)
        self._rose(0)
        self.steps.done(f"{what}: refused, {reason.name.lower().replace('_', ' ')}")

    async def _card_and_pin(self) -> None:
        await self._until_at_rest("the strike rests")
        await self.stage.until(self._reader_is_proven, "the reader has proven itself")
        await asyncio.sleep(READER_SETTLES_SECONDS)
        card = card_number(self.stage.site, "ella")
        order = {"reader": READER, "bits": card.bits, "data": card.data.hex()}
        await self.stage.at_reader("hold", **order)

        async def waits() -> bool:
            return "amber" in await self.stage.at_reader("shown", reader=READER)

        await self.stage.until(waits, "the reader asks for the PIN")
        self._rose(0)
        self.steps.done("a card at an OSDP reader: not enough alone, the reader asks for its PIN")
        pressed = time.monotonic()
        await self.stage.at_reader("press", reader=READER, keys=f"{PIN}#")
        await self.stage.until(lambda: self.stage.strike().active, "card and PIN open the door")
        took = time.monotonic() - pressed
        self._rose(1)
        self.steps.done("card and PIN open the door, decided and recorded as for a phone", took)

    async def _reader_is_proven(self) -> bool:
        problems = (await self.stage.hub("status"))["problems"]
        return not any(problem["id"].startswith("reader") for problem in problems)

    async def devices(self) -> None:
        """Move a shutter and a lock on Z-Wave, once the network has found them."""
        await self.stage.until(self._shutter_is_there, "the shutter answers", ZWAVE_SECONDS)
        began = time.monotonic()
        answer = await self.stage.backend(
            "act", hub="hub-1", target=SHUTTER, verb="close", by="operator-7"
        )
        confirmed = {SHUTTER: "confirmed"}
        expect(answer["outcomes"] == confirmed, f"the shutter closes: {answer}")
        took = time.monotonic() - began
        self.steps.done("a shutter closes, confirmed when it stands still at its end", took)

        await self.stage.until(self._lock_is_there, "the lock answers", ZWAVE_SECONDS)
        began = time.monotonic()
        answer = await self.stage.backend(
            "release", hub="hub-1", access_point=ARCHIVE.access_point, by="operator-7"
        )
        expect(answer["outcome"] == "released", f"the lock opens: {answer}")
        took = time.monotonic() - began
        self.steps.done("a Z-Wave lock opens, confirmed by what the lock itself reported", took)

    async def _shutter_is_there(self) -> bool:
        devices = await self.stage.hub("devices")
        positions = {device["id"]: device["position"] for device in devices}
        return bool(positions[SHUTTER] != "unknown")

    async def _lock_is_there(self) -> bool:
        problems = (await self.stage.hub("status"))["problems"]
        return not any(problem["id"].startswith(("devices", "locks")) for problem in problems)

    async def forced(self) -> None:
        """Force the front door, and let it fall shut again."""
        await self.stage.until(self._front_is_secured, "the front door has fallen shut")
        state = self.stage.site.hub / "state"
        do(state, Act.FORCE, FRONT.id)
        took = await self.stage.until(self._told("forced"), "the alarm reaches the backend")
        do(state, Act.LET_GO, FRONT.id)
        await self.stage.until(self._told("forced_ended"), "the end of the alarm, too")
        self.steps.done(
            "the door is forced: an alarm at the backend, and its end with its cause", took
        )

    async def _front_is_secured(self) -> bool:
        doors = await self.stage.hub("doors")
        return any(door["id"] == FRONT.id and door["state"] == "secured" for door in doors)

    def _told(self, what: str) -> Callable[[], Awaitable[bool]]:
        async def told() -> bool:
            records = await self.stage.records()
            return any(record["detail"].get("what") == what for record in records)

        return told

    def _rose(self, times: int) -> None:
        """Check how often the strike has risen since the last look."""
        rises = self.stage.strike().rises
        rose = rises - self._rises
        expect(rose == times, f"the strike was driven {rose} times, not {times}")
        self._rises = rises


def _allowed(report: Report) -> bool:
    return report.verdict is not None and report.verdict.allowed


def _aead_of_first_ticket(wallet: Wallet) -> Aead:
    for ticket in wallet.tickets.values():
        return ticket.aead
    return Aead.A256GCM


def _verify_evidence(stage: Stage) -> None:
    audit = stage.site.hub / "state" / "audit.db"
    hubctl = (sys.executable, "-m", "hubctl.main")
    verify = subprocess.run(
        [*hubctl, "audit", "verify", "--file", str(audit)],
        capture_output=True,
        text=True,
    )
    expect(verify.returncode == 0, f"hubctl audit verify: {verify.stdout}{verify.stderr}")
