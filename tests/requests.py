"""Requests as a phone makes them, whole and good, for tests that play the phone by hand."""

from __future__ import annotations

from hubcore.access.grant import read_grant
from hubcore.access.words import Action
from hubcore.codec.cose import Aead
from hubcore.phone import sealing
from hubcore.phone.certificates import read_epoch_certificate, read_hub_certificate
from hubcore.phone.messages import Open, Request, Resume, ResumeRequest
from hubcore.phone.sealing import BLE_GATT
from hubsim.phone.requests import seal_open
from hubsim.phone.wallet import Wallet
from tests.pair import DeskHub

TICKET_ID_BYTES = 16


def full_request(
    hub: DeskHub,
    wallet: Wallet,
    challenge: bytes,
    *,
    op: bytes = bytes(8),
    action: Action = Action.OPEN,
    access_point: int = 1,
) -> Open:
    """Return the request of the full path, under the hub's newest epoch key."""
    epoch = hub.epochs.current
    assert epoch is not None
    reader = read_hub_certificate(hub.certificate, hub.issuer.verify_key)
    certificate = read_epoch_certificate(epoch.certificate, reader, (384,))
    bound = sealing.binding(BLE_GATT, challenge, epoch.digest, Aead.A256GCM)
    request = Request(wallet.grant, op, access_point, action, bytes(32))
    return seal_open(request, wallet.key, certificate, bound, aead=Aead.A256GCM, chance=bytes)


def give_ticket(hub: DeskHub, wallet: Wallet, secret: bytes) -> None:
    """Have the hub know a ticket for the wallet's grant. Its id is the beginning of its secret."""
    now = int(hub.clock.wall())
    grant = read_grant(wallet.grant, hub.issuer.verify_key, hub.side.name.site)
    hub.tickets.issue(secret[:TICKET_ID_BYTES], secret, Aead.A256GCM, grant, now, now)


def short_request(
    hub: DeskHub,
    secret: bytes,
    challenge: bytes,
    *,
    op: bytes = bytes(8),
    action: Action = Action.OPEN,
    access_point: int = 1,
) -> Resume:
    """Return the request of the short path, under the ticket of this secret."""
    key = sealing.resume_key(secret, BLE_GATT, challenge, Aead.A256GCM, hub.side.name.hub)
    request = ResumeRequest(op, access_point, action)
    return sealing.seal_resume(request, key, Aead.A256GCM, bytes(12), secret[:TICKET_ID_BYTES])
