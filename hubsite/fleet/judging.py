"""What the engine's buckets say of a hub, read and proven before it is kept.

Laws:
1. A certificate counts only if this site's issuer has signed it for this hub; that for TLS, if the
   site's TLS authority has. What counts for nothing says why, and has no end.
2. Nothing longer than VALUE_BYTES is read.
3. No value of a bucket raises anything: what cannot be read is told, and hides no other value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hubcore.codec.cose import VerifyKey
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubcore.errors import HubError, PeerError, TrustError
from hubcore.phone.certificates import read_hub_certificate
from hubgateway.engine.buckets import Kept
from hubgateway.rules import chain, names
from hubsite.fleet.models import POINTS_LENGTH, SENTENCE_LENGTH, UPDATES_BYTES, WRONG_BYTES

VALUE_BYTES = 8192
BUCKETS = (
    names.SESSIONS_BUCKET,
    names.STOPS_BUCKET,
    names.UPDATES_BUCKET,
    names.HEALTH_BUCKET,
    names.CERTIFICATES_BUCKET,
    names.TLS_BUCKET,
)
_UNREADABLE = b"?"
"""No message: it stands for one that is too long to be kept."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A certificate: when it ends, in Unix seconds, or why it counts for nothing."""

    ends: int | None = None
    wrong: str = ""
    access_points: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """What is kept of a hub (`models.HubState`), without whether it is connected."""

    began: datetime | None
    updates: bytes
    updates_at: datetime | None
    wrong: bytes
    wrong_at: datetime | None
    stop: str
    access_points: str
    certificate_ends: int | None
    certificate_wrong: str
    tls_ends: int | None
    tls_wrong: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Reads for one site; `authority` is the certificate (DER) of its TLS authority, or None."""

    site: str
    issuer: VerifyKey
    authority: bytes | None

    def health(self, hub: str, said: Mapping[str, Kept]) -> Health:
        """Return how a hub is; `said` are its values by bucket (law 3)."""
        session = said.get(names.SESSIONS_BUCKET)
        updates = said.get(names.UPDATES_BUCKET)
        wrong = said.get(names.HEALTH_BUCKET)
        paper = self._certificate(hub, said.get(names.CERTIFICATES_BUCKET))
        tls = self._tls(hub, said.get(names.TLS_BUCKET))
        return Health(
            began=None if session is None else _moment(session.at),
            updates=_message(updates, UPDATES_BYTES),
            updates_at=None if updates is None else _moment(updates.at),
            wrong=_message(wrong, WRONG_BYTES),
            wrong_at=None if wrong is None else _moment(wrong.at),
            stop=_stop(said.get(names.STOPS_BUCKET)),
            access_points=paper.access_points,
            certificate_ends=paper.ends,
            certificate_wrong=paper.wrong,
            tls_ends=tls.ends,
            tls_wrong=tls.wrong,
        )

    def _certificate(self, hub: str, kept: Kept | None) -> Paper:
        if kept is None:
            return Paper()
        if len(kept.value) > VALUE_BYTES:
            return Paper(wrong=f"it has more than {VALUE_BYTES} bytes")
        try:
            read = read_hub_certificate(kept.value, self.issuer)
        except (PeerError, TrustError) as error:
            return Paper(wrong=_sentence(f"it is not of this site's issuer: {error}"))
        if (read.site, read.hub) != (self.site, hub):
            return Paper(wrong="it is of another site or hub")
        points = ", ".join(map(str, read.access_points))
        return Paper(read.expires, access_points=points[:POINTS_LENGTH])

    def _tls(self, hub: str, kept: Kept | None) -> Paper:
        if kept is None or self.authority is None:
            return Paper()
        if len(kept.value) > VALUE_BYTES:
            return Paper(wrong=f"it has more than {VALUE_BYTES} bytes")
        try:
            name = TlsName(self.site, TlsRole.HUB, hub)
            return Paper(read_certificate(kept.value, self.authority, name).expires)
        except HubError as error:
            return Paper(wrong=_sentence(f"it is not of this site's TLS authority: {error}"))


def _stop(kept: Kept | None) -> str:
    """Return `CAUSE sentence`, "" for a hub that is not stopped."""
    if kept is None:
        return ""
    stop = chain.read_stop(kept.value[:VALUE_BYTES])
    return _sentence(f"{stop.cause.name} {stop.detail}")


def _message(kept: Kept | None, most: int) -> bytes:
    """Return the bytes of what a hub has said, at most so many; none where it has not."""
    if kept is None:
        return b""
    return kept.value if 0 < len(kept.value) <= most else _UNREADABLE


def _sentence(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain[:SENTENCE_LENGTH]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
