"""Enrolment behind gateways: any order of two gateways' steps, and a power cut at each of the
operator's.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import (
    Enrolled,
    FromBackend,
    Refused,
    RefusedCause,
    Waiting,
)
from hubcore.backend.enrolment.promise import ASKS, promise_of, read_promise, write_promise
from hubcore.backend.enrolment.token import (
    SECRET_BYTES,
    TOKEN_SECONDS,
    TRUST_BYTES,
    Token,
    digest_of,
    read_token,
    write_token,
)
from hubcore.codec import cbor
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubcore.errors import LinkError
from hubgateway.enrolment.desk import Desk
from hubgateway.issuer.office.certificates import Heard
from hubgateway.issuer.office.hubs import HubOffice
from hubgateway.issuer.office.words import NoError, Validity
from hubgateway.rules.names import (
    CERTIFICATES_BUCKET,
    ENDS_BUCKET,
    KEYS_BUCKET,
    PROMISES_BUCKET,
    STOPS_BUCKET,
    TLS_BUCKET,
)
from hubgateway.rules.promises import Promises
from hubsim.site import documents
from hubsim.site.authority import public_of
from tests.fakes.table import FakeTable, Stepped, Steps
from tests.newhub import NewHub, Signer

HUB = "hub-a"
NOON = 1_000_000.0
VALID = Validity(999_000, 2_000_000)
OF_SITE = documents.Validity(VALID.not_before, VALID.expires)
SIGNER = Signer(begins=0)
SITE = SIGNER.of_site()
SECRET = b"0123456789"[:SECRET_BYTES]
DOORS = {10: "Front door"}


class Machine(NewHub):
    """A machine that wants to be a hub."""

    def asks(self, token: str, version: int = messages.VERSION) -> bytes:
        return messages.encode(self.ask(read_token(token).secret, version))


ONE = Machine()
OTHER = Machine()


class FakeArchive:
    """Notes what was put aside."""

    def __init__(self) -> None:
        self.moved: list[tuple[str, str]] = []

    async def put_aside(self, hub: str, key: str) -> None:
        self.moved.append((hub, key))


class Cut(BaseException):
    """The power is gone."""


class Cutting:
    """An operator's way to the table: the power goes before the access `left`."""

    def __init__(self, table: FakeTable, left: int) -> None:
        self._table = table
        self.left = left

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cut

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        self._count()
        return await self._table.at(bucket, key)

    async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> int:
        self._count()
        return await self._table.swap(bucket, key, value, revision)

    async def snapshot(self, bucket: str, wanted: str = ">") -> dict[str, bytes]:
        self._count()
        return await self._table.snapshot(bucket, wanted)


class Away:
    """An engine that does not answer."""

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        raise LinkError("away")

    async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> int:
        raise LinkError("away")

    async def snapshot(self, bucket: str, wanted: str = ">") -> dict[str, bytes]:
        raise LinkError("away")


def office(
    table: FakeTable | Cutting,
    archive: FakeArchive | None = None,
    signer: Signer = SIGNER,
    heard: Heard | None = None,
) -> HubOffice:
    return HubOffice(
        table,
        archive or FakeArchive(),
        signer.issuer,
        signer.authority,
        "acme",
        bytes(32),
        wall=lambda: NOON,
        heard=heard,
    )


async def token(table: FakeTable, replaces: bool = False, secret: bytes = SECRET) -> str:
    return await office(table).promise(
        HUB, DOORS, "Europe/Berlin", replaces=replaces, secret=secret, now=NOON
    )


def desk(table: FakeTable, way: Stepped | Away | None = None, now: float = NOON) -> Desk:
    """A gateway's desk that has read the table a moment ago."""
    promises = Promises()
    for (bucket, key), (row, _) in table.rows.items():
        if bucket == PROMISES_BUCKET:
            promises.changed(key, row)
    return Desk(way or table, promises, lambda: True, SITE, lambda: now, lambda: 0.0)


async def hear(table: FakeTable, machine: Machine, said: str) -> FromBackend | None:
    return await desk(table).answer(machine.asks(said), machine.curve_bytes)


