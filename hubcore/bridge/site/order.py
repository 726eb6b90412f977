"""Orders of a site: what people on site may order alone, signed by the site's own key.

Laws:
1. It proves itself by the key of a mandate for orders. So whoever carries it orders nothing.
2. It is for one hub, or for all hubs of its site. A release is for one hub and one access point.
3. It must be taken within TAKE_SECONDS_MAX of its issue.
4. Whatever stands by it ends by itself, within LIFE_SECONDS_MAX of its kind.
5. It names who ordered it by an opaque id. Whether he may is the policy's to say, as for an order
   of the backend.
6. Fire is no order of anybody: it is an input of the hub.
7. A guest comes by a grant of the same key, below the ceiling of its mandate (`ceilings.guests`).
8. A command of a device is for one hub, and below another ceiling of the mandate
   (`ceilings.devices`). No such command opens an entrance.

Shape: `{1: site, 2: hub or null, 3: site, 4: take until, 7: id, -65538: issued at in ms,
-65539: by, -65540: what}`, signed by the site's key. What is ordered is one of
`[1, access point, seconds or null]`, a release;
`[2, order, access point or null, 1, until]` and `[2, order, access point or null, 0]`, an order for
doors and its end; `[3, credential, 1, until]` and `[3, credential, 0]`, a credential that is
disabled, and its end; `[4, grant id, 1, grant]` and `[4, grant id, 0]`, a guest, until the end of
his grant, and his end; `[5, device, verb, level or null]`, a command of a device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never

from hubcore.access.grant import GRANT_ID_BYTES, Grant
from hubcore.access.precedence import DoorOrder
from hubcore.access.precedence import opens as opens_door
from hubcore.access.words import HubName
from hubcore.backend.uplink.words import (
    ID_BYTES,
    MAX_RELEASE_SECONDS,
    ORDERS_OF_BACKENDS,
    UINT16_MAX,
)
from hubcore.bridge.ceilings import devices
from hubcore.bridge.ceilings.guests import check_ceiling, prove_guest
from hubcore.bridge.mandate import Mandate, Use
from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.device.command import Command
from hubcore.errors import ProofError

TYPE = "application/hub-site-order+cwt"
TAKE_SECONDS_MAX = 600
_HOUR = 3600
_DAY = 24 * _HOUR
LIFE_SECONDS_MAX = {
    DoorOrder.HOLD_OPEN: 12 * _HOUR,
    DoorOrder.NO_ENTRY: 7 * _DAY,
    DoorOrder.LOCKDOWN: 7 * _DAY,
}
DISABLED_SECONDS_MAX = 30 * _DAY
GUEST_UNTIL_SECONDS_MAX = 7 * _DAY
"""After its issue, so long at the longest until a guest's grant ends."""
_ISSUED = -65538
_BY = -65539
_WHAT = -65540
_CLAIMS = (cwt.ISS, cwt.SUB, cwt.AUD, cwt.EXP, cwt.CTI, _ISSUED, _BY, _WHAT)
_RELEASE = 1
_DOORS = 2
_CREDENTIAL = 3
_GUEST = 4
_DEVICE = 5
OF_PERSONS = (_CREDENTIAL, _GUEST)
"""The first item of a subject that is about a person."""
_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class SiteRelease:
    """Release the strike of an access point once; `seconds` None: the door's own time."""

    access_point: int
    seconds: int | None


@dataclass(frozen=True, slots=True)
class DoorsOrder:
    """An order that stands until `until` (Unix seconds); `until` None: its end.

    `access_point` is one of the door; None: all doors.
    """

    order: DoorOrder
    access_point: int | None
    until: int | None


@dataclass(frozen=True, slots=True)
class CredentialDisabled:
    """A credential opens nothing until `until` (Unix seconds); `until` None: the end of that."""

    credential: str
    until: int | None


@dataclass(frozen=True, slots=True)
class AdmittedGuest:
    """A guest's grant, and the document that proves it."""

    grant: Grant
    document: bytes


@dataclass(frozen=True, slots=True)
class GuestAdmitted:
    """The guest of a grant is let in by it; `guest` None: the end of that."""

    grant_id: bytes
    guest: AdmittedGuest | None

    @property
    def until(self) -> int | None:
        """Until when it stands, in Unix seconds; None: it is an end."""
        return None if self.guest is None else self.guest.grant.expires


