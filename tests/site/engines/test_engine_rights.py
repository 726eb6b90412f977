"""The accounts of a site's machine at its engine: each is one key's, and none is for another's."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client

from hubcore.errors import LinkError, StoreError
from hubgateway.engine.account import Account, new_account, speak_as
from hubgateway.engine.engine import Engine
from hubgateway.engine.newest import UnwrittenError, keep_newest
from hubgateway.engine.rights import RIGHTS, Who
from hubgateway.engine.trouble import TOLD_MAX, Complaints
from hubgateway.rules import names
from hubsim.stage import free_port
from hubsite.config import Engine as SiteEngine
from hubsite.hubs.engine import HubsEngine
from hubsite.setup.accounts import engine_text
from tests.gateway.bench import WAIT_SECONDS, until

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
ENGINE = str(Path(sysconfig.get_path("scripts")) / "nats-server")
HUB_SHAPED = {
    "$KV.hub_keys.": "a key makes a hub",
    "$KV.hub_policy.": "a policy opens doors",
    "$KV.hub_certificates.": "a certificate names a hub's doors",
    "$KV.hub_tls_certificates.": "so does the one for TLS",
    "$KV.hub_mandates.": "a mandate lets a bridge order",
    "$KV.hub_ends.": "a list of ends shuts hubs out",
    "hub.records.": "a record is evidence",
    "hub.commands.": "a command opens a door",
    "$JS.API.STREAM.PURGE.": "a purge ends evidence",
    "$JS.API.STREAM.DELETE.": "so does the end of a stream",
    "$JS.API.STREAM.UPDATE.": "so does a stream that drops",
    "$JS.API.STREAM.MSG.DELETE.": "so does the end of one message",
}
"""What only named accounts may publish below, and why."""
MAY = {
    Who.GATEWAY: {"$KV.hub_keys.", "hub.records."},
    Who.ISSUER: {
        "$KV.hub_keys.",
        "$KV.hub_certificates.",
        "$KV.hub_tls_certificates.",
        "$KV.hub_mandates.",
        "$KV.hub_ends.",
        "$JS.API.STREAM.PURGE.",
    },
    Who.SERVER: {"$KV.hub_policy.", "$JS.API.STREAM.PURGE."},
    Who.PERSON: set(HUB_SHAPED),
}


@pytest.mark.parametrize("who", Who)
def test_what_makes_hubs_opens_doors_and_ends_evidence_is_for_who_needs_it(who: Who) -> None:
    may = {
        begins
        for begins in HUB_SHAPED
        for subject in RIGHTS[who].publish
        if subject == ">" or subject.startswith(begins)
    }
    assert may == MAY[who]


@pytest.mark.parametrize("who", [Who.GATEWAY, Who.ISSUER])
def test_the_page_has_these_tables(who: Who) -> None:
    text = (ROOT / "docs/backend.md").read_text(encoding="utf-8")
    part = text.partition(f"\n| account of `{who.value}` |")[2].partition("\n\n")[0]
    said = set(re.findall(r"`([^`\s]+)`", part))
    assert said == {*RIGHTS[who].publish, *RIGHTS[who].subscribe}


@asynccontextmanager
async def engine(
    folder: Path, accounts: dict[Who, Account], without: Sequence[str] = ()
) -> AsyncIterator[int]:
    """A real engine by the file that `hubsite setup` makes, less these lines."""
    port = free_port()
    text = engine_text({who: one.public for who, one in accounts.items()}, port, free_port())
    for line in without:
        text = text.replace(json.dumps(line), "")
    file = folder / "nats.conf"
    file.write_text(text.replace("/var/lib/nats", str(folder / "store")))
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(ENGINE, "-c", str(file), stderr=log)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while process.returncode is None:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    break
                await asyncio.sleep(0.02)
        yield port
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def held(folder: Path, account: Account) -> str:
    file = folder / account.public
    file.write_text(account.seed)
    file.chmod(0o600)
    return str(file)


async def test_each_account_is_refused_what_is_not_its_own(tmp_path: Path) -> None:
    accounts = {who: new_account() for who in Who}
    async with engine(tmp_path, accounts) as port:
        for who in (Who.GATEWAY, Who.ISSUER, Who.SERVER):
            wanted = [f"{begins}x" for begins in HUB_SHAPED if begins not in MAY[who]]
            await _is_refused(port, held(tmp_path, accounts[who]), wanted, "publish")
        hears = ["hub.commands.*", "hub.records.*", ">"]
        credentials = held(tmp_path, accounts[Who.ISSUER])
        await _is_refused(port, credentials, hears, "subscribe")


def test_the_server_purges_policies_alone() -> None:
    purges = [one for one in RIGHTS[Who.SERVER].publish if "PURGE" in one]
    assert purges == [f"$JS.API.STREAM.PURGE.KV_{names.POLICY_BUCKET}"]


async def _is_refused(port: int, credentials: str, subjects: list[str], do: str) -> None:
    """Wait until the engine has refused each of the subjects."""
    said: list[str] = []

    async def failed(error: Exception) -> None:
        said.append(str(error).lower())

    client = Client()
    await client.connect(
        f"nats://127.0.0.1:{port}",
        error_cb=failed,
        allow_reconnect=False,
        **speak_as(client, credentials),
    )
    try:
        for subject in subjects:
            if do == "publish":
                await client.publish(subject, b"x")
            else:
                await client.subscribe(subject)
        await until(
            lambda: all(any(f'"{one.lower()}"' in text for text in said) for one in subjects)
        )
    finally:
        await client.close()


async def test_nobody_comes_in_without_the_key_of_an_account(tmp_path: Path) -> None:
    accounts = {who: new_account() for who in Who}
    async with engine(tmp_path, accounts) as port:
        server = f"nats://127.0.0.1:{port}"
        for credentials in ("", held(tmp_path, new_account())):
            stranger = Client()
            more = speak_as(stranger, credentials)
            with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
                await stranger.connect(server, allow_reconnect=False, **more)
            await stranger.close()
            refused = HubsEngine(SiteEngine((server,), credentials))
            with pytest.raises(LinkError):
                await refused.connect()
            await refused.close()
        gateway = Engine((server,), held(tmp_path, accounts[Who.GATEWAY]), 1)
        await gateway.connect(retries=1)
        assert gateway.is_up
        await gateway.close()


async def test_a_file_of_before_health_is_told_apart_from_an_engine_that_is_away(
    tmp_path: Path,
) -> None:
    """newest, law 5"""
    accounts = {who: new_account() for who in Who}
    bucket = names.HEALTH_BUCKET
    async with engine(tmp_path, accounts, without=(f"$KV.{bucket}.>",)) as port:
        gateway = Engine((f"nats://127.0.0.1:{port}",), held(tmp_path, accounts[Who.GATEWAY]), 1)
        await gateway.connect(retries=1)
        turn = await gateway.buckets.put(names.SESSIONS_BUCKET, "front-1", b"gate boot")
        with pytest.raises(UnwrittenError):
            await keep_newest(gateway.buckets, bucket, "front-1", b"down", turn)
        await gateway.close()


async def test_who_lacks_a_right_says_which_line_and_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """rights, law 5; the gateway once a line, however often it is refused"""
    accounts = {who: new_account() for who in Who}
    lacks = ("$KV.hub_stops.>", "hub.present", "$JS.API.STREAM.MSG.GET.KV_hub_keys")
    async with engine(tmp_path, accounts, without=lacks) as port:
        server = f"nats://127.0.0.1:{port}"
        gateway = Engine((server,), held(tmp_path, accounts[Who.GATEWAY]), 1)
        await gateway.connect(retries=1)
        said = ""
        for _ in range(3):
            await gateway.tell(names.PRESENT, b"x")
            await gateway.buckets.at(names.SESSIONS_BUCKET, "front-1")  # the refusal is there then
        said = capsys.readouterr().err
        assert said.count("the account of hubgateway at the engine lacks `hub.present`") == 1
        assert "`hubsite setup`, typed again by root" in said
        await gateway.close()
        site = HubsEngine(SiteEngine((server,), held(tmp_path, accounts[Who.SERVER])))
        await site.connect()
        with pytest.raises(
            StoreError, match=re.escape(f"hubsite at the engine lacks `{lacks[2]}`")
        ):
            await site.hubs()
        await site.listen_to("hub.present", lambda _subject, _data: None)
        await site.highest_version()
        assert "hubsite at the engine lacks `hub.present` under `subscribe`" in caplog.text
        await site.close()


async def test_an_engine_fills_no_journal_by_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """trouble, Complaints: each sentence once a connection, and so many at most."""
    complaints = Complaints(Who.GATEWAY)
    for number in (*range(2 * TOLD_MAX), *range(TOLD_MAX)):
        await complaints.heard(ValueError(f"junk {number}"))
        await complaints.heard(OSError("the connection broke"))
    assert len(capsys.readouterr().err.splitlines()) == TOLD_MAX
    complaints.forget()
    await complaints.heard(ssl.SSLCertVerificationError("self-signed"))
    await complaints.heard(ssl.SSLCertVerificationError("self-signed"))
    assert capsys.readouterr().err.count("its certificate is not believed") == 1


def test_a_visit_to_an_engine_that_is_away_ends_and_says_why(tmp_path: Path) -> None:
    """visit, the law"""
    port = free_port()
    begun = ["init", str(tmp_path / "site"), "--site", "acme", "--server"]
    runs = [sys.executable, "-m", "hubgateway.issuer"]
    server = f"nats://127.0.0.1:{port}"
    subprocess.run([*runs, *begun, server], check=True, timeout=WAIT_SECONDS, capture_output=True)
    file = tmp_path / "site" / "hubissuer.toml"
    listed = [*runs, "--config", str(file), "list"]
    done = subprocess.run(listed, timeout=WAIT_SECONDS, capture_output=True, check=False)
    said = done.stderr.decode()
    assert done.returncode not in (0, os.EX_CONFIG)
    assert f"the engine at {server}: " in said
    assert "refused" in said.lower() or "connect call failed" in said.lower()
    with pytest.raises(ValueError, match="retries"):
        asyncio.run(Engine((server,), "", 1).connect(retries=0))


def test_the_file_acknowledges_what_its_disk_has_and_listens_at_loopback() -> None:
    shipped = (ROOT / "config/nats.conf").read_text()
    made = engine_text({who: who.value for who in Who}, 4222, 8222)
    settings = re.compile(r"^ *([a-z_]+: .+)$", re.M)
    assert set(settings.findall(shipped)) <= set(settings.findall(made))
    assert json.dumps("hub.present") in made