@given(st.lists(st.integers(0, 1), max_size=12))
def test_two_machines_at_two_gateways_never_share_a_token(order: list[int]) -> None:
    async def play() -> None:
        table = FakeTable()
        promise = promise_of(HUB, digest_of(SECRET), NOON, DOORS, "Europe/Berlin", False)
        table.put(PROMISES_BUCKET, HUB, write_promise(promise))
        said = write_token(Token(bytes(TRUST_BYTES), SECRET))
        steps = Steps(order)
        heard: dict[int, FromBackend | None] = {}

        async def one(who: int, machine: Machine) -> None:
            at = desk(table, Stepped(table, steps, who))
            heard[who] = await at.answer(machine.asks(said), machine.curve_bytes)

        tasks = {
            who: asyncio.create_task(one(who, machine)) for who, machine in enumerate((ONE, OTHER))
        }
        await steps.run(tasks)
        assert sorted(map(type, heard.values()), key=str) == [Refused, Waiting]
        first = next(who for who, what in heard.items() if isinstance(what, Waiting))
        bound = read_promise(table.rows[PROMISES_BUCKET, HUB][0] or b"")
        assert bound.curve == (ONE, OTHER)[first].curve_bytes.hex()
        approved = bound.approved(SIGNER.sign_for((ONE, OTHER)[first], 10, validity=OF_SITE))
        table.put(PROMISES_BUCKET, HUB, write_promise(approved))
        assert isinstance(await hear(table, (ONE, OTHER)[first], said), Enrolled)
        late = await hear(table, (ONE, OTHER)[1 - first], said)
        assert late == Refused(RefusedCause.USED, "")

    asyncio.run(play())


def state(table: FakeTable) -> tuple[set[str], bool]:
    """The keys that the hub is known by, and whether its machine hears that it is one."""
    row, _ = table.rows[PROMISES_BUCKET, HUB]
    return table.enrolled(HUB), bool(read_promise(row or b"").certificate)


async def begun(replaces: bool) -> tuple[FakeTable, str]:
    """A machine waits; with `replaces` it is to take the place of another."""
    table = FakeTable()
    if replaces:
        table.put(KEYS_BUCKET, "00" * 32, f"enrolled {HUB}".encode())
        table.put(STOPS_BUCKET, HUB, b"FORK of the old machine")
    said = await token(table, replaces)
    assert isinstance(await hear(table, ONE, said), Waiting)
    return table, said


@pytest.mark.parametrize("replaces", [False, True])
async def test_an_approval_is_cut_anywhere_and_given_again(replaces: bool) -> None:
    cuts = 0
    while True:
        table, said = await begun(replaces)
        archive = FakeArchive()
        way = Cutting(table, cuts)
        try:
            await office(way, archive).approve(await office(way, archive).asked(HUB), VALID)
            break
        except Cut:
            keys, hears = state(table)
            assert len(keys) <= 1
            assert not hears
            assert isinstance(await hear(table, ONE, said), Waiting)
        await office(table, archive).approve(await office(table).asked(HUB), VALID)
        assert state(table) == ({ONE.curve_bytes.hex()}, True)
        assert set(archive.moved) == {(HUB, ONE.curve_bytes.hex())}
        assert isinstance(await hear(table, ONE, said), Enrolled)
        if replaces:
            assert table.said_of("00" * 32) == f"revoked {HUB}".encode()
            assert table.rows[STOPS_BUCKET, HUB][0] is None
        cuts += 1
    assert cuts > 8


async def test_a_replacement_needs_to_be_said() -> None:
    table, _ = await begun(replaces=False)
    table.put(KEYS_BUCKET, "00" * 32, f"enrolled {HUB}".encode())
    own = SIGNER.sign_for(OTHER, 10, validity=OF_SITE).tls_certificate
    table.put(TLS_BUCKET, HUB, own)
    with pytest.raises(NoError, match="--replace"):
        await office(table).approve(await office(table).asked(HUB), VALID)
    with pytest.raises(NoError, match="--replace"):
        await token(table)
    assert state(table) == ({"00" * 32}, False)
    assert table.rows[TLS_BUCKET, HUB][0] == own  # the machine that is there keeps its own
    assert (ENDS_BUCKET, "hubs") not in table.rows


async def test_what_a_replaced_machine_has_signed_counts_no_more_when_its_records_go() -> None:
    """office.hubs, law 4"""
    table, _ = await begun(replaces=True)
    at_work: list[bytes | None] = []

    class Looking(FakeArchive):
        async def put_aside(self, hub: str, key: str) -> None:
            at_work.append(table.rows.get((TLS_BUCKET, HUB), (None, 0))[0])
            await super().put_aside(hub, key)

    await office(table, Looking()).approve(await office(table).asked(HUB), VALID)
    assert at_work == [table.rows[TLS_BUCKET, HUB][0]]
    assert at_work[0] is not None


async def test_a_promise_that_changes_under_an_approval_is_not_approved() -> None:
    """What the operator compared is what is signed."""
    table, _ = await begun(replaces=False)
    seen = await office(table).asked(HUB)
    other = replace(seen, identity=cbor.encode(OTHER.identity.cose_key).hex())
    table.put(PROMISES_BUCKET, HUB, write_promise(other))
    with pytest.raises(NoError, match="changed meanwhile"):
        await office(table).approve(seen, VALID)
    assert state(table) == (set(), False)


