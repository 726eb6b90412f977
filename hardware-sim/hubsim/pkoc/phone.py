"""A PKOC phone: what it says to a reader, and when it goes away.

Written from the public apps alone (their names and commits stand in the modules beside this one):
nothing here comes from the hub's reader.

A reader speaks first, as soon as a phone subscribes. It says its version, its point for this visit,
where it is and of which site, and shows its certificate. The phone answers with its own point. The
reader signs; the phone checks, and only then seals its key and its own signature. The reader
answers with one number.

Laws:
1. A phone's key leaves it sealed, after the reader has proven itself, once a visit. The iPhone's
   app of 1.x sends it at any second notification; this phone does not.
2. A phone that does not trust the reader goes away without a word (UntrustedError).
3. It says the reader's own version back, in five bytes, and always seals by CCM, as the apps do.
4. A number in answer ends the visit, once the phone has shown its key.
5. What a phone does not know, or does not wait for, it passes over: every phone there hears the
   same notifications. The iPhone's app of 1.x leaves instead.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, IntEnum

from cryptography.hazmat.primitives.asymmetric import ec

from hubsim.pkoc.channel import (
    COMPRESSED_BYTES,
    FIRST,
    both_sign,
    is_signed,
    key_of,
    point_of,
    seal,
    shared_key,
    sign,
)
from hubsim.pkoc.elements import Element, Kind
from hubsim.pkoc.habits import VALIDATED, Habits
from hubsim.pkoc.trust import ID_BYTES, Distrust, KnownSite, UntrustedError

_SHORT_VERSION_BYTES = 2
_VERSION_BYTES = 5
_CCM = 1
_CCM_AND_GCM = 3
_TIME_BYTES = 4
_NEEDED = (Kind.VERSION, Kind.READER_POINT, Kind.LOCATION, Kind.SITE)


class Answer(IntEnum):
    """What a reader answers (ReaderUnlockStatus of both apps)."""

    UNKNOWN = 0
    COMPLETED = 1
    DENIED = 2
    GRANTED = 3
    GCM_ERROR = 4
    SECURITY_ERROR = 5
    SIGNATURE_ERROR = 6
    CCM_ERROR = 7
    UNRECOGNISED = 8


class Stage(Enum):
    """What a phone waits for."""

    READER = "reader"
    SIGNATURE = "signature"
    ANSWER = "answer"
    DONE = "done"


class PkocPhone:
    """One phone at one visit.

    `key` is its credential, made at `made` (UNIX seconds). `visit_key` is for this visit alone.
    """

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        knows: KnownSite,
        visit_key: ec.EllipticCurvePrivateKey,
        wall: Callable[[], float],
        habits: Habits = VALIDATED,
        made: int = 0,
    ) -> None:
        self.stage = Stage.READER
        self.answer: Answer | None = None
        self.habits = habits
        self._key = key
        self._knows = knows
        self._visit_key = visit_key
        self._wall = wall
        self._made = made
        self._said: dict[Kind, bytes] = {}
        self._reader_key: ec.EllipticCurvePublicKey | None = None
        self._shared = b""
        self._both = b""

    def heard(self, notification: bytes) -> bytes | None:
        """Take a notification, and return what the phone writes. Raise UntrustedError."""
        for element in self.habits.read(notification):
            if element.kind is Kind.ANSWER and (self._awaits_answer() or not self.habits.patient):
                self._end(element.value)
                return None
            if self.stage is Stage.SIGNATURE and element.kind is Kind.SIGNATURE:
                return self._credential(element.value)
            if self.stage is Stage.READER and not self._note(element):
                break
        if self.stage is Stage.READER and all(kind in self._said for kind in _NEEDED):
            return self._hello()
        return None

    def _awaits_answer(self) -> bool:
        return self.stage is Stage.ANSWER

    def _note(self, element: Element) -> bool:
        """Keep what a reader says of itself; tell whether this app reads on."""
        is_wanted = element.kind in (*_NEEDED, Kind.CERTIFICATE)
        if element.kind is not None and is_wanted:
            self._said[element.kind] = element.value
        if not self.habits.hasty:
            return True
        return is_wanted and not all(kind in self._said for kind in _NEEDED)

    def _hello(self) -> bytes:
        """Judge the reader as far as it has shown itself, and say the phone's point."""
        site = self._said[Kind.SITE]
        location = self._said[Kind.LOCATION]
        if len(site) != ID_BYTES or len(location) != ID_BYTES:
            raise UntrustedError(Distrust.BYTES)
        certificate = self._said.get(Kind.CERTIFICATE) if self.habits.certificates else None
        self._reader_key = self._knows.reader_key(site, location, certificate, self._wall())
        theirs = self._said[Kind.READER_POINT]
        if len(theirs) != COMPRESSED_BYTES:
            raise UntrustedError(Distrust.POINT)
        try:
            self._shared = shared_key(self._visit_key, key_of(theirs))
        except ValueError as error:
            raise UntrustedError(Distrust.POINT) from error
        point = point_of(self._visit_key.public_key())
        self._both = both_sign(site, location, point, theirs)
        self.stage = Stage.SIGNATURE
        return self.habits.write(Kind.PHONE_POINT, point) + self._version()

    def _credential(self, signature: bytes) -> bytes | None:
        """Check the reader's signature, and show the phone's key, sealed."""
        by = self._reader_key
        if by is None or not is_signed(by, self._both, signature):
            if self.habits.patient:
                return None
            raise UntrustedError(Distrust.SIGNATURE)
        write = self.habits.write
        plain = (
            write(Kind.CREDENTIAL, point_of(self._key.public_key()))
            + write(Kind.SIGNATURE, sign(self._key, self._both))
            + write(Kind.LAST_UPDATE, self._made.to_bytes(_TIME_BYTES, "big"))
            + self._version()
        )
        self.stage = Stage.ANSWER
        return write(Kind.SEALED, seal(self._shared, FIRST, plain))

    def _version(self) -> bytes:
        """Say the reader's version back (law 3)."""
        if not self.habits.says_version:
            return b""
        said = self._said[Kind.VERSION]
        if len(said) == _VERSION_BYTES:
            back = said[:3] + bytes([0, said[4] & _CCM_AND_GCM])
        elif len(said) == _SHORT_VERSION_BYTES:
            back = bytes([0]) + said + bytes([0, _CCM])
        else:
            raise UntrustedError(Distrust.BYTES)
        return self.habits.write(Kind.VERSION, back)

    def _end(self, value: bytes) -> None:
        if not self._awaits_answer():
            raise UntrustedError(Distrust.EARLY)
        is_known = len(value) == 1 and value[0] in set(Answer)
        self.answer = Answer(value[0]) if is_known else Answer.UNKNOWN
        self.stage = Stage.DONE
