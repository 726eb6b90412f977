"""A newer certificate: who asks for it and when, what proves it, and what a power cut leaves."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_hub import CertificateRequest
from hubcore.codec.tls import (
    TlsCertificate,
    TlsInForce,
    TlsName,
    TlsRole,
    der_of,
    pem_of,
    read_certificate,
)
from hubcore.errors import RollbackError, SignatureError, StoreError, TrustError
from hubcore.evidence.facts import EventName
from hubcore.evidence.records import Record, RecordKind
from hubcore.phone.certificates import CertificateInForce
from hubcore.phone.tickets import TicketTable
from hubd.adapters.keys.renewed import RENEWED, RenewedCertificate
from hubd.backend.beside.certificates import CertificateWorkers
from hubd.backend.beside.renewal import LOOK_SECONDS, RenewalAsker
from hubd.backend.orders import no_certificate
from hubd.policy.certificate import CHANGES, CertificateIntake, CertificateNotes
from hubd.policy.tlscertificate import TlsIntake
from hubsim.site.authority import certify_tls, public_of
from hubsim.site.certificates import Certificates, certificate_file, hand_to_hub
from hubsim.site.documents import DAY, Validity, certify_hub, make_key
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import NOON, FakeClock
from tests.newhub import Signer

ISSUER = make_key()
IDENTITY = make_key()
LIFE = 300 * DAY
AGAIN_SECONDS = 6 * 3600.0


def signed(
    begins: float = NOON - DAY,
    ends: float = NOON + LIFE,
    points: tuple[int, ...] = (1, 2),
    hub: str = "hub-a",
    site: str = "acme",
) -> bytes:
    """A certificate of the issuer."""
    return certify_hub(
        ISSUER,
        site=site,
        hub=hub,
        key=IDENTITY.verify_key,
        points=points,
        validity=Validity(int(begins), int(ends)),
    )


def in_force(document: bytes | None = None) -> CertificateInForce:
    return CertificateInForce.of(document or signed(), ISSUER.verify_key)


NAME = TlsName("acme", TlsRole.HUB, "hub-a")
SIGNER = Signer(begins=int(NOON - LIFE))
TLS_KEY = public_of(make_key())


def tls_document(
    begins: float = NOON - DAY,
    ends: float = NOON + LIFE,
    name: TlsName = NAME,
    key: bytes = TLS_KEY,
    signer: Signer = SIGNER,
) -> bytes:
    """A TLS certificate of the authority."""
    return certify_tls(signer.authority, name, key, Validity(int(begins), int(ends)))


def tls_signed() -> TlsCertificate:
    return read_certificate(tls_document(), SIGNER.authority.document, NAME)


# What proves a newer one.


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"\xff", SignatureError),
        (
            certify_hub(
                make_key(), site="acme", hub="hub-a", key=IDENTITY.verify_key, points=(1, 2)
            ),
            SignatureError,
        ),
        (
            certify_hub(
                ISSUER,
                site="acme",
                hub="hub-a",
                key=make_key().verify_key,
                points=(1, 2),
                validity=Validity(int(NOON), int(NOON + LIFE)),
            ),
            TrustError,
        ),
        (signed(begins=NOON, hub="hub-b"), TrustError),
        (signed(begins=NOON, site="other"), TrustError),
        (signed(begins=NOON - 2 * DAY), RollbackError),
        (signed(begins=NOON + 60), TrustError),
        (signed(begins=NOON, ends=NOON + 1), TrustError),
        (signed(begins=NOON, points=(1, 3)), TrustError),
    ],
    ids=["noise", "issuer", "key", "hub", "site", "older", "later", "ended", "without a door"],
)
def test_what_does_not_prove_itself_is_not_newer(document: bytes, error: type[TrustError]) -> None:
    """certificate, law 1"""
    with pytest.raises(error):
        in_force().newer(document, ISSUER.verify_key, (1, 2), NOON + 10)


def test_a_newer_one_may_have_more_doors() -> None:
    document = signed(begins=NOON, points=(1, 2, 7))
    new = in_force().newer(document, ISSUER.verify_key, (1, 2), NOON)
    assert new.access_points == (1, 2, 7)


# Who takes it.


class Taker:
    """An intake with everything around it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.certificate = in_force()
        self.kept: list[bytes] = []
        self.disk_is_full = False
        self.told: list[EventName] = []
        self.audit = FakeAudit()
        self.in_force_when_kept: list[bytes] = []
        self.tls_in_force_when_kept: list[bytes] = []
        self.notes = CertificateNotes(
            self.audit, self.clock, lambda name, _: self.told.append(name)
        )
        self.intake = CertificateIntake(
            self.certificate,
            issuer=ISSUER.verify_key,
            points=(1, 2),
            keep=self.keep,
            tickets=TicketTable(int(NOON)),
            notes=self.notes,
        )
        self.tls = TlsInForce(tls_signed(), SIGNER.authority.document, NAME)
        self.tls_intake = TlsIntake(self.tls, keep=self.keep, notes=self.notes)

        self.may_keep = asyncio.Event()
        self.may_keep.set()

    async def keep(self, document: bytes) -> None:
        await self.may_keep.wait()
        self.in_force_when_kept.append(self.certificate.document)
        self.tls_in_force_when_kept.append(self.tls.certified.document)
        if self.disk_is_full:
            raise StoreError("full")
        self.kept.append(document)


