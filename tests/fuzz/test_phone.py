"""The phone's side against whatever a false hub, or the air, brings it.

Oracle: only effects come out; a request leaves only towards a hub that is proved or that must prove itself; a verdict
is believed only from the hub that was asked; what the phone keeps stays under its ceilings.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hubd.core import cbor, tokens
from hubd.core.cose import Aead
from hubd.core.epochs import certify
from hubd.core.messages import (
    Action,
    Challenge,
    Epoch,
    Open,
    VerdictMessage,
    decode_to_hub,
    encode_to_phone,
)
from hubd.core.sealing import BLE_GATT
from hubsim import site
from hubsim.phone.machine import Attempt, Decided, GaveUp, Moved, PhoneEffect, ReadInfo, SendMessage, Stage
from hubsim.phone.wallet import EPOCHS_MAX, Wallet
from tests.fuzz.common import ODD_VALUES, effort, respelled, spoiled
from tests.fuzz.test_readers import claims
from tests.pair import HUB, NOON, SITE, DeskHub, Phone, Visit, make_wallet, rsa_key

KINDS = (ReadInfo, SendMessage, Decided, Moved, GaveUp)
ISSUER = site.make_key()


def recorded(short: bool) -> tuple[DeskHub, Wallet, Visit]:
    """Return a hub, a phone's wallet as it was before, and a good visit with all that went over the air."""
    hub, wallet = DeskHub(ISSUER), make_wallet(ISSUER)
    if short:
        asyncio.run(Phone(hub, wallet).visit())
    before = Wallet(wallet.site, wallet.issuer, wallet.key, wallet.grant, tickets=dict(wallet.tickets))
    before.epochs = dict(wallet.epochs)
    return hub, before, asyncio.run(Phone(hub, wallet).visit())


def check(effects: list[PhoneEffect], wallet: Wallet) -> None:
    assert all(isinstance(effect, KINDS) for effect in effects)
    assert not any(isinstance(effect, Decided | Moved) for effect in effects)
    for effect in effects:
        if isinstance(effect, SendMessage) and isinstance(message := decode_to_hub(effect.message), Open):
            assert message.epoch in wallet.epochs
    assert len(wallet.epochs) <= EPOCHS_MAX


@effort(100)
@given(data=st.data(), short=st.booleans())
def test_any_bytes_at_any_stage(data: st.DataObject, short: bool) -> None:
    _, wallet, visit = recorded(short)
    attempt = Attempt(wallet, 1, Action.OPEN, os.urandom, BLE_GATT)
    good = [*visit.infos, *visit.messages_down]
    near = st.sampled_from(good).flatmap(spoiled)
    anything = st.one_of(near, near, st.binary(max_size=300), ODD_VALUES.map(cbor.encode_flat), st.sampled_from(good))
    for _ in range(data.draw(st.integers(1, 8))):
        what = data.draw(st.sampled_from(["info", "good info", "message", "silence"]))
        if what == "info":
            effects = attempt.challenge(data.draw(anything), NOON)
        elif what == "good info":
            effects = attempt.challenge(visit.infos[0], NOON)
        elif what == "message":
            effects = attempt.receive(data.draw(anything), NOON)
        else:
            effects = attempt.silence()
        check(effects, wallet)
    assert attempt.stage is not Stage.SESSION


@effort(60)
@given(data=st.data())
def test_certificates_of_a_false_hub(data: st.DataObject) -> None:
    """A hub whose documents are not all right, some rightly signed, gets no request."""
    hub, wallet, visit = recorded(False)
    wallet.epochs.clear()
    wallet.tickets.clear()
    epoch = hub.epochs.current
    assert epoch is not None
    identity = hub.identity
    stranger = site.make_key()
    false = certify(rsa_key(), stranger, (HUB, SITE), (Aead.A256GCM,), (hub.clock.wall(), 0.0))
    said: dict[int, Any] = data.draw(respelled(claims("epoch certificate")))
    odd = tokens.issue(tokens._EPOCH, said, identity, None)
    documents = [hub.certificate, epoch.certificate, false.certificate, odd, wallet.grant]
    pair = data.draw(st.tuples(st.sampled_from(documents), st.sampled_from(documents)))
    attempt = Attempt(wallet, 1, Action.OPEN, os.urandom, BLE_GATT)
    attempt.challenge(visit.infos[0], hub.clock.wall())
    effects = attempt.receive(encode_to_phone(Epoch(*pair)), hub.clock.wall())
    check(effects, wallet)
    if pair != (hub.certificate, epoch.certificate):
        assert [type(effect) for effect in effects] == [GaveUp]
        assert not wallet.epochs


@effort(60)
@given(data=st.data(), short=st.booleans())
def test_verdicts_of_somebody_else(data: st.DataObject, short: bool) -> None:
    """Whatever is sealed with another key, for another session, or spoiled, is no verdict."""
    hub, wallet, visit = recorded(short)
    attempt = Attempt(wallet, 1, Action.OPEN, os.urandom, BLE_GATT)
    mine = Visit(hub.connect())
    info = mine.link.challenge(hub.clock.monotonic())
    attempt.challenge(info, hub.clock.wall())
    if attempt.stage is Stage.EPOCH:
        epoch = hub.epochs.current
        assert epoch is not None
        attempt.receive(encode_to_phone(Epoch(hub.certificate, epoch.certificate)), hub.clock.wall())
    assert attempt.stage is Stage.VERDICT
    theirs = visit.messages_down[-1]
    made = st.builds(
        VerdictMessage, st.sampled_from(Aead), st.binary(min_size=12, max_size=12), st.binary(max_size=120)
    )
    for forged in (theirs, data.draw(spoiled(theirs)), encode_to_phone(data.draw(made))):
        check(attempt.receive(forged, hub.clock.wall()), wallet)


@effort(30)
@given(hints=st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=30))
def test_challenges_of_many_hubs_cost_nothing(hints: list[bytes]) -> None:
    _, wallet, _ = recorded(True)
    kept = dict(wallet.tickets)
    for hint in hints:
        attempt = Attempt(wallet, 1, Action.OPEN, os.urandom, BLE_GATT)
        check(attempt.challenge(Challenge(bytes(4), bytes(16), hint, hint).encode(), NOON), wallet)
    assert wallet.tickets == kept
