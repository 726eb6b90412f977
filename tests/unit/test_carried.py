"""Revocations that phones carry to a hub: they count at once, and what is kept proves itself."""

from __future__ import annotations

from hubcore.access.revocations import LISTS_MAX, Revocations, issue, read
from hubcore.codec.cose import SigningKey
from hubcore.errors import ProofError, StoreError
from hubcore.evidence.facts import EventName
from hubcore.evidence.records import RecordKind
from hubcore.phone.messages import Reason
from hubd.policy.carried import find_carried
from hubsim import site
from tests.fakes.documents import FakeDocumentFile
from tests.pair import SITE, DeskHub, Phone, Visit, make_wallet

ISSUER = site.make_key()


def signed(*names: str, version: int = 7, issuer: SigningKey = ISSUER) -> bytes:
    return issue(SITE, version, 0, names, issuer)


def proven(document: bytes) -> Revocations:
    return read(document, ISSUER.verify_key, SITE)


def events(hub: DeskHub, name: EventName) -> list[object]:
    return [facts for event, facts in hub.told if event == name]


def reason(visit: Visit) -> Reason:
    assert visit.verdict is not None
    return visit.verdict.reason


async def test_a_phone_brings_word_of_another_and_both_paths_know_it_at_once() -> None:
    hub = DeskHub(ISSUER)
    stolen = make_wallet(ISSUER, credential="stolen")
    assert reason(await Phone(hub, stolen).visit()) is Reason.OK
    honest = make_wallet(ISSUER, credential="honest")
    honest.revocations = signed("stolen")
    assert reason(await Phone(hub, honest).visit()) is Reason.OK
    strikes = hub.strikes
    again = await Phone(hub, stolen).visit()
    assert reason(again) is Reason.REVOKED
    assert hub.strikes == strikes
    kinds = [record.kind for record in hub.records()]
    assert kinds.count(RecordKind.REVOCATION) == 1
    (record,) = (one for one in hub.records() if one.kind is RecordKind.REVOCATION)
    assert record.detail == {"version": 7, "issued": 0, "count": 1, "tickets_dropped": 1}


async def test_a_phone_that_carries_its_own_revocation_is_denied() -> None:
    hub = DeskHub(ISSUER)
    wallet = make_wallet(ISSUER, credential="stolen")
    wallet.revocations = signed("stolen")
    assert reason(await Phone(hub, wallet).visit()) is Reason.REVOKED
    assert not hub.strikes


async def test_a_list_that_proves_nothing_is_counted_and_the_door_opens_all_the_same() -> None:
    for bad in (b"junk", signed("honest", issuer=site.make_key())):
        hub = DeskHub(ISSUER)
        wallet = make_wallet(ISSUER, credential="honest")
        wallet.revocations = bad
        visit = await Phone(hub, wallet).visit()
        assert reason(visit) is Reason.OK
        assert [type(cause) for cause in visit.causes] == [ProofError]
        assert not hub.carried.lists


async def test_a_stranger_brings_nothing() -> None:
    """What a list says counts only from a phone that proved itself."""
    hub = DeskHub(ISSUER)
    wallet = make_wallet(site.make_key(), credential="stranger")
    wallet.issuer = ISSUER.verify_key
    wallet.revocations = signed("somebody")
    assert (await Phone(hub, wallet).visit()).verdict is None
    assert not hub.carried.lists


async def test_a_phone_carries_a_list_to_a_hub_once() -> None:
    hub = DeskHub(ISSUER)
    wallet = make_wallet(ISSUER, credential="honest")
    phone = Phone(hub, wallet)
    await phone.visit()
    wallet.revocations = signed("stolen")
    first = await phone.visit()
    second = await phone.visit()
    assert first.attempt is not None
    assert second.attempt is not None
    assert not first.attempt.short
    assert second.attempt.short
    assert len(hub.revocations.written) == 1


async def test_a_list_that_does_not_fit_stays_at_the_phone() -> None:
    hub = DeskHub(ISSUER)
    wallet = make_wallet(ISSUER, credential="honest")
    wallet.revocations = bytes(2400)
    assert reason(await Phone(hub, wallet).visit()) is Reason.OK
    short = await Phone(hub, wallet).visit()
    assert short.attempt is not None
    assert short.attempt.short


async def test_nothing_is_written_for_what_is_known() -> None:
    hub = DeskHub(ISSUER)
    for number in range(20):
        wallet = make_wallet(ISSUER, credential=f"honest-{number}")
        wallet.revocations = signed("stolen")
        await Phone(hub, wallet).visit()
    assert len(hub.revocations.written) == 1
    assert [record.kind for record in hub.records()].count(RecordKind.REVOCATION) == 1


async def test_what_has_no_room_is_told_once() -> None:
    hub = DeskHub(ISSUER)
    intake = hub.carried_intake()
    for number in range(LISTS_MAX + 5):
        await intake.take(proven(signed(f"c-{number}", version=number + 2)))
    assert len(events(hub, EventName.REVOCATION_REFUSED)) == 1
    assert len(hub.revocations.written) == LISTS_MAX
    await intake.policy_in_force(LISTS_MAX + 10)
    assert not hub.carried.lists
    assert hub.revocations.documents == ()


async def test_a_disk_that_refuses_is_told_and_the_revocation_counts() -> None:
    hub = DeskHub(ISSUER)
    hub.revocations.failing = StoreError("the disk is full")
    await hub.carried_intake().take(proven(signed("stolen")))
    assert hub.policy.revoked("stolen", b"")
    assert events(hub, EventName.REVOCATION_REFUSED) == [{"why": "the disk is full"}]


def test_a_start_believes_what_is_signed_and_nothing_else() -> None:
    forged = signed("honest", issuer=site.make_key())
    found = find_carried(FakeDocumentFile([signed("stolen"), forged, b"junk"]), proven)
    assert found.carried.revoked("stolen", b"")
    assert not found.carried.revoked("honest", b"")
    assert "prove nothing" in found.why
    broken = FakeDocumentFile(failing=StoreError("unreadable"))
    assert find_carried(broken, proven).why == "unreadable"
    assert find_carried(FakeDocumentFile([signed("stolen")]), proven).why == ""


async def test_a_start_forgets_what_the_policy_on_the_disk_says_itself() -> None:
    """The power went after the policy, and before its lists were removed."""
    hub = DeskHub(ISSUER)
    hub.policy.number = 0
    intake = hub.carried_intake()
    await intake.take(proven(signed("old", version=7)))
    await intake.take(proven(signed("new", version=9)))
    hub.policy.number = 7
    intake.begin()
    assert [one.version for one in hub.carried.lists] == [9]