Ordered = SiteRelease | DoorsOrder | CredentialDisabled | GuestAdmitted | Command
ONCE = (SiteRelease, Command)
"""What is done once, and stands for no time."""
Subject = tuple[int, int | str | None, int]
"""What an order is about; of two orders about one subject the newer holds."""


@dataclass(frozen=True, slots=True)
class SiteOrder:
    """One order. `hub` None: all hubs of the site. `expires_at` in Unix seconds."""

    id: bytes
    hub: str | None
    issued_ms: int
    expires_at: int
    by: str
    what: Ordered

    @property
    def subject(self) -> Subject:
        """What it is about."""
        match self.what:
            case SiteRelease(access_point):
                return (_RELEASE, access_point, 0)
            case DoorsOrder(order, access_point):
                return (_DOORS, access_point, int(order))
            case CredentialDisabled(credential):
                return (_CREDENTIAL, credential, 0)
            case GuestAdmitted(grant_id):
                return (_GUEST, grant_id.hex(), 0)
            case Command(device):
                return (_DEVICE, device, 0)
            case _:
                assert_never(self.what)

    @property
    def until(self) -> int | None:
        """Until when something stands by it, in Unix seconds; None: nothing does."""
        return None if isinstance(self.what, ONCE) else self.what.until

    @property
    def needs_clock(self) -> bool:
        """Whether a hub must know what time it is: an old one must not open, or move anything."""
        return self.opens or isinstance(self.what, Command)

    @property
    def opens(self) -> bool:
        """Whether somebody may get in by it who would not without: an end of what shuts, too."""
        match self.what:
            case SiteRelease():
                return True
            case DoorsOrder(order, _, until):
                return opens_door(order) if until is not None else not opens_door(order)
            case CredentialDisabled(_, until):
                return until is None
            case GuestAdmitted(_, guest):
                return guest is not None
            case Command():
                return False
            case _:
                assert_never(self.what)


def issue_site_order(order: SiteOrder, site: str, key: SigningKey) -> bytes:
    """Return the document. Raise ProofError for an order that no hub would take.

    The ceiling of the mandate is not looked at.
    """
    _check(order)
    guest = order.what.guest if isinstance(order.what, GuestAdmitted) else None
    if guest is not None and _read_guest(guest.document, site, key.verify_key) != guest:
        raise ProofError("site order: a guest's grant is not what its document says")
    claims: dict[int, Any] = {
        cwt.ISS: site,
        cwt.SUB: order.hub,
        cwt.AUD: site,
        cwt.EXP: order.expires_at,
        cwt.CTI: order.id,
        _ISSUED: order.issued_ms,
        _BY: order.by,
        _WHAT: _write(order.what),
    }
    return cwt.issue(TYPE, claims, key, key.verify_key.kid)


def prove_site_order(document: bytes, hub: HubName, mandate: Mandate) -> SiteOrder:
    """Read an order for this hub; its times are for `orders` to judge. Raise ProofError."""
    if len(document) > DOCUMENT_BYTES:
        raise ProofError(f"site order: more than {DOCUMENT_BYTES} bytes")
    if mandate.use is not Use.ORDERS or mandate.site != hub.site:
        raise ProofError("site order: the key that is known is for another use or site")
    claims = cwt.read(TYPE, document, mandate.key, mandate.key.kid, _CLAIMS)
    if cwt.site_of(claims) != hub.site:
        raise ProofError("site order: it is of another site")
    if claims[cwt.SUB] is not None and claims[cwt.SUB] != hub.hub:
        raise ProofError("site order: it is for another hub")
    order = SiteOrder(
        id=claims[cwt.CTI],
        hub=claims[cwt.SUB],
        issued_ms=claims[_ISSUED],
        expires_at=claims[cwt.EXP],
        by=claims[_BY],
        what=_read(claims[_WHAT], mandate),
    )
    _check(order)
    if isinstance(order.what, GuestAdmitted) and order.what.guest is not None:
        check_ceiling(order.what.guest.grant, mandate.guests)
    if isinstance(order.what, Command):
        devices.check_ceiling(order.what, mandate.devices)
    return order


def _write(what: Ordered) -> list[Any]:
    match what:
        case SiteRelease(access_point, seconds):
            return [_RELEASE, access_point, seconds]
        case DoorsOrder(order, access_point, until):
            return [_DOORS, int(order), access_point, *_standing(until)]
        case CredentialDisabled(credential, until):
            return [_CREDENTIAL, credential, *_standing(until)]
        case GuestAdmitted(grant_id, guest):
            return [_GUEST, grant_id, *([0] if guest is None else [1, guest.document])]
        case Command():
            return [_DEVICE, *devices.write_command(what)]
        case _:
            assert_never(what)


