"""Certificates through a real gateway: renewed, asked for, ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey
from hubgateway.rules import names
from hubsim.site.documents import make_key
from tests.gateway.bench import WAIT_SECONDS, Bench, make_chain, running

pytestmark = pytest.mark.once

HUB = "hub-1"
ISSUER: SigningKey = make_key()


def certificate(expires: int) -> bytes:
    """A document with an end; the gateway reads no more of it."""
    claims = {cwt.NBF: expires - 1000, cwt.EXP: expires}
    return cwt.issue("application/hub+cwt", claims, ISSUER, None)


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def test_a_certificate_comes_before_welcome_and_when_it_is_new(bench: Bench) -> None:
    gate = await bench.gate()
    now = int(time.time())
    first = certificate(now + 500)
    await bench.put(names.CERTIFICATES_BUCKET, HUB, first)
    hub = await bench.hub(HUB)
    await hub.greet(gate.endpoint)
    assert hub.heard[0] == from_backend.Certificate(first)
    wanted = await bench.client.subscribe(names.subject(names.RENEWALS, HUB))
    await bench.client.flush()
    request = from_hub.CertificateRequest(sha256(first).digest(), now + 500)
    await hub.say(request)
    told: Msg = await wanted.next_msg(WAIT_SECONDS)
    assert codec.decode_from_hub(told.data) == request
    for_tls = b"\x30\x01"
    await bench.put(names.TLS_BUCKET, HUB, for_tls)
    assert await hub.hear_a(from_backend.TlsCertificate) == from_backend.TlsCertificate(for_tls)
    second = certificate(now + 900)
    await bench.put(names.CERTIFICATES_BUCKET, HUB, second)
    assert await hub.hear_a(from_backend.Certificate) == from_backend.Certificate(second)
    await hub.say(request)  # of a hub that has not taken it
    assert await hub.hear_a(from_backend.Certificate) == from_backend.Certificate(second)
    again = await bench.hub(HUB)
    await again.greet(gate.endpoint)
    brought = [from_backend.TlsCertificate(for_tls), from_backend.Certificate(second)]
    assert again.heard[:2] == brought, "both come before Welcome"


async def test_a_hub_that_was_dark_past_its_end_may_only_renew(bench: Bench) -> None:
    gate = await bench.gate()
    now = int(time.time())
    ended = certificate(now - 1)
    await bench.put(names.CERTIFICATES_BUCKET, HUB, ended)
    hub = await bench.hub(HUB)
    hub.records = make_chain(5)
    hub.connect(gate.endpoint)
    await hub.say(hub.hello())
    assert await hub.hear() == from_backend.Certificate(ended)
    await hub.send(hub.records)
    order = from_backend.Release(bytes(16), 1, now + 600, None, "porter")
    await bench.js.publish(names.subject(names.COMMANDS, HUB), codec.encode(order))
    with pytest.raises(TimeoutError):
        await hub.hear(1.0)
    assert await bench.stored(HUB) == []
    renewed = certificate(now + 900)
    await bench.put(names.CERTIFICATES_BUCKET, HUB, renewed)
    async with asyncio.timeout(WAIT_SECONDS):
        while hub.heard[-1] != from_backend.Certificate(renewed):
            await hub.say(hub.hello())
            await hub.hear()
    await hub.hear_a(from_backend.Welcome)
    await hub.send_until_durable(gate.endpoint)
    assert await bench.stored(HUB) == hub.records
