"""How long a phone still opens a door after it was revoked: a phone that comes again and again.

Laws:
1. Everything is as in `benchmarks.site.revoking`: a real engine, gateway and hub, and the server's
   own publisher with all people of the site. The phone is simulated, and opens by the short path.
2. Time counts from the commit until the phone has heard the first verdict that it was revoked. So
   a visit that was under way at the commit is in that, and the visit that was refused.
3. Each round has a phone of its own, which is let in before. Any other refusal is an error.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from django.db import connection

from benchmarks.site.sizes import Visited
from hubcore.codec import cbor
from hubcore.phone.messages import Reason
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.site.documents import make_key
from hubsim.stage import Stage
from hubsite.hubs.office import Office
from hubsite.register import changes
from hubsite.register.models import AccessPoint, Credential, CredentialKind, Grant, Person

ACCESS_POINT = 1
VISITS_BEFORE = 2
WAIT_SECONDS = 60.0
MTU = 247


async def visit_all(stage: Stage, office: Office, rounds: int) -> list[Visited]:
    """Revoke so many phones while they come again and again. Raise TimeoutError, RuntimeError."""
    return [await _visited(stage, office) for _ in range(rounds)]


async def _visited(stage: Stage, office: Office) -> Visited:
    wallet, key = await asyncio.to_thread(_phone, stage, office)
    took = [await _let_in(stage, wallet) for _ in range(VISITS_BEFORE)]
    if None in took:
        raise RuntimeError("a phone is refused that was not revoked")
    revoking = asyncio.create_task(asyncio.to_thread(_revoke, key))
    async with asyncio.timeout(WAIT_SECONDS):
        while (seconds := await _let_in(stage, wallet)) is not None:
            took.append(seconds)
        ended = time.perf_counter()
        return Visited(ended - await revoking, [one for one in took if one is not None])


async def _let_in(stage: Stage, wallet: Wallet) -> float | None:
    """Come, ask for the door, go; return the seconds of it, None for who was refused."""
    began = time.perf_counter()
    async with on_air(stage.transport) as device, connect(device, MTU, True) as link:
        report = await Session(link, wallet).run(ACCESS_POINT)
    return None if _is_refused(report) else time.perf_counter() - began


def _is_refused(report: Report) -> bool:
    """Tell whether a phone was refused for it was revoked. Raise RuntimeError for anything else."""
    verdict = report.verdict
    if verdict is None or not (verdict.allowed or verdict.reason is Reason.REVOKED):
        raise RuntimeError(f"no verdict, or another refusal: {report.why} {verdict}")
    return not verdict.allowed


def _phone(stage: Stage, office: Office) -> tuple[Wallet, str]:
    """Make somebody with a phone that may pass the hub's door; return it, and its credential."""
    key = make_key()
    try:
        person = Person.objects.create(name="Somebody with a phone")
        begins = datetime.now(UTC) - timedelta(hours=1)
        granted = Grant.objects.create(person=person, begins=begins)
        granted.points.add(AccessPoint.objects.get(number=ACCESS_POINT))
        credential = Credential.objects.create(
            person=person,
            kind=CredentialKind.PHONE,
            label="A phone that comes again",
            key=cbor.encode(key.cose_key),
        )
        signed = office.grant("olga", credential, int(time.time()))
    finally:
        connection.close()
    site = stage.site
    wallet = Wallet(
        site=site.name,
        issuer=site.verifier,
        key=key,
        grant=bytes(signed.document),
        beacon_key=site.beacon_key,
    )
    return wallet, str(credential.pk)


def _revoke(key: str) -> float:
    """Revoke a credential as a page does; return the moment of its commit."""
    try:
        credential = Credential.objects.get(pk=key)
        changes.revoke_credential("olga", credential, credential.revision)
        return time.perf_counter()
    finally:
        connection.close()
