"""Tokens of directories: made, found, revoked; and their pace.

Laws:
1. A token has a pace of its own: one directory alone never slows another one. All together have
   ALL_TOKENS: that is for this server, and more than four at their whole pace slow each other.
2. For the members of a group a call writes one act. What it writes above that, for more of them,
   has a pace of its own.
3. At most TOKENS_MAX count, each by a name of its own, however many are made at once.
4. When a token was used last is written once in USED_SECONDS: a directory sets no pace of the disk.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from threading import Lock

from django.db import IntegrityError, transaction
from django.utils import timezone

from hubcore.timing.pace import Paces, Rate
from hubsite.acts.kinds import ActKind
from hubsite.register import changes
from hubsite.scim.models import ScimToken

TOKENS_MAX = 16
A_TOKEN = Rate(burst=100, per_second=10)
ALL_TOKENS = Rate(burst=400, per_second=40)
ACTS_OF_A_TOKEN = Rate(burst=200, per_second=1)
ALL_ACTS = Rate(burst=800, per_second=4)
PREFIX = "scim_"
USED_SECONDS = 60
_BYTES = 32


class ScimPace:
    """How often a token may ask, and write; `monotonic` gives seconds."""

    def __init__(
        self,
        each: Rate = A_TOKEN,
        monotonic: Callable[[], float] = time.monotonic,
        acts: Rate = ACTS_OF_A_TOKEN,
    ) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._paces = Paces(each=each, whole=ALL_TOKENS, sources_max=TOKENS_MAX)
        self._acts = Paces(each=acts, whole=ALL_ACTS, sources_max=TOKENS_MAX)

    def lets(self, token: ScimToken) -> bool:
        """Tell whether this one may ask now."""
        with self._lock:
            return self._paces.take(token.pk, self._monotonic())

    def lets_write(self, by: str, count: int) -> bool:
        """Tell whether somebody may write so many acts above one now: all of them, or none."""
        with self._lock:
            now = self._monotonic()
            for taken in range(count):
                if not self._acts.take(by, now):
                    for _ in range(taken):
                        self._acts.give_back(by)
                    return False
        return True


PACE = ScimPace()
"""That of this process."""


def make_token(by: str, token: ScimToken) -> str:
    """Keep a new token; return what its directory says, which is nowhere kept.

    Raise ValueError with a sentence (law 3).
    """
    said = PREFIX + secrets.token_urlsafe(_BYTES)
    token.digest = _digest(said)
    token.changed_by = by
    token.made_by = by
    try:
        with transaction.atomic():
            token.save(force_insert=True)
            # Acts are written one after the other: who counts after his own sees all before it.
            changes.write_act(by, ActKind.DIRECTORY_MADE, token, token=token.name)
            if ScimToken.objects.filter(revoked_at=None).count() > TOKENS_MAX:
                raise ValueError(f"There are {TOKENS_MAX} tokens: revoke one first.")
    except IntegrityError as error:
        raise ValueError("There is a token of this name already.") from error
    return said


def revoke_token(by: str, token: ScimToken, seen: int) -> None:
    """Let a token count no more. Raise ChangedMeanwhileError."""
    with transaction.atomic():
        changes.take_turn(token, seen, by)
        ScimToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
        changes.write_act(by, ActKind.DIRECTORY_REVOKED, token, token=token.name)


def token_of(header: str) -> ScimToken | None:
    """Return the token that an Authorization header proves, None for none that counts."""
    scheme, _, said = header.partition(" ")
    if scheme.lower() != "bearer" or not said.startswith(PREFIX):
        return None
    found = ScimToken.objects.filter(digest=_digest(said.strip()), revoked_at=None).first()
    if found is not None:
        _was_used(found)
    return found


def _was_used(token: ScimToken) -> None:
    """Keep law 4."""
    now = timezone.now()
    if token.used_at is None or now - token.used_at >= timedelta(seconds=USED_SECONDS):
        ScimToken.objects.filter(pk=token.pk).update(used_at=now)


def _digest(said: str) -> str:
    return sha256(said.encode("utf-8", "replace")).hexdigest()
