"""One conversation with one strike guard process, on the event loop.

Laws:
1. A guard that does not answer a command in time counts as broken.
2. A pulse is obeyed within `EXPIRE_SECONDS` or never.
3. A conversation that has ended stays ended: every question raises HardwareError with the reason.
4. A loop that was blocked does not blame the guard for an answer that had arrived.
5. A conversation that another hubd began goes on with tags from elsewhere (`first_tag`), so that no
   late answer to that one is taken for one to this.
6. One that is handed on says and hears nothing more, and its socket stays open.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

from drivers.strike.wire import MAX_REST_MS, Answer, AnswerKind, Command, Identity, Verb
from hubcore.errors import HardwareError, RestingError

ANSWER_SECONDS = 1.0
HOLD_SECONDS = 2.0
"""The time a kernel may take to hand over the lines of all chips."""
EXPIRE_SECONDS = 0.3
"""A pulse is obeyed so soon or not at all: a decision may not hold any longer."""
MAX_PENDING = 64

_TAG_MAX = 0xFFFF_FFFF
_OBEYED = (AnswerKind.DONE, AnswerKind.READY, AnswerKind.WAITING)
_LAST_WORDS = (AnswerKind.UNFIT, AnswerKind.FAILED)


class GuardChannel:
    """hubd's end of the socket pair.

    `mute`: the guard is there but does not answer, so no polite end will reach it.
    `doubtful`: it ended before it had answered a pulse, so nobody knows whether it drove the line.
    """

    def __init__(
        self,
        peer: socket.socket,
        on_answer: Callable[[Answer], None],
        first_tag: int = 0,
    ) -> None:
        """Use a SOCK_SEQPACKET socket, which the caller closes; `on_answer` hears every answer."""
        self._loop = asyncio.get_running_loop()
        self._peer = peer
        self._on_answer = on_answer
        self._first: asyncio.Future[Answer] = self._loop.create_future()
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self._pulses: set[int] = set()
        self._tag = first_tag
        self._ended = asyncio.Event()
        self._why = ""
        self.mute = False
        self.doubtful = False
        peer.setblocking(False)
        self._loop.add_reader(peer, self._read)

    async def started(self, seconds: float) -> None:
        """Return when the guard waits for HOLD. Raise HardwareError with its sentence if not."""
        try:
            async with asyncio.timeout(seconds):
                first = await asyncio.shield(self._first)
        except TimeoutError:
            self._give_up(f"The strike guard did not start within {seconds:g} s.")
            raise HardwareError(self._why) from None
        if first.kind is not AnswerKind.WAITING:
            raise HardwareError(first.text or self._why)

    @property
    def is_idle(self) -> bool:
        """Whether no command waits for its answer."""
        return not self._pending

    async def hold(self, rested_ms: int = 0) -> Answer:
        """Have the guard open all lines, inactive. Raise HardwareError with its sentence if not.

        `rested_ms`: for how long all lines have been at rest.
        """
        milliseconds = min(rested_ms, MAX_REST_MS)
        return await self.ask(Verb.HOLD, milliseconds=milliseconds, seconds=HOLD_SECONDS)

    async def adopted(self) -> Identity:
        """Tell the guard that another hubd speaks from now on; return which guard it is.

        Raise HardwareError when it does not know what that is.
        """
        answer = await self.ask(Verb.ADOPTED)
        identity = Identity.read(answer.text)
        if identity is None:
            raise HardwareError("The strike guard does not say which one it is.")
        return identity

    async def ended(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end of the guard; return whether it has ended."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            pass
        return self._ended.is_set()

    def check(self) -> None:
        """Raise HardwareError if the guard has ended."""
        if self._ended.is_set():
            raise HardwareError(self._why)

    async def ask(
        self,
        verb: Verb,
        line: int = 0,
        milliseconds: int = 0,
        seconds: float = ANSWER_SECONDS,
    ) -> Answer:
        """Send one command; return the answer of a guard that has obeyed within `seconds`.

        Raise RestingError when the line must rest first, HardwareError when the guard did not obey
        for another reason.
        """
        self.check()
        if len(self._pending) >= MAX_PENDING:
            raise HardwareError(f"More than {MAX_PENDING} commands wait for the strike guard.")
        tag = self._next_tag()
        command = Command(
            verb=verb,
            line=line,
            tag=tag,
            milliseconds=milliseconds,
            expires_ns=time.monotonic_ns() + int(EXPIRE_SECONDS * 1e9),
        )
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._pending[tag] = future
        if verb is Verb.PULSE:
            self._pulses.add(tag)
        try:
            self._send(command.encode())
            answer = await self._answer(future, seconds)
        finally:
            del self._pending[tag]
            self._pulses.discard(tag)
            future.cancel()
        if answer.kind is AnswerKind.RESTING:
            raise RestingError(f"Not now: {answer.text}.", answer.wait_ms / 1000)
        if answer.kind not in _OBEYED:
            raise HardwareError(f"The strike guard did not obey: {answer.text}")
        return answer

    def _next_tag(self) -> int:
        """Return a tag of 1 and up; 0 is that of answers to nobody."""
        self._tag = self._tag % _TAG_MAX + 1
        return self._tag

    def _send(self, data: bytes) -> None:
        try:
            self._peer.send(data)
        except BlockingIOError:
            self._give_up("The strike guard does not read its commands.")
        except OSError as error:
            self._end(f"The strike guard has gone ({error}).")
        self.check()

    async def _answer(self, future: asyncio.Future[Answer], seconds: float) -> Answer:
        """Wait for the answer to a command. Raise HardwareError."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(future)
        except TimeoutError:
            if future.done():  # the loop was blocked, and what had arrived was read first
                return future.result()
            self._give_up(f"The strike guard did not answer within {seconds:g} s.")
            raise HardwareError(self._why) from None

    def _read(self) -> None:
        """Take all packets that have arrived."""
        while not self._ended.is_set():
            try:
                data = self._peer.recv(Answer.MAX_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                self._end(f"The strike guard has gone ({error}).")
                return
            if not data:
                self._end("The strike guard has gone.")
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        answer = Answer.decode(data)
        if answer is None:
            self._give_up("The strike guard sent a packet that is no answer.")
            return
        if not self._first.done():
            self._first.set_result(answer)
        if answer.kind in _LAST_WORDS and answer.tag == 0:
            self._why = self._why or answer.text
        future = self._pending.get(answer.tag)
        if future is not None and not future.done():
            future.set_result(answer)
        self._on_answer(answer)

    def _give_up(self, why: str) -> None:
        self.mute = True
        self._end(why)

    def _end(self, why: str) -> None:
        if self._ended.is_set():
            return
        self._why = self._why or why
        self._ended.set()
        self.doubtful = bool(self._pulses)
        self._loop.remove_reader(self._peer)
        for future in (self._first, *self._pending.values()):
            if not future.done():
                future.set_exception(HardwareError(self._why))
                future.exception()  # retrieved, since nobody may wait for it any more

    def close(self) -> None:
        """End the conversation; the caller then closes the socket, which ends every pulse."""
        self._end("The strike guard was told to stop.")

    def hand_on(self) -> None:
        """End the conversation here; another hubd goes on with it."""
        self._end("The strike guard is another hubd's.")
