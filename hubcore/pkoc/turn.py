"""A turn: one key of the reader, and which phones have answered it.

A notification reaches every phone that listens. So several phones may answer one hello, each with a
key of its own, and the reader's key of that hello is everybody's.

Laws:
1. A phone's key is taken once in a turn. So what was recorded of a visit opens nothing later.
2. At most ANSWERS_MAX phones are met in a turn.
3. The reader's key of a turn is in no other turn.
4. A turn ends after TURN_SECONDS, with its last place, or once it was answered and nobody else who
   has heard it may still answer. It is over for good then: it meets nobody, and its private key is
   let go.
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
        self._private: ec.EllipticCurvePrivateKey | None = private
        self._began = began
        self.reader_key = compressed(private.public_key())
        """33 bytes."""
        self._met: set[bytes] = set()

    def is_over(self, now: float, is_awaited: bool) -> bool:
        """Tell whether the turn is over, and let its key go when it is: law 4.

        `is_awaited`: somebody who has heard this one is there and has not answered.
        """
        is_old = now - self._began >= TURN_SECONDS
        is_full = len(self._met) >= ANSWERS_MAX
        is_answered = bool(self._met) and not is_awaited
        if is_old or is_full or is_answered:
            self._private = None
        return self._private is None

    def meet(self, point: bytes, now: float) -> bytes:
        """Meet a phone by its key of this visit (65 bytes); return the key that both share.

        Raise ProofError for what is no key or the reader's own, SequenceError for one that was met
        or where the turn is over.
        """
        self.is_over(now, is_awaited=True)
        private = self._private
        if private is None:
            raise SequenceError("pkoc: the turn that this answers is over")
        x = x_of(point)
        if x == x_of(self.reader_key):
            raise ProofError("pkoc: the phone sends the reader's own key back")
        if x in self._met:
            raise SequenceError("pkoc: a phone with this key was met in this turn")
        shared = agree(private, point)
        self._met.add(x)
        self.is_over(now, is_awaited=True)  # the key goes with the last place
        return shared
