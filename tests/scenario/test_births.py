"""The life of a hub: enrolled, renewed while it runs, dark past its certificate's end, replaced by
another machine, ended. Real processes; a phone opens its door on the way.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hubcore.access.grant import Access
from hubd.adapters.keys.renewed import RENEWED, RENEWED_TLS
from hubd.start.checkconfig import page
from hubsim import site as sites
from hubsim.enrolling import enrolment_port, hand_over, start_enroll
from hubsim.enrolment.desk import KEY_SUFFIX
from hubsim.main import main
from hubsim.phone import wallet as wallets
from hubsim.phone.wallet import Wallet
from hubsim.site import DAY, OPEN_AND_QUERY
from hubsim.stage import Stage, StageError
from tests.scenario.conftest import FRONT, start_again
from tests.scenario.test_desk import allowed, at_rest, visit

pytestmark = [pytest.mark.once, pytest.mark.long]

HUB = "hub-1"
ENDED_DAYS = 30 / DAY
"""Of a certificate that began a minute ago."""
LAST_THIRD_DAYS = 90 / DAY
"""Of one that began a minute ago and has 30 s left."""


def anna(stage: Stage) -> Wallet:
    return wallets.load(stage.site.phone("anna"))


async def opens(stage: Stage) -> None:
    """A phone opens the door."""
    assert allowed(await visit(stage, anna(stage)))
    await at_rest(stage)


def add_access_point(stage: Stage, number: int) -> None:
    """Write one more way through the door into the hub's configuration, as an installer does."""
    text = stage.config.read_text()
    table = "[[doors.access_points]]"
    assert text.count(table) == 1
    stage.config.write_text(
        text.replace(table, f'{table}\nnumber = {number}\nname = "Out"\n\n{table}')
    )


async def release(stage: Stage, point: int = 1) -> str:
    """What becomes of a release that the backend orders."""
    answer = await stage.backend("release", hub=HUB, access_point=point)
    return str(answer["outcome"])


async def is_connected(stage: Stage) -> bool:
    hubs = (await stage.backend("hubs"))["hubs"]
    return bool(hubs[HUB]["connected"])


async def operator(stage: Stage, *words: str) -> str:
    """What an operator types at the backend; it must do its work. Return what it prints."""
    command = ("backend", "--at", str(stage.path), *words)
    result = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert result.exit_code == 0, result.output
    return result.stdout


