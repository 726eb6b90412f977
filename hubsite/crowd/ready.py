"""Answers for phones that came together: read, signed and kept in one go.

Laws:
1. Each answer is what the phone would be told alone (`hubsite.crowd.answering`).
2. Where somebody else than this process signs, nothing is signed here: each phone waits for that
   signer in a thread of its own. So one that is away holds up nobody who has a good grant.
3. A grant is handed out once it is kept. Those of all phones here are one transaction.
4. Whatever fails for one phone or for all, and is no refusal: those phones go on, each alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from django.conf import settings

from hubcore.errors import RollbackError
from hubsite.crowd.answering import REFUSALS, Had, Said, is_behind, refusal_for, said_of
from hubsite.crowd.reading import had_with_all
from hubsite.hubs.keeping import NewGrant, keep_all
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.phones.devices import LOOKS_FIRST, RefusedError, in_use, still_right
from hubsite.register.models import SignedGrant

_Found = SignedGrant | NewGrant | Said
_Any = TypeVar("_Any")
_LOG = logging.getLogger("hubsite.crowd")


def said_to_all(tokens: Sequence[str]) -> dict[str, Said]:
    """Return what phones with these tokens are told, without those that go on alone (law 4)."""
    office = settings.HUBSITE_RUNNING.office
    if office is None:
        return {}
    try:
        return said_to_each(office, had_with_all(tokens), int(time.time()))
    except Exception:
        _LOG.exception("phones that came together go on, each alone")
        return {}


def said_to_each(office: Office, had: Mapping[str, Had], now: int) -> dict[str, Said]:
    """Return the same for phones of which this was just read, by their tokens."""
    found = _kept(_found(office, had, now))
    return {token: _said(office, had[token], one) for token, one in found.items()}


def _found(office: Office, had: Mapping[str, Had], now: int) -> dict[str, _Found]:
    """Return the grant of each phone, or its refusal; nothing for those that law 2 leaves out."""
    found: dict[str, _Found] = {}
    for token, one in had.items():
        grant = _or_refused(partial(_grant, office, one, now))
        if grant is not None:
            found[token] = grant
    return found


def _grant(office: Office, had: Had, now: int) -> SignedGrant | NewGrant | None:
    """Return the grant that a phone has, or a new one; None where it is not signed here."""
    credential, newest = in_use(had.device)
    there = still_right(newest, had.grantings, now)
    if there is not None or not isinstance(office.signer, FileSigner):
        return there
    if is_behind():
        raise RollbackError(LOOKS_FIRST)
    return office.new_grant("", credential, had.grantings, now)


def _kept(found: Mapping[str, _Found]) -> dict[str, SignedGrant | Said]:
    """Keep what is new (law 3)."""
    new = {token: one for token, one in found.items() if isinstance(one, NewGrant)}
    rows = dict(zip(new, keep_all(list(new.values())), strict=True)) if new else {}
    kept: dict[str, SignedGrant | Said] = {}
    for token, one in found.items():
        there = rows[token] if isinstance(one, NewGrant) else one
        if isinstance(there, ValueError):
            there = refusal_for(RefusedError(str(there)))
        kept[token] = there
    return kept


def _said(office: Office, had: Had, found: SignedGrant | Said) -> Said:
    if not isinstance(found, SignedGrant):
        return found
    return _or_refused(partial(said_of, office, had, found))


def _or_refused(call: Callable[[], _Any]) -> _Any | Said:
    """Return what a call returns, or why it is refused (law 1)."""
    try:
        return call()
    except ValueError as error:
        return refusal_for(RefusedError(str(error)))
    except REFUSALS as error:
        return refusal_for(error)