async def test_a_token_ends_and_a_secret_is_in_no_row() -> None:
    table = FakeTable()
    said = await token(table)
    late = desk(table, now=NOON + TOKEN_SECONDS)
    assert await late.answer(ONE.asks(said), ONE.curve_bytes) == Refused(RefusedCause.UNKNOWN, "")
    assert isinstance(await hear(table, ONE, said), Waiting)
    assert isinstance(await late.answer(ONE.asks(said), ONE.curve_bytes), Refused)
    waits = desk(table, now=NOON + 10 * TOKEN_SECONDS)
    assert isinstance(await waits.answer(ONE.asks(said), ONE.curve_bytes), Waiting)
    for row, _ in table.rows.values():
        assert SECRET.hex().encode() not in (row or b"")
        assert SECRET not in (row or b"")


async def test_a_gateway_without_its_engine_says_busy_and_refuses_nobody_for_good() -> None:
    table = FakeTable()
    said = await token(table)
    away = desk(table, Away())
    answer = await away.answer(ONE.asks(said), ONE.curve_bytes)
    assert isinstance(answer, Refused)
    assert answer.cause is RefusedCause.BUSY
    stale = Desk(table, Promises(), lambda: False, SITE, lambda: NOON, lambda: 0.0)
    answer = await stale.answer(ONE.asks(said), ONE.curve_bytes)
    assert isinstance(answer, Refused)
    assert answer.cause is RefusedCause.BUSY


@pytest.mark.parametrize("false", ["issuer", "authority"])
async def test_a_certificate_of_another_issuer_or_authority_enrols_nobody(false: str) -> None:
    table, said = await begun(replaces=False)
    signer = Signer(begins=0)
    right = "authority" if false == "issuer" else "issuer"
    setattr(signer, right, getattr(SIGNER, right))
    await office(table, signer=signer).approve(await office(table).asked(HUB), VALID)
    assert isinstance(await hear(table, ONE, said), Waiting)


async def test_an_access_point_belongs_to_one_hub() -> None:
    table, _ = await begun(replaces=False)
    await office(table).approve(await office(table).asked(HUB), VALID)
    with pytest.raises(NoError, match="access point 10 is hub-a's"):
        await office(table).promise(
            "hub-b", DOORS, "Europe/Berlin", replaces=False, secret=SECRET, now=NOON
        )
    renewed = await office(table).renew(HUB, [11], [10], VALID)
    assert renewed.access_points == (11,)
    name = TlsName("acme", TlsRole.HUB, HUB)
    tls_renewed = read_certificate(table.rows[TLS_BUCKET, HUB][0] or b"", SITE.tls_authority, name)
    assert (tls_renewed.key, tls_renewed.expires) == (public_of(ONE.tls), VALID.expires)
    with pytest.raises(NoError, match="would serve no access point"):
        await office(table).renew(HUB, [], [11], VALID)
    await office(table).end(HUB)
    assert table.enrolled(HUB) == set()
    assert table.rows[CERTIFICATES_BUCKET, HUB][0] is table.rows[TLS_BUCKET, HUB][0] is None
    with pytest.raises(NoError, match="no hub"):
        await office(table).end("hub-z")


async def test_two_promises_with_one_digest_find_nobody_and_one_less_does() -> None:
    """promises, law 1"""
    table = FakeTable()
    said = await token(table)
    row = json.loads(table.rows[PROMISES_BUCKET, HUB][0] or b"")
    promises = Promises()
    digest = bytes.fromhex(row["digest"])
    assert promises.changed(HUB, json.dumps(row).encode())
    assert promises.changed("hub-b", json.dumps(row | {"hub": "hub-b"}).encode())
    assert promises.of(digest) is None
    assert not promises.changed("hub-b", json.dumps(row).encode())
    found = promises.of(digest)
    assert found is not None
    assert found.hub == HUB
    assert promises.changed(HUB, None)
    assert promises.of(digest) is None
    assert read_token(said).secret == SECRET


async def test_questions_have_a_pace() -> None:
    table = FakeTable()
    said = await token(table)
    at = desk(table)
    answers = [await at.answer(b"\x80", ONE.curve_bytes) for _ in range(int(ASKS.burst))]
    assert answers == [None] * int(ASKS.burst)
    assert await at.answer(ONE.asks(said), ONE.curve_bytes) == Refused(
        RefusedCause.BUSY, "many ask at once"
    )
    other = await desk(table).answer(ONE.asks(said, version=messages.VERSION + 1), ONE.curve_bytes)
    assert other == Refused(RefusedCause.VERSION, "")
