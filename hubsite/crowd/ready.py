"""Answers for phones that came together: read, signed and kept in one go.

Laws:
1. Each answer is what the phone would be told alone (`hubsite.crowd.answering`).
2. Where somebody else than this process signs, only a turn that may wait asks him, once for all
   of its phones. So one that is away holds up nobody who has a good grant.
3. A grant is handed out once it is kept. Those of all phones here are one transaction.
4. Whatever fails for one phone or for all, and is no refusal: those phones go on, each alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from django.conf import settings

from hubcore.errors import HubError, RollbackError
from hubsite.crowd.answering import REFUSALS, Had, Said, is_behind, refusal_for, said_of
from hubsite.crowd.reading import had_with_all
from hubsite.hubs.keeping import NewGrant, keep_all
from hubsite.hubs.office import Office, WantedGrant
from hubsite.hubs.signer import FileSigner, SignsMany
from hubsite.phones.devices import LOOKS_FIRST, RefusedError, in_use, still_right
from hubsite.register.models import SignedGrant

_Found = SignedGrant | NewGrant | Said
_Any = TypeVar("_Any")
_LOG = logging.getLogger("hubsite.crowd")


@dataclass(frozen=True, slots=True)
class Told:
    """What phones are told, by their tokens. Those of `waiting` wait for who signs (law 2)."""

    said: Mapping[str, Said] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()


def said_to_all(tokens: Sequence[str], may_wait: bool) -> Told:
    """Return what phones with these tokens are told, without those that go on alone (law 4)."""
    office = settings.HUBSITE_RUNNING.office
    if office is None:
        return Told()
    try:
        return said_to_each(office, had_with_all(tokens), int(time.time()), may_wait)
    except Exception:
        _LOG.exception("phones that came together go on, each alone")
        return Told()


def said_to_each(office: Office, had: Mapping[str, Had], now: int, may_wait: bool) -> Told:
    """Return the same for phones of which this was just read, by their tokens."""
    found: dict[str, _Found] = {}
    wanted: dict[str, WantedGrant] = {}
    for token, one in had.items():
        there = _or_refused(partial(_there_or_wanted, office, one, now))
        if isinstance(there, WantedGrant):
            wanted[token] = there
        else:
            found[token] = there
    signer = office.signer
    waiting: frozenset[str] = frozenset()
    if wanted and isinstance(signer, SignsMany):
        if may_wait or isinstance(signer, FileSigner):
            found |= _signed(office, signer, wanted, now)
        else:
            waiting = frozenset(wanted)
    said = {token: _said(office, had[token], one) for token, one in _kept(found).items()}
    return Told(said, waiting)


def _there_or_wanted(office: Office, had: Had, now: int) -> SignedGrant | WantedGrant:
    """Return the grant that a phone has, or what a new one says. Raise as REFUSALS say."""
    credential, newest = in_use(had.device)
    there = still_right(newest, had.grantings, now)
    if there is not None:
        return there
    if is_behind():
        raise RollbackError(LOOKS_FIRST)
    return office.wanted(credential, had.grantings, now)


def _signed(
    office: Office, signer: SignsMany, wanted: Mapping[str, WantedGrant], now: int
) -> dict[str, _Found]:
    """Have these signed; why one is not is its refusal."""
    new = office.new_grants("", signer, list(wanted.values()), now)
    return {
        token: refusal_for(one) if isinstance(one, HubError) else one
        for token, one in zip(wanted, new, strict=True)
    }


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
