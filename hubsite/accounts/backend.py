"""Who a session belongs to. It signs nobody in: `hubsite.signin.judging` does."""

from __future__ import annotations

from django.contrib.auth.backends import BaseBackend

from hubsite.accounts.models import Account


class Sessions(BaseBackend):
    """Finds the account of a session; one that was ended has no session any more."""

    def get_user(self, user_id: int) -> Account | None:
        """Return the account, None when there is none that may be used."""
        return Account.objects.filter(pk=user_id, is_active=True).first()
