"""What was signed so far, as far as the next document depends on it: a fold over the log.

Laws:
1. It is made of the facts of the log alone, in their order. So it is the same after a restart.
2. It remembers of each kind the times of one day, and no more of them than a day may have.
3. No line is before the one before it, so that within any 24 hours of the log no more stand than
   were allowed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hubcore.access.grant import Grant
from hubcore.access.revocations import Revocations
from hubcore.bridge.mandate import Mandate
from hubcore.issuing.limits import REVOKING_A_DAY
from hubcore.issuing.wanted import Wanted, WantedCertificate, WantedPolicy
from hubcore.issuing.words import DAY_SECONDS, DocumentKind
from hubcore.policy.policy import Policy

REVOKING = "revocations"
"""What a policy is about that differs from the last one by more revocations alone."""
_DAY_MS = 1000 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature: a line of the log.

    `of` is what the document is about: a credential, a hub, a use and its holder, or REVOKING.
    `number` is a version, or the beginning of a certificate in Unix seconds; 0 for a grant.
    `digest` is the SHA-256 of the claims, `key` the id of the key that a certificate is for, and
    `points` are its access points.
    """

    kind: DocumentKind
    at_ms: int
    of: str
    number: int
    digest: bytes
    key: bytes = b""
    points: tuple[int, ...] = ()


def signed(wanted: Wanted, at_ms: int, digest: bytes, last: Policy | None) -> Signed:
    """Return what the log says of a document; `last` is the policy that was signed before."""
    match wanted:
        case WantedPolicy(policy=policy):
            of = REVOKING if only_revokes(policy, last) else ""
            return Signed(DocumentKind.POLICY, at_ms, of, policy.version, digest)
        case Grant():
            return Signed(DocumentKind.GRANT, at_ms, wanted.credential, 0, digest)
        case Revocations():
            return Signed(DocumentKind.REVOCATIONS, at_ms, "", wanted.version, digest)
        case WantedCertificate(certificate=made):
            return Signed(
                kind=DocumentKind.CERTIFICATE,
                at_ms=at_ms,
                of=made.hub,
                number=made.not_before,
                digest=digest,
                key=made.key.kid,
                points=made.access_points,
            )
        case Mandate():
            return Signed(DocumentKind.MANDATE, at_ms, place_of(wanted), wanted.version, digest)


def only_revokes(policy: Policy, last: Policy | None) -> bool:
    """Tell whether a policy is the last one, and somebody more is revoked or disabled.

    Who was disabled and is revoked now is not in both lists.
    """
    if last is None:
        return False
    rest = replace(
        policy,
        version=last.version,
        issued_at=last.issued_at,
        revoked_credentials=last.revoked_credentials,
        revoked_grants=last.revoked_grants,
        disabled=last.disabled,
    )
    return rest == last and _names(last) < _names(policy)


def _names(policy: Policy) -> frozenset[tuple[bool, str | bytes]]:
    """Return who is revoked for ever (True), and who is out of use at all."""
    ever = policy.revoked_credentials | policy.revoked_grants
    now = ever | policy.disabled
    return frozenset({(True, one) for one in ever} | {(False, one) for one in now})


def place_of(mandate: Mandate) -> str:
    """Return the place in which only one mandate holds."""
    use, holder = mandate.place
    return f"{use.name.lower()} {holder}".rstrip()


class Standing:
    """What was signed. `a_day` and `revoking_a_day` are the ceilings of a day (law 2)."""

    def __init__(
        self, a_day: Mapping[DocumentKind, int], revoking_a_day: int = REVOKING_A_DAY
    ) -> None:
        self.newest_ms = 0
        self.policy: Signed | None = None
        self.certificates: dict[str, Signed] = {}
        self.mandates: dict[str, Signed] = {}
        self._times: dict[DocumentKind, deque[int]] = {
            kind: deque(maxlen=max(1, a_day[kind])) for kind in DocumentKind
        }
        self._revoking: deque[int] = deque(maxlen=max(1, revoking_a_day))

    def take(self, fact: Signed) -> None:
        """Take the next line of the log."""
        self.newest_ms = max(self.newest_ms, fact.at_ms)
        is_revoking = fact.kind is DocumentKind.POLICY and fact.of == REVOKING
        (self._revoking if is_revoking else self._times[fact.kind]).append(fact.at_ms)
        match fact.kind:
            case DocumentKind.POLICY:
                self.policy = fact
            case DocumentKind.CERTIFICATE:
                self.certificates[fact.of] = fact
            case DocumentKind.MANDATE:
                self.mandates[fact.of] = fact

    def moment(self, now_ms: int) -> int:
        """Return the time of a line that is written now: lines go forward (law 3)."""
        return max(now_ms, self.newest_ms)

    def within_a_day(self, kind: DocumentKind, now_ms: int) -> int:
        """Return how many of a kind were signed in the day before now, as far as remembered.

        Policies that only revoke are not among them.
        """
        return _within(self._times[kind], now_ms)

    def revoking_within_a_day(self, now_ms: int) -> int:
        """Return how many policies were signed in the day before now that only revoke."""
        return _within(self._revoking, now_ms)


def _within(times: deque[int], now_ms: int) -> int:
    return sum(at > now_ms - _DAY_MS for at in times)
