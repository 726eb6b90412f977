"""Rows 50-59 and 94-97: proven requests and what is decided about them, inside the seal."""

from __future__ import annotations

from typing import Any

from hubcore.access.grant import Access
from hubcore.access.words import Action
from hubcore.calendar.schedule import Rule
from tests.vectors import world
from tests.vectors.bench import HubFile, policy
from tests.vectors.form import WALL
from tests.vectors.world import TicketPlan, access, make_open, make_resume

AT = 2
"""Whole seconds at which the open of these files comes."""


async def _one(
    row: str,
    name: str,
    shows: str,
    verdict: str,
    given: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    file = HubFile(row, name, **(given or {}))
    plan = file.plan(await file.info(), **changes)
    await file.message(make_open(plan), at=float(AT))
    file.save(shows, verdict)


def _valid(not_before: int, expires: int) -> bytes:
    return world.grant(span=(not_before, expires))


async def _times() -> None:
    now = WALL + AT
    accepted = "ACCEPT"
    refused = "SEALED 3"
    await _one(
        "050",
        "expired-60-s",
        "A grant that ended 60 s ago",
        accepted,
        grant=_valid(now - 9000, now - 60),
    )
    await _one(
        "050",
        "expired-61-s",
        "A grant that ended 61 s ago",
        refused,
        grant=_valid(now - 9000, now - 61),
    )
    await _one(
        "050",
        "begins-in-60-s",
        "A grant that begins in 60 s",
        accepted,
        grant=_valid(now + 60, now + 9000),
    )
    await _one(
        "050",
        "begins-in-61-s",
        "A grant that begins in 61 s",
        refused,
        grant=_valid(now + 61, now + 9000),
    )
    long = _valid(WALL - 1, WALL + 90 * world.DAY)
    await _one(
        "094", "grant-too-long", "A grant longer than this hub allows", "SEALED 3", grant=long
    )


async def _rights() -> None:
    everywhere = world.grant(entries=access(1, 2, 4, 5))
    await _one(
        "051", "not-in-grant", "An access point that the grant does not name", "SEALED 1", point=4
    )
    shows = "An access point of the grant that is not this hub's"
    await _one("052", "not-on-this-hub", shows, "SEALED 1", grant=everywhere, point=5)
    shows = "An action that the grant gives no right to"
    no_query = world.grant(entries=(Access(1, 1, ()),))
    await _one(
        "051", "no-right-to-act", shows, "SEALED 1", grant=no_query, action=int(Action.QUERY)
    )
    shows = "Hold open, which no phone may ask for in this version"
    every = world.grant(entries=(Access(1, 15, ()),))
    await _one("051", "hold-open", shows, "SEALED 1", grant=every, action=int(Action.HOLD_OPEN))
    weekend = world.grant(entries=access(2, rules=(Rule(96, 0, 1440),)))
    await _one(
        "053",
        "out-of-schedule",
        "A weekend's grant on a Friday",
        "SEALED 2",
        grant=weekend,
        point=2,
    )
    early = world.grant(entries=access(2, rules=(Rule(127, 0, 540),)))
    await _one(
        "053",
        "schedule-just-over",
        "A schedule that ends at 9 h, at 9 h",
        "SEALED 2",
        grant=early,
        point=2,
    )
    late = world.grant(entries=access(2, rules=(Rule(16, 540, 541),)))
    await _one(
        "053",
        "schedule-just-begun",
        "A schedule of Friday's minute 540, in it",
        "ACCEPT",
        grant=late,
        point=2,
    )
    await _one(
        "054", "schedule-of-the-policy", "A schedule that the policy holds", "ACCEPT", point=3
    )
    unknown = world.grant(entries=access(3, rules=(99,)))
    await _one(
        "054",
        "schedule-unknown",
        "A schedule that the policy lacks",
        "SEALED 2",
        grant=unknown,
        point=3,
    )


async def _orders() -> None:
    revoked = policy(revoked_grants=[world.GRANT_ID.hex()])
    await _one("055", "grant-revoked", "A grant that is revoked", "SEALED 4", {"policy": revoked})
    revoked = policy(revoked_credentials=[world.CREDENTIAL])
    await _one(
        "055", "credential-revoked", "A credential that is revoked", "SEALED 4", {"policy": revoked}
    )
    await _one(
        "057", "no-time", "A hub that has no time to trust", "SEALED 6", {"clock": "untrusted"}
    )
    query: dict[str, Any] = {"action": int(Action.QUERY)}
    shows = "A question, which a hub without time answers"
    await _one("057", "no-time-query", shows, "ACCEPT", {"clock": "untrusted"}, **query)
    await _one("095", "lockdown", "Lockdown", "SEALED 10", {"policy": policy(modes={"1": 1})})
    await _one("095", "no-entry", "No entry", "SEALED 10", {"policy": policy(modes={"1": 2})})
    shows = "A question in lockdown"
    await _one(
        "095", "lockdown-query", shows, "ACCEPT", {"policy": policy(modes={"1": 1})}, **query
    )
    await _one(
        "096",
        "door-fault",
        "A strike that cannot be driven",
        "SEALED 7",
        {"broken_doors": ["front"]},
    )
    await _one("097", "query", "A question moves nothing", "ACCEPT", **query)


async def _by_ticket() -> None:
    ticket = TicketPlan()
    file = HubFile("055", "revoked-by-resume", tickets=[ticket.at_hub()], epochs=[])
    challenge = await file.info()
    await file.do("policy", policy=policy(revoked_grants=[world.GRANT_ID.hex()]))
    await file.message(make_resume(challenge, file.label, ticket))
    file.save("A revocation drops the ticket", "CLEAR 6")

    ticket = TicketPlan(grant=world.grant(entries=access(1, 4)))
    file = HubFile("056", "resume-at-a-fresh-point", tickets=[ticket.at_hub()])
    await file.message(make_resume(await file.info(), file.label, ticket, point=4))
    await file.message(
        make_open(file.plan(await file.info(), "/full", grant=ticket.grant, point=4))
    )
    file.save("An access point that demands the full path", "SEALED 5, ACCEPT")


async def _operations() -> None:
    op = world.fixed("one operation", 8)
    file = HubFile("058", "same-op-again")
    await file.message(make_open(file.plan(await file.info(), op=op)))
    await file.message(
        make_open(file.plan(await file.info("b", at=118.0), "/again", op=op)), "b", at=119.0
    )
    file.save(
        "The verdict was lost, the phone asks again: the same answer and one strike",
        "ACCEPT, ACCEPT",
    )

    file = HubFile("058", "same-op-after-120-s")
    await file.message(make_open(file.plan(await file.info(), op=op)))
    await file.message(
        make_open(file.plan(await file.info("b", at=121.0), "/again", op=op)), "b", at=122.0
    )
    file.save("After 120 s the operation is forgotten and so a new one", "ACCEPT, ACCEPT")

    ticket = TicketPlan()
    file = HubFile("058", "same-op-by-the-other-path", tickets=[ticket.at_hub()])
    await file.message(make_resume(await file.info(), file.label, ticket, op=op))
    await file.message(make_open(file.plan(await file.info(), op=op)))
    file.save(
        "The same operation first by ticket, then by the full path: one strike", "ACCEPT, ACCEPT"
    )

    file = HubFile("058", "same-op-denied-again", policy=policy(modes={"1": 1}))
    await file.message(make_open(file.plan(await file.info(), op=op)))
    await file.do("policy", policy=policy())
    await file.message(make_open(file.plan(await file.info(), "/again", op=op)))
    file.save("A denied operation stays denied when it is asked again", "SEALED 10, SEALED 10")

    file = HubFile("058", "same-op-of-a-phone-revoked-since")
    await file.message(make_open(file.plan(await file.info(), op=op)))
    await file.do("policy", policy=policy(revoked_credentials=[world.CREDENTIAL]))
    await file.message(make_open(file.plan(await file.info(), "/again", op=op)))
    file.save("A yes is repeated only to who would be let in now", "ACCEPT, SEALED 4")

    file = HubFile("059", "same-op-other-action")
    await file.message(make_open(file.plan(await file.info(), op=op)))
    query = int(Action.QUERY)
    await file.message(make_open(file.plan(await file.info(), "/other", op=op, action=query)))
    file.save("The same operation with another action", "ACCEPT, SEALED 9")

    file = HubFile("059", "same-op-other-door")
    await file.message(make_open(file.plan(await file.info(), op=op)))
    await file.message(make_open(file.plan(await file.info(), "/other", op=op, point=2)))
    file.save("The same operation for another door", "ACCEPT, SEALED 9")

    file = HubFile("058", "same-op-of-another-credential")
    other = world.grant("phone_2", credential="another-person", grant_id=bytes(8))
    await file.message(make_open(file.plan(await file.info(), op=op)))
    await file.message(
        make_open(file.plan(await file.info(), "/other", op=op, key="phone_2", grant=other))
    )
    file.save(
        "The same operation number of another credential is another operation", "ACCEPT, ACCEPT"
    )


async def write() -> None:
    """Write all files of these rows."""
    await _times()
    await _rights()
    await _orders()
    await _by_ticket()
    await _operations()
