"""Whether what a site's server asks about a hub is done: judged by limits, and by what was done.

Laws:
1. Without limits nothing is done. What they do not name is refused.
2. A token promises access points of the limits alone. Only those hubs are taken in, refused,
   renewed or ended here.
3. Within any 24 hours no more tokens are made than `new_hubs_a_day`, no more hubs ended than
   `ends_a_day`, and no more is done beside ends than `acts_a_day`. A token is for one machine, so a
   yes needs no ceiling of its own: one with a mistyped fingerprint would use it up. A token that
   replaces a machine ends that machine, and counts as an end, too. Nothing but ends keeps a hub
   from being ended: a stolen one does not wait for a day that somebody has filled. Certificates
   that are made have the ceiling of all certificates beside (`hubcore.issuing.rules`, law 9).
4. A machine takes the place of another only where `may_replace` says so.
5. A clock that was set back does nothing.
6. What is remembered is made of the log alone, and no more of it than the limits count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from hubcore.issuing.hubasks import HubAct, HubAsk
from hubcore.issuing.limits import HubLimits
from hubcore.issuing.words import CLOCK_SECONDS, DAY_SECONDS, Refusal, RefusedError

NOT_HERE = (
    "Hubs are not enrolled from here: the file of what signs has no section [enrolment]. Give the "
    "commands of hubissuer where the issuer's key is."
)
REMEMBERED_MAX = 10_000
_DAY_MS = 1000 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Decided:
    """A line of the log: what is done about which hub, for the operator `by`."""

    act: HubAct
    at_ms: int
    by: str
    hub: str
    points: tuple[int, ...] = ()
    fingerprint: str = ""
    replaces: bool = False


class HubStanding:
    """What was done within a day (law 6)."""

    def __init__(self, limits: HubLimits | None) -> None:
        most = limits or HubLimits(acts_a_day=0)
        self._acts: deque[Decided] = deque(maxlen=min(most.acts_a_day, REMEMBERED_MAX) + 1)
        self._ends: deque[Decided] = deque(maxlen=min(most.ends_a_day, REMEMBERED_MAX) + 1)

    def take(self, fact: Decided) -> None:
        """Take the next line of the log."""
        if fact.act is not HubAct.END:
            self._acts.append(fact)
        if fact.act is HubAct.END or fact.replaces:
            self._ends.append(fact)

    def acts_within_a_day(self, now_ms: int) -> list[Decided]:
        """Return what was done in the day before now, beside ends."""
        return _within_a_day(self._acts, now_ms)

    def ends_within_a_day(self, now_ms: int) -> int:
        """Return how many hubs were ended in the day before now, or machines replaced."""
        return len(_within_a_day(self._ends, now_ms))


def judge_hub(
    ask: HubAsk, limits: HubLimits | None, standing: HubStanding, now_ms: int, newest_ms: int
) -> None:
    """Let an ask pass. Raise RefusedError with the rule that forbids it.

    `newest_ms` is the time of the newest line of the log.
    """
    if limits is None:
        raise RefusedError(Refusal.RULE, NOT_HERE)
    if now_ms < newest_ms - 1000 * CLOCK_SECONDS:
        raise RefusedError(Refusal.CLOCK, "the signer's clock was set back: a person must look")
    check_points(ask.points, limits)
    check_replacing(ask.replaces, limits)
    if ask.act is HubAct.END or ask.replaces:
        _check_count("ends_a_day", standing.ends_within_a_day(now_ms), limits.ends_a_day)
    if ask.act is HubAct.END:
        return
    done = standing.acts_within_a_day(now_ms)
    _check_count("acts_a_day", len(done), limits.acts_a_day)
    if ask.act is HubAct.TOKEN:
        count = sum(one.act is HubAct.TOKEN for one in done)
        _check_count("new_hubs_a_day", count, limits.new_hubs_a_day)


def check_points(points: Iterable[int], limits: HubLimits) -> None:
    """Keep law 2. Raise RefusedError."""
    more = set(points) - limits.access_points
    if more:
        raise RefusedError(
            Refusal.RULE,
            f"access point {min(more)} is not among access_points of [enrolment] in the signer's "
            "file (signing.toml): write it there and start hubissuer again, or decide it where "
            "the issuer's key is, by hubissuer",
        )


def check_replacing(replaces: bool, limits: HubLimits) -> None:
    """Keep law 4. Raise RefusedError."""
    if replaces and not limits.may_replace:
        raise RefusedError(
            Refusal.RULE,
            "no machine takes another's place here (replace in the signer's [enrolment]): "
            "hubissuer token --replace",
        )


def _within_a_day(done: Iterable[Decided], now_ms: int) -> list[Decided]:
    return [one for one in done if one.at_ms > now_ms - _DAY_MS]


def _check_count(name: str, count: int, most: int) -> None:
    if count >= most:
        raise RefusedError(
            Refusal.CEILING,
            f"{name} in the signer's [enrolment] is {most}, and so many were done within a day: "
            "a person must look",
        )
