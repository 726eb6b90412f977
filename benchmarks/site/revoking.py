"""How long a revocation takes until the hubs' engine has the policy that says it.

Laws:
1. The rows are changed as a page does it, and the publisher is the server's own, in this process.
2. Time counts from the commit until the row says that the engine has the policy. What a hub needs
   then is not in it (`python -m benchmarks.policies`).
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from django.db import connection

from benchmarks.site.sizes import Revoked
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubsite.config import Engine
from hubsite.hubs.office import Office
from hubsite.hubs.publisher import Publisher
from hubsite.register import changes
from hubsite.register.models import Credential, SignedPolicy
from tests.gateway.bench import running

LOOK_SECONDS = 0.002
WAIT_SECONDS = 60.0


async def revoke_all(folder: Path, office: Office, keys: tuple[str, ...]) -> list[Revoked]:
    """Revoke these credentials one after the other. Raise TimeoutError."""
    async with running(folder) as bench:
        for bucket in (names.POLICY_BUCKET, names.KEYS_BUCKET):
            await Buckets(bench.js).make(bucket, 1)
        await bench.js.add_stream(name=names.RESULTS_STREAM, subjects=[f"{names.RESULTS}.*"])
        publisher = Publisher(office, Engine((bench.server.url,)))
        publisher.start()
        try:
            return await asyncio.to_thread(_revoke_all, keys)
        finally:
            await asyncio.to_thread(publisher.stop)


def _revoke_all(keys: tuple[str, ...]) -> list[Revoked]:
    try:
        _until_put(0)
        return [_revoke(key) for key in keys]
    finally:
        connection.close()


def _revoke(key: str) -> Revoked:
    before = _newest_put()
    credential = Credential.objects.get(pk=key)
    changes.revoke_credential("olga", credential, credential.revision)
    began = time.perf_counter()
    cpu = time.process_time()
    _until_put(before)
    return Revoked(time.perf_counter() - began, time.process_time() - cpu)


def _until_put(before: int) -> None:
    """Wait until the engine has a newer policy. Raise TimeoutError."""
    until = time.monotonic() + WAIT_SECONDS
    while _newest_put() <= before:
        if time.monotonic() > until:
            raise TimeoutError("no newer policy came into the engine")
        time.sleep(LOOK_SECONDS)


def _newest_put() -> int:
    rows = SignedPolicy.objects.filter(is_put=True).order_by("-version")
    return rows.values_list("version", flat=True).first() or 0
