"""What a phone is answered that fetches its grant, whether it came alone or with many.

Law: a refusal is one sentence for the phone's owner, the same on each way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from hubcore.errors import HubError
from hubsite.hubs.office import Office
from hubsite.phones.devices import Device, RefusedError, devices_of, grant_of
from hubsite.phones.enrolment import Beside, beside_of, enrolment, points_of
from hubsite.register.granted import grantings_of_all
from hubsite.register.models import SignedGrant
from hubsite.rules.issuing import Granting

Said = tuple[int, Mapping[str, Any]]
"""The status of an answer, and what it says."""
REFUSALS = (RefusedError, HubError)
"""What a call raises that is refused in words."""


@dataclass(frozen=True, slots=True)
class Had:
    """What one device has, as it was just read; `device` is None for one without a key."""

    device: Device | None
    grantings: tuple[Granting, ...]
    beside: Beside


def had_by(families: Iterable[UUID]) -> dict[UUID, Had]:
    """Read what the devices of these families have, in as many queries as for one."""
    wanted = list(families)
    devices = devices_of(wanted)
    grantings = grantings_of_all(one.credential for one in devices.values())
    beside = beside_of(_points(devices.values(), grantings.values()))
    found = {}
    for family in wanted:
        device = devices.get(family)
        granted = () if device is None else grantings[device.credential.pk]
        found[family] = Had(device, granted, beside)
    return found


def _points(devices: Iterable[Device], grantings: Iterable[tuple[Granting, ...]]) -> set[int]:
    """Return the access points that the grants of these devices may name."""
    found = {point for granted in grantings for one in granted for point in one.points}
    for device in devices:
        if device.newest is not None:
            found.update(points_of(device.newest))
    return found


def grant_said(had: Had, now: int) -> Said:
    """Answer with what the phone takes: its enrolment, and when its grant ends (Unix seconds).

    Raise RefusedError, HubError.
    """
    office = settings.HUBSITE_RUNNING.office
    if office is None:
        return refusal(503, "The site signs nothing at this moment: it has no key.")
    return said_of(office, had, _grant(office, had, now))


def _grant(office: Office, had: Had, now: int) -> SignedGrant:
    return grant_of(office, had.device, had.grantings, now, is_behind())


def said_of(office: Office, had: Had, signed: SignedGrant) -> Said:
    """Answer with a grant that is kept."""
    text = enrolment(office, settings.HUBSITE.config.aeads, signed, had.beside)
    return 200, {"enrolment": text, "expires": signed.expires}


def is_behind() -> bool:
    """Tell whether an operator has to look first at a copy; without an engine nobody has."""
    publisher = settings.HUBSITE_RUNNING.publisher
    return publisher is not None and publisher.looks_first()


def said_by(call: Callable[[], Said]) -> Said:
    """Return what a call answers, or why it is refused."""
    try:
        return call()
    except REFUSALS as error:
        return refusal_for(error)


def refusal_for(error: RefusedError | HubError) -> Said:
    """Return what is said to a phone whose call ended so."""
    if isinstance(error, RefusedError):
        return refusal(403, str(error))
    return refusal(503, f"The site signs nothing at this moment: {error}")


def refusal(status: int, sentence: str) -> Said:
    """Return a refusal in words."""
    return status, {"sentence": sentence}
