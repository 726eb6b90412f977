"""A real hubd without its uplink: its newer certificates come over its bridge."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.access.words import HubName
from hubcore.backend.renewal import sign_renewal
from hubcore.backend.uplink.from_hub import CertificateRequest
from hubcore.bridge.backend.from_backend import CertificateOfHub
from hubcore.bridge.backend.from_bridge import RequestOfHub
from hubcore.codec.tls import TlsName, TlsRole, der_of, pem_of, read_certificate
from hubgateway.rules import names
from hubsim.bridge.engine import rows_of
from hubsim.site import DAY, Site
from hubsim.site.authority import certify_tls, open_authority
from hubsim.site.certificates import hand_tls_to_hub, hand_to_hub
from hubsim.site.documents import Validity, certify_hub, make_key
from hubsim.site.making import TLS_CERTIFICATE, certify
from tests.fakes.bridgedhub import ISSUER, SITE
from tests.gateway.bench import Bench, running
from tests.gateway.bridged import BridgedSite
from tests.gateway.desk import HUB
from tests.gateway.test_bridged_hubd import BridgedStage
from tests.gateway.test_hostile_bridge import hostile, settled

pytestmark = pytest.mark.once


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


def let_it_end(site: Site, hub: str) -> None:
    """Give a hub certificates that end: that for TLS in a second, before the hub is up."""
    now = int(time.time())
    folder = site.hub_folder(hub)
    before = site.certificate(hub)
    name = TlsName(site.name, TlsRole.HUB, hub)
    authority = open_authority(site.path)
    shown = folder / TLS_CERTIFICATE
    first = read_certificate(der_of(shown.read_bytes()), authority.document, name)
    ended = Validity(first.not_before, now + 1)
    for_tls = certify_tls(authority, name, first.key, ended)
    shown.write_bytes(pem_of(for_tls))
    hand_tls_to_hub(site.backend, hub, for_tls)
    document = certify_hub(
        site.issuer,
        site=site.name,
        hub=hub,
        key=before.key,
        points=before.access_points,
        validity=Validity(now - 300 * DAY, now + DAY),
    )
    (folder / "certificate.cbor").write_bytes(document)
    hand_to_hub(site.backend, hub, document)


async def test_a_hub_whose_tls_certificate_ended_in_a_long_outage_renews_by_its_bridge(
    bench: Bench, tmp_path: Path
) -> None:
    uplink = await bench.gate()
    stage = BridgedStage(tmp_path / "site", bench)
    let_it_end(stage.site, HUB)
    await uplink.kill()
    async with stage:
        for_bridges = await stage.for_bridges()
        async with stage.bridge() as bridge:

            async def is_renewing() -> bool:
                way = (await stage.hub("status"))["bridge"]
                return bool(way["phase"] == "renewing")

            await stage.until(is_renewing, "the bridge takes nothing but the request")
            assert HUB not in bridge.bridge.store.hubs
            certify(stage.site, HUB)
            for bucket, key, value in rows_of(stage.site):
                if bucket in (names.CERTIFICATES_BUCKET, names.TLS_BUCKET):
                    await bench.put(bucket, key, value)

            async def is_held() -> bool:
                status = await stage.hub("status")
                return bool(
                    status["bridge"]["phase"] == "speaking" and status["bridge"]["waiting"] == 0
                )

            await stage.until(is_held, "the hub came back with its newer certificate")
            ends = bridge.bridge.states.of(HUB).certificate_ends
            assert ends is not None
            assert ends > time.time() + 100 * DAY
            assert bridge.held(HUB) > 0
            status = await stage.hub("status")
            assert status["certificate"]["expires"] == stage.site.certificate(HUB).expires
        assert "request for certificates" not in for_bridges.log


async def test_a_bridge_that_invents_requests_gets_nothing(tmp_path: Path) -> None:
    """certificates, laws 1 and 4"""
    async with running(tmp_path) as bench:
        site = BridgedSite(bench, tmp_path)
        gate = await site.gate()
        await site.give_mandates()
        key = make_key()
        document = certify_hub(ISSUER, site=SITE, hub=HUB, key=key.verify_key, points=(1,))
        await bench.put(names.CERTIFICATES_BUCKET, HUB, document)
        await bench.put(names.TLS_BUCKET, HUB, b"\x30\x01")
        await site.know(HUB)
        request = CertificateRequest(sha256(b"older").digest(), 0)
        name = HubName(SITE, HUB)
        wanted = await bench.client.subscribe(names.subject(names.RENEWALS, ">"))
        async with hostile(site, tmp_path / "bridge") as called:
            true = RequestOfHub(HUB, sign_renewal(name, request, key))
            called.line.say(true)
            answer = [one for one in await settled(called) if isinstance(one, CertificateOfHub)]
            assert [one.hub for one in answer] == [HUB, HUB]
            for number in range(20):
                called.line.say(RequestOfHub(HUB, sign_renewal(name, request, make_key())))
                invented = f"invented-{number}"
                forged = sign_renewal(HubName(SITE, invented), request, key)
                called.line.say(RequestOfHub(invented, forged))
            heard = await settled(called)
            assert not any(isinstance(one, CertificateOfHub) for one in heard)
            assert wanted.pending_msgs == 0
            assert "invented" not in gate.log
