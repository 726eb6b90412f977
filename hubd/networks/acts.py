"""Acts on a Z-Wave network: one at a time, watched by whoever asked, recorded before and after.

How it works. `begin` records what is asked for and hands it to `run`, which does it. Whoever asked
comes back again and again by `wait` for how far it has come. `stop`, or nobody who waits, ends it.

Laws:
1. One act at a time, and all of them keep PACE: each leaves two records, and air is slow.
2. The record of what is asked is durable before anything is done. One says what became of it.
3. An act for which nobody waits for LEASE_SECONDS is stopped: the stick is never left taking in or
   out because a program has died.
4. No key is in a record, an event or a repr: neither the number that a technician typed nor what a
   device shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from hubcore.errors import AuditError, HardwareError
from hubcore.evidence.facts import EventName, Fact, Tell, Value
from hubcore.evidence.records import RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.network import Included, InclusionStep, NetworkCare
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate
from hubd.recording import record_now

PACE = Rate(burst=30, per_second=1 / 10)
LEASE_SECONDS = 12.0
WAIT_SECONDS = 4.0
"""How long `wait` keeps whoever asks when there is no news."""
WITHIN_SECONDS_MAX = 600.0
WHY_CHARS_MAX = 500


class Act(StrEnum):
    """What is done. The words stand in records: they are never changed."""

    INCLUDE = "zwave_include"
    EXCLUDE = "zwave_exclude"
    PING = "zwave_ping"
    HEAL = "zwave_heal"
    REMOVE_FAILED = "zwave_remove_failed"


class ActPhase(StrEnum):
    """How far an act has come."""

    WAITING = "waiting"
    FOUND = "found"
    GRANTED = "granted"
    KEY = "key"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


OVER = (ActPhase.DONE, ActPhase.FAILED)
_PHASE_OF = {
    InclusionStep.WAITING: ActPhase.WAITING,
    InclusionStep.FOUND: ActPhase.FOUND,
    InclusionStep.GRANTED: ActPhase.GRANTED,
    InclusionStep.KEY: ActPhase.KEY,
}


@dataclass(frozen=True, slots=True)
class PrintedKey:
    """The key that is printed on a device: its first group, and the rest where it was typed."""

    pin: int = field(repr=False)
    rest: tuple[int, ...] = field(default=(), repr=False)

    def answers(self, shown: Sequence[int]) -> bool:
        """Tell whether a device that shows these groups may be the one of this key."""
        return not self.rest or tuple(shown) == self.rest


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; `node` is None for taking in and out, `key` is there for taking in."""

    act: Act
    within_seconds: float
    node: int | None = None
    key: PrintedKey | None = None


@dataclass(frozen=True, slots=True)
class ActState:
    """How an act stands; `round` grows with each news.

    `shown`: the groups of its key that a device shows. `fits`: whether they are those that were
    typed. `answered`: what a ping or a rebuild came to. `node`: the one it is or was about.
    """

    number: int
    act: Act
    phase: ActPhase
    round: int = 0
    node: int | None = None
    shown: tuple[int, ...] = field(default=(), repr=False)
    fits: bool | None = None
    answered: bool | None = None
    included: Included | None = None
    why: str = ""


class ActBusyError(HardwareError):
    """Another act is under way, or too many were asked for."""


class _Job:
    """One act, and who waits for it."""

    def __init__(self, wanted: Wanted, state: ActState, by: str, uid: int, now: float) -> None:
        self.wanted = wanted
        self.state = state
        self.by = by
        self.uid = uid
        self.waiting = 0
        self.left_at = now
        """Monotonic second since when nobody waits."""
        self.stopped = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self.state.phase in OVER

    def say(self, **changes: object) -> None:
        """Note news, and wake whoever waits."""
        self.state = replace(self.state, round=self.state.round + 1, **changes)  # type: ignore[arg-type]
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, after: int, seconds: float) -> None:
        """Return at the next news, at once when there is some, and after this time without any."""
        if self.state.round <= after and not self.is_over:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()


