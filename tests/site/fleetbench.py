"""A real engine with the buckets of hubs, and what reads them for the pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import connection

from hubcore.codec.cose import write_key
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.codec.tlsauthority import Authority, begin_authority, certify
from hubcore.phone.certificates import HubCertificate, issue_hub_certificate
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubsim.site.authority import public_of
from hubsim.site.documents import make_key
from hubsite.config import Engine
from hubsite.fleet.judging import BUCKETS, Judge
from hubsite.fleet.watch import FleetWatch
from hubsite.hubs import kept
from tests.gateway.bench import WAIT_SECONDS, Bench, running
from tests.site.browser import Browser, at_work

ISSUER = make_key()
HUB_KEY = make_key()
DAY = 86_400
NOW = int(time.time())
AUTHORITY = begin_authority("acme", make_key(), NOW - 10 * DAY)
T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Do what reads rows in a thread of its own, and leave no connection open there."""

    def whole() -> T:
        try:
            return work()
        finally:
            connection.close()

    return await asyncio.to_thread(whole)


async def shows(browser: Browser, path: str, *words: str, without: str = "\0") -> str:
    """Wait until a page says all of this."""
    text = ""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                text = (await in_thread(lambda: browser.get(path))).text
                if all(word in text for word in words) and without not in text:
                    return text
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise AssertionError(text) from error


def certificate(hub: str, days: float, site: str = "acme", issuer: object = ISSUER) -> bytes:
    expires = int(NOW + days * DAY)
    made = HubCertificate(site, hub, NOW - 5 * DAY, expires, HUB_KEY.verify_key, (1, 2))
    return issue_hub_certificate(issuer, made, write_key(HUB_KEY.verify_key.public))  # type: ignore[arg-type]


def tls_certificate(hub: str, days: float, authority: Authority = AUTHORITY) -> bytes:
    name = TlsName("acme", TlsRole.HUB, hub)
    expires = int(NOW + days * DAY)
    return certify(authority, name, public_of(HUB_KEY), NOW - 5 * DAY, expires)


@dataclass
class Fleet:
    bench: Bench
    buckets: Buckets
    watch: FleetWatch
    browser: Browser

    async def enrol(self, hub: str, number: int) -> None:
        await self.buckets.put(names.KEYS_BUCKET, f"{number:064x}", f"enrolled {hub}".encode())

    async def text(self, path: str = "/hubs") -> str:
        return (await in_thread(lambda: self.browser.get(path))).text

    async def shows(self, path: str, *words: str, without: str = "\0") -> str:
        return await shows(self.browser, path, *words, without=without)

    async def known(self, *hubs: str) -> None:
        """The publisher has found these hubs."""
        await in_thread(lambda: kept.replace_hubs(frozenset(hubs)))


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    async with running(folder) as bench:
        buckets = Buckets(bench.js)
        for bucket in (names.KEYS_BUCKET, *BUCKETS, names.PROMISES_BUCKET):
            await buckets.make(bucket, 1)
        engine = Engine((bench.server.url,), tls_authority="authority.pem")
        judge = Judge("acme", ISSUER.verify_key, AUTHORITY.document)
        watch = FleetWatch(judge, engine)
        browser = await in_thread(at_work)
        settings.HUBSITE_RUNNING.begin_parts([watch])
        try:
            yield Fleet(bench, buckets, watch, browser)
        finally:
            await asyncio.to_thread(settings.HUBSITE_RUNNING.end_parts)
