"""What hubgateway goes by: chains in the engine, keys, lanes, commands that expire."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import zmq
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from zmq.utils import z85

from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.words import Cause
from hubcore.codec import cbor
from hubcore.errors import ConfigError, StoreError
from hubcore.evidence.records import Head, StoredRecord, chain_hash
from hubgateway.config import load, load_issuer, secret_file, secret_key
from hubgateway.enrolment.place import place
from hubgateway.issuer import keys
from hubgateway.issuer.begin import init
from hubgateway.issuer.holding.kinds import open_key
from hubgateway.issuer.signing.config import load_signing
from hubgateway.keeper import duress
from hubgateway.rules import chain, names, policy, zap
from hubgateway.rules.lanes import LANE_MESSAGES_MAX, Heard, Lane
from hubgateway.rules.pocket import Pocket
from hubsim.site.documents import make_key

ROOT = Path(__file__).parents[2]


def _chain(count: int) -> list[StoredRecord]:
    found = []
    before = Head()
    for number in range(1, count + 1):
        body = f"record {number}".encode()
        before = Head(number, chain_hash(before.hash, number, body))
        found.append(StoredRecord(number, body, before.hash))
    return found


RECORDS = _chain(40)


@given(st.lists(st.integers(0, 39), max_size=120))
def test_in_any_order_what_is_stored_is_the_chain(order: list[int]) -> None:
    known = chain.Known()
    stored: list[StoredRecord] = []
    acknowledged: set[int] = set()
    for start in range(0, len(order), 7):
        judged = chain.judge(known, [RECORDS[index] for index in order[start : start + 7]])
        assert not judged.fork
        if judged.new:
            stored += judged.new
            known = chain.added(known, judged.new, place=len(stored))
        acknowledged.update(judged.repeated, (record.number for record in judged.new))
    assert stored == RECORDS[: len(stored)]
    assert acknowledged <= {record.number for record in stored}


@pytest.mark.parametrize("index", [0, 5, 9, 10])
def test_another_record_is_a_fork_and_nothing_of_it_is_new(index: int) -> None:
    known = chain.added(chain.Known(), RECORDS[:10], place=1)
    other = StoredRecord(index + 1, b"other", bytes(32))
    judged = chain.judge(known, [other, *RECORDS[10:]])
    assert judged.fork
    assert judged.new == []
    assert judged.repeated == []


def test_what_was_not_compared_is_not_acknowledged() -> None:
    known = chain.Known(Head(10, RECORDS[9].hash), 3, {10: RECORDS[9].hash})
    judged = chain.judge(known, RECORDS[:3])
    assert judged.older == [1, 2, 3]
    assert judged.repeated == []


def test_a_message_of_the_engine_is_read_back_and_others_are_refused() -> None:
    assert chain.read_batch(chain.write_batch(RECORDS)) == RECORDS
    for data in (b"", b"\x80", b"\x81\x01", chain.write_batch([RECORDS[0], RECORDS[2]])):
        with pytest.raises(StoreError):
            chain.read_batch(data)


def test_a_stop_is_read_back_and_one_that_cannot_be_read_stops_too() -> None:
    stop = chain.Stop(Cause.GAP, "record 3 is missing")
    assert chain.read_stop(chain.write_stop(stop)) == stop
    assert chain.read_stop(b"\xff").cause is Cause.FORK


class Keys:
    """The directory."""

    def __init__(self, fresh: bool, **values: str) -> None:
        self.fresh = fresh
        self.values = {key: value.encode() for key, value in values.items()}


KEY = bytes([0xAB] * 32)


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        (Keys(True, **{KEY.hex(): "enrolled hub-1"}), b"200"),
        (Keys(True, **{KEY.hex(): "revoked hub-1"}), b"400"),
        (Keys(True), b"300"),
        (Keys(False, **{KEY.hex(): "enrolled hub-1"}), b"300"),
        (Keys(False, **{KEY.hex(): "revoked hub-1"}), b"300"),
        (Keys(True, **{KEY.hex(): "enrolled hub.1"}), b"300"),
        (Keys(True, **{KEY.hex(): "friend hub-1"}), b"300"),
    ],
)
def test_only_an_enrolled_key_comes_in(keys: Keys, status: bytes) -> None:
    request = [b"1.0", b"7", b"hub", b"127.0.0.1", b"", b"CURVE", KEY]
    assert zap.answer(keys, request)[2] == status
    assert zap.holds(keys, "hub-1", KEY.hex()) is (status == b"200")
    assert not zap.holds(keys, "hub-2", KEY.hex())
    assert zap.answer(keys, [*request[:5], b"NULL"])[2] == b"400"


def test_a_lane_has_a_ceiling_and_takes_records_of_one_connection_together() -> None:
    lane = Lane()
    said = [from_hub.Evidence(one.number, one.body, one.hash) for one in RECORDS]
    heard = [Heard(b"a", "key", one) for one in said[:3]] + [Heard(b"b", "key", said[3])]
    assert all(lane.put(one) for one in heard)
    assert lane.take_records(lane.waiting.popleft()) == RECORDS[:3]
    assert len(lane.waiting) == 1
    while lane.put(heard[0]):
        pass
    assert len(lane.waiting) == LANE_MESSAGES_MAX


def test_a_command_is_forgotten_when_it_expires_or_when_there_are_too_many() -> None:
    pocket = Pocket(ceiling=2)
    made = [from_backend.Release(bytes([n] * 16), 1, 100 + n, None, "x") for n in range(3)]
    for one in made:
        pocket.keep("hub-1", one)
    assert pocket.alive("hub-1", now=100) == made[1:]
    assert pocket.alive("hub-2", now=100) == []
    assert pocket.alive("hub-1", now=101) == made[2:]


def test_the_highest_version_is_offered_to_whom_has_a_lower_one() -> None:
    values = {"root.9": b"nine", "root.10": b"ten", "root.x": b"", "piece.00": b"p"}
    offer = policy.newest(values)
    assert offer is not None
    assert (offer.version, offer.message.document) == (10, b"ten")
    assert names.root_version("root.010") is None


def test_the_configuration_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "hubgateway.toml"
    file.write_text((ROOT / "config" / "hubgateway.toml").read_text())
    assert load(file).replicas == 1
    right = 'listen = "tcp://*:7011"\ncurve_secret = "key"\nservers = ["tls://a:4222"]\n'
    file.write_text(right)
    key = tmp_path / "key"
    key.write_bytes(zmq.curve_keypair()[1])
    key.chmod(0o604)
    with pytest.raises(ConfigError, match="others may use it"):
        secret_key(load(file).curve_secret, file)
    key.chmod(0o600)
    assert secret_key(load(file).curve_secret, file) == key.read_bytes()
    key.write_bytes(b"no key")
    with pytest.raises(ConfigError, match="no Curve key"):
        secret_key(load(file).curve_secret, file)
    for wrong in (right + "extra = 1\n", right.replace("tls://", "http://"), "["):
        file.write_text(wrong)
        with pytest.raises(ConfigError):
            load(file)


@pytest.mark.parametrize(
    ("server", "more", "is_right"),
    [
        ("nats://127.0.0.1:4222", "", True),
        ("nats://[::1]:4222", "", True),
        ("nats://engine.example:4222", "", False),
        ("nats://127.0.0.1.example:4222", "", False),
        ("nats://[::1:4222", "", False),
        ("tls://engine.example:4222", 'authority = "engine.pem"', True),
        ("nats://engine.example:4222", "in_clear = true", True),
    ],
)
def test_an_engine_on_another_machine_is_reached_by_tls_by_gateway_issuer_and_signer(
    tmp_path: Path, server: str, more: str, is_right: bool
) -> None:
    """config, law 3; ways, laws 1 and 2"""
    keys.begin(tmp_path, "acme", "nats://127.0.0.1:4222", 0)
    issuer = tmp_path / keys.CONFIG
    here = 'servers = ["nats://127.0.0.1:4222"]\n'
    there = f'servers = ["{server}"]\n{more}\n'
    text = issuer.read_text()
    assert here in text
    issuer.write_text(text.replace(here, there))
    gateway = tmp_path / "hubgateway.toml"
    gateway.write_text(f'listen = "tcp://*:7011"\ncurve_secret = "key"\n{there}')
    signing = tmp_path / "signing.toml"
    key = load_issuer_key(text)
    signing.write_text(
        'site = "acme"\nissuer_key = "a"\nfolder = "b"\n[unix]\nsocket = "c"\ncallers = ["d"]\n'
        f"[enrolment]\n{there}{key}\n"
        'authority_key = "e"\ntls_authority = "f"\n'
    )
    for read, file in ((load, gateway), (load_issuer, issuer), (load_signing, signing)):
        if is_right:
            read(file)
            continue
        with pytest.raises(ConfigError, match=r"servers: .*nats://"):
            read(file)
    if "authority" in more:
        assert load(gateway).authority == str(tmp_path / "engine.pem")


def load_issuer_key(text: str) -> str:
    """The line with the key of the port for new hubs."""
    return next(line for line in text.splitlines() if line.startswith("enrolment_key"))


def test_a_new_site_is_not_begun_with_an_engine_in_clear(tmp_path: Path) -> None:
    words = [str(tmp_path / "i"), "--site", "acme", "--server", "nats://nats.example:4222"]
    with pytest.raises(ConfigError, match="another machine"):
        CliRunner().invoke(init, words, catch_exceptions=False)
    assert not (tmp_path / "i").exists()


def _with_enrolment(folder: Path) -> Path:
    """The shipped configuration, its section on new hubs in force, with files beside it."""
    keys.begin(folder, "acme", "nats://127.0.0.1:4222", 0)
    before, mark, after = (
        (ROOT / "config" / "hubgateway.toml").read_text().partition("# [enrolment]")
    )
    section, next_mark, _ = after.partition("# [bridges]")
    assert mark
    assert next_mark
    lines = [
        line.removeprefix("# ")
        for line in section.splitlines()
        if re.match(r"# [a-z_]+ = ", line) and "next_server_key" not in line
    ]
    text = before + "[enrolment]\n" + "\n".join(lines)
    text = text.replace("credential:curve_secret", keys.CURVE_SECRET)
    text = text.replace("credential:enrolment_secret", keys.ENROLMENT_SECRET)
    for name, size in (("beacon_key", 16), ("card_key", 32)):
        text = text.replace(f"credential:{name}", name)
        (folder / name).write_bytes(bytes(size))
        (folder / name).chmod(0o600)
    file = folder / "hubgateway.toml"
    file.write_text(text)
    return file


def test_the_shipped_section_on_new_hubs_is_right_and_its_mistakes_are_named(
    tmp_path: Path,
) -> None:
    file = _with_enrolment(tmp_path)
    config = load(file)
    assert config.enrolment is not None
    secret = secret_key(config.curve_secret, file)
    made = place(config.enrolment, file, secret)
    assert (made.host, made.port) == ("", 7013)
    assert made.of_site.endpoints == (
        "tcp://gateway-1.example:7011",
        "tcp://gateway-2.example:7011",
    )
    assert made.of_site.server_keys == (z85.decode(zmq.curve_public(secret)),)
    with pytest.raises(ConfigError, match="for them alone"):
        place(config.enrolment, file, made.secret)
    (tmp_path / "card_key").write_bytes(bytes(31))
    with pytest.raises(ConfigError, match="card_key: it has 31 bytes, not 32"):
        place(config.enrolment, file, secret)
    (tmp_path / keys.ISSUER).write_bytes(b"\xa0")
    with pytest.raises(ConfigError, match="no public key of an issuer"):
        place(config.enrolment, file, secret)
    (tmp_path / keys.ISSUER).write_bytes(cbor.encode(make_key().cose_key))
    (tmp_path / keys.AUTHORITY).write_bytes(b"no certificate")
    with pytest.raises(ConfigError, match="tls_authority"):
        place(config.enrolment, file, secret)
    for old, new in (("7013", "x"), ('"tcp://gateway-1.example:7011", ', '"gateway-1", ')):
        wrong = tmp_path / "wrong.toml"
        wrong.write_text(file.read_text().replace(old, new))
        with pytest.raises(ConfigError):
            load(wrong)


def test_the_files_of_a_new_site_are_read_and_never_written_over(tmp_path: Path) -> None:
    public = keys.begin(tmp_path, "acme", "nats://127.0.0.1:4222", 0)
    config = load_issuer(tmp_path / keys.CONFIG)
    assert (config.site, config.servers) == ("acme", ("nats://127.0.0.1:4222",))
    file = tmp_path / keys.CONFIG
    assert zmq.curve_public(secret_key(keys.CURVE_SECRET, file)).decode() == public
    enrolment = zmq.curve_public(secret_key(keys.ENROLMENT_SECRET, file))
    assert enrolment.decode() == config.enrolment_key
    pem = secret_file(config.issuer_key, file, "issuer_key")
    assert "ENCRYPTED" not in pem.decode("ascii")
    issuer = open_key("issuer_key", config.issuer_key, file, lambda _: "").key
    assert cbor.encode(issuer.cose_key) == (tmp_path / keys.ISSUER).read_bytes()
    with pytest.raises(ConfigError, match="there already"):
        keys.begin(tmp_path, "acme", "nats://127.0.0.1:4222", 0)
    with pytest.raises(ConfigError, match="is no site"):
        keys.begin(tmp_path / "other", 'a"', "nats://127.0.0.1:4222", 0)


@pytest.mark.once
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("name", ["hubgateway", "hubgateway-engine"])
def test_systemd_understands_each_line_of_the_units(tmp_path: Path, name: str) -> None:
    text = (ROOT / "systemd" / f"{name}.service").read_text()
    unit = tmp_path / f"{name}.service"
    unit.write_text(re.sub("/opt/hubgateway/bin/[a-z]+", "/bin/true", text))
    assert not re.search("^LoadCredential=.*:/", text, re.M), "sealed ones are found by a name"
    said = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert unit.name not in said.stderr, said.stderr


def test_a_record_under_duress_is_an_alarm_and_no_other_is() -> None:
    body = cbor.encode(
        cbor.in_order({"kind": "access", "at": 1, "mono": 1, "duress": True, "point": 3})
    )
    assert duress("hub-1", StoredRecord(7, body, bytes(32))).startswith("DURESS: ")
    assert duress("hub-1", RECORDS[0]) == ""
