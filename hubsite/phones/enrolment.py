"""What a phone in a browser takes: its grant, and what it needs to know beside it.

Shape: base64url of CBOR {1: site, 2: issuer's COSE_Key, 3: grant, 4: [AEADs], 5: {access point:
its name}, ? 6: [kids of hubs that were ended], ? 7: revocations to carry, ? 8: {access point: what
its hub is called on the air}}, as `hubsite/webphone/static/page/grants.js` reads it.

Law: member 8 is there where an access point has such a name. A page older than that member takes
no enrolment with it.
"""

from __future__ import annotations

import base64
from typing import Any

from hubcore.access.grant import ACCESS_ENTRIES, read_scope
from hubcore.codec import cbor, cose
from hubsite.compiled import Compiled, first
from hubsite.hubs.office import Office
from hubsite.register.models import AccessPoint, EndedHub, SignedGrant, SignedPolicy

DOOR_NAME_LENGTH = 64

_POINTS = Compiled(
    lambda *numbers: (
        AccessPoint.objects.filter(number__in=numbers)
        .order_by("number")
        .values_list("number", "door__name", "name", "shown_name")
    ),
    *[int] * ACCESS_ENTRIES,
)
_ENDED = Compiled(lambda: EndedHub.objects.values_list("kid"))
_LIST = Compiled(
    lambda: (
        SignedPolicy.objects.exclude(revocations=None)
        .order_by("-version")
        .values_list("revocations")[:1]
    )
)


def enrolment(office: Office, aeads: tuple[int, ...], signed: SignedGrant) -> str:
    """Return the text for a grant that was signed."""
    points = [entry.access_point for entry in read_scope(bytes(signed.scope))]
    rows = _points(points)
    names = {number: f"{door}, {name}"[:DOOR_NAME_LENGTH] for number, door, name, _ in rows}
    on_air = {number: shown_name for number, _, _, shown_name in rows if shown_name}
    fields: dict[int, Any] = {
        1: office.site,
        2: cbor.encode(cose.write_key(office.signer.issuer.public)),
        3: bytes(signed.document),
        4: list(aeads),
        5: names,
    }
    if kids := [bytes.fromhex(kid) for (kid,) in _ENDED()]:
        fields[6] = kids
    if revocations := _newest_list():
        fields[7] = revocations
    if on_air:
        fields[8] = on_air
    return base64.urlsafe_b64encode(cbor.encode(fields)).decode("ascii").rstrip("=")


def _points(numbers: list[int]) -> list[tuple[int, str, str, str]]:
    """Return number, door, name, and name on the air of access points, as many as one grant has."""
    if not numbers:
        return []
    repeated = [numbers[-1]] * (ACCESS_ENTRIES - len(numbers))
    return _POINTS(*numbers, *repeated)


def _newest_list() -> bytes:
    """Return the newest list of revocations that was signed; empty where nothing is revoked."""
    newest = first(_LIST())
    return b"" if newest is None else bytes(newest[0])
