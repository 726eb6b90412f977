"""What a phone in a browser takes: its grant, and what it needs to know beside it.

Shape: base64url of CBOR {1: site, 2: issuer's COSE_Key, 3: grant, 4: [AEADs], 5: {access point:
its name}, ? 6: [kids of hubs that were ended], ? 7: revocations to carry, ? 8: {access point: what
its hub is called on the air}}, as `hubsite/webphone/static/page/grants.js` reads it.

Law: member 8 is there where an access point has such a name. A page older than that member takes
no enrolment with it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hubcore.access.grant import ACCESS_ENTRIES, read_scope
from hubcore.codec import cbor, cose
from hubsite.compiled import Compiled, CompiledIn, first
from hubsite.hubs.office import Office
from hubsite.register.models import AccessPoint, EndedHub, SignedGrant, SignedPolicy

DOOR_NAME_LENGTH = 64

_POINTS = CompiledIn(
    lambda numbers: AccessPoint.objects.filter(number__in=numbers).values_list(
        "number", "door__name", "name", "shown_name"
    ),
    int,
    ACCESS_ENTRIES,
)
_ENDED = Compiled(lambda: EndedHub.objects.values_list("kid"))
_LIST = Compiled(
    lambda: (
        SignedPolicy.objects.exclude(revocations=None)
        .order_by("-version")
        .values_list("revocations")[:1]
    )
)


@dataclass(frozen=True, slots=True)
class Beside:
    """What phones need to know beside their grants.

    `names`: of access points; `on_air`: what their hubs are called there, for those that have such
    a name; `ended`: kids of hubs; `revocations`: the newest signed list, empty where none is.
    """

    names: Mapping[int, str]
    on_air: Mapping[int, str]
    ended: tuple[bytes, ...]
    revocations: bytes


def beside_of(numbers: Iterable[int]) -> Beside:
    """Read what phones need to know that may open these access points."""
    rows = _POINTS(numbers)
    newest = first(_LIST())
    return Beside(
        names={number: f"{door}, {name}"[:DOOR_NAME_LENGTH] for number, door, name, _ in rows},
        on_air={number: shown_name for number, _, _, shown_name in rows if shown_name},
        ended=tuple(bytes.fromhex(kid) for (kid,) in _ENDED()),
        revocations=b"" if newest is None else bytes(newest[0]),
    )


def enrolment(
    office: Office, aeads: tuple[int, ...], signed: SignedGrant, beside: Beside | None = None
) -> str:
    """Return the text for a grant that was signed; `beside` is what was just read, if it was."""
    points = points_of(signed)
    known = beside_of(points) if beside is None else beside
    fields: dict[int, Any] = {
        1: office.site,
        2: cbor.encode(cose.write_key(office.signer.issuer.public)),
        3: bytes(signed.document),
        4: list(aeads),
        5: _of(points, known.names),
    }
    if known.ended:
        fields[6] = list(known.ended)
    if known.revocations:
        fields[7] = known.revocations
    if on_air := _of(points, known.on_air):
        fields[8] = on_air
    return base64.urlsafe_b64encode(cbor.encode(fields)).decode("ascii").rstrip("=")


def points_of(signed: SignedGrant) -> tuple[int, ...]:
    """Return the access points of a grant that was signed."""
    return tuple(entry.access_point for entry in read_scope(bytes(signed.scope)))


def _of(points: Iterable[int], names: Mapping[int, str]) -> dict[int, str]:
    return {point: names[point] for point in points if point in names}
