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

FRESH_SECONDS = 1.0
"""What was read of a phone counts so long for a turn that waits; else it is read again."""
_Any = TypeVar("_Any")
_LOG = logging.getLogger("hubsite.crowd")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A phone whose grant is to be signed: what was read of it, and until when that counts.

    `until` is of the monotonic clock, in seconds.
    """

    had: Had
    wanted: WantedGrant
    until: float


@dataclass(frozen=True, slots=True)
class Told:
    """What phones are told, by their tokens. Those of `waiting` wait for who signs (law 2)."""

    said: Mapping[str, Said] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)


def said_to_all(tokens: Sequence[str], waited: Mapping[str, Waiting]) -> Told:
    """Return what phones with these tokens are told, without those that go on alone (law 4).

    `waited` is what a turn before has found of them; this one may wait then.
    """
    office = settings.HUBSITE_RUNNING.office
    if office is None:
        return Told()
    at = time.monotonic()
    now = int(time.time())
    try:
        is_fresh = waited.keys() == set(tokens) and all(one.until > at for one in waited.values())
        if is_fresh and isinstance(office.signer, SignsMany) and not is_behind():
            return Told(_signed_for(office, office.signer, waited, now))
        return said_to_each(office, had_with_all(tokens), now, bool(waited))
    except Exception:
        _LOG.exception("phones that came together go on, each alone")
        return Told()


def said_to_each(office: Office, had: Mapping[str, Had], now: int, may_wait: bool) -> Told:
    """Return the same for phones of which this was just read, by their tokens."""
    said: dict[str, Said] = {}
    waiting: dict[str, Waiting] = {}
    until = time.monotonic() + FRESH_SECONDS
    for token, one in had.items():
        there = _or_refused(partial(_there_or_wanted, office, one, now))
        if isinstance(there, WantedGrant):
            waiting[token] = Waiting(one, there, until)
        else:
            said[token] = _said(office, one, there)
    signer = office.signer
    if not waiting or not isinstance(signer, SignsMany):
        return Told(said)
    if may_wait or isinstance(signer, FileSigner):
        return Told(said | _signed_for(office, signer, waiting, now))
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


def _signed_for(
    office: Office, signer: SignsMany, waiting: Mapping[str, Waiting], now: int
) -> dict[str, Said]:
    """Have grants signed, keep what was (law 3), and return what each phone is told."""
    signed = office.new_grants("", signer, [one.wanted for one in waiting.values()], now)
    kept = iter(keep_all([one for one in signed if isinstance(one, NewGrant)]))
    said = {}
    for (token, one), made in zip(waiting.items(), signed, strict=True):
        there = next(kept) if isinstance(made, NewGrant) else made
        said[token] = _said(office, one.had, there)
    return said


def _said(office: Office, had: Had, there: SignedGrant | ValueError | HubError | Said) -> Said:
    """Return what a phone is told that has this grant, or gets none."""
    match there:
        case SignedGrant():
            return _or_refused(partial(said_of, office, had, there))
        case ValueError():
            return refusal_for(RefusedError(str(there)))
        case HubError():
            return refusal_for(there)
    return there


def _or_refused(call: Callable[[], _Any]) -> _Any | Said:
    """Return what a call returns, or why it is refused (law 1)."""
    try:
        return call()
    except ValueError as error:
        return refusal_for(RefusedError(str(error)))
    except REFUSALS as error:
        return refusal_for(error)
