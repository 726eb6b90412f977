"""What the cases with strangers share: their material, and a crowd in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hubcore.access.grant import Access
from hubsim import site as sites
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.ending import ENDS_WITH_US
from lab.strangers import AT_WORK
from tests.lab.conftest import ROOT, AirAddress

AT_WORK_SECONDS = 40.0
END_SECONDS = 15.0


def stranger_wallet(site: sites.Site) -> Wallet:
    """A phone with a key of its own and a grant that nobody's issuer signed, of a site whose hub it
    would talk to.
    """
    key = sites.make_key()
    grant = sites.make_grant(
        sites.make_key(),
        site=site.name,
        credential="f" * 16,
        key=key,
        access=[Access(1, sites.OPEN_AND_QUERY, ())],
    )
    return Wallet(site.name, site.verifier, key, grant)


async def recording(air: AirAddress, wallet: Wallet) -> tuple[bytes, ...]:
    """What one honest visit sent."""
    async with on_air(air.transport) as device, connect(device) as link:
        report = await Session(link, wallet).run(1)
        assert report.verdict is not None, report.why
        assert report.verdict.allowed, report.verdict
        return tuple(report.sent)


@asynccontextmanager
async def crowd(
    air: AirAddress,
    kinds: Sequence[str],
    folder: Path,
    told: dict[str, dict[str, int]] | None = None,
) -> AsyncIterator[None]:
    """Strangers in a process of their own, each of them there once before the block begins.

    `told` gets what each did. `folder` holds their material.
    """
    argv = ["-m", "lab.strangers", air.transport, *kinds]
    argv += ["--recording", str(folder / "recording.json"), "--wallet", str(folder / "wallet")]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "hardware-sim")])
    process = await asyncio.create_subprocess_exec(
        *ENDS_WITH_US,
        sys.executable,
        *argv,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(AT_WORK_SECONDS):
            assert (await process.stdout.readline()).decode().strip() == AT_WORK
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    (told if told is not None else {}).update(json.loads(out))