async def test_it_is_durable_before_it_is_in_force_and_recorded_once() -> None:
    """certificate, laws 2 and 3"""
    taker = Taker()
    old = taker.certificate.document
    new = signed(begins=NOON)
    await taker.intake.accept(new)
    await taker.intake.accept(new)
    assert (taker.kept, taker.in_force_when_kept) == ([new], [old])
    assert taker.certificate.document == new
    kinds = [Record.decode(record.body).kind for record in taker.audit.stored]
    assert kinds == [RecordKind.CERTIFICATE]
    assert taker.told == [EventName.CERTIFICATE]


async def test_a_disk_that_refuses_leaves_the_old_one_in_force() -> None:
    """certificate, law 2"""
    taker = Taker()
    old = taker.certificate.document
    taker.disk_is_full = True
    with pytest.raises(StoreError):
        await taker.intake.accept(signed(begins=NOON))
    assert taker.certificate.document == old
    assert taker.audit.stored == []
    taker.disk_is_full = False
    await taker.intake.accept(signed(begins=NOON))
    assert taker.certificate.document != old


async def test_what_is_refused_leaves_nothing() -> None:
    taker = Taker()
    with pytest.raises(TrustError):
        await taker.intake.accept(signed(begins=NOON, hub="hub-b"))
    assert (taker.kept, taker.audit.stored, taker.told) == ([], [], [])


@pytest.mark.parametrize("for_tls", [False, True], ids=["phones", "TLS"])
async def test_two_that_two_ways_bring_at_once_leave_the_newer_one(for_tls: bool) -> None:
    """certificate, law 5: the older one is on its way to the disk when the newer one comes"""
    taker = Taker()
    accept = taker.tls_intake.accept if for_tls else taker.intake.accept
    older = tls_document(begins=NOON - 100) if for_tls else signed(begins=NOON - 100)
    newer = tls_document(begins=NOON) if for_tls else signed(begins=NOON)
    taker.may_keep.clear()
    async with asyncio.TaskGroup() as group:
        for document in (older, newer):
            group.create_task(accept(document))
            await asyncio.sleep(0)
        taker.may_keep.set()
    in_force = taker.tls.certified.document if for_tls else taker.certificate.document
    assert in_force == newer
    assert taker.kept == ([pem_of(older), pem_of(newer)] if for_tls else [older, newer])


@pytest.mark.parametrize("for_tls", [False, True], ids=["phones", "TLS"])
async def test_one_that_is_newer_keeps_its_place_when_it_overtakes(for_tls: bool) -> None:
    """certificate, law 5: the newer one is on its way to the disk when the older one comes"""
    taker = Taker()
    accept = taker.tls_intake.accept if for_tls else taker.intake.accept
    make = tls_document if for_tls else signed
    taker.may_keep.clear()
    newer = asyncio.ensure_future(accept(make(begins=NOON)))
    await asyncio.sleep(0)
    older = asyncio.ensure_future(accept(make(begins=NOON - 100)))
    await asyncio.sleep(0)
    taker.may_keep.set()
    await newer
    with pytest.raises(RollbackError):
        await older
    in_force = taker.tls.certified if for_tls else taker.certificate.certified
    assert in_force.not_before == int(NOON)
    assert len(taker.kept) == 1


