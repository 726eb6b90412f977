"""How a machine asks to be a hub: what it says to whom, and how each way of no answer ends."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable

import pytest

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import (
    Ask,
    Enrolled,
    EnrolledDoor,
    FromBackend,
    Refused,
    RefusedCause,
    Waiting,
)
from hubcore.errors import ConfigError, LinkError
from hubd.enrolment.asking import QUEUE_MAX, Asking, ask_until_enrolled
from hubd.enrolment.greeting import _why
from tests.fakes.uplink import FakeUplink

ASK = Ask(2, bytes(10), b"\xa0", bytes(64), b"\x30", "hubd")
ENROLLED = Enrolled(
    site="acme",
    hub="hub-a",
    time_zone="UTC",
    certificate=b"c",
    issuer=b"i",
    tls_certificate=b"t",
    tls_authority=b"a",
    endpoints=("tcp://10.0.0.1:4505",),
    server_keys=(bytes(32),),
    beacon=b"",
    card_key=b"",
    doors=(EnrolledDoor(10, "Front door"),),
)
PATIENCE_SECONDS = 30.0
SHORT_SECONDS = 0.2
PACE_SECONDS = 0.01


class Talk:
    """A machine that asks, and a test that plays the backend."""

    def __init__(self) -> None:
        self.uplink = FakeUplink()
        self.told: list[str] = []
        self.approves = False

    async def ask(self, seconds: float = PATIENCE_SECONDS) -> Enrolled:
        asking = Asking(
            seconds=seconds,
            pace_seconds=PACE_SECONDS,
            waits=self.waits,
            away=self.told.append,
        )
        return await ask_until_enrolled(self.uplink, ASK, asking)

    def waits(self, waiting: Waiting) -> None:
        """The machine says that somebody must approve: somebody does, where `approves`."""
        self.told.append(waiting.hub)
        if self.approves:
            self.say(waiting, ENROLLED)

    async def play(
        self, part: Callable[[], object], seconds: float = PATIENCE_SECONDS
    ) -> Enrolled | Exception:
        """Let the backend play its part as soon as somebody listens; return how it ended."""

        async def backend() -> None:
            await self.uplink.served()
            self.uplink.connect()
            part()

        ended, _ = await asyncio.gather(self.ask(seconds), backend(), return_exceptions=True)
        assert isinstance(ended, Enrolled | Exception)
        return ended

    def say(self, *answers: FromBackend) -> None:
        for answer in answers:
            self.uplink.say(messages.encode(answer))


async def test_it_is_told_once_that_somebody_must_approve() -> None:
    talk = Talk()
    talk.approves = True
    wait = Waiting("acme", "hub-a")
    ended = await talk.play(lambda: talk.say(wait, wait))
    assert ended == ENROLLED
    assert talk.told == ["hub-a"]
    assert messages.decode_from_hub(talk.uplink.said.get_nowait()) == ASK


@pytest.mark.parametrize(
    "cause", [cause for cause in RefusedCause if cause is not RefusedCause.BUSY]
)
async def test_each_refusal_is_a_sentence(cause: RefusedCause) -> None:
    talk = Talk()
    ended = await talk.play(lambda: talk.say(Refused(cause, "no \N{HEAVY CHECK MARK}")))
    assert isinstance(ended, ConfigError)
    assert str(ended).endswith("(it says: no \N{HEAVY CHECK MARK})")


async def test_a_busy_backend_is_asked_again() -> None:
    talk = Talk()
    ended = await talk.play(lambda: talk.say(Refused(RefusedCause.BUSY, ""), ENROLLED))
    assert ended == ENROLLED
    assert talk.uplink.said.qsize() >= 2


async def test_what_is_no_enrolment_fills_nothing_and_ends_with_a_sentence() -> None:
    """asking, law 3"""
    talk = Talk()
    answers = [bytes([number % 256]) * 40 for number in range(1000)]
    ended = await talk.play(lambda: [talk.uplink.say(one) for one in answers], SHORT_SECONDS)
    assert isinstance(ended, LinkError)
    assert "what is no enrolment" in str(ended)


async def test_more_answers_than_wait_are_left_out() -> None:
    """asking, law 3"""
    talk = Talk()
    flood = [Waiting("acme", "hub-a")] * (50 * QUEUE_MAX)
    ended = await talk.play(lambda: talk.say(*flood), SHORT_SECONDS)
    assert isinstance(ended, LinkError)
    assert "nobody approved" in str(ended)
    assert talk.told == ["hub-a"]


async def test_nothing_is_said_without_a_connection_and_the_cause_is_told_once() -> None:
    """asking, law 2"""
    talk = Talk()

    async def backend() -> None:
        await talk.uplink.served()
        for _ in range(3):
            talk.uplink.cut("nothing accepts connections there")

    ended, _ = await asyncio.gather(talk.ask(SHORT_SECONDS), backend(), return_exceptions=True)
    assert isinstance(ended, LinkError)
    assert str(ended) == (
        "nothing accepts connections there. The same command goes on where it stopped"
    )
    assert talk.told == ["nothing accepts connections there"]
    assert talk.uplink.said.empty()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1', 1)"), "refused"),
        (OSError("Multiple exceptions"), "Multiple exceptions"),
    ],
)
def test_why_nobody_is_reached_is_said_in_the_systems_words(error: OSError, words: str) -> None:
    assert words in _why(error)
    assert os.strerror(-2) not in _why(error)
