"""A turn: one key of the reader, and which phones have answered it.

A notification reaches every phone that listens. So several phones may answer one hello, each with a
key of its own, and the reader's key of that hello is everybody's.

Laws:
1. A phone's key is taken once in a turn. So what was recorded of a visit opens nothing later.
2. At most ANSWERS_MAX phones are met in a turn.
3. The reader's key of a turn is in no other turn.
4. A turn ends after TURN_SECONDS, with its last place, or once it was answered and nobody else who
   has heard it may still answer.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.errors import ProofError, SequenceError
from hubcore.pkoc.certificate import compressed
from hubcore.pkoc.sealing import agree, x_of

ANSWERS_MAX = 8
TURN_SECONDS = 5.0


class Turn:
    """`private` is a new key on P-256; `began` in monotonic seconds."""

    def __init__(self, private: ec.EllipticCurvePrivateKey, began: float) -> None:
        self._private = private
        self._began = began
        self.reader_key = compressed(private.public_key())
        """33 bytes."""
        self._met: set[bytes] = set()

    def is_over(self, now: float, is_awaited: bool) -> bool:
        """Tell whether the next hello must be of a new turn: law 4.

        `is_awaited`: somebody who has heard this one is there and has not answered.
        """
        if now - self._began >= TURN_SECONDS or len(self._met) >= ANSWERS_MAX:
            return True
        return bool(self._met) and not is_awaited

    def meet(self, point: bytes) -> bytes:
        """Meet a phone by its key of this visit (65 bytes); return the key that both share.

        Raise ProofError for what is no key or the reader's own, SequenceError for one that was met.
        """
        x = x_of(point)
        if x == x_of(self.reader_key):
            raise ProofError("pkoc: the phone sends the reader's own key back")
        if x in self._met:
            raise SequenceError("pkoc: a phone with this key was met in this turn")
        if len(self._met) >= ANSWERS_MAX:
            raise SequenceError(f"pkoc: {ANSWERS_MAX} phones were met in this turn")
        shared = agree(self._private, point)
        self._met.add(x)
        return shared