# policy.certificate, law 4
async def test_two_that_begin_in_one_second_do_not_take_each_others_place_for_ever() -> None:
    taker = Taker()
    pair = [signed(begins=NOON), signed(begins=NOON, points=(1, 2, 3))]
    for number in range(int(CHANGES.burst)):
        await taker.intake.accept(pair[number % 2])
    with pytest.raises(TrustError, match="lately"):
        await taker.intake.accept(pair[0])
    await taker.intake.accept(pair[1])  # the one in force costs nothing
    assert len(taker.kept) == len(taker.audit.stored) == CHANGES.burst


# The one for TLS.


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"\xff", SignatureError),
        (tls_document(begins=NOON, signer=Signer(begins=int(NOON - LIFE))), SignatureError),
        (SIGNER.authority.document, SignatureError),
        (tls_document(begins=NOON, key=public_of(make_key())), TrustError),
        (tls_document(begins=NOON, name=TlsName("acme", TlsRole.HUB, "hub-b")), TrustError),
        (tls_document(begins=NOON, name=TlsName("acme", TlsRole.BRIDGE, "hub-a")), TrustError),
        (tls_document(begins=NOON, name=TlsName("other", TlsRole.HUB, "hub-a")), TrustError),
        (tls_document(begins=NOON - 2 * DAY), RollbackError),
        (tls_document(begins=NOON + 10 * DAY), TrustError),
        (tls_document(begins=NOON - 10, ends=NOON - 1), TrustError),
    ],
    ids=[
        "noise",
        "authority",
        "the authority itself",
        "key",
        "hub",
        "role",
        "site",
        "older",
        "later",
        "ended",
    ],
)
async def test_a_tls_certificate_that_does_not_prove_itself_changes_nothing(
    document: bytes, error: type[TrustError]
) -> None:
    """tlscertificate, law 1"""
    taker = Taker()
    old = taker.tls.certified
    with pytest.raises(error):
        await taker.tls_intake.accept(document)
    assert (taker.kept, taker.audit.stored, taker.told) == ([], [], [])
    assert taker.tls.certified is old


async def test_a_newer_tls_certificate_is_durable_before_it_is_in_force_and_recorded_once() -> None:
    """tlscertificate, laws 2 and 3"""
    taker = Taker()
    old = taker.tls.certified.document
    new = tls_document(begins=NOON)
    taker.disk_is_full = True
    with pytest.raises(StoreError):
        await taker.tls_intake.accept(new)
    assert taker.tls.certified.document == old
    taker.disk_is_full = False
    await taker.tls_intake.accept(new)
    await taker.tls_intake.accept(new)
    assert taker.tls_in_force_when_kept == [old, old]
    assert [der_of(pem) for pem in taker.kept] == [new]
    assert taker.tls.certified.document == new
    (stored,) = taker.audit.stored
    record = Record.decode(stored.body)
    assert record.kind is RecordKind.CERTIFICATE
    assert record.detail == {"expires": int(NOON + LIFE), "what": "tls"}


# tlscertificate, law 4
async def test_two_tls_certificates_do_not_take_each_others_place_for_ever() -> None:
    taker = Taker()
    pair = [tls_document(begins=NOON), tls_document(begins=NOON, ends=NOON + LIFE + 1)]
    for number in range(int(CHANGES.burst)):
        await taker.tls_intake.accept(pair[number % 2])
    with pytest.raises(TrustError, match="lately"):
        await taker.tls_intake.accept(pair[0])
    assert len(taker.kept) == CHANGES.burst


async def test_the_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    """renewed, law 1"""
    file = RenewedCertificate(tmp_path)
    assert file.found() is None
    await file.write(b"old")
    (tmp_path / f"{RENEWED}.new").write_bytes(b"half")  # a power cut left it
    assert file.found() == b"old"
    await file.write(b"new")
    assert file.found() == b"new"
    (tmp_path / RENEWED).write_bytes(bytes(5000))
    assert file.found() is None
    with pytest.raises(StoreError, match="newer certificate"):
        await RenewedCertificate(tmp_path / "away").write(b"new")


