"""Several hubs in sight: a phone passes by those that stand at other doors.

Laws:
1. A wish has one op at all hubs: those passed by were not asked.
2. A phone tries HUBS_MAX hubs at most, each once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from hubcore.access.words import Action
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import FoundLink, PhoneLink
from hubsim.phone.wallet import Wallet

HUBS_MAX = 8

Connect = Callable[[frozenset[str]], AbstractAsyncContextManager[FoundLink]]
"""Connects to a hub in sight whose address is none of these.

Raises LinkError when there is none.
"""

MakeSession = Callable[[PhoneLink, Wallet], Session]

_T = TypeVar("_T")


async def ask(
    connect: Connect,
    wallet: Wallet,
    access_point: int,
    action: Action,
    op: bytes,
    then: Callable[[Session, Report], Awaitable[_T]],
    make_session: MakeSession = Session,
) -> _T:
    """Make an attempt at the hub of this access point; return what `then` makes of it.

    The phone is still connected then. Raise LinkError when no hub in sight stands there, or the
    link is lost.
    """
    passed_by: frozenset[str] = frozenset()
    while True:
        async with connect(passed_by) as link:
            session = make_session(link, wallet)
            report = await session.run(access_point, action, op)
            tried = len(passed_by) + 1
            if not report.another_door or tried >= HUBS_MAX:
                return await then(session, report)
            passed_by |= {link.address}
