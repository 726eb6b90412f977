"""A hub that no backend reaches gets its policy from a folder: a real hub, a real hubctl."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hubcore.access.cards import Card
from hubcore.access.grant import Access
from hubcore.evidence.facts import RecordKind
from hubcore.evidence.records import Record
from hubcore.phone.messages import Reason
from hubd.adapters.sqlite.audit import AuditStore
from hubsim.site import DeskDoor
from hubsim.site.carrying import write_policy_folder
from hubsim.stage import Stage
from tests.scenario.conftest import PULSE_SECONDS, start_again
from tests.scenario.test_desk import allowed, at_rest, new_phone, visit
from tests.scenario.test_policy import credential

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once, pytest.mark.long]

MANY = 100_000
LOAD_SECONDS = 120.0
BACKEND_KEYS = ("curve_secret", "backend_public", "endpoint")


class OfflineStage(Stage):
    """A stage whose hub has no backend, and whose configuration names none."""

    async def start_backend(self) -> None:
        lines = self.config.read_text().replace("[backend]\n", "").splitlines()
        kept = [line for line in lines if not line.startswith(BACKEND_KEYS)]
        self.config.write_text("\n".join(kept) + "\n")

    async def hubctl(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Ask as a technician does; return the exit status and the document."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "hubctl.main", "--socket", str(self.site.hub / "hubd.sock")),
            *arguments,
            "--json",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(LOAD_SECONDS):
            said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, json.loads(said)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OfflineStage]:
    door = DeskDoor(strike_seconds=PULSE_SECONDS)
    path = tmp_path_factory.mktemp("offline") / "site"
    async with OfflineStage(path, [door], person=False) as running:
        yield running


async def brought_by(stage: Stage) -> dict[int, int]:
    """The user who brought each policy, as the evidence says."""
    async with await AuditStore.open(stage.site.hub / "state" / "audit.db") as store:
        records = [Record.decode(one.body) for one in store.newest(1 << 62, 10_000)]
    return {
        record.detail["version"]: record.detail["uid"]
        for record in records
        if record.kind == RecordKind.POLICY
    }


def write_stick(stage: Stage, folder: Path) -> None:
    write_policy_folder((stage.site.path / "policy.cbor").read_bytes(), folder)


async def test_it_gets_100000_credentials_and_refuses_one_that_is_revoked_there(
    stage: OfflineStage, tmp_path: Path
) -> None:
    lost = new_phone(stage)
    kept = new_phone(stage)
    assert allowed(await visit(stage, lost))
    await at_rest(stage)
    cards = [
        Card(secrets.token_bytes(16), secrets.token_hex(8), 0, 1 << 40, (Access(1, 1, ()),))
        for _ in range(MANY)
    ]
    stage.site.change(
        cards={card.digest: card for card in cards},
        revoked_credentials=frozenset({credential(stage, lost)}),
    )
    older = tmp_path / "older"
    write_stick(stage, older)
    assert await stage.hubctl("policy", "load", str(older)) == (
        0,
        {"schema": 1, "version": 2, "already": False, "pieces": pytest.approx(200, abs=150)},
    )
    report = await visit(stage, lost)
    assert report.verdict is not None
    assert report.verdict.reason is Reason.REVOKED
    status, told = await stage.hubctl("why", "front")
    assert status == 0
    (denial,) = told["denials"]
    assert (denial["why"], denial["now"]) == ("credential-revoked", "credential-revoked")
    assert credential(stage, lost).startswith(denial["asker"].rstrip("…"))
    assert denial["asker"] != credential(stage, lost)
    await at_rest(stage)
    assert allowed(await visit(stage, kept))
    await at_rest(stage)

    status, shown = await stage.hubctl("policy")
    assert (status, shown["version"]) == (0, 2)
    assert (shown["rows"]["cards"], shown["rows"]["credentials"]) == (MANY, 1)

    kept_here = await stage.hub("status")
    records = kept_here["records"]
    assert records["waiting"] == records["last"] > 0
    assert 0 < records["used_bytes"] <= records["held_bytes"] < records["budget_bytes"]
    assert (records["oldest_seconds"], kept_here["telemetry"]) == (None, None)

    stage.site.revoke(credential(stage, kept))  # and the next stick brings what is new
    newer = tmp_path / "newer"
    write_stick(stage, newer)
    status, loaded = await stage.hubctl("policy", "load", str(newer))
    assert (status, loaded["version"]) == (0, 3)
    assert loaded["pieces"] <= 2
    assert not allowed(await visit(stage, kept))
    await at_rest(stage)

    status, refused = await stage.hubctl("policy", "load", str(older))
    assert status == 1
    assert refused["error"]["code"] == "policy-refused"
    assert "policy 2 is not newer than 3" in refused["error"]["message"]

    await stage.kill("hub")
    await start_again(stage)
    status, shown = await stage.hubctl("policy")
    assert (status, shown["version"]) == (0, 3)
    await stage.stop("hub")
    assert await brought_by(stage) == {2: os.geteuid(), 3: os.geteuid()}