# Who asks for it.


def asker(clock: FakeClock) -> tuple[RenewalAsker, list[CertificateRequest]]:
    said: list[CertificateRequest] = []

    def say(message: CertificateRequest) -> bool:
        said.append(message)
        return True

    return RenewalAsker(in_force(), clock, AGAIN_SECONDS, say), said


@settings(deadline=None)
@given(st.lists(st.floats(1.0, 40 * DAY), max_size=30))
def test_it_asks_in_the_last_third_and_not_too_often(steps: list[float]) -> None:
    """renewal, law 1"""
    clock = FakeClock()
    renewal, said = asker(clock)
    asked_at: list[float] = []
    for step in steps:
        before = len(said)
        again = renewal.ask()
        assert again is not None
        assert again > clock.monotonic()
        if len(said) > before:
            asked_at.append(clock.monotonic())
            assert clock.wall() >= NOON + LIFE - (LIFE + DAY) / 3
        else:
            assert again <= clock.monotonic() + max(LOOK_SECONDS, AGAIN_SECONDS)
        clock.advance(step)
    for one, next_one in itertools.pairwise(asked_at):
        assert next_one - one >= AGAIN_SECONDS


def test_it_asks_at_once_on_the_next_connection_also_after_the_end() -> None:
    clock = FakeClock(offset=NOON + LIFE + DAY)
    certificate = in_force()
    said: list[CertificateRequest] = []
    renewal = RenewalAsker(certificate, clock, AGAIN_SECONDS, lambda one: not said.append(one))
    renewal.ask()
    renewal.ask()
    assert len(said) == 1
    renewal.rewind()
    renewal.ask()
    assert said == 2 * [CertificateRequest(certificate.digest, int(NOON + LIFE))]


def test_without_a_certificate_nobody_asks() -> None:
    renewal = RenewalAsker(None, FakeClock(), AGAIN_SECONDS, lambda _: True)
    assert renewal.ask() is None


# Who hands it on.


def test_a_backend_hands_on_what_the_issuer_signed_alone(tmp_path: Path) -> None:
    """certificates, law 1"""
    certificates = Certificates(tmp_path, ISSUER.verify_key)
    assert certificates.of("hub-a") is None
    hand_to_hub(tmp_path, "hub-a", signed())
    newest = certificates.of("hub-a")
    assert newest is not None
    assert certificates.asked("hub-a", bytes(32)) is not None
    assert certificates.asked("hub-a", newest.digest) is None
    certificate_file(tmp_path, "hub-a").write_bytes(b"forged")
    assert certificates.of("hub-a") is None


def test_a_backend_without_the_issuers_key_makes_none(tmp_path: Path) -> None:
    """certificates, law 2"""
    later = NOON + LIFE + 1
    hand_to_hub(tmp_path, "hub-a", signed())
    certificates = Certificates(tmp_path, ISSUER.verify_key, clock=lambda: later)
    assert certificates.has_ended("hub-a")

    def renew(hub: str) -> None:
        hand_to_hub(tmp_path, hub, signed(begins=later, ends=later + LIFE))

    with_key = Certificates(tmp_path, ISSUER.verify_key, renew, clock=lambda: later)
    assert not with_key.has_ended("hub-a")
    assert not certificates.has_ended("hub-a")


# What a backend can make a hub look at.


async def test_a_flood_of_wrong_certificates_costs_one_look_a_pause() -> None:
    """certificates, laws 1 and 2"""
    looked: list[bytes] = []

    async def take(document: bytes) -> None:
        looked.append(document)
        raise TrustError("no")

    counters: Counter[str] = Counter()
    pace = Pace(refused_seconds=3600.0, refused_cap_seconds=3600.0)
    workers = CertificateWorkers(take, no_certificate, pace, counters)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(workers.run())
        for number in range(500):
            workers.take_certificate(number.to_bytes(2, "big"))
            await asyncio.sleep(0)
        running.cancel()
    assert len(looked) == 1
    assert counters["certificates_refused"] == 1
