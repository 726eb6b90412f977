"""What an operator decides about bridges: mandates, keys, and whom the site has ended."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from hubcore.backend.enrolment.token import SECRET_BYTES
from hubcore.bridge.ends import Ends, Whom, issue_ends, prove_ends
from hubcore.bridge.mandate import Mandate, Use, new_mandate, prove_mandate
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubgateway.bridges.directory import (
    BridgeEntry,
    BridgeSessions,
    is_enrolled,
    read_bridge,
    write_bridge,
)
from hubgateway.issuer.__main__ import hubissuer
from hubgateway.issuer.office.bridges import BridgeOffice
from hubgateway.issuer.office.words import NoError, Validity
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from hubsim.site.authority import public_of
from hubsim.site.documents import make_key, pem
from tests.fakes.table import FakeTable
from tests.unit.test_gateway_enrolment import HUB, NOON, SIGNER, Machine, hear, office, token

VALID = Validity(int(NOON), int(NOON) + 86_400)
KEY = make_key()
NOON_MS = int(1000 * NOON)


class Rows:
    """A bucket as a gateway mirrors it."""

    def __init__(self, values: dict[str, bytes], *, fresh: bool = True) -> None:
        self.values = values
        self.fresh = fresh


def said(version_ms: int, use: Use = Use.RECEIPTS, holder: str = "backend") -> Mandate:
    return new_mandate(
        site="acme",
        holder=holder,
        use=use,
        key=KEY.verify_key,
        not_before=VALID.not_before,
        expires=VALID.expires,
        now_ms=version_ms,
    )


def bridge_office(table: FakeTable) -> BridgeOffice:
    return BridgeOffice(table, SIGNER.issuer, SIGNER.authority, "acme", wall=lambda: NOON)


async def test_a_mandate_proves_itself_and_the_newer_one_holds() -> None:
    table = FakeTable()
    made = bridge_office(table)
    document = await made.mandate(said(5))
    assert prove_mandate(document, "acme", SIGNER.issuer.verify_key) == said(5)
    assert table.rows[names.MANDATES_BUCKET, "receipts"][0] == document
    with pytest.raises(NoError, match="newer"):
        await made.mandate(said(5))
    await made.mandate(said(6, holder="backend-2"))
    await made.mandate(said(1, Use.TESTIMONY, "bridge-1"))
    await made.mandate(said(1, Use.TESTIMONY, "bridge-2"))
    places = {key for bucket, key in table.rows if bucket == names.MANDATES_BUCKET}
    assert places == {"receipts", "testimony.bridge-1", "testimony.bridge-2"}
    with pytest.raises(NoError):
        await made.mandate(said(7, holder="no name"))


async def test_a_bridge_speaks_by_its_very_key_until_it_is_ended() -> None:
    """directory, law 1"""
    table = FakeTable()
    made = bridge_office(table)
    key = public_of(KEY)
    document = await made.bridge("bridge-1", key, VALID)
    name = TlsName("acme", TlsRole.BRIDGE, "bridge-1")
    assert read_certificate(document, SIGNER.authority.document, name).key == key

    def rows(*, fresh: bool = True) -> Rows:
        values = {
            row: value
            for (bucket, row), (value, _) in table.rows.items()
            if bucket == names.BRIDGES_BUCKET and value is not None
        }
        return Rows(values, fresh=fresh)

    digest = sha256(key).digest()
    assert is_enrolled(rows(), "bridge-1", digest)
    assert not is_enrolled(rows(fresh=False), "bridge-1", digest)
    assert not is_enrolled(rows(), "bridge-1", bytes(32))
    assert not is_enrolled(rows(), "bridge-2", digest)
    await made.end_bridge("bridge-1")
    assert not is_enrolled(rows(), "bridge-1", digest)
    with pytest.raises(NoError):
        await made.end_bridge("bridge-2")
    with pytest.raises(NoError):
        await made.bridge("bridge.1", key, VALID)
    gateway = made.gateway("gateway-1", key, VALID)
    backend = TlsName("acme", TlsRole.BACKEND, "gateway-1")
    assert read_certificate(gateway, SIGNER.authority.document, backend).key == key


@pytest.mark.parametrize(
    "value", [b"", b"enrolled", b"enrolled zz", b"retired " + b"0" * 64, b"enrolled " + b"0" * 63]
)
def test_what_is_no_row_admits_nobody(value: bytes) -> None:
    assert read_bridge(value) is None
    entry = BridgeEntry(Standing.REVOKED, "0" * 64)
    assert read_bridge(write_bridge(entry)) == entry


def test_a_bridge_has_one_session() -> None:
    """directory, law 2"""
    sessions = BridgeSessions(sessions_max=2)
    assert sessions.came("bridge-1", 1) == (True, None)
    assert sessions.came("bridge-1", 2) == (True, 1)
    sessions.gone(1)
    assert sessions.speaks("bridge-1", 2)
    assert not sessions.speaks("bridge-1", 1)
    assert sessions.came("bridge-2", 3) == (True, None)
    assert sessions.came("bridge-3", 4) == (False, None)
    sessions.gone(2)
    assert sessions.came("bridge-3", 5) == (True, None)


def ends_of(table: FakeTable, whom: Whom = Whom.HUBS) -> Ends:
    row = table.rows.get((names.ENDS_BUCKET, whom.word))
    return Ends(whom=whom) if row is None else prove_ends(row[0], "acme", SIGNER.issuer.verify_key)


async def take_in(table: FakeTable, machine: Machine, *, replaces: bool, secret: bytes) -> None:
    await hear(table, machine, await token(table, replaces, secret))
    promise = await office(table).asked(HUB)
    await office(table).approve(promise, VALID)


async def test_whom_a_command_ends_is_on_the_list_of_ends() -> None:
    """office.ends, law 1"""
    table = FakeTable()
    first = Machine()
    await take_in(table, first, replaces=False, secret=bytes(SECRET_BYTES))
    assert ends_of(table) == Ends()
    second = Machine()
    await take_in(table, second, replaces=True, secret=b"1" * SECRET_BYTES)
    old = sha256(public_of(first.tls)).digest()
    assert ends_of(table) == Ends(NOON_MS, frozenset(), frozenset({old}))
    await office(table).end(HUB)
    new = sha256(public_of(second.tls)).digest()
    assert ends_of(table) == Ends(NOON_MS + 1, frozenset({HUB}), frozenset({old, new}))
    third = Machine()
    await take_in(table, third, replaces=False, secret=b"2" * SECRET_BYTES)
    assert ends_of(table) == Ends(NOON_MS + 2, frozenset(), frozenset({old, new}))


async def test_hubs_and_gateways_hear_of_an_ended_bridge() -> None:
    """office.ends, law 1: by its name and its key, until a person takes it in again"""
    table = FakeTable()
    made = bridge_office(table)
    key = public_of(KEY)
    other = public_of(make_key())
    digest = sha256(key).digest()
    other_digest = sha256(other).digest()
    await made.bridge("bridge-1", key, VALID)
    assert ends_of(table, Whom.BRIDGES) == Ends(whom=Whom.BRIDGES)
    await made.end_bridge("bridge-1")
    ended = Ends(NOON_MS, frozenset({"bridge-1"}), frozenset({digest}), Whom.BRIDGES)
    assert ends_of(table, Whom.BRIDGES) == ended
    await made.bridge("bridge-1", key, VALID)
    assert ends_of(table, Whom.BRIDGES) == Ends(NOON_MS + 1, whom=Whom.BRIDGES)
    await made.bridge("bridge-1", other, VALID)
    replaced = Ends(NOON_MS + 2, keys=frozenset({digest}), whom=Whom.BRIDGES)
    assert ends_of(table, Whom.BRIDGES) == replaced
    await made.end_bridge("bridge-1")
    assert ends_of(table, Whom.BRIDGES).keys == {digest, other_digest}
    assert ends_of(table) == Ends()


@pytest.mark.parametrize("foreign", ["another issuer", "another site", "bridges", "no document"])
async def test_no_list_of_ends_grows_from_one_that_this_issuer_did_not_sign(foreign: str) -> None:
    """office.ends, law 3: so who has the engine alone ends nobody, and lets nobody back in"""
    table = FakeTable()
    await take_in(table, Machine(), replaces=False, secret=bytes(SECRET_BYTES))
    whom = Whom.BRIDGES if foreign == "bridges" else Whom.HUBS
    key = make_key() if foreign == "another issuer" else SIGNER.issuer
    site = "other" if foreign == "another site" else "acme"
    document = issue_ends(Ends((1 << 63) - 1, whom=whom), site, key)
    if foreign == "no document":
        document = b"list"
    await table.swap(names.ENDS_BUCKET, "hubs", document, 0)
    with pytest.raises(NoError, match="Put back the last list"):
        await office(table).end(HUB)


@pytest.mark.parametrize(
    ("use", "words", "sentence"),
    [
        ("receipts", ("--device-verb", "close"), "--device is for orders"),
        ("orders", ("--device", "shutter-2"), "with a --device-verb"),
        ("orders", ("--device-verb", "unlock"), "'unlock' is not one of"),
        ("orders", ("--device-verb", "close", "--device", "Shutter"), "the id of a device"),
        ("orders", ("--device-verb", "on", "--device", "a", "--device", "a"), "each once"),
    ],
)
def test_a_mandate_for_devices_is_for_orders_and_opens_no_entrance(
    tmp_path: Path, use: str, words: tuple[str, ...], sentence: str
) -> None:
    key = tmp_path / "orders.key"
    key.write_bytes(pem(make_key()))
    key.chmod(0o600)
    said = CliRunner().invoke(hubissuer, ["mandate", use, "office", str(key), *words])
    assert said.exit_code == 2, said.output
    assert sentence in " ".join(said.output.split())
