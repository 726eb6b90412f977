"""How long a revocation takes until the hubs' engine has it, and until a hub has it.

Laws:
1. The rows are changed as a page does it, and the publisher is the server's own, in this process.
2. Engine, gateway and hub are real, each a process of its own, and each as it is shipped; the hub
   has a door and a radio that are simulated. From then on it refuses the phone at its door.
3. Time counts from the commit until the rows say that the engine has the policy, and until the
   engine has the hub's answer: that it has taken it. So the answer's way back is in that.
4. The first revocation is not counted: the hub has no policy before it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.db import connection
from nats.aio.msg import Msg

from benchmarks.site.sizes import Revoked, Visited
from benchmarks.site.visiting import visit_all
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import PolicyResult
from hubgateway.rules import names
from hubsite.config import Engine
from hubsite.hubs.office import Office, acts_so_far, newest_policy
from hubsite.hubs.publisher import Publisher
from hubsite.hubs.signer import FileSigner
from hubsite.register import changes
from hubsite.register.models import Credential, SignedPolicy
from tests.gateway.bench import running
from tests.gateway.desk import HUB, GatewayStage

LOOK_SECONDS = 0.002
WAIT_SECONDS = 60.0


async def revoke_all(
    folder: Path, keys: tuple[str, ...], visits: int
) -> tuple[list[Revoked], list[Visited]]:
    """Revoke these credentials one after the other, then so many phones that come meanwhile.

    Raise TimeoutError, RuntimeError.
    """
    async with running(folder) as bench:
        await bench.gate()
        async with GatewayStage(folder / "site", bench) as stage:
            await stage.welcomed()
            taken: dict[int, float] = {}
            await bench.client.subscribe(
                names.subject(names.RESULTS, HUB), cb=partial(_heard, taken)
            )
            office = Office(stage.site.name, FileSigner.at(stage.site.path / "issuer.key"))
            publisher = Publisher(office, Engine((bench.server.url,)))
            publisher.start()
            try:
                revoked = await asyncio.to_thread(_revoke_all, keys, taken)
                return revoked, await visit_all(stage, office, visits)
            finally:
                await asyncio.to_thread(publisher.stop)


async def _heard(taken: dict[int, float], message: Msg) -> None:
    """Keep when the hub has said that it has taken a policy, by its version."""
    said = codec.decode_from_hub(message.data)
    if isinstance(said, PolicyResult) and not said.refused:
        taken.setdefault(said.version, time.perf_counter())


def _revoke_all(keys: tuple[str, ...], taken: dict[int, float]) -> list[Revoked]:
    try:
        return [_revoke(key, taken) for key in keys][1:]
    finally:
        connection.close()


def _revoke(key: str, taken: dict[int, float]) -> Revoked:
    before = max(_newest_put(), *taken, 0)
    credential = Credential.objects.get(pk=key)
    changes.revoke_credential("olga", credential, credential.revision)
    began = time.perf_counter()
    cpu = time.process_time()
    _until(lambda: _newest_put() > before, "no newer policy came into the engine")
    put = time.perf_counter() - began
    cpu = time.process_time() - cpu
    _until(lambda: max(taken, default=0) > before, "the hub took no newer policy")
    at_hub = min(moment for version, moment in taken.items() if version > before) - began
    _until(lambda: _newest_act() >= acts_so_far(), "the whole policy was not made again")
    return Revoked(put, at_hub, cpu)


def _until(is_so: Callable[[], bool], else_said: str) -> None:
    """Wait until it is so. Raise TimeoutError."""
    until = time.monotonic() + WAIT_SECONDS
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(else_said)
        time.sleep(LOOK_SECONDS)


def _newest_act() -> int:
    newest = newest_policy()
    return 0 if newest is None else int(newest.act)


def _newest_put() -> int:
    rows = SignedPolicy.objects.filter(is_put=True).order_by("-version")
    return rows.values_list("version", flat=True).first() or 0
