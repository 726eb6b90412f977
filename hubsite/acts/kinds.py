"""The kinds of acts: what an operator, or somebody at the machine, did.

Law: a word here stands in logs that are kept. It is never changed and never used again.
"""

from __future__ import annotations

from enum import StrEnum


class ActKind(StrEnum):
    """What was done."""

    ACCOUNT_MADE = "account-made"
    FACTOR_REPLACED = "factor-replaced"
    ACCOUNT_ENDED = "account-ended"
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    WRONG_TRIES_READ = "wrong-tries-read"
    KEY_ADDED = "key-added"
    KEY_REMOVED = "key-removed"
    KEY_REFUSED = "key-refused"
    PERSON_MADE = "person-made"
    PERSON_CHANGED = "person-changed"
    GROUP_MADE = "group-made"
    GROUP_CHANGED = "group-changed"
    GROUP_REMOVED = "group-removed"
    DOOR_MADE = "door-made"
    DOOR_CHANGED = "door-changed"
    DOOR_REMOVED = "door-removed"
    POINT_MADE = "point-made"
    POINT_CHANGED = "point-changed"
    POINT_REMOVED = "point-removed"
    SCHEDULE_MADE = "schedule-made"
    SCHEDULE_CHANGED = "schedule-changed"
    SCHEDULE_REMOVED = "schedule-removed"
    CALENDAR_MADE = "calendar-made"
    CALENDAR_CHANGED = "calendar-changed"
    CALENDAR_REMOVED = "calendar-removed"
    GRANT_MADE = "grant-made"
    GRANT_CHANGED = "grant-changed"
    PERSON_ENDED = "person-ended"
    GRANT_REVOKED = "grant-revoked"
    CREDENTIAL_MADE = "credential-made"
    CREDENTIAL_DISABLED = "credential-disabled"
    CREDENTIAL_ENABLED = "credential-enabled"
    CREDENTIAL_REVOKED = "credential-revoked"
    INVITED = "invited"
    JOINED = "joined"
    GRANT_SIGNED = "grant-signed"
    PEOPLE_IMPORTED = "people-imported"
    PEOPLE_EXPORTED = "people-exported"
    ORDERED = "ordered"
    ORDER_ENDED = "order-ended"
    GUEST_LINK_MADE = "guest-link-made"
    GUEST_LINK_ENDED = "guest-link-ended"
    WEBHOOK_MADE = "webhook-made"
    WEBHOOK_TESTED = "webhook-tested"
    WEBHOOK_ENDED = "webhook-ended"