def _standing(until: int | None) -> list[int]:
    return [0] if until is None else [1, until]


def _read_guest(document: bytes, site: str, key: VerifyKey) -> AdmittedGuest:
    return AdmittedGuest(prove_guest(document, site, key), document)


def _read(what: Any, mandate: Mandate) -> Ordered:
    """Read what is ordered; `_check` looks at what is inside."""
    match what:
        case [1, access_point, seconds]:
            return SiteRelease(access_point, seconds)
        case [2, int(order), access_point, 1, int(until)] if order in ORDERS_OF_BACKENDS:
            return DoorsOrder(DoorOrder(order), access_point, until)
        case [2, int(order), access_point, 0] if order in ORDERS_OF_BACKENDS:
            return DoorsOrder(DoorOrder(order), access_point, None)
        case [3, credential, 1, int(until)]:
            return CredentialDisabled(credential, until)
        case [3, credential, 0]:
            return CredentialDisabled(credential, None)
        case [4, bytes(grant_id), 1, bytes(document)]:
            return GuestAdmitted(grant_id, _read_guest(document, mandate.site, mandate.key))
        case [4, bytes(grant_id), 0]:
            return GuestAdmitted(grant_id, None)
        case [5, device, verb, level]:
            return devices.read_command(device, verb, level)
    raise ProofError("site order: it orders nothing that is known")


def _check(order: SiteOrder) -> None:
    """Raise ProofError for an order out of shape, or one that would live for too long."""
    if type(order.id) is not bytes or len(order.id) != ID_BYTES:
        raise ProofError(f"site order: an id has {ID_BYTES} bytes")
    if not cwt.name(order.by, "who ordered it").isprintable():
        raise ProofError("site order: who ordered it is no printable text")
    if order.hub is not None:
        cwt.name(order.hub, "hub")
    _check_uint("its issue", order.issued_ms, _INT64_MAX)
    _check_uint("its end", order.expires_at, _INT64_MAX)
    issued = order.issued_ms // 1000
    if not issued <= order.expires_at <= issued + TAKE_SECONDS_MAX:
        raise ProofError(f"site order: it is to be taken within {TAKE_SECONDS_MAX} s")
    match order.what:
        case SiteRelease(access_point, seconds):
            if order.hub is None:
                raise ProofError("site order: a release is for one hub")
            _check_uint("access point", access_point, UINT16_MAX)
            if seconds is not None:
                _check_uint("seconds", seconds, MAX_RELEASE_SECONDS, 1)
        case DoorsOrder(door_order, access_point, until):
            if door_order not in ORDERS_OF_BACKENDS:
                raise ProofError("site order: nobody gives such an order for a door")
            if access_point is not None:
                _check_uint("access point", access_point, UINT16_MAX)
            _check_until(until, issued, LIFE_SECONDS_MAX[door_order])
        case CredentialDisabled(credential, until):
            cwt.name(credential, "credential")
            _check_until(until, issued, DISABLED_SECONDS_MAX)
        case GuestAdmitted(grant_id, guest):
            _check_guest(grant_id, guest, issued)
        case Command():
            if order.hub is None:
                raise ProofError("site order: a command of a device is for one hub")
            devices.check_command(order.what)
        case _:
            assert_never(order.what)


def _check_guest(grant_id: bytes, guest: AdmittedGuest | None, issued: int) -> None:
    if len(grant_id) not in GRANT_ID_BYTES:
        raise ProofError("site order: a guest's grant has an id of 8..16 bytes")
    if guest is None:
        return
    if guest.grant.grant_id != grant_id:
        raise ProofError("site order: a guest's grant has another id")
    _check_until(guest.grant.expires, issued, GUEST_UNTIL_SECONDS_MAX)


def _check_uint(what: str, value: object, highest: int, lowest: int = 0) -> None:
    if type(value) is not int or not lowest <= value <= highest:
        raise ProofError(f"site order: {what} is no whole number within {lowest}..{highest}")


def _check_until(until: int | None, issued: int, life_seconds: int) -> None:
    if until is not None:
        _check_uint("until", until, issued + life_seconds, issued + 1)
