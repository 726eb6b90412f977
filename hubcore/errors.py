"""The errors of hubd: each class names who must act.

Laws:
1. A denial is a value (`access.decide.Denied`), not an error.
2. Outside, a peer gets one answer for every failed proof. The true cause is the message here, for
   the log and the record.
3. A message is a sentence for the person who must act: what is wrong, where, what was expected,
   what to do.
"""

from __future__ import annotations


class HubError(Exception):
    """The root: catch it where the daemon must go on."""


class ConfigError(HubError):
    """The installer must act: no start, and exit status 78 (EX_CONFIG of sysexits.h)."""


class PeerError(HubError):
    """A peer on a radio link sent what it must not: drop it, count it, go on."""


class FrameError(PeerError):
    """Bytes that are no frame or no message: wrong size, wrong shape, not deterministic CBOR."""


class SequenceError(PeerError):
    """A good frame or message at the wrong moment: a gap, a repetition, out of turn."""


class ProofError(PeerError):
    """A proof that does not hold: decryption, signature, binding or claim."""


class LinkError(HubError):
    """The uplink or the radio is away: back off, try again, decide locally meanwhile."""


class HardwareError(HubError):
    """A technician must act: a device does not do what it was told."""


class RestingError(HardwareError):
    """No person must act: a strike was driven for as long as it may be; ask again in `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class UnguardedError(HardwareError):
    """A strike may be driven and nothing is left to end it.

    The daemon ends, so that systemd secures the strikes.
    """


class DriverGoneError(HardwareError):
    """The driver, its process or its wire ended in the middle: nobody can tell what was done."""


class UnprovenError(HardwareError):
    """It was sent, and this device cannot tell whether it was done; sending again tells no more."""


class TamperError(HardwareError):
    """Somebody opened or cut something: raise the alarm and answer no."""


class StoreError(HubError):
    """The disk must be repaired: full, read-only, corrupt."""


class AuditError(StoreError):
    """Evidence cannot be written or does not verify: no strike without its record."""


class TrustError(HubError):
    """Something signed was offered and refused: keep what was trusted before."""


class SignatureError(TrustError):
    """The signature, the signer or the kind of document is not the one expected."""


class RollbackError(TrustError):
    """An older version than the one in force was offered."""


class ExpiredError(TrustError):
    """The document is not valid at this time."""


def unguarded_in(group: BaseExceptionGroup[BaseException]) -> UnguardedError | None:
    """Return the first UnguardedError of a group, at any depth; None when there is none."""
    for error in group.exceptions:
        if isinstance(error, UnguardedError):
            return error
        if isinstance(error, BaseExceptionGroup):
            found = unguarded_in(error)
            if found is not None:
                return found
    return None