class NetworkActs:
    """Acts for technicians, while `run` runs."""

    def __init__(
        self,
        care: NetworkCare,
        *,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        lease_seconds: float = LEASE_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._care = care
        self._log = log
        self._clock = clock
        self._tell = tell
        self._lease_seconds = lease_seconds
        self._wait_seconds = wait_seconds
        self._pace = Bucket(PACE)
        self._writing = asyncio.Lock()
        self._job: _Job | None = None
        """The act that is under way, or was the last."""
        self._came = asyncio.Event()
        self._numbers = 0

    def under_way(self) -> ActState | None:
        """Return the act that is under way."""
        return None if self._job is None or self._job.is_over else self._job.state

    async def begin(self, wanted: Wanted, by: str, uid: int) -> ActState:
        """Record what is asked for and begin it. Raise ActBusyError, HardwareError, AuditError."""
        async with self._writing:
            if self.under_way() is not None:
                raise ActBusyError("another act on the Z-Wave network is under way")
            if not self._pace.take(self._clock.monotonic()):
                raise ActBusyError("too many acts on the Z-Wave network: try again in 10 s")
            known = {node.node for node in self._care.nodes()}
            if wanted.node is not None and wanted.node not in known:
                raise HardwareError(f"node {wanted.node} is not in the network")
            self._numbers += 1
            state = ActState(self._numbers, wanted.act, ActPhase.WORKING, node=wanted.node)
            job = _Job(wanted, state, by, uid, self._clock.monotonic())
            await self._record(job, "asked")
            job.left_at = self._clock.monotonic()
            self._job = job
            self._came.set()
            return job.state

    async def wait(self, number: int, after: int) -> ActState | None:
        """Return how an act stands once there is news; None when there is no such act any more."""
        job = self._job
        if job is None or job.state.number != number:
            return None
        job.waiting += 1
        try:
            await job.news(after, self._wait_seconds)
        finally:
            job.waiting -= 1
            job.left_at = self._clock.monotonic()
        return job.state

    async def stop(self, number: int) -> ActState | None:
        """Stop an act, and return how it ended; None when there is no such act any more."""
        job = self._job
        if job is None or job.state.number != number:
            return None
        job.stopped.set()
        while not job.is_over:
            await job.news(job.state.round, self._wait_seconds)
        return job.state

    async def run(self) -> None:
        """Do what is asked for until cancelled."""
        while True:
            await self._came.wait()
            self._came.clear()
            if self._job is not None:
                await self._do(self._job)

    async def _do(self, job: _Job) -> None:
        """Do one act while somebody waits for it, and record what became of it."""
        why = ""
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self._work(job))
            leave = tasks.create_task(self._until_left(job))
            try:
                await asyncio.wait({work, leave}, return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    why = leave.result()
                    work.cancel()
                    await asyncio.wait({work})
            finally:
                leave.cancel()
                work.cancel()
        why = why if work.cancelled() else work.result()
        changes: dict[str, object] = {}
        try:
            await self._record(job, "failed" if why else "done", why)
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
            changes["why"] = f"{why}; it is not recorded: {error}".removeprefix("; ")
        job.wanted = replace(job.wanted, key=None)  # it is of no use any more
        job.say(phase=ActPhase.FAILED if why else ActPhase.DONE, **({"why": why} | changes))

    async def _until_left(self, job: _Job) -> str:
        """Return why an act is to be stopped, once it is."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lease_seconds / 4):
                    await job.stopped.wait()
                    return "it was stopped"
            alone = self._clock.monotonic() - job.left_at
            if not job.waiting and alone > self._lease_seconds:
                return "nobody waited for it any more: it was stopped"

    async def _work(self, job: _Job) -> str:
        """Do it; return why it failed, "" when it did not.

        A bug in here, or a server that says what nobody expects, is this act's failure.
        """
        try:
            await self._perform(job)
        except HardwareError as error:
            return _recordable(str(error))
        except Exception as error:
            return f"it failed inside hubd: {type(error).__name__}"
        return ""

    async def _perform(self, job: _Job) -> None:
        wanted = job.wanted
        match wanted.act:
            case Act.INCLUDE:
                included = await self._include(job)
                job.say(included=included, node=included.node.node)
            case Act.EXCLUDE:
                job.say(phase=ActPhase.WAITING)
                job.say(node=await self._care.exclude(wanted.within_seconds))
            case Act.PING:
                job.say(answered=await self._care.ping(_node(wanted)))
            case Act.HEAL:
                job.say(answered=await self._care.rebuild_routes(_node(wanted)))
            case Act.REMOVE_FAILED:
                await self._care.remove_failed(_node(wanted))
            case _:
                assert_never(wanted.act)

    async def _include(self, job: _Job) -> Included:
        key = job.wanted.key
        assert key is not None  # noqa: S101 - Wanted says so

        async def printed(shown: Sequence[int]) -> int | None:
            fits = key.answers(shown)
            job.say(shown=tuple(shown), fits=fits)
            return key.pin if fits else None

        def step(step: InclusionStep) -> None:
            job.say(phase=_PHASE_OF[step])

        return await self._care.include(printed, job.wanted.within_seconds, step)

    async def _record(self, job: _Job, state: str, why: str = "") -> None:
        """Raise AuditError."""
        detail: dict[Fact, Value] = {
            Fact.WHAT: job.wanted.act.value,
            Fact.STATE: state,
            Fact.VOUCHED_BY: job.by,
            Fact.UID: job.uid,
        }
        if job.state.node is not None:
            detail[Fact.NODE] = job.state.node
        if why:
            detail[Fact.WHY] = why
        await self._log.append(record_now(self._clock, RecordKind.ACT, detail))
        self._tell(EventName.ACT, detail)


def _recordable(why: str) -> str:
    """Return what a record has room for: a server's own words may be of any kind and length."""
    return why.encode(errors="backslashreplace").decode()[:WHY_CHARS_MAX]


def _node(wanted: Wanted) -> int:
    assert wanted.node is not None  # noqa: S101 - Wanted says so
    return wanted.node
