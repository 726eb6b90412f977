"""Which keys a hub tells of, how one is changed by hand, and how `hubctl keys` waits for it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from hubcore.access.words import HubName
from hubcore.backend.rotation import RotationPace, Waits
from hubcore.codec.cose import Aead, SigningKey
from hubcore.errors import AuditError
from hubcore.evidence.records import facts
from hubcore.phone.epochs import EpochRing
from hubctl.commands.keys.showing import WAITS
from hubctl.main import hubctl
from hubd.adapters.keys.filemode import mode_of
from hubd.backend.rotation import KeyRotation
from hubd.calls.keys import KeyCalls
from hubd.keys.changing import EPOCH_PACE, KeyChanges, Rotated
from hubd.keys.report import KeyReport
from hubd.phones.epochkeys import EpochKeys
from hublocal.calls import CallRefused
from hubterm.exits import INTERRUPTED, NO, NO_ANSWER, PROTOCOL, TRY_AGAIN, USAGE
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.fakes.daemon import Daemon, documents
from tests.fakes.keys import FakeKeyPairs
from tests.fakes.uplink import FakeUplink
from tests.unit.test_keyfiles import Site

SECONDS = 60.0


# What hubd tells.


def rotating(clock: FakeClock) -> KeyRotation:
    return KeyRotation(
        pairs=FakeKeyPairs(),
        uplink=FakeUplink(),
        pace=RotationPace(),
        clock=clock,
        hub="hub-1",
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def report_of(site: Site, rotation: KeyRotation | None = None) -> KeyReport:
    return KeyReport(site.config(), site.load(), EpochRing(), rotation, mode_of)


def test_each_key_says_where_it_lies_and_who_changes_it(site: Site) -> None:
    told = report_of(site, rotating(FakeClock())).document()["keys"]
    found = {key["role"]: key for key in told}
    assert {"identity", "uplink", "issuer", "backend"} <= set(found)
    identity = found["identity"]
    assert (identity["algorithm"], identity["kept"], identity["mode"]) == ("ES256", "file", "0600")
    assert Path(identity["where"]).is_file()
    assert identity["ends"] == site.load().in_force.certified.expires
    assert (identity["private"], found["issuer"]["private"]) == (True, False)
    assert found["uplink"]["waits_for"] == "nothing"
    for key in told:
        assert key["changed_by"] in {"hub", "enrolment", "site"}


def test_no_secret_byte_is_told(site: Site) -> None:
    keys = site.load()
    told = json.dumps(report_of(site, rotating(FakeClock())).document())
    pem = keys.identity.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    secret = keys.identity.private_numbers().private_value.to_bytes(32, "big")
    assert keys.uplink is not None
    for private in (pem, secret, keys.uplink.secret):
        assert private.hex() not in told
    for file in site.config().keys.__struct_fields__:
        lies = getattr(site.config().keys, file)
        if lies is not None and file in ("curve_secret", "beacon", "card_key"):
            data = lies.path.read_bytes()
            assert data.strip().decode("latin-1") not in told
            assert data.hex() not in told


@pytest.mark.asyncio
async def test_an_epoch_key_is_made_when_it_is_asked_for_and_the_one_before_still_opens(
    site: Site,
) -> None:
    ring = EpochRing()
    clock = FakeClock()
    identity = SigningKey(site.load().identity)
    keys = EpochKeys(ring, identity, HubName("site", "hub"), (Aead.A128GCM,), 2048)
    changed = asyncio.Event()

    async def another() -> str:
        while True:
            changed.clear()
            await changed.wait()
            if ring.current is not None and ring.current.kid.hex() not in seen:
                seen.append(ring.current.kid.hex())
                return seen[-1]

    seen: list[str] = []
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        making = tasks.create_task(keys.run(clock, lambda: None, changed.set))
        await another()
        keys.renew()
        await another()
        making.cancel()
    assert [epoch.kid.hex() for epoch in ring.live] == seen
    report = KeyReport(site.config(), site.load(), ring, None, mode_of)
    epochs = [key for key in report.document()["keys"] if key["role"] == "epoch"]
    assert [key["in_use"] for key in epochs] == [True, False]
    assert report.id_of("epoch") == seen[1]
    assert {key["kept"] for key in epochs} == {"memory"}


# How it is changed.


class Changing:
    """The use case, with all around it."""

    def __init__(self, with_uplink: bool = True) -> None:
        self.log = FakeAudit()
        self.clock = FakeClock()
        self.told: list[object] = []
        self.renewed = 0
        self.rotation = rotating(self.clock) if with_uplink else None
        self.use = KeyChanges(
            rotation=self.rotation,
            renew_epoch=self._renew,
            log=self.log,
            clock=self.clock,
            tell=lambda event, detail: self.told.append((event, dict(detail))),
        )

    def _renew(self) -> None:
        self.renewed += 1


@pytest.mark.asyncio
async def test_who_asked_is_recorded_before_the_change_begins() -> None:
    change = Changing()
    assert await change.use.begin(Rotated.UPLINK, "technician", 1000) is None
    assert change.rotation is not None
    assert change.rotation.waits is Waits.UPLINK
    assert await change.use.begin(Rotated.EPOCH, "technician", 1001) is None
    assert change.renewed == 1
    said = [facts(record.body) for record in change.log.stored]
    assert [(one["kind"], one["what"], one["uid"]) for one in said] == [
        ("act", "rotate uplink key", 1000),
        ("act", "rotate epoch key", 1001),
    ]
    assert len(change.told) == 2


@pytest.mark.asyncio
async def test_without_its_record_nothing_begins() -> None:
    change = Changing()
    change.log.failing = AuditError("disk")
    for key in Rotated:
        with pytest.raises(AuditError):
            await change.use.begin(key, "technician", 0)
    assert change.renewed == 0
    assert change.rotation is not None
    assert change.rotation.waits is Waits.NOTHING


@pytest.mark.asyncio
async def test_what_cannot_be_changed_is_refused_and_leaves_no_record() -> None:
    change = Changing(with_uplink=False)
    refused = await change.use.begin(Rotated.UPLINK, "technician", 0)
    assert refused is not None
    assert refused.code == "no-uplink-key"
    for _ in range(int(EPOCH_PACE.burst)):
        assert await change.use.begin(Rotated.EPOCH, "technician", 0) is None
    refused = await change.use.begin(Rotated.EPOCH, "technician", 0)
    assert refused is not None
    assert refused.code == "too-soon"
    assert len(change.log.stored) == EPOCH_PACE.burst


@pytest.mark.asyncio
@pytest.mark.parametrize("key", [None, "identity", "", 7])
async def test_a_key_that_the_hub_does_not_change_is_refused(site: Site, key: object) -> None:
    change = Changing()
    calls = {call.name: call for call in KeyCalls(report_of(site), change.use).table()}
    with pytest.raises(CallRefused, match="uplink, epoch"):
        await calls["rotate-key"].handler({"key": key}, None)  # type: ignore[arg-type]
    assert change.log.stored == []


# How hubctl waits for it.


def key(**more: Any) -> dict[str, Any]:
    return {"role": "uplink", "id": "old", "in_use": True, "waits_for": "nothing", **more}


def rotate(path: Path, *words: str) -> Result:
    return CliRunner().invoke(hubctl, ["keys", "rotate", *words, "--socket", str(path)])


def told(*keys: dict[str, Any], of: str = "uplink") -> dict[str, Any]:
    return {"rotate-key": {"key": of, "before": "old"}, "keys": {"keys": list(keys)}}


def test_it_ends_when_the_backend_has_let_the_old_key_go(tmp_path: Path) -> None:
    """hubd answers some times that the change is under way."""
    waiting = documents(told(key(id="new", waits_for="retired")))
    done = documents(told(key(id="new")))
    looks: list[str] = []

    def answer(call: str) -> bytes:
        looks.append(call)
        return done(call) if looks.count("keys") > 2 else waiting(call)

    with Daemon(tmp_path / "s", answer) as daemon:
        result = rotate(daemon.path, "uplink", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"schema": 1, "key": "uplink", "before": "old", "id": "new"}
    assert looks == ["rotate-key", "keys", "keys", "keys"]


@pytest.mark.parametrize("waits", WAITS)
def test_when_the_time_is_over_it_says_what_it_waits_for(tmp_path: Path, waits: str) -> None:
    with Daemon(tmp_path / "s", documents(told(key(waits_for=waits)))) as daemon:
        result = rotate(daemon.path, "uplink", "--timeout", "0.3", "--json")
    assert (result.exit_code, result.stdout) == (TRY_AGAIN, "")
    assert WAITS[waits] in json.loads(result.stderr)["error"]["message"]


def test_every_wait_of_hubd_has_a_sentence() -> None:
    assert set(WAITS) | {"nothing"} == {one.value for one in Waits}


def test_a_key_that_the_backend_refused_is_told(tmp_path: Path) -> None:
    refused = key(trouble="the backend refused the hub's new key: not mine")
    with Daemon(tmp_path / "s", documents(told(refused))) as daemon:
        result = rotate(daemon.path, "uplink")
    assert (result.exit_code, result.stdout) == (NO, "")
    assert "not mine" in result.stderr


def test_an_epoch_key_is_there_when_its_id_is_another(tmp_path: Path) -> None:
    epochs = (
        {"role": "epoch", "id": "new", "in_use": True, "waits_for": None},
        {"role": "epoch", "id": "old", "in_use": False, "waits_for": None},
    )
    with Daemon(tmp_path / "s", documents(told(*epochs, of="epoch"))) as daemon:
        result = rotate(daemon.path, "epoch")
        assert (result.exit_code, result.stdout) == (
            0,
            "Recorded, and changed: the epoch key is new now.\n",
        )
    with Daemon(tmp_path / "s", documents(told(epochs[1] | {"in_use": True}, of="epoch"))) as same:
        result = rotate(same.path, "epoch", "--timeout", "0.3")
    assert (result.exit_code, "the key is being made" in result.stderr) == (TRY_AGAIN, True)


def test_what_is_no_answer_has_its_status(tmp_path: Path) -> None:
    assert rotate(tmp_path / "none", "uplink").exit_code == NO_ANSWER
    assert rotate(tmp_path / "none", "identity").exit_code == USAGE
    for strange in (told(), told(key(waits_for="godot"))):
        with Daemon(tmp_path / "s", documents(strange)) as daemon:
            assert rotate(daemon.path, "uplink").exit_code == PROTOCOL


def test_ctrl_c_ends_the_wait(tmp_path: Path) -> None:
    with Daemon(tmp_path / "s", documents(told(key(waits_for="taken")))) as daemon:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "hubctl.main",
                "--socket",
                str(daemon.path),
                "keys",
                "rotate",
                "uplink",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            while "keys" not in daemon.asked:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (INTERRUPTED, b"", b"")


def test_a_page_says_what_a_change_waits_for(tmp_path: Path) -> None:
    shown = key(
        algorithm="Curve25519 (CurveZMQ)",
        since=1_800_000_000,
        kept="sealed",
        where="/var/lib/hubd/uplink-keys",
        changed_by="hub",
        waits_for="taken",
    )
    with Daemon(tmp_path / "s", documents(told(shown))) as daemon:
        result = CliRunner().invoke(hubctl, ["keys", "--socket", str(daemon.path)])
    assert result.exit_code == 0
    for said in (
        "it waits for the backend to take the new one",
        "2027-01-15T08:00:00.000Z",
        "/var/lib/hubd/uplink-keys (sealed)",
    ):
        assert said in result.stdout