async def checked(stage: Stage) -> str:
    """What `hubd --check-config` says of the hub's certificate."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubd", "--check-config", "--json"),
        *("--config", str(stage.config)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    found = page.decode(said.decode())
    (certificate,) = [finding.text for finding in found if finding.about == "certificate"]
    return certificate


def newest(stage: Stage) -> bytes:
    """The newest certificate of the hub."""
    return (stage.site.hub / "certificate.cbor").read_bytes()


def newest_tls(stage: Stage) -> bytes:
    """The newest one for TLS."""
    return (stage.site.hub / "tls.pem").read_bytes()


async def told_kinds(stage: Stage) -> list[str]:
    return [record["kind"] for record in await stage.records()]


async def renewed_while_it_runs(stage: Stage) -> None:
    """An operator adds a door to the certificate: in force without a restart, and durable."""
    renewed = stage.site.hub / "state" / RENEWED
    said = await operator(stage, "renew", HUB, "--access-point", "7")
    assert f"hub {HUB}: access points 1, 7, until 20" in said
    assert said.endswith("; sent\n")
    await stage.until(
        lambda: renewed.exists() and renewed.read_bytes() == newest(stage), "it is durable"
    )

    renewed_tls = stage.site.hub / "state" / RENEWED_TLS
    await stage.until(
        lambda: renewed_tls.exists() and renewed_tls.read_bytes() == newest_tls(stage),
        "so is that for TLS",
    )

    async def recorded() -> bool:
        return (await told_kinds(stage)).count("certificate") == 2

    await stage.until(recorded, "their records are with the backend")
    await opens(stage)
    await stage.kill("hub")
    add_access_point(stage, 7)
    await start_again(stage)
    assert (await release(stage, 7)) == "released"
    await at_rest(stage)
    assert renewed.read_bytes() == newest(stage)
    await opens(stage)
    assert (await told_kinds(stage)).count("certificate") == 2, "the same again is no news"
    assert (await checked(stage)).startswith("access points 1, 7, until 20")


async def dark_past_its_end(stage: Stage) -> None:
    """A hub whose certificate has ended may renew, and nothing else."""
    await stage.stop("backend")
    sites.certify(stage.site, HUB, days=ENDED_DAYS)
    held = sites.Site(stage.path)
    assert held.certificate(HUB).access_points == (1, 7)
    await stage.start_backend()

    async def wants_renewal() -> bool:
        return HUB in (await stage.backend("hubs"))["renewals"]

    await stage.until(wants_renewal, "the hub has said Hello, and was not welcomed")
    assert f"`hubsim backend renew {HUB}`" in await operator(stage, "hubs")
    before = len(await stage.records())
    await opens(stage)  # its phones go by the certificate that it has
    with pytest.raises(StageError):
        await release(stage)
    assert not await is_connected(stage)
    assert len(await stage.records()) == before, "nothing is taken from it"
    assert "it gets it when it comes" in await operator(stage, "renew", HUB)
    await stage.until(lambda: is_connected(stage), "the hub is welcome again")
    assert await release(stage) == "released"
    await at_rest(stage)

    async def all_came() -> bool:
        return len(await stage.records()) > before

    await stage.until(all_came, "what waited goes up")


async def renewed_by_itself(stage: Stage) -> None:
    """A certificate in the last third of its life is renewed, when the backend may sign."""
    renewed = stage.site.hub / "state" / RENEWED
    await stage.stop("backend")
    sites.certify(stage.site, HUB, days=LAST_THIRD_DAYS)
    short = newest(stage)
    where = ("--at", str(stage.path), "--listen", stage.endpoint)
    await stage.start("backend", "backend", *where, "--enrol", "tcp://127.0.0.1:*", "--renews")
    await stage.until(lambda: newest(stage) != short, "the hub has asked, and the backend signed")
    await stage.until(lambda: renewed.read_bytes() == newest(stage), "the hub has taken it")
    certified = stage.site.certificate(HUB)
    assert certified.expires - certified.not_before == sites.HUB_DAYS * DAY
    await stage.until(lambda: is_connected(stage), "the hub is welcome")


async def _on_another_machine(stage: Stage, disk: Path, *words: str) -> None:
    """Enrol a machine with an empty disk as the hub, which is dead."""
    await stage.kill("hub")
    (stage.site.hub / "state").rename(disk.with_suffix(".state-of-the-dead"))
    token = await operator(stage, "enrol", HUB, *words)
    hubctl = await start_enroll(await enrolment_port(stage), token, disk)
    async with asyncio.timeout(60):
        _, said = await asyncio.gather(_approve_what_asks(stage), hubctl.communicate())
    assert hubctl.returncode == 0, said
    hand_over(disk, stage.site.hub)


async def replaced(stage: Stage) -> None:
    """A dead hub's place is taken by a new machine with an empty disk."""
    old_key = (stage.site.backend / "hubs" / f"{HUB}{KEY_SUFFIX}").read_text()
    disk = stage.path / "disk-2"
    await _on_another_machine(stage, disk, "--replace")
    assert f'name = "{FRONT.name}"' in (disk / "etc/hubd/hubd.toml").read_text()
    assert old_key in (stage.site.backend / "revoked").read_text()
    new_key = (stage.site.backend / "hubs" / f"{HUB}{KEY_SUFFIX}").read_text()
    assert new_key != old_key
    await start_again(stage)
    await opens(stage)
    assert await release(stage) == "released"
    await at_rest(stage)
    assert (await stage.backend("hubs"))["stopped"] == {}, "its new chain is no fork"
    archives = list((stage.site.backend / "records").glob(f"{HUB}.until-*.db"))
    assert len(archives) == 1, "the records of the old machine stay"


async def _approve_what_asks(stage: Stage) -> None:
    async def asked() -> bool:
        entries = (await stage.backend("enrolments"))["enrolments"]
        return bool(entries[HUB]["fingerprint"])

    await stage.until(asked, "the new machine asks")
    said = await operator(stage, "enrolments")
    waits = re.search(r"WAITS for approval, fingerprint ([0-9A-Z-]+)", said)
    assert waits is not None, said
    await operator(stage, "approve", HUB, "--fingerprint", waits[1])


async def ended(stage: Stage) -> None:
    """A hub is ended for good."""
    await operator(stage, "end", HUB)
    assert (await stage.backend("hubs"))["hubs"] == {}
    with pytest.raises(StageError):
        await release(stage)
    assert stage.site.hub_of(1) is None


async def begun_again(stage: Stage) -> None:
    """Another machine gets the id of a hub that was ended: its chain is its own."""
    await _on_another_machine(
        stage, stage.path / "disk-3", "--access-point", "1", "--access-point", "7"
    )
    await start_again(stage)
    await opens(stage)
    assert await release(stage) == "released"
    hubs = await stage.backend("hubs")
    assert (hubs["stopped"], hubs["hubs"][HUB]["connected"]) == ({}, True)


async def test_the_life_of_a_hub(tmp_path: Path) -> None:
    async with Stage(tmp_path / "site", [FRONT], person=False, enrols=True) as stage:
        stage.site.grant("anna", [Access(1, OPEN_AND_QUERY, ())])
        await opens(stage)
        await renewed_while_it_runs(stage)
        await dark_past_its_end(stage)
        await renewed_by_itself(stage)
        await replaced(stage)
        await ended(stage)
        await begun_again(stage)
