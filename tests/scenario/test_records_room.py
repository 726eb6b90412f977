"""A real daemon whose records are above their budget: the oldest go, doors open, and what stands
for them is signed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hubcore.codec.cose import SigningKey
from hubcore.evidence.records import Record, RecordKind
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.tables.retention import KEPT_RECORDS
from hubd.stores import make_retention
from hubsim.stage import Stage
from tests.scenario.conftest import FRONT, start_again
from tests.scenario.test_desk import allowed, at_rest, new_phone, visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

MIB = 1 << 20
BUDGET_MIB = 64
LONG_BYTES = 3400
"""One such record has a page of 4 KiB for itself: KEPT_RECORDS of them are above the budget."""
MORE_RECORDS = 500
AT_ONCE = 1000


async def fill(stage: Stage) -> int:
    """Add records that the backend acknowledged; return the number of the newest."""
    pem = (stage.site.hub / "identity.key").read_bytes()
    private = load_pem_private_key(pem, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    endless = make_retention(1 << 40, "hub-1", stage.site.name, SigningKey(private))
    record = Record(RecordKind.DOOR, 1_790_000_000_000, 1, {"filling": bytes(LONG_BYTES)})
    async with await AuditStore.open(stage.site.hub / "state" / "audit.db", endless) as store:
        for _ in range((KEPT_RECORDS + MORE_RECORDS) // AT_ONCE + 1):
            await asyncio.gather(*(store.append(record) for _ in range(AT_ONCE)))
        last = store.last()
        await store.acknowledge(range(1, last + 1))
    return last


def first_record(stage: Stage) -> int:
    path = stage.site.hub / "state" / "audit.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT min(number) FROM records").fetchone()[0])


def verify(stage: Stage) -> subprocess.CompletedProcess[str]:
    hub = stage.site.hub
    argv = [
        *(sys.executable, "-m", "hubctl.main", "audit", "verify"),
        *("--file", str(hub / "state" / "audit.db")),
        *("--certificate", str(hub / "certificate.cbor"), "--issuer", str(hub / "issuer.cbor")),
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


async def test_a_hub_above_its_budget_removes_the_oldest_records_and_opens_meanwhile(
    tmp_path: Path,
) -> None:
    async with Stage(tmp_path / "site", [FRONT], person=False) as stage:
        await stage.stop("hub")
        await stage.stop("backend")
        config = stage.site.hub / "hub.toml"
        text = config.read_text()
        state = 'state_directory = "state"\n'
        assert state in text
        config.write_text(text.replace(state, f"{state}records_mib = {BUDGET_MIB}\n"))
        last = await fill(stage)
        await start_again(stage)
        assert allowed(await visit(stage, new_phone(stage)))

        def has_gone() -> bool:
            return first_record(stage) > last - KEPT_RECORDS

        await stage.until(has_gone, "the oldest records have gone", seconds=120)
        assert allowed(await visit(stage, new_phone(stage)))
        assert "records" not in [one["id"] for one in (await stage.hub("status"))["problems"]]
        await at_rest(stage)
        verified = await asyncio.to_thread(verify, stage)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert "The hub signed the checkpoint." in verified.stdout
        await stage.stop("hub")
        await start_again(stage)
        assert allowed(await visit(stage, new_phone(stage)))
        await at_rest(stage)
