"""From a token on the page to a hub with a policy: real engine, gateway, signer, hubctl, hubd."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zmq
from django.conf import settings

from hubcore.codec import cbor
from hubcore.codec.cose import read_key
from hubgateway.authority import tls_authority
from hubgateway.issuer.signing.client import SigningClient, by_socket
from hubgateway.issuer.signing.log import read_log
from hubgateway.issuer.signing.signer import LOG
from hubsim.enrolling import hand_over
from hubsim.stage import Stage
from hubsite.config import Engine
from hubsite.fleet.judging import Judge
from hubsite.fleet.watch import FleetWatch
from hubsite.hubs.office import Office
from hubsite.hubs.publisher import Publisher
from hubsite.register import models
from tests.gateway.bench import ROOT, WAIT_SECONDS, Bench, running
from tests.gateway.desk import HUB, GatewayStage
from tests.gateway.test_enrolment import Machine, free_pair, start_enroll
from tests.site.browser import Browser, at_work
from tests.site.fleetbench import in_thread, shows

pytestmark = [pytest.mark.once, pytest.mark.long]


class PageStage(GatewayStage):
    """A stage whose hub has no key before the pages have made it a hub."""

    def __init__(self, path: Path, bench: Bench, run: Path) -> None:
        Stage.__init__(self, path, enrols=True)
        self._enrols = False
        self.bench = bench
        self.results = {}
        self.run = run
        self.port = free_pair()
        self.browser = Browser()

    async def start_backend(self) -> None:
        """Start gateway and signer, and enrol the hub by the pages."""
        public, secret = zmq.curve_keypair()
        file = self.run / "enrolment.secret"
        file.write_bytes(secret)
        file.chmod(0o600)
        site = self.site
        gate = await self.bench.gate(
            f'[enrolment]\nlisten = "tcp://127.0.0.1:{self.port}"\nsecret = "{file}"\n'
            f'site = "{site.name}"\nissuer = "{site.path}/issuer.cbor"\n'
            f'tls_authority = "{site.path}/authority.pem"\n'
            'endpoints = ["tcp://gateway.example:7011"]\n'
        )
        text = self.config.read_text()
        line = f'endpoint = "{self.endpoint}"'
        assert line in text
        self.config.write_text(text.replace(line, f'endpoints = ["{gate.endpoint}"]'))
        self.write_signing(public.decode("ascii"))

    def write_signing(self, enrolment_key: str) -> None:
        """The file of what signs: it may enrol one hub with access point 1."""
        at = self.site.path
        user = pwd.getpwuid(os.getuid()).pw_name
        (self.run / "signing.toml").write_text(
            f'site = "{self.site.name}"\nissuer_key = "{at}/issuer.key"\nfolder = "{self.run}"\n'
            f'[unix]\nsocket = "{self.run}/s"\ncallers = ["{user}"]\n'
            '[[operators]]\nname = "*"\nrights = ["lock-down", "command"]\n'
            f'[enrolment]\nservers = ["{self.bench.server.url}"]\n'
            f'enrolment_key = "{enrolment_key}"\nauthority_key = "{at}/authority.key"\n'
            f'tls_authority = "{at}/authority.pem"\naccess_points = [1]\nnew_hubs_a_day = 1\n'
        )


@asynccontextmanager
async def signing(run: Path) -> AsyncIterator[None]:
    """`hubissuer serve` as a process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubgateway.issuer", "serve"),
        *("--signing", str(run / "signing.toml")),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS):
            assert b"signs at" in await process.stdout.readline()
        yield
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def serving(stage: PageStage) -> AsyncIterator[None]:
    """The site's server, as far as it speaks with hubs."""
    at = stage.site.path
    issuer = read_key(cbor.decode((at / "issuer.cbor").read_bytes()))
    client = SigningClient(by_socket(stage.run / "s"), stage.site.name, issuer)
    office = Office(stage.site.name, client)
    engine = Engine((stage.bench.server.url,))
    publisher = Publisher(office, engine)
    authority = tls_authority("authority.pem", at / "x")
    watch = FleetWatch(Judge(stage.site.name, issuer, authority), engine)
    settings.HUBSITE_RUNNING.begin(office, publisher)
    stage.browser = await in_thread(at_work)
    publisher.start()
    settings.HUBSITE_RUNNING.begin_parts([watch])
    try:
        yield
    finally:
        await asyncio.to_thread(settings.HUBSITE_RUNNING.end_parts)
        await asyncio.to_thread(publisher.stop)


async def _enrol(stage: PageStage) -> None:
    """Make the hub, by pages and `hubctl enroll` alone."""
    browser = stage.browser
    token = await in_thread(lambda: _token(browser))
    disk = stage.run / "disk"
    machine = Machine(await start_enroll(stage.port, token, disk), disk)
    shown = await machine.fingerprint()
    await shows(browser, "/new-hubs", "waits for your yes", shown)
    await in_thread(lambda: browser.get(f"/new-hubs/of/{HUB}"))
    wrong = "0000-" * 4 + "0000"
    answer = await in_thread(lambda: browser.submit(button="approve", fingerprint=wrong))
    assert f"has another fingerprint, {shown}" in answer.text
    assert machine.process.returncode is None
    answer = await in_thread(lambda: browser.submit(button="approve", fingerprint=shown))
    assert "is the hub" in answer.text, answer.text
    assert await machine.end() == 0, machine.said
    hand_over(disk, stage.site.hub)


def _token(browser: Browser) -> str:
    browser.get("/door/add")
    browser.submit(name="Front door")
    browser.get("/point/add")
    browser.submit(number="1", name="inward", door=str(models.Door.objects.get().pk))
    browser.get("/new-hubs/token")
    point = str(models.AccessPoint.objects.get().pk)
    answer = browser.submit(hub=HUB, points=[point], time_zone="Europe/Berlin")
    assert "token" in answer.page.fields, answer.text
    return answer.page.fields["token"]


async def test_a_token_on_the_page_becomes_a_hub_with_a_policy(tmp_path: Path) -> None:
    run = Path(tempfile.mkdtemp(prefix="enr"))  # a socket's path has 107 bytes at most
    try:
        async with running(tmp_path) as bench:
            stage = EnrollingStage(tmp_path / "site", bench, run)
            async with stage:
                await _is_a_hub(stage)
    finally:
        shutil.rmtree(run)


class EnrollingStage(PageStage):
    """Signer and server are there while the stage is."""

    async def start_backend(self) -> None:
        await super().start_backend()
        self._beside = _beside(self)
        await self._beside.__aenter__()
        await _enrol(self)

    async def _stop_all(self) -> None:
        await super()._stop_all()
        await self._beside.__aexit__(None, None, None)


@asynccontextmanager
async def _beside(stage: PageStage) -> AsyncIterator[None]:
    async with signing(stage.run), serving(stage):
        yield


async def _is_a_hub(stage: PageStage) -> None:
    browser = stage.browser
    await shows(browser, "/hubs", HUB, "connected", "has it", "It has every change.")
    text = await shows(browser, f"/hubs/of/{HUB}", "Nothing needs somebody here")
    assert "Access points 1" in text
    newest = await in_thread(models.SignedPolicy.objects.order_by("-version").first)
    assert (await stage.hub("status"))["policy_version"] == newest.version
    assert len(list(read_log(stage.run / LOG))) >= 3
    await in_thread(lambda: browser.get("/new-hubs/token"))
    point = str((await in_thread(models.AccessPoint.objects.get)).pk)
    answer = await in_thread(lambda: browser.submit(hub="hub-2", points=[point]))
    assert "new_hubs_a_day" in answer.text
