"""A bridge that the site has ended: the list, as a bridge carries it and a hub keeps it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from hubbridge.hubs.papers.ended import EndedBridges
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.bridge.ends import Ends, Whom, issue_ends
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.errors import ProofError, RollbackError, StoreError, TrustError
from hubd.bridge.documents import WAITING, BridgeDocuments
from hubd.bridge.ends import EndsHere
from hubd.bridge.mandates import MandatesHere
from hubd.bridge.receipts import ReceiptTaker
from hubsim.site.documents import make_key
from tests.fakes.audit import FakeAudit
from tests.fakes.bridgedhub import BEGINS, BRIDGE, ENDS, ISSUER, SITE
from tests.fakes.clock import FakeClock
from tests.fakes.documents import FakeDocumentFile
from tests.unit.test_bridge_rooms import HUB, Disk, SlowOrders, until

KEY = sha256(b"the bridge's key").digest()


def ends(version: int, *names: str, keys: tuple[bytes, ...] = ()) -> Ends:
    return Ends(version, frozenset(names), frozenset(keys), Whom.BRIDGES)


def signed(one: Ends) -> bytes:
    return issue_ends(one, SITE, ISSUER)


WRONG = {
    "of another issuer": issue_ends(ends(9, BRIDGE), SITE, make_key()),
    "of another site": issue_ends(ends(9, BRIDGE), "site-2", ISSUER),
    "of hubs": issue_ends(Ends(9, frozenset({BRIDGE})), SITE, ISSUER),
    "no document": b"list",
}


async def test_a_hub_knows_who_was_ended_also_after_a_start() -> None:
    """ends at a hub, law 1"""
    file = FakeDocumentFile()
    here = EndsHere(SITE, ISSUER.verify_key, file)
    assert not here.include(BRIDGE, KEY)
    assert await here.take(signed(ends(5, BRIDGE, keys=(KEY,))))
    assert not await here.take(signed(ends(5, BRIDGE, keys=(KEY,))))
    again = EndsHere(SITE, ISSUER.verify_key, file)
    assert again.include(BRIDGE, bytes(32))
    assert again.include("bridge-2", KEY)
    assert not again.include("bridge-2", bytes(32))
    with pytest.raises(RollbackError):
        await again.take(signed(ends(4)))
    with pytest.raises(RollbackError):
        await again.take(signed(ends(5)))
    assert again.include(BRIDGE, KEY)
    assert await again.take(signed(ends(6)))
    assert not again.include(BRIDGE, KEY)


@pytest.mark.parametrize("document", WRONG.values(), ids=WRONG.keys())
async def test_what_the_issuer_did_not_sign_ends_no_bridge(document: bytes) -> None:
    """ends at a hub, laws 1 and 3"""
    file = FakeDocumentFile()
    here = EndsHere(SITE, ISSUER.verify_key, file)
    with pytest.raises(ProofError):
        await here.take(document)
    assert not here.include(BRIDGE, KEY)
    file.documents = [document]
    again = EndsHere(SITE, ISSUER.verify_key, file)
    assert again.trouble
    assert not again.include(BRIDGE, KEY)


async def test_a_list_counts_at_once_also_where_the_disk_does_not_take_it() -> None:
    """ends at a hub, law 2"""
    file = FakeDocumentFile()
    file.failing = StoreError("the disk is full")
    here = EndsHere(SITE, ISSUER.verify_key, file)
    assert await here.take(signed(ends(5, BRIDGE)))
    assert here.include(BRIDGE, KEY)
    assert "full" in here.trouble


async def test_a_bridge_carries_the_newest_list_that_proves_itself() -> None:
    """ended bridges at a bridge, laws 1 and 2"""
    disk = Disk(failing=True)
    known = EndedBridges(SITE, ISSUER.verify_key, disk)
    newest = ends(5, "bridge-2")
    with pytest.raises(StoreError):
        await known.take(newest, signed(newest))
    assert known.document is None
    disk.failing = False
    document = signed(newest)
    assert await known.take(newest, document)
    assert not await known.take(newest, document)
    with pytest.raises(RollbackError):
        await known.take(ends(4), signed(ends(4)))
    with pytest.raises(TrustError):
        await known.take(Ends(9), signed(Ends(9)))
    again = EndedBridges(SITE, ISSUER.verify_key, disk)
    await again.load()
    assert again.document == document
    disk.kept = {b"bridges": WRONG["of another issuer"]}
    forged = EndedBridges(SITE, ISSUER.verify_key, disk)
    await forged.load()
    assert forged.document is None


@dataclass
class Hub:
    """Who takes documents at a hub, and how often it was told of another list."""

    told: int = 0
    counters: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        clock = FakeClock()
        self.ends = EndsHere(SITE, ISSUER.verify_key, FakeDocumentFile())
        self.mandates = MandatesHere(SITE, ISSUER.verify_key, FakeDocumentFile())
        self.documents = BridgeDocuments(
            hub=HUB,
            mandates=self.mandates,
            ends=self.ends,
            on_ends=self.tell,
            receipts=ReceiptTaker(
                records=FakeAudit(),
                hub=HUB,
                mandates=self.mandates,
                clock=clock,
                counters=self.counters,
            ),
            site_orders=SlowOrders(),
            clock=clock,
            answer=lambda _: None,
            counters=self.counters,
        )

    def tell(self) -> None:
        self.told += 1


async def test_a_bridge_keeps_nothing_back_of_what_the_uplink_brings() -> None:
    """documents, law 6: it fills its own queue, and has used up its own pace"""
    hub = Hub()
    key = make_key()
    mandate = Mandate(SITE, "office", Use.ORDERS, 7, key.verify_key, BEGINS, ENDS)
    for _ in range(WAITING + 7):
        hub.documents.let_wait(CarriedEnds(WRONG["no document"]), BRIDGE)
    hub.documents.let_wait_of_backend(CarriedEnds(signed(ends(5, BRIDGE))))
    hub.documents.let_wait_of_backend(CarriedMandate(issue_mandate(mandate, ISSUER)))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(hub.documents.run())
        await until(lambda: hub.mandates.find(Use.ORDERS))
        task.cancel()
    assert hub.ends.include(BRIDGE, KEY)
    assert hub.told == 1
    assert hub.counters["documents_too_many"] == 7


async def test_what_the_uplink_brings_has_a_ceiling() -> None:
    """documents, law 1"""
    hub = Hub()
    for _ in range(WAITING + 7):
        hub.documents.let_wait_of_backend(CarriedEnds(b"list"))
    assert hub.counters["documents_too_many"] == 7
