"""The demo's steps in which phones take part, on one radio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bumble.device import Device

from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.phone.messages import Error, ErrorCode, Reason, decode_to_phone
from hubsim.demo.steps import NotShown, Steps, expect
from hubsim.demo.strike import StrikeLine
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import connect
from hubsim.phone.wallet import Wallet
from hubsim.site.building import FRONT
from hubsim.stage import Stage

STATE_SECONDS = 5.0
ANSWER_SECONDS = 5.0


class DemoPhones:
    """Phones at the front door; `device` is the radio that they share."""

    def __init__(self, stage: Stage, device: Device, steps: Steps, strike: StrikeLine) -> None:
        self.stage = stage
        self.device = device
        self.steps = steps
        self._strike = strike

    def load(self, name: str) -> Wallet:
        """Return a phone as the site has made it: what it learns later is not kept."""
        return wallets.load(self.stage.site.phone(name))

    async def full_path(self, wallet: Wallet) -> Report:
        """A new phone opens the door by the full path; return how."""

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
            self._strike.rose(1)
            pulse_seconds = await self._strike.falls_back()
            self.steps.done(
                f"the strike was released, and fell back by itself after {pulse_seconds:.2f} s"
            )
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

    async def short_path(self, wallet: Wallet) -> None:
        """The same phone opens it again by the short path."""

        async def check(_: Session, report: Report) -> None:
            expect(_allowed(report), f"the phone opens again: {report.why}")
            expect(
                report.short and report.round_trips == 1,
                "the second time takes the short path, one round trip",
            )
            self._strike.rose(1)

        report = await self._attempt(wallet, check)
        took = report.decided - report.began
        self.steps.done("the same phone again: the short path, one round trip, no RSA", took)

    async def replay(self, recorded: bytes) -> None:
        """A thief replays a recording, and is refused."""
        async with connect(self.device) as link:
            thief = Session(link, self.load("bert"))
            await thief.read_info()
            await thief.send(recorded)
            answer = await thief.message(ANSWER_SECONDS)
        expect(answer is not None, "the hub answers the recording")
        refusal = Error(ErrorCode.FAILED)
        expect(decode_to_phone(answer or b"") == refusal, "a recording is refused")
        self._strike.rose(0)
        self.steps.done(
            "a recording of the first unlock, replayed: refused with the one answer for "
            "failed proofs"
        )

    async def revoked(self) -> None:
        """The backend revokes a phone, and the hub refuses it."""
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

        await self._attempt(self.load(name), check)
        self._strike.rose(0)
        self.steps.done(f"{what}: refused, {reason.name.lower().replace('_', ' ')}")

    async def opens(self, name: str) -> None:
        """A phone opens the front door."""

        async def check(_: Session, report: Report) -> None:
            expect(_allowed(report), f"the phone opens: {report.why}")
            self._strike.rose(1)

        await self._attempt(self.load(name), check)
        await self._strike.until_at_rest("the strike rests")

    async def _attempt(self, wallet: Wallet, check: Callable[[Session, Report], Any]) -> Report:
        async with connect(self.device) as link:
            session = Session(link, wallet)
            report = await session.run(FRONT.access_point)
            await check(session, report)
            return report


def _allowed(report: Report) -> bool:
    return report.verdict is not None and report.verdict.allowed


def _aead_of_first_ticket(wallet: Wallet) -> Aead:
    for ticket in wallet.tickets.values():
        return ticket.aead
    return Aead.A256GCM
