"""Whether a phone may use a hub's certificates now, at a door; and whether it knows the version."""

from __future__ import annotations

from hubcore.codec import cbor
from hubcore.codec.cose import Aead
from hubcore.errors import FrameError
from hubcore.phone.certificates import EpochCertificate
from hubcore.phone.messages import VERSION, Challenge
from hubsim.phone.wallet import KnownEpoch, Wallet

EPOCH_LEEWAY_SECONDS = 300
ANOTHER_DOOR = "the hub is not certified for this access point"


def distrust(
    known: KnownEpoch,
    hints: Challenge,
    wallet: Wallet,
    access_point: int,
    wall: float,
) -> str | None:
    """Say why these certificates must not be used now for this access point, or None.

    `hints` is the challenge that was read, `wall` Unix seconds.
    """
    hub = known.hub
    if hub.site != wallet.site:
        return "the hub is another site's"
    if hub.key.kid != hints.hub:
        return "the certificate is another hub's than the challenge's"
    if not hub.not_before <= wall <= hub.expires:
        return "the hub's certificate is not valid at this time"
    if hub.key.kid in wallet.revoked_hubs:
        return "the hub is revoked"
    if access_point not in hub.access_points:
        return ANOTHER_DOOR
    if not _in_time(known.epoch, wall):
        return "the epoch's certificate is not valid at this time: check both clocks"
    if choose_aead(wallet, known.epoch) is None:
        return "the hub offers no AEAD that this site allows"
    return None


def _in_time(epoch: EpochCertificate, wall: float) -> bool:
    begins = epoch.not_before - EPOCH_LEEWAY_SECONDS
    ends = epoch.expires + EPOCH_LEEWAY_SECONDS
    return begins <= wall <= ends


def choose_aead(wallet: Wallet, epoch: EpochCertificate) -> Aead | None:
    """Return the AEAD that the site likes best among those that the hub offers."""
    for aead in wallet.aeads:
        if aead in epoch.aeads:
            return aead
    return None


def is_of_another_version(info: bytes) -> bool:
    """Tell whether INFO holds a challenge of another version.

    That is an array that begins with another whole number.
    """
    try:
        value = cbor.decode(info)
    except FrameError:
        return False
    if not isinstance(value, list) or not value:
        return False
    return isinstance(value[0], int) and value[0] != VERSION
