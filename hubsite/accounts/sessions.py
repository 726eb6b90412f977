"""Where sessions lie: under the SHA-256 of what the cookie says.

Laws:
1. The database never has a cookie's value: a copy of it signs nobody in.
2. A session says whose it is, so that all sessions of an account can be ended.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from hubsite.accounts.models import Session

_ACCOUNT = "_auth_user_id"
"""Under which the framework keeps who has signed in."""


class SessionStore(DatabaseStore):
    """The framework's own, but for the key of a row (law 1)."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the table."""
        return Session

    def exists(self, session_key: str) -> bool:
        """Tell whether there is a session of this cookie."""
        return Session.objects.filter(pk=digest_of(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row of this session, not yet kept."""
        return Session(
            session_key=digest_of(self._get_or_create_session_key()),
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            account=data.get(_ACCOUNT),
        )

    def delete(self, session_key: str | None = None) -> None:
        """End the session of this cookie; None: this one."""
        ended = self.session_key if session_key is None else session_key
        if ended is not None:
            Session.objects.filter(pk=digest_of(ended)).delete()

    def _get_session_from_db(self) -> Session | None:
        rows = Session.objects.filter(expire_date__gt=timezone.now())
        found = rows.filter(pk=digest_of(self.session_key)).first()
        if found is None:
            self._session_key = None
        return found


def digest_of(cookie: str) -> str:
    """Return what the database has of a cookie's value."""
    return sha256(cookie.encode("utf-8", "replace")).hexdigest()
