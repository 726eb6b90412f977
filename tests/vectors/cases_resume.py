"""Rows 8, 9, 60-67: the short path by tickets."""

from __future__ import annotations

from hubcore.codec.cose import Aead
from tests.vectors import world
from tests.vectors.bench import HubFile, policy
from tests.vectors.form import WALL, Json
from tests.vectors.world import TicketPlan, make_open, make_resume

HOUR = 3600


def _next(given: list[Json], aead: Aead = Aead.A256GCM) -> TicketPlan:
    """Return the ticket that a verdict brought, as a phone keeps it."""
    verdict = next(out for out in given if "opened" in out)
    return _Kept(verdict["opened"]["ticket"]["id"], verdict["rs"], aead)


class _Kept(TicketPlan):
    """A ticket by its id and secret."""

    def __init__(self, id_: str, secret: str, aead: Aead) -> None:
        super().__init__(aead=aead)
        object.__setattr__(self, "_values", (bytes.fromhex(id_), bytes.fromhex(secret)))

    @property
    def id(self) -> bytes:
        value: bytes = self.__dict__["_values"][0]
        return value

    @property
    def secret(self) -> bytes:
        value: bytes = self.__dict__["_values"][1]
        return value


async def _accepted() -> None:
    for aead in Aead:
        ticket = TicketPlan(aead=aead)
        file = HubFile("008", f"resume-{aead.name.lower()}", tickets=[ticket.at_hub()], epochs=[])
        await file.message(make_resume(await file.info(), file.label, ticket))
        file.save(f"The short path with {aead.name}, at a hub that has no epoch key", "ACCEPT")

    file = HubFile("009", "full-path-and-three-resumes")
    given = await file.message(make_open(file.plan(await file.info())))
    for step in ("/1", "/2", "/3"):
        given = await file.message(make_resume(await file.info(), file.label + step, _next(given)))
    file.save("The full path and a chain of three resumes", "ACCEPT, ACCEPT, ACCEPT, ACCEPT")


async def _failures() -> None:
    ticket = TicketPlan()
    held = [ticket.at_hub()]
    file = HubFile("060", "resume-tag-flipped", tickets=held, epochs=[])
    broken = world.with_last_bit_flipped
    message = make_resume(await file.info(), file.label, ticket)
    tag_ends = len(message) - len(bytes.fromhex("818343a10129a10450")) - 16 - 1
    await file.message(
        message[: tag_ends - 1] + broken(message[tag_ends - 1 : tag_ends]) + message[tag_ends:]
    )
    await file.message(make_resume(await file.info(), file.label + "/true", ticket))
    file.save("A forged resume does not burn the ticket", "CLEAR 6, ACCEPT")

    file = HubFile("061", "resume-replayed", tickets=held, epochs=[])
    message = make_resume(await file.info(), file.label, ticket)
    await file.message(message)
    await file.message(message)
    await file.info()
    await file.message(message)
    file.save("A resume replayed, on its challenge and on a new one", "ACCEPT, CLEAR 5, CLEAR 6")

    file = HubFile("061", "resume-twice-by-one-ticket", tickets=held, epochs=[])
    await file.message(make_resume(await file.info(), file.label, ticket))
    await file.message(make_resume(await file.info(), file.label + "/2", ticket))
    file.save("A ticket used twice, each time under its own challenge", "ACCEPT, CLEAR 6")

    file = HubFile("061", "resume-of-another-challenge", tickets=held, epochs=[])
    await file.info()
    await file.message(make_resume(bytes(42), file.label, ticket))
    file.save("A resume made for another challenge", "CLEAR 6")

    file = HubFile("062", "ticket-unknown", tickets=held, epochs=[])
    await file.message(make_resume(await file.info(), file.label, TicketPlan("another ticket")))
    file.save("An unknown ticket", "CLEAR 6")

    file = HubFile("063", "other-aead-than-the-tickets", tickets=held, epochs=[])
    await file.message(make_resume(await file.info(), file.label, ticket, aead=Aead.A128GCM))
    file.save("A resume with another AEAD than its ticket's", "CLEAR 6")

    file = HubFile("063", "resume-with-a-ciphertext-too-long", tickets=held, epochs=[])
    message = make_resume(await file.info(), file.label, ticket)
    longer = message.replace(b"\x58\x40", b"\x58\x80", 1).replace(
        b"\x81\x83\x43", bytes(64) + b"\x81\x83\x43", 1
    )
    await file.message(longer)
    file.save("A resume of more than 160 bytes", "CLEAR 1")


async def _lives() -> None:
    ticket = TicketPlan()
    file = HubFile("064", "ticket-after-restart", epochs=[])
    await file.message(make_resume(await file.info(), file.label, ticket))
    file.save("A ticket issued before the hub was started again: it holds none", "CLEAR 6")

    for row, name, issued, began, verdict in (
        ("065", "ticket-of-72-h", WALL - 72 * HOUR + 1, WALL - 72 * HOUR, "ACCEPT"),
        ("065", "ticket-of-72-h-and-1-s", WALL - 72 * HOUR, WALL - 72 * HOUR, "CLEAR 6"),
        ("065", "chain-of-7-days-and-1-s", WALL - HOUR, WALL - 7 * world.DAY, "CLEAR 6"),
    ):
        ticket = TicketPlan(issued_at=issued, chain_began=began)
        file = HubFile(row, name, tickets=[ticket.at_hub()], epochs=[])
        await file.message(make_resume(await file.info(), file.label, ticket), at=1.0)
        file.save("How long a ticket and a chain of tickets live", verdict)

    tickets = [TicketPlan(f"ticket {number}") for number in (1, 2, 3)]
    held = [ticket.at_hub() for ticket in tickets]
    file = HubFile("066", "third-ticket-evicts-the-first", tickets=held, epochs=[])
    for ticket in (tickets[0], tickets[1]):
        await file.message(make_resume(await file.info(), file.label + ticket.label, ticket))
    file.save("A credential holds two tickets; a third pushes out the oldest", "CLEAR 6, ACCEPT")


async def _looks() -> None:
    file = HubFile("067", "yes-and-no-look-alike", policy=policy(modes={"2": 1}))
    await file.message(make_open(file.plan(await file.info())))
    await file.message(make_open(file.plan(await file.info(), "/no", point=2)))
    file.save(
        "A granted and a denied verdict have one length", "ACCEPT, SEALED 10", equal_length=True
    )

    a = TicketPlan()
    b = TicketPlan("another ticket")
    held = [a.at_hub(), b.at_hub()]
    file = HubFile(
        "067", "yes-and-no-look-alike-short", tickets=held, policy=policy(modes={"2": 1}), epochs=[]
    )
    await file.message(make_resume(await file.info(), file.label, a))
    await file.message(make_resume(await file.info(), file.label + "/no", b, point=2))
    file.save("The same by the short path", "ACCEPT, SEALED 10", equal_length=True)


async def write() -> None:
    """Write all files of these rows."""
    await _accepted()
    await _failures()
    await _lives()
    await _looks()
