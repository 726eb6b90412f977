"""The properties that docs/protocol.md promises, one test each, on the real core and the real
unlock.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
from dataclasses import replace

import pytest

from hubcore.access.grant import Access, read_grant
from hubcore.access.words import Action, Mode
from hubcore.calendar.schedule import Rule
from hubcore.codec import cose
from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.errors import PeerError, ProofError, StoreError
from hubcore.evidence.records import RecordKind
from hubcore.phone import sealing
from hubcore.phone.certificates import (
    issue_epoch_certificate,
    read_epoch_certificate,
    read_hub_certificate,
)
from hubcore.phone.framing import HEADER_BYTES
from hubcore.phone.messages import (
    Error,
    ErrorCode,
    GetEpoch,
    Open,
    Reason,
    Request,
    Resume,
    StateMessage,
    VerdictMessage,
    decode_to_hub,
    decode_to_phone,
    encode_to_hub,
    encode_to_phone,
)
from hubcore.ports.clock import ClockState
from hubsim import site
from hubsim.phone.requests import seal_open
from hubsim.phone.wallet import Wallet
from hubsim.site import OPEN_AND_QUERY
from tests.pair import DAY, HUB, SITE, Air, DeskHub, Phone, Visit, make_wallet, rsa_key

FAILED = encode_to_phone(Error(ErrorCode.FAILED))
EVERYWHERE = (Access(1, OPEN_AND_QUERY, ()), Access(2, OPEN_AND_QUERY, ()))


@pytest.fixture
def hub() -> DeskHub:
    return DeskHub(site.make_key())


@pytest.fixture
def wallet(hub: DeskHub) -> Wallet:
    return make_wallet(hub.issuer)


async def open_with(hub: DeskHub, message: bytes) -> tuple[Visit, list[bytes]]:
    """Send one message on a new link with a live challenge; return the visit and the answers."""
    visit = Visit(hub.connect())
    air = Air(hub, visit)
    air.read_info()
    return visit, await air.send(message)


def sealed_for(
    hub: DeskHub,
    wallet: Wallet,
    challenge: bytes,
    transport: str = sealing.BLE_GATT,
    **changes: object,
) -> bytes:
    """Return an Open for a challenge, each part of which a test may replace."""
    epoch = hub.epochs.current
    assert epoch is not None
    aead = changes.get("aead", Aead.A256GCM)
    assert isinstance(aead, Aead)
    certificate = read_epoch_certificate(
        epoch.certificate, read_hub_certificate(hub.certificate, hub.issuer.verify_key), (256, 384)
    )
    digest = changes.get("digest", epoch.digest)
    grant = changes.get("grant", wallet.grant)
    key = changes.get("key", wallet.key)
    point = changes.get("point", 1)
    assert isinstance(digest, bytes)
    assert isinstance(grant, bytes)
    assert isinstance(key, cose.SigningKey)
    assert isinstance(point, int)
    bound = sealing.binding(transport, challenge, digest, aead)
    request = Request(grant, os.urandom(8), point, Action.OPEN, os.urandom(32))
    return encode_to_hub(seal_open(request, key, certificate, bound, aead=aead, chance=os.urandom))


@pytest.mark.parametrize("aead", list(Aead))
async def test_rsa_and_aes_as_the_white_paper_says(
    hub: DeskHub, wallet: Wallet, aead: Aead
) -> None:
    wallet.aeads = (aead,)
    visit = await Phone(hub, wallet).visit()
    assert visit.verdict is not None
    assert visit.verdict.allowed
    message = decode_to_hub(visit.messages_up[-1])
    assert isinstance(message, Open)
    assert message.aead is aead
    assert len(message.encrypted_key) == 384  # RSA-3072
    content_key = cose.unwrap_key(rsa_key(), message.encrypted_key, bytes(aead.key_bytes))
    assert content_key != bytes(aead.key_bytes)
    assert len(content_key) == {Aead.A128GCM: 16, Aead.A192GCM: 24, Aead.A256GCM: 32}[aead]
    assert wallet.grant not in visit.messages_up[-1]


async def test_one_round_trip(hub: DeskHub, wallet: Wallet) -> None:
    cold = await Phone(hub, wallet).visit()
    assert len(cold.messages_up) == 2
    wallet.tickets.clear()
    warm = await Phone(hub, wallet).visit()
    assert (len(warm.infos), len(warm.messages_up), len(warm.messages_down)) == (1, 1, 1)
    assert isinstance(decode_to_hub(warm.messages_up[0]), Open)
    assert warm.bytes_over_air <= 1250


async def test_offline(hub: DeskHub, wallet: Wallet) -> None:
    # The hub holds the issuer's public key and nothing about this phone; nobody but the two takes
    # part.
    assert not hub.tickets
    visit = await Phone(hub, wallet).visit()
    assert visit.verdict is not None
    assert visit.verdict.allowed
    assert hub.strikes == 1


async def test_proof_of_possession(hub: DeskHub, wallet: Wallet) -> None:
    thief = Wallet(SITE, wallet.issuer, site.make_key(), wallet.grant)
    visit = await Phone(hub, thief).visit()
    assert visit.verdict is None
    assert hub.strikes == 0
    assert hub.records() == []
    assert any("signature" in str(cause) for cause in visit.causes)


async def test_mutual_authentication(hub: DeskHub, wallet: Wallet) -> None:
    impostor = DeskHub(site.make_key(), hub.clock)  # certified, but by nobody the phone believes
    visit = await Phone(impostor, wallet).visit()
    assert visit.why.startswith("untrusted hub")
    assert [type(decode_to_hub(message)).__name__ for message in visit.messages_up] == ["GetEpoch"]
    mirror = DeskHub(hub.issuer, hub.clock, key=1)
    mirror.side.epochs._live[:] = []  # a hub that shows the true certificates and lacks the key
    epoch = hub.epochs.current
    assert epoch is not None
    reader = read_hub_certificate(hub.certificate, hub.issuer.verify_key)
    stranger = issue_epoch_certificate(
        mirror.identity, read_epoch_certificate(epoch.certificate, reader, (384,))
    )
    with pytest.raises(ProofError):
        read_epoch_certificate(stranger, reader, (384,))


async def test_forward_secrecy(hub: DeskHub, wallet: Wallet) -> None:
    visit = await Phone(hub, wallet).visit()
    recorded = decode_to_hub(visit.messages_up[-1])
    assert isinstance(recorded, Open)
    hub.clock.advance(66 * 60)
    hub.epochs.expire(hub.clock.wall())
    assert hub.epochs.current is None  # the private key is referenced nowhere any more
    hub.new_epoch(1)
    _, answers = await open_with(hub, visit.messages_up[-1])
    assert decode_to_phone(answers[0]) == Error(ErrorCode.UNKNOWN_EPOCH)
    other = cose.unwrap_key(rsa_key(1), recorded.encrypted_key, b"\0" * 32)
    assert other == b"\0" * 32


async def test_no_replay(hub: DeskHub, wallet: Wallet) -> None:
    first = await Phone(hub, wallet).visit()
    second = await Phone(hub, wallet).visit()  # short path
    assert hub.strikes == 1  # one pulse, extended
    hub.clock.advance(10)
    for message in (first.messages_up[-1], second.messages_up[-1]):
        visit, answers = await open_with(hub, message)
        assert answers == [FAILED]
        assert visit.claims == []
    again = Visit(hub.connect())
    air = Air(hub, again)
    air.read_info()
    message = sealed_for(hub, wallet, again.infos[0])
    assert isinstance(decode_to_phone((await air.send(message))[0]), VerdictMessage)
    # its challenge is consumed
    assert decode_to_phone((await air.send(message))[0]) == Error(ErrorCode.TIMEOUT)


async def test_no_reflection(hub: DeskHub, wallet: Wallet) -> None:
    await Phone(hub, wallet).visit()
    ticket = next(iter(wallet.tickets.values()))
    challenge = hub.connect().challenge(hub.clock.monotonic())
    up = sealing.resume_key(ticket.secret, sealing.BLE_GATT, challenge, ticket.aead, HUB)
    keys = sealing.session_keys(
        ticket.secret, sealing.BLE_GATT, challenge, b"message", ticket.aead, HUB
    )
    assert len({up, keys.to_phone, keys.ratchet}) == 3
    visit = await Phone(hub, wallet).visit()
    sealed = decode_to_phone(visit.messages_down[-1])
    assert isinstance(sealed, VerdictMessage)
    mirrored = encode_to_hub(Resume(sealed.aead, sealed.iv, sealed.ciphertext, ticket.id))
    _, answers = await open_with(hub, mirrored)
    assert answers == [FAILED]


async def test_no_downgrade(hub: DeskHub, wallet: Wallet) -> None:
    visit = Visit(hub.connect())
    air = Air(hub, visit)
    air.read_info()
    strong = decode_to_hub(sealed_for(hub, wallet, visit.infos[0], aead=Aead.A256GCM))
    assert isinstance(strong, Open)
    epoch = hub.epochs.current
    assert epoch is not None
    # Somebody who holds the epoch key opens the request and seals it again with a weaker AEAD: the
    # phone's signature is over the AEAD it chose.
    bound = sealing.binding(sealing.BLE_GATT, visit.infos[0], epoch.digest, Aead.A256GCM)
    content_key = cose.unwrap_key(rsa_key(), strong.encrypted_key, bytes(32))
    inner = cose.unseal(strong.aead, content_key, strong.iv, strong.ciphertext, bound)
    weak_bound = sealing.binding(sealing.BLE_GATT, visit.infos[0], epoch.digest, Aead.A128GCM)
    weak = Open(
        Aead.A128GCM,
        strong.iv,
        cose.seal(Aead.A128GCM, bytes(16), strong.iv, inner, weak_bound),
        strong.epoch,
        cose.wrap_key(rsa_key().public_key(), bytes(16)),
    )
    assert await air.send(encode_to_hub(weak)) == [FAILED]
    assert "signature" in str(visit.causes[0])
    wallet.rsa_sizes = (512,)
    refused = await Phone(hub, wallet).visit()
    assert refused.why.startswith("untrusted hub: key: RSA modulus")


async def test_no_mix_up_between_links(hub: DeskHub, wallet: Wallet) -> None:
    one = Visit(hub.connect())
    two = Visit(hub.connect())
    air_one = Air(hub, one)
    air_two = Air(hub, two)
    air_one.read_info()
    air_two.read_info()
    for_one = sealed_for(hub, wallet, one.infos[0])
    assert await air_two.send(for_one) == [FAILED]
    await air_one.send(for_one)
    stray = Visit(hub.connect())
    Air(hub, stray).read_info()
    frame = one.up[0]  # a frame of link one's session on a third link
    await Air(hub, stray).perform(
        stray.link.frame(frame, 247, hub.clock.monotonic(), hub.clock.wall())
    )
    assert "no session" in str(stray.causes[0])
    assert stray.dropped


async def test_no_mix_up_between_hubs(hub: DeskHub, wallet: Wallet) -> None:
    # same epoch key, so that only the binding tells them apart
    other = DeskHub(hub.issuer, hub.clock, name="hub-2")
    visit = Visit(other.connect())
    air = Air(other, visit)
    air.read_info()
    message = sealed_for(hub, wallet, visit.infos[0])
    assert await air.send(message) == [FAILED]
    assert other.strikes == 0


async def test_no_mix_up_between_doors(hub: DeskHub, wallet: Wallet) -> None:
    visit = await Phone(hub, wallet).visit(point=2)
    assert visit.verdict is not None
    assert visit.verdict.reason is Reason.NO_RIGHT
    assert hub.doors["lab"].strikes == 0
    everywhere = make_wallet(hub.issuer, access=EVERYWHERE)
    allowed = await Phone(hub, everywhere).visit(point=2)
    assert allowed.verdict is not None
    assert allowed.verdict.allowed
    assert (hub.doors["lab"].strikes, hub.doors["front"].strikes) == (1, 0)


async def test_no_mix_up_between_certificates(hub: DeskHub, wallet: Wallet) -> None:
    epoch = hub.epochs.current
    assert epoch is not None
    for document in (hub.certificate, epoch.certificate):
        visit = Visit(hub.connect())
        air = Air(hub, visit)
        air.read_info()
        assert await air.send(sealed_for(hub, wallet, visit.infos[0], grant=document)) == [FAILED]
    with pytest.raises(ProofError):
        read_hub_certificate(wallet.grant, hub.issuer.verify_key)
    visit = Visit(hub.connect())
    air = Air(hub, visit)
    air.read_info()
    other = hashlib.sha256(b"another epoch certificate").digest()
    assert await air.send(sealed_for(hub, wallet, visit.infos[0], digest=other)) == [FAILED]


async def test_no_mix_up_between_transports(hub: DeskHub, wallet: Wallet) -> None:
    for transport in ("l2cap", "test"):
        visit = Visit(hub.connect())
        air = Air(hub, visit)
        air.read_info()
        assert await air.send(sealed_for(hub, wallet, visit.infos[0], transport)) == [FAILED]


async def test_a_lost_verdict_never_strikes_twice(hub: DeskHub, wallet: Wallet) -> None:
    phone = Phone(hub, wallet)
    op = os.urandom(8)
    phone.lose_verdict = True
    assert (await phone.visit(op=op)).verdict is None
    assert hub.strikes == 1
    hub.clock.advance(10)  # the pulse is over: a second one would count
    phone.lose_verdict = False
    again = await phone.visit(op=op)
    assert again.verdict is not None
    assert again.verdict.allowed
    assert hub.strikes == 1
    # a restart in between forgets nothing
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
    wallet.tickets.clear()
    after = await phone.visit(op=op)
    assert after.verdict is not None
    # nobody knows whether the strike was driven before the restart
    assert after.verdict.reason is Reason.FAULT
    assert hub.strikes == 1
    other = await phone.visit(op=op, action=Action.QUERY)
    assert other.verdict is not None
    assert other.verdict.reason is Reason.OP_CONFLICT
    hub.clock.advance(121)
    wallet.tickets.clear()
    await phone.visit(op=op)
    assert hub.strikes == 2


async def test_two_links_with_one_op_strike_once(hub: DeskHub, wallet: Wallet) -> None:
    op = os.urandom(8)
    claims = []
    for _ in range(2):
        wallet.tickets.clear()
        visit = await Phone(hub, wallet).visit(op=op, action=Action.QUERY)
        claims += visit.claims
    hub.start_unlock()
    door = hub.doors["front"]
    now = hub.clock.monotonic()
    moving = [replace(claim, action=Action.OPEN, arrived=now) for claim in claims]
    outcomes = await asyncio.gather(*(hub.unlock.present(claim, lambda: True) for claim in moving))
    assert [outcome.allowed for outcome in outcomes] == [True, True]
    assert door.strikes == 1


async def test_no_late_strike(hub: DeskHub, wallet: Wallet) -> None:
    phone = Phone(hub, wallet)
    phone.stay = False  # the phone has gone before the decision
    await phone.visit()
    assert hub.strikes == 0
    phone.stay = True
    wallet.tickets.clear()
    hub.log.on_durable = lambda _record: hub.clock.advance(2.5)
    visit = await phone.visit()
    assert hub.strikes == 0
    assert visit.verdict is None or not visit.verdict.allowed
    assert any(record.kind is RecordKind.FAULT for record in hub.records())


async def test_nothing_moves_unrecorded(hub: DeskHub, wallet: Wallet) -> None:
    hub.log.failing = StoreError("the disk is full")
    visit = await Phone(hub, wallet).visit()
    assert visit.verdict is not None
    assert visit.verdict.reason is Reason.FAULT
    assert hub.strikes == 0
    hub.log.failing = None
    visit = await Phone(hub, wallet).visit()
    assert visit.verdict is not None
    assert visit.verdict.allowed
    assert hub.strikes == 1


async def test_short_path_has_no_rsa(hub: DeskHub, wallet: Wallet) -> None:
    await Phone(hub, wallet).visit()
    before = hub.unsealed
    visit = await Phone(hub, wallet).visit()
    assert visit.verdict is not None
    assert visit.verdict.allowed
    assert isinstance(decode_to_hub(visit.messages_up[0]), Resume)
    assert (hub.unsealed - before, len(visit.messages_up), len(visit.messages_down)) == (0, 1, 1)
    assert visit.bytes_over_air <= 320


async def test_short_path_is_bounded_and_expires(hub: DeskHub, wallet: Wallet) -> None:
    await Phone(hub, wallet).visit()
    stolen = next(iter(wallet.tickets.values()))
    for _ in range(3):  # each full path issues a ticket: only two of a credential live
        wallet.tickets.clear()
        await Phone(hub, wallet).visit()
        assert len(hub.tickets) <= 2
    assert hub.tickets.find(stolen.id, hub.clock.wall()) is None
    hub.clock.advance(72 * 3600 + 1)
    assert hub.tickets.find(next(iter(wallet.tickets.values())).id, hub.clock.wall()) is None
    hub.new_epoch(0)
    await Phone(hub, wallet).visit()
    short = 0
    for _ in range(9):  # a chain of short paths ends after a week
        visit = await Phone(hub, wallet).visit()
        if not isinstance(decode_to_hub(visit.messages_up[0]), Resume):
            break
        short += 1
        hub.clock.advance(86_401)
    assert short == 7


async def test_short_path_is_dropped_at_revocation(hub: DeskHub, wallet: Wallet) -> None:
    await Phone(hub, wallet).visit()
    hub.policy.credentials.add("c0ffee00c0ffee00")
    hub.tickets.drop_where(lambda grant: hub.policy.revoked(grant.credential, grant.grant_id))
    assert len(hub.tickets) == 0
    visit = await Phone(hub, wallet).visit()
    assert FAILED in visit.messages_down
    assert visit.verdict is not None
    assert visit.verdict.reason is Reason.REVOKED


async def test_short_path_is_decided_like_the_long_one(hub: DeskHub) -> None:
    weekdays = make_wallet(
        hub.issuer, access=(Access(1, OPEN_AND_QUERY, (Rule(0b0011111, 480, 1080), 7)),)
    )
    assert (await Phone(hub, weekdays).visit()).verdict is not None
    hub.clock.advance(8 * 3600)
    late = await Phone(hub, weekdays).visit()
    assert isinstance(decode_to_hub(late.messages_up[0]), Resume)
    assert late.verdict is not None
    assert late.verdict.reason is Reason.SCHEDULE
    fresh = make_wallet(hub.issuer, "0ther")
    hub.new_epoch(0)
    await Phone(hub, fresh).visit()
    hub.policy.modes[1] = Mode.LOCKDOWN
    locked = await Phone(hub, fresh).visit()
    assert isinstance(decode_to_hub(locked.messages_up[0]), Resume)
    assert locked.verdict is not None
    assert locked.verdict.reason is Reason.LOCKED


async def test_a_door_may_demand_the_long_path(hub: DeskHub) -> None:
    wallet = make_wallet(hub.issuer, access=EVERYWHERE)
    await Phone(hub, wallet).visit(point=1)
    visit = await Phone(hub, wallet).visit(point=2)
    kinds = [type(decode_to_hub(message)).__name__ for message in visit.messages_up]
    assert kinds == ["Resume", "Open"]
    assert visit.verdict is not None
    assert visit.verdict.allowed
    assert hub.doors["lab"].strikes == 1
    reasons = [record.detail.get("why") for record in hub.records() if record.detail["point"] == 2]
    assert reasons == ["full-proof-needed", None]


async def test_privacy_nothing_in_clear_names_a_phone(hub: DeskHub) -> None:
    wallets = [make_wallet(hub.issuer, credential) for credential in ("a" * 16, "b" * 16)]
    shapes = []
    for wallet in wallets:
        visits = [await Phone(hub, wallet).visit() for _ in range(3)]
        grant = read_grant(wallet.grant, hub.issuer.verify_key, SITE)
        numbers = wallet.key.private.public_key().public_numbers()
        names = [
            grant.credential.encode(),
            grant.grant_id,
            grant.key.kid,
            numbers.x.to_bytes(32, "big"),
        ]  # type: ignore[union-attr]
        air = b"".join(
            b"".join([*v.infos, *v.up, *v.down, *v.messages_up, *v.messages_down]) for v in visits
        )
        assert not [name for name in names if name in air]
        opens = [m for v in visits for m in v.messages_up if isinstance(decode_to_hub(m), Resume)]
        assert len({decode_to_hub(m).ticket for m in opens}) == len(opens)  # type: ignore[union-attr]
        shapes.append([[len(frame) for frame in [*v.up, *v.down]] for v in visits])
    assert shapes[0] == shapes[1]


async def test_granted_and_denied_look_alike(hub: DeskHub, wallet: Wallet) -> None:
    await Phone(hub, wallet).visit()
    wallet.tickets.clear()
    yes = await Phone(hub, wallet).visit()
    revoked = make_wallet(hub.issuer, "0123456789abcdef")
    revoked.epochs.update(wallet.epochs)
    hub.policy.credentials.add("0123456789abcdef")
    no = await Phone(hub, revoked).visit()
    assert yes.verdict is not None
    assert no.verdict is not None
    assert (yes.verdict.allowed, no.verdict.allowed) == (True, False)
    assert [len(f) for f in yes.up] == [len(f) for f in no.up]
    assert [len(f) for f in yes.down] == [len(f) for f in no.down]
    assert [f[:1] for f in yes.down] == [f[:1] for f in no.down]
    assert [type(r).__name__ for r in hub.records()] == [
        "Record"
    ] * 3  # both are recorded before they are answered


async def test_one_answer_outside(hub: DeskHub, wallet: Wallet) -> None:
    async def wrong(message: bytes) -> tuple[list[bytes], list[PeerError]]:
        visit, answers = await open_with(hub, message)
        return answers, visit.causes

    challenge = bytes(42)
    messages = {
        "stale": sealed_for(hub, wallet, challenge),
        "key": sealed_for(hub, wallet, challenge, key=site.make_key()),
        "grant": sealed_for(hub, wallet, challenge, grant=b"no grant"),
        "ticket": encode_to_hub(Resume(Aead.A256GCM, bytes(12), bytes(64), bytes(16))),
    }
    visit = Visit(hub.connect())
    air = Air(hub, visit)
    air.read_info()
    live = sealed_for(hub, wallet, visit.infos[0], key=site.make_key())
    assert await air.send(live) == [FAILED]
    causes = {str(cause) for cause in visit.causes}
    for message in messages.values():
        answers, inside = await wrong(message)
        assert answers == [FAILED]
        causes |= {str(cause) for cause in inside}
    assert len(causes) >= 3  # inside, the true cause


async def test_authenticated_is_not_moved(hub: DeskHub, wallet: Wallet) -> None:
    visit = await Phone(hub, wallet).visit()
    verdict = decode_to_phone(visit.messages_down[-1])
    assert isinstance(verdict, VerdictMessage)
    assert visit.states == []
    now = hub.clock.monotonic()
    wall = hub.clock.wall()
    air = Air(hub, visit)
    air._in = None
    moved = visit.link.door(1, DoorState.OPEN, now, wall)
    assert len(moved) == 1
    assert visit.link.door(2, DoorState.OPEN, now, wall) == []  # another door's affairs
    assert visit.attempt is not None
    payload = moved[0].frame[HEADER_BYTES + 2 :]  # type: ignore[union-attr]
    assert isinstance(decode_to_phone(payload), StateMessage)
    effects = visit.attempt.receive(payload, wall)
    assert [effect.state.door for effect in effects] == [DoorState.OPEN]  # type: ignore[union-attr]
    assert visit.attempt.receive(payload, wall) == []  # the same state again is nothing new
    broken = make_wallet(hub.issuer, "broken-door")
    hub.clock.advance(10)
    hub.doors["front"].faults.broken = "the strike's wire is cut"
    refused = await Phone(hub, broken).visit()
    assert refused.verdict is not None
    assert refused.verdict.reason is Reason.FAULT


async def test_a_time_that_cannot_be_trusted_moves_nothing(hub: DeskHub, wallet: Wallet) -> None:
    hub.clock.trust = ClockState.BEFORE_BUILD
    visit = await Phone(hub, wallet).visit()
    assert visit.verdict is not None
    assert visit.verdict.reason is Reason.CLOCK
    asked = await Phone(hub, wallet).visit(action=Action.QUERY)
    assert asked.verdict is not None
    assert asked.verdict.allowed
    assert hub.strikes == 0


async def test_the_short_path_ends_with_the_hubs_certificate(hub: DeskHub, wallet: Wallet) -> None:
    """A hub may answer by the short path only where and while its certificate says so, whatever
    ticket it gives.
    """
    await Phone(hub, wallet).visit()
    (kid, ticket), *_ = wallet.tickets.items()
    assert (ticket.hub, ticket.access_points) == (HUB, frozenset({1, 2}))
    elsewhere = await Phone(hub, wallet).visit(point=3)
    assert elsewhere.verdict is None
    assert [type(decode_to_hub(message)) for message in elsewhere.messages_up] == [GetEpoch]
    assert "not certified for this access point" in elsewhere.why
    wallet.tickets[kid] = dataclasses.replace(ticket, expires=2**32 - 1)
    hub.clock.offset += 301 * DAY
    late = await Phone(hub, wallet).visit()
    assert late.verdict is None
    assert [type(decode_to_hub(message)) for message in late.messages_up] == [GetEpoch]
    assert kid not in wallet.tickets
