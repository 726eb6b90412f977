"""What a site's server may have signed at the most: the operator's word, at the signer.

Law: what is not allowed here is refused. The limits of a new site allow no operator, no held door,
no card and no mandate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubcore.bridge.mandate import Mandate
from hubcore.issuing.words import DAY_SECONDS, DocumentKind
from hubcore.policy.policy import Operator

EACH = "*"
"""In place of an operator's name: whoever is not named otherwise."""
VERSION_STEP = 1000
"""How far a policy's version may be above the last one. A highest version would be the last."""
A_DAY: Mapping[DocumentKind, int] = {
    DocumentKind.POLICY: 500,
    DocumentKind.GRANT: 2000,
    DocumentKind.REVOCATIONS: 500,
    DocumentKind.CERTIFICATE: 50,
    DocumentKind.MANDATE: 10,
}
REVOKING_A_DAY = 2000
"""Of policies that only revoke or disable somebody more, beside the ceiling of other policies."""


@dataclass(frozen=True, slots=True)
class HubLimits:
    """What a site's server may have done about hubs (`hubcore.issuing.hubrules`).

    `access_points` are those of hubs that it may make and end; counts are within any 24 hours.
    """

    access_points: frozenset[int] = frozenset()
    new_hubs_a_day: int = 0
    ends_a_day: int = 0
    acts_a_day: int = 200
    may_replace: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one site.

    `policy_version` is that of the newest policy that was signed elsewhere before. `operators`: who
    may stand in a policy, with which rights at the most. `held_open`: access points that a policy
    may hold open. `apart`: those that no grant and no card opens which is signed here. `cards`: how
    many cards and phones that others make a policy may name. `mandates` are the ones that may be
    renewed, as the issuer has signed them. `hubs` None: nothing is done about hubs.
    """

    site: str
    policy_version: int = 0
    grant_seconds: int = 31 * DAY_SECONDS
    certificate_seconds: int = 366 * DAY_SECONDS
    mandate_seconds: int = 366 * DAY_SECONDS
    operators: Mapping[str, Operator] = field(default_factory=dict)
    held_open: frozenset[int] = frozenset()
    apart: frozenset[int] = frozenset()
    cards: int = 0
    mandates: tuple[Mandate, ...] = ()
    a_day: Mapping[DocumentKind, int] = field(default_factory=lambda: dict(A_DAY))
    revoking_a_day: int = REVOKING_A_DAY
    hubs: HubLimits | None = None
