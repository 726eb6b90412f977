"""What each row has that operators change.

Law: `revision` rises with each change. Who changes a row says which revision was shown.
"""

from __future__ import annotations

import secrets

from django.db import models

NAME_LENGTH = 120
_ID_BYTES = 16


def new_id() -> str:
    """Return an opaque id: it says nothing of whom it names."""
    return secrets.token_hex(_ID_BYTES)


class Row(models.Model):
    """A row that operators change; `changed_by` is the name of an account."""

    revision = models.BigIntegerField(default=1, editable=False)
    changed_by = models.CharField(max_length=32, default="", blank=True, editable=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        """It has no table of its own."""

        abstract = True
