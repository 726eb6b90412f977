"""The phone's side against whatever a false hub, or the air, brings it.

Oracle: only effects come out; a request leaves only towards a hub that is proved or that must prove
itself; a verdict is believed only from the hub that was asked; what the phone keeps stays under its
ceilings.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
from collections import deque
from functools import cache
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from hubcore.access.words import Action, HubName
from hubcore.codec import cbor, cwt
from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.errors import ProofError
from hubcore.phone import sealing
from hubcore.phone.certificates import EPOCH as EPOCH_TYPE
from hubcore.phone.certificates import read_epoch_certificate, read_hub_certificate
from hubcore.phone.epochs import certify
from hubcore.phone.framing import Flag, Outbound, control_frame
from hubcore.phone.messages import (
    Challenge,
    EpochAnswer,
    Open,
    Reason,
    State,
    Verdict,
    VerdictMessage,
    decode_to_hub,
    encode_to_phone,
)
from hubcore.phone.sealing import BLE_GATT
from hubsim import site
from hubsim.phone.effects import (
    Decided,
    GaveUp,
    Leave,
    LinkPhoneEffect,
    Moved,
    PhoneEffect,
    ReadInfo,
    ReadTxr,
    SendMessage,
    WriteFrame,
)
from hubsim.phone.machine import BUSY_WAITS_MAX, RETRIES_MAX, Attempt, AttemptPhase
from hubsim.phone.onlink import EPOCH_SECONDS, STAY_SECONDS, VERDICT_SECONDS, OnLink
from hubsim.phone.wallet import EPOCHS_MAX, Wallet
from tests.fakes.clock import NOON
from tests.fuzz.bytes.test_readers import claims
from tests.fuzz.common import ODD_VALUES, effort, respelled, spoiled
from tests.pair import HUB, SITE, DeskHub, NotifiedAir, Phone, Visit, make_wallet, rsa_key

KINDS = (ReadInfo, SendMessage, Decided, Moved, GaveUp)
ISSUER = site.make_key()


def recorded(short: bool) -> tuple[DeskHub, Wallet, Visit]:
    """Return a hub, a phone's wallet as it was before, and a good visit with all that went over the
    air.
    """
    hub = DeskHub(ISSUER)
    wallet = make_wallet(ISSUER)
    if short:
        asyncio.run(Phone(hub, wallet).visit())
    before = Wallet(
        wallet.site, wallet.issuer, wallet.key, wallet.grant, tickets=dict(wallet.tickets)
    )
    before.epochs = dict(wallet.epochs)
    return hub, before, asyncio.run(Phone(hub, wallet).visit())


@cache
def recorded_once(short: bool) -> tuple[Wallet, Visit]:
    """Return a wallet and a good visit, the same in every example."""
    _, wallet, visit = recorded(short)
    return wallet, visit


def check(effects: list[PhoneEffect], wallet: Wallet) -> None:
    assert all(isinstance(effect, KINDS) for effect in effects)
    assert not any(isinstance(effect, Decided | Moved) for effect in effects)
    for effect in effects:
        if isinstance(effect, SendMessage) and isinstance(
            message := decode_to_hub(effect.message), Open
        ):
            assert message.epoch in wallet.epochs
    assert len(wallet.epochs) <= EPOCHS_MAX


@effort(100)
@given(data=st.data(), short=st.booleans())
def test_any_bytes_at_any_stage(data: st.DataObject, short: bool) -> None:
    _, wallet, visit = recorded(short)
    attempt = Attempt(wallet, 1, Action.OPEN, os.urandom, BLE_GATT)
    good = [*visit.infos, *visit.messages_down]
    near = st.sampled_from(good).flatmap(spoiled)
    anything = st.one_of(
        near, near, st.binary(max_size=300), ODD_VALUES.map(cbor.encode_flat), st.sampled_from(good)
    )
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
    assert attempt.phase is not AttemptPhase.SESSION


@effort(100)
@given(data=st.data(), short=st.booleans(), subscribed=st.booleans(), op=st.integers(0, 2**64 - 1))
def test_whatever_comes_on_a_link_every_wait_has_an_end(
    data: st.DataObject, short: bool, subscribed: bool, op: int
) -> None:
    """A hub that sends anything, at any time, or nothing: the phone leaves, in a time that is known
    beforehand.
    """
    kept, visit = recorded_once(short)
    wallet = dataclasses.replace(
        kept, epochs=dict(kept.epochs), tickets=dict(kept.tickets), unanswered={}
    )
    attempt = Attempt(wallet, 1, Action.OPEN, bytes, BLE_GATT, op.to_bytes(8))
    phone = OnLink(attempt, subscribed)
    now = 0.0
    waiting = list[LinkPhoneEffect]([ReadInfo()])
    sid = b""
    frames = list[bytes]()
    asked = 0
    while not any(isinstance(effect, Leave) for effect in waiting):
        check([effect for effect in waiting if isinstance(effect, KINDS)], wallet)
        more: list[LinkPhoneEffect] = []
        for effect in waiting:
            match effect:
                case ReadInfo(after_seconds):
                    now = now + after_seconds
                    asked = asked + 1
                    info = data.draw(st.sampled_from([b"", *visit.infos, *visit.infos]))
                    sid = info[3:7]
                    frames = frames_of(
                        sid, data.draw(st.lists(st.sampled_from(visit.messages_down), max_size=3))
                    )
                    more += phone.info(info, now, NOON)
                case SendMessage():
                    more += phone.written(now)
                case ReadTxr():
                    more += phone.pulled(data.draw(st.sampled_from([b"", b"", *frames])), now, NOON)
        if not more:
            assert phone.due is not None
            if frames and data.draw(st.booleans()):
                now = data.draw(st.floats(now, max(now, phone.due)))
                near = st.sampled_from(frames).flatmap(spoiled)
                more += phone.notified(data.draw(near | st.sampled_from(frames)), now, NOON)
            else:
                now = max(now, phone.due)
                more += phone.passed(now)
        waiting = more
    assert attempt.phase is AttemptPhase.END
    assert phone.due is None
    assert asked <= 1 + BUSY_WAITS_MAX + RETRIES_MAX
    assert now <= asked * (2.0 + EPOCH_SECONDS + VERDICT_SECONDS) + STAY_SECONDS
    assert phone.notified(visit.messages_down[-1], now, NOON) == []


@effort(40)
@given(
    short=st.booleans(),
    mtu=st.sampled_from([23, 64, 185, 247]),
    subscribed=st.booleans(),
    fates=st.lists(st.sampled_from([0, 1, 1, 1, 2]), min_size=1, max_size=40),
)
def test_a_phone_is_let_in_whatever_becomes_of_notifications(
    short: bool, mtu: int, subscribed: bool, fates: list[int]
) -> None:
    """Each notification is lost, comes once or twice: the door moves once, the verdict and the
    state come.
    """
    asyncio.run(_let_in(short, mtu, subscribed, fates))


async def _let_in(short: bool, mtu: int, subscribed: bool, fates: list[int]) -> None:
    hub = DeskHub(ISSUER)
    wallet = make_wallet(ISSUER)
    if short:
        await Phone(hub, wallet).visit()
    strikes = hub.strikes
    hub.clock.advance(10)
    visit = Visit(hub.connect())
    heard = deque[bytes]()
    fate = itertools.cycle(fates)
    air = NotifiedAir(hub, visit, mtu, lambda frame: heard.extend([frame] * next(fate)))
    phone = OnLink(Attempt(wallet, 1, Action.OPEN, os.urandom, BLE_GATT), subscribed)
    todo = deque[LinkPhoneEffect]([ReadInfo()])
    seen = list[object]()
    while not seen or not isinstance(seen[-1], Leave):
        now = hub.clock.monotonic()
        wall = hub.clock.wall()
        if todo:
            seen.append(effect := todo.popleft())
            match effect:
                case ReadInfo():
                    todo += phone.info(air.read_info(), now, wall)
                case SendMessage(message):
                    await air.send(message)
                    todo += phone.written(now)
                case WriteFrame(frame):
                    await air.write(frame)
                case ReadTxr():
                    todo += phone.pulled(visit.link.pull(mtu), now, wall)
                case Decided():
                    await air.perform(visit.link.door(1, DoorState.SECURED, now, wall))
        elif heard:
            todo += phone.notified(heard.popleft(), now, wall)
        else:
            assert phone.due is not None
            hub.clock.advance(max(0.0, phone.due - now))
            todo += phone.passed(max(phone.due, hub.clock.monotonic()))
    assert [type(effect) for effect in seen if isinstance(effect, Decided | Moved | GaveUp)] == [
        Decided,
        Moved,
    ]
    assert (hub.strikes, visit.dropped) == (strikes + 1, "")


@effort(60)
@given(
    reasons=st.tuples(
        *[st.sampled_from([reason for reason in Reason if reason is not Reason.NEED_FULL])] * 2
    ),
    doors=st.tuples(*[st.sampled_from(DoorState)] * 4),
    after_seconds=st.floats(0.0, 31.0),
    mtu=st.sampled_from([23, 64, 247]),
    subscribed=st.booleans(),
)
def test_when_a_phone_leaves_depends_on_nothing_that_it_is_told(
    reasons: tuple[Reason, Reason],
    doors: tuple[DoorState, DoorState, DoorState, DoorState],
    after_seconds: float,
    mtu: int,
    subscribed: bool,
) -> None:
    """Whatever verdict and state say, the phone writes and reads the same at the same times, and
    leaves at the same.
    """
    one = _done_at(reasons[0], doors[:2], after_seconds, mtu, subscribed)
    assert one == _done_at(reasons[1], doors[2:], after_seconds, mtu, subscribed)
    at, what = one[-1]
    assert what == "Leave"
    assert at <= STAY_SECONDS
    if subscribed:
        assert at == min(after_seconds, STAY_SECONDS)


def _done_at(
    reason: Reason, doors: tuple[DoorState, ...], after_seconds: float, mtu: int, subscribed: bool
) -> list[tuple[float, str]]:
    """Answer a resume at 0 s and tell a state some seconds later; say what the phone does on its
    link, and when.
    """
    kept, visit = recorded_once(True)
    wallet = dataclasses.replace(kept, epochs={}, tickets=dict(kept.tickets), unanswered={})
    (ticket,) = wallet.tickets.values()
    info = visit.infos[0]
    op = bytes(8)
    phone = OnLink(Attempt(wallet, 1, Action.OPEN, bytes, BLE_GATT, op), subscribed)
    (asks,) = phone.info(info, 0.0, NOON)
    assert isinstance(asks, SendMessage)
    keys = sealing.session_keys(
        ticket.secret, BLE_GATT, info, asks.message, ticket.aead, ticket.hub
    )
    verdict = Verdict(op, reason is Reason.OK, reason, doors[0], int(NOON), None)
    state = State(1, op, 1, doors[1], int(NOON))
    out = Outbound(info[3:7])
    comes = deque[tuple[float, bytes]]()
    for at, message in (
        (0.0, sealing.seal_verdict(verdict, keys, bytes(12))),
        (after_seconds, sealing.seal_state(state, keys, bytes([1]) * 12)),
    ):
        out.load(encode_to_phone(message))
        comes += [(at, frame) for frame in iter(lambda: out.pull(mtu), b"")]
    done = list[tuple[float, str]]()
    now = 0.0
    todo = deque(phone.written(now))
    while todo or phone.due is not None:
        if todo:
            effect = todo.popleft()
            if isinstance(effect, WriteFrame | ReadTxr | Leave):
                done.append((now, type(effect).__name__))
            if isinstance(effect, ReadTxr):
                unheard = not subscribed and comes and comes[0][0] <= now
                todo += phone.pulled(comes.popleft()[1] if unheard else b"", now, NOON)
        elif subscribed and comes and comes[0][0] <= (phone.due or 0.0):
            now = max(now, comes[0][0])
            frame = comes.popleft()[1]
            todo += phone.notified(frame, now, NOON)
        else:
            now = max(now, phone.due or 0.0)
            todo += phone.passed(now)
    assert phone.attempt.phase is AttemptPhase.END
    return done


def frames_of(sid: bytes, messages: list[bytes]) -> list[bytes]:
    """These messages in small frames, and the goodbye."""
    out = Outbound(sid)
    frames = [control_frame(Flag.BYE, sid, 0)]
    for message in messages:
        out.load(message)
        while frame := out.pull(64):
            frames.append(frame)
    return frames


def is_right(epoch: bytes, hub: DeskHub) -> bool:
    """Whether a certificate was respelled into another that its hub may sign, such as one that ends
    sooner.
    """
    try:
        read_epoch_certificate(
            epoch, read_hub_certificate(hub.certificate, ISSUER.verify_key), (256, 384)
        )
    except ProofError:
        return False
    return True


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
    false = certify(rsa_key(), stranger, HubName(SITE, HUB), (Aead.A256GCM,), hub.clock.wall(), 0.0)
    said: dict[int, Any] = data.draw(respelled(claims("epoch certificate")))
    odd = cwt.issue(EPOCH_TYPE, said, identity, None)
    documents = [hub.certificate, epoch.certificate, false.certificate, odd, wallet.grant]
    pair = data.draw(st.tuples(st.sampled_from(documents), st.sampled_from(documents)))
    assume(pair != (hub.certificate, odd) or not is_right(odd, hub))
    attempt = Attempt(wallet, 1, Action.OPEN, os.urandom, BLE_GATT)
    attempt.challenge(visit.infos[0], hub.clock.wall())
    effects = attempt.receive(encode_to_phone(EpochAnswer(*pair)), hub.clock.wall())
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
    if attempt.phase is AttemptPhase.EPOCH:
        epoch = hub.epochs.current
        assert epoch is not None
        attempt.receive(
            encode_to_phone(EpochAnswer(hub.certificate, epoch.certificate)), hub.clock.wall()
        )
    assert attempt.phase is AttemptPhase.VERDICT
    theirs = visit.messages_down[-1]
    made = st.builds(
        VerdictMessage,
        st.sampled_from(Aead),
        st.binary(min_size=12, max_size=12),
        st.binary(max_size=120),
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
