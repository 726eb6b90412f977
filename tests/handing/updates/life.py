"""What persons do at the machine's door meanwhile, and what the hub's records say of it."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing

from hubcore.access.grant import Access
from hubcore.errors import HubError
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import facts
from hubcore.phone.messages import Reason
from hubctl.evidence.chain import verify_chain
from hubctl.evidence.opening import open_log
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Session
from hubsim.phone.wallet import Wallet
from hubsim.site import OPEN_AND_QUERY
from tests.handing.site import PhoneOnBus
from tests.handing.updates.machine import Machine
from tests.unit.test_bluez_radio import FakeBluez

ATTEMPT_SECONDS = 20.0
PAUSE_SECONDS = 2.5
BUSY_TRIES = 20
"""While the strike rests after a release, nobody is let in again."""
BUSY_SECONDS = 0.3
VISITS = 5
"""Of one phone: a hub lets none in as often as it likes."""


class Person:
    """A person with one phone after another; each visit is a connection of its own."""

    def __init__(self, machine: Machine, bluez: FakeBluez) -> None:
        self._bluez = bluez
        self._site = machine.site
        self._wallet = self._phone()
        self._visits = 0
        self.answered: list[bytes] = []
        """The operations that a phone got an answer on."""
        self.refused: list[str] = []
        self.why = ""
        """Why the last visit came to nothing, if it did."""

    def _phone(self) -> Wallet:
        """Return a new phone that may open."""
        name = os.urandom(4).hex()
        self._site.grant(name, [Access(1, OPEN_AND_QUERY, ())], None)
        return wallets.load(self._site.phone(name))

    async def visit(self) -> bool:
        """Unlock; tell whether the phone was let in."""
        self._visits += 1
        if self._visits % VISITS == 0:
            self._wallet = await asyncio.to_thread(self._phone)
        self._bluez.phone()
        while not self._bluez.notified.empty():
            self._bluez.notified.get_nowait()
        self.why = ""
        session = Session(PhoneOnBus(self._bluez), self._wallet)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                report = await session.run(1)
        except (HubError, TimeoutError) as error:
            report = session.report
            self.why = repr(error)
        finally:
            self._bluez.phone(connected=False)
        if report.verdict is None:
            self.why = report.why or self.why
            return False
        self.answered.append(report.op)
        self.why = str(report.verdict)
        if not report.verdict.allowed and report.verdict.reason is not Reason.BUSY:
            self.refused.append(self.why)
        return report.verdict.allowed

    async def is_let_in(self) -> bool:
        """Come until the strike has rested; tell whether the phone was let in."""
        for _ in range(BUSY_TRIES):
            if await self.visit():
                return True
            if Reason.BUSY.name not in self.why:
                return False
            await asyncio.sleep(BUSY_SECONDS)
        return False

    async def visits(self, stop: asyncio.Event) -> None:
        """Come again and again."""
        while not stop.is_set():
            await self.visit()
            await asyncio.sleep(PAUSE_SECONDS)


def check_records(machine: Machine, answered: list[bytes]) -> int:
    """Check every record, and that none is missing; return how many there are.

    Raise AuditError, AssertionError.
    """
    path = machine.config.parent / "state" / "audit.db"
    with closing(open_log(path)) as connection:
        verified = verify_chain(connection, None)
        assert verified.gone.number == 0
        assert verified.waiting == verified.head.number, "no backend has had any"
        rows = connection.execute("SELECT body FROM records ORDER BY number").fetchall()
    said = [facts(body) for (body,) in rows]
    recorded = {one.get(Fact.OP) for one in said if one["kind"] == RecordKind.ACCESS}
    missing = [op.hex() for op in answered if op not in recorded]
    assert not missing, f"answered, and not recorded: {missing}"
    return verified.head.number
