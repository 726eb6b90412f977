"""The tables, a file a subject."""

from hubsite.register.models.doors import AccessPoint, Door
from hubsite.register.models.grants import BY_DIGEST, Credential, CredentialKind, Grant
from hubsite.register.models.guests import GuestLink
from hubsite.register.models.hours import Calendar, Schedule
from hubsite.register.models.issued import (
    EndedHub,
    EnginePlace,
    HubPolicy,
    Invitation,
    RevokedElsewhere,
    SignedGrant,
    SignedPolicy,
)
from hubsite.register.models.people import Group, Person

__all__ = [
    "BY_DIGEST",
    "AccessPoint",
    "Calendar",
    "Credential",
    "CredentialKind",
    "Door",
    "EndedHub",
    "EnginePlace",
    "Grant",
    "Group",
    "GuestLink",
    "HubPolicy",
    "Invitation",
    "Person",
    "RevokedElsewhere",
    "Schedule",
    "SignedGrant",
    "SignedPolicy",
]
