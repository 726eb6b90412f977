"""A grant for a page: what an operator makes of the key that a person hands over.

The enrolment is that of `hubsite/webphone/static/page/grants.js`.
"""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any

from hubcore.access.grant import Access, Grant, issue_grant
from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey
from hubsim.site import OPEN_AND_QUERY

DAYS = 7
DAY_SECONDS = 86_400
ALWAYS = (Access(1, OPEN_AND_QUERY, ()),)


def key_of(shown: str) -> dict[int, Any]:
    """Read the key that a page shows."""
    key: dict[int, Any] = cbor.decode(_unshow(shown))
    return key


def show(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unshow(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def grant_for(
    issuer: SigningKey,
    site: str,
    key: dict[int, Any],
    access: tuple[Access, ...] = ALWAYS,
    days: float = DAYS,
) -> bytes:
    """Return a grant for a key, from a minute ago on."""
    begins = int(time.time()) - 60
    grant = Grant(
        site=site,
        credential=secrets.token_hex(8),
        not_before=begins,
        expires=begins + round(days * DAY_SECONDS),
        grant_id=secrets.token_bytes(8),
        key=cose.read_key(key),
        access=access,
    )
    return issue_grant(issuer, grant, key)


def enrolment(
    issuer: SigningKey,
    site: str,
    grant: bytes,
    aeads: tuple[int, ...] = (3, 2, 1),
    names: dict[int, str] | None = None,
    **more: Any,
) -> str:
    """Return the text that a person pastes; `more` are members by `label_N`."""
    fields: dict[int, Any] = {
        1: site,
        2: cbor.encode(issuer.cose_key),
        3: grant,
        4: list(aeads),
        5: names or {1: "Front door"},
    }
    fields |= {int(name.removeprefix("label_")): value for name, value in more.items()}
    return show(cbor.encode(fields))
