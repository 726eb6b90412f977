"""The policy: a signed, versioned snapshot of what the site's operator has decided for its hubs.

Laws:
1. A policy is whole or it is nothing.
2. A hub only ever goes to a higher version.
3. It is signed by the site's issuer, so whoever carries it (backend, bridge, a technician's stick)
   cannot change it.
4. Nothing inside it is read before its signature has been checked: `prove` gives site, version and
   date. Its lists are not read before its version is known to be wanted: `Proven.read` gives them.
5. What is read has the shape of docs/protocol.cddl and no other. It is read item by item: a policy
   of four megabytes is never in memory as a tree, and other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubcore.access.grant import ACCESS_POINT_MAX, GRANT_ID_BYTES
from hubcore.access.words import Mode
from hubcore.calendar import codec as schedule_codec
from hubcore.calendar.recurrence import Recurrence
from hubcore.calendar.schedule import Rule, Schedule, Span, SpecialDays
from hubcore.codec import cwt
from hubcore.codec.cbor import Cursor
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import FrameError, ProofError, SignatureError

TYPE = "application/hub-policy+cwt"
_ISS = 1
_IAT = 6
_VERSION = -65538
_CREDENTIALS = -65539
_GRANTS = -65540
_SCHEDULES = -65541
_MODES = -65542
_SPECIAL_DAYS = -65543
_CLAIMS = (
    _ISS,
    _IAT,
    _VERSION,
    _CREDENTIALS,
    _GRANTS,
    _SCHEDULES,
    _MODES,
    _SPECIAL_DAYS,
)
"""In the order of their encodings."""
MAX_BYTES = 4 * 1024 * 1024
"""Some 200,000 revocations."""
MAX_ITEMS = 500_000
"""Revocations, schedules, rules and modes together.

So 4 MiB of the shortest cost no more than 4 MiB of others.
"""
_NUMBER_MAX = (1 << 63) - 1
"""Of versions, times, schedules and access points: what a database can hold."""
_ID_MIN = GRANT_ID_BYTES[0]
_ID_MAX = GRANT_ID_BYTES[-1]


@dataclass(frozen=True, slots=True)
class Policy:
    """`version` rises with each change; `issued_at` in Unix seconds. Ids of people are opaque."""

    site: str
    version: int
    issued_at: int
    revoked_credentials: frozenset[str] = frozenset()
    revoked_grants: frozenset[bytes] = frozenset()
    schedules: Mapping[int, Schedule] = field(default_factory=dict)
    modes: Mapping[int, Mode] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proven:
    """A policy whose signature holds and whose lists are not read yet."""

    site: str
    version: int
    issued_at: int
    _rest: _Lists

    def read(self) -> Policy:
        """Read the whole; call it once.

        Raise SignatureError when its lists have another shape than a policy's.
        """
        try:
            return self._rest.read(self)
        except (FrameError, ValueError) as error:
            raise SignatureError(f"policy {self.version}: {error}") from error


def issue(policy: Policy, issuer: SigningKey) -> bytes:
    """Return the signed document: a tagged COSE_Sign1 of type `application/hub-policy+cwt`."""
    groups = _number_groups(policy)
    schedules = {
        number: _write_schedule(schedule, groups) for number, schedule in policy.schedules.items()
    }
    claims = {
        _ISS: policy.site,
        _IAT: policy.issued_at,
        _VERSION: policy.version,
        _CREDENTIALS: sorted(policy.revoked_credentials),
        _GRANTS: sorted(policy.revoked_grants),
        _SCHEDULES: schedules,
        _MODES: {point: int(mode) for point, mode in policy.modes.items()},
        _SPECIAL_DAYS: {number: sorted(days) for days, number in groups.items()},
    }
    return cwt.issue(TYPE, claims, issuer, issuer.verify_key.kid)


def _number_groups(policy: Policy) -> dict[frozenset[int], int]:
    """Number the groups of special days that schedules name, each once."""
    groups: dict[frozenset[int], int] = {}
    for schedule in policy.schedules.values():
        for special in schedule.special:
            groups.setdefault(special.days, len(groups))
    return groups


def _write_schedule(schedule: Schedule, groups: Mapping[frozenset[int], int]) -> list[Any]:
    rules = [schedule_codec.write_rule(rule) for rule in schedule.rules]
    special = [[groups[one.days], [list(span) for span in one.spans]] for one in schedule.special]
    return [rules, special]


def prove(data: bytes, issuer: VerifyKey, site: str) -> Proven:
    """Check the signature of a policy for `site` and read its version. Raise SignatureError."""
    if len(data) > MAX_BYTES:
        raise SignatureError(f"policy: over {MAX_BYTES} bytes")
    try:
        payload = cwt.prove(TYPE, data, issuer, issuer.kid)
        cursor = Cursor(payload)
        if cursor.map() != len(_CLAIMS):
            raise SignatureError("policy: its claims are not exactly those of a policy")
        cursor.key(_ISS)
        policy_site = cursor.text(1, cwt.NAME_BYTES)
        cursor.key(_IAT)
        issued_at = cursor.uint(_NUMBER_MAX)
        cursor.key(_VERSION)
        version = cursor.uint(_NUMBER_MAX)
    except (ProofError, FrameError) as error:
        raise SignatureError(f"policy: {error}") from error
    if policy_site != site:
        raise SignatureError("policy: for another site")
    if version == 0:
        raise SignatureError("policy: versions begin with 1")
    return Proven(site, version, issued_at, _Lists(cursor))


def read(data: bytes, issuer: VerifyKey, site: str) -> Policy:
    """Verify and read a policy for `site`; its version is for the store to judge.

    Raise SignatureError.
    """
    return prove(data, issuer, site).read()


class _Lists:
    """The part of a policy after its version, read from the cursor's place on."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._items_left = MAX_ITEMS

    def read(self, proven: Proven) -> Policy:
        """Read them in the order in which they stand. Raise FrameError or ValueError."""
        cursor = self._cursor
        cursor.key(_CREDENTIALS)
        count = self._take(cursor.array())
        credentials = frozenset(cursor.text(1, cwt.NAME_BYTES) for _ in range(count))
        cursor.key(_GRANTS)
        count = self._take(cursor.array())
        grants = frozenset(cursor.string(_ID_MIN, _ID_MAX) for _ in range(count))
        cursor.key(_SCHEDULES)
        unresolved = {number: self._schedule() for number in self._numbers(_NUMBER_MAX)}
        cursor.key(_MODES)
        modes = {point: self._mode() for point in self._numbers(ACCESS_POINT_MAX)}
        cursor.key(_SPECIAL_DAYS)
        groups = {number: self._group() for number in self._numbers(_NUMBER_MAX)}
        cursor.end()
        return Policy(
            site=proven.site,
            version=proven.version,
            issued_at=proven.issued_at,
            revoked_credentials=credentials,
            revoked_grants=grants,
            schedules={number: one.resolve(groups) for number, one in unresolved.items()},
            modes=modes,
        )

    def _take(self, count: int) -> int:
        """Count items against the ceiling, before they are read."""
        self._items_left -= count
        if self._items_left < 0:
            raise FrameError(f"more than {MAX_ITEMS} revocations, rules and modes together")
        return count

    def _numbers(self, most: int) -> Iterator[int]:
        """Yield the keys of a map, each before its value is read. They must rise, up to `most`."""
        previous = -1
        count = self._take(self._cursor.map())
        for _ in range(count):
            number = self._cursor.uint(most)
            if number <= previous:
                raise FrameError("map keys unsorted or repeated")
            previous = number
            yield number

    def _mode(self) -> Mode:
        return Mode(self._cursor.uint(max(Mode)))

    def _schedule(self) -> _Unresolved:
        cursor = self._cursor
        if cursor.array() != 2:
            raise FrameError("a schedule is [rules, special days]")
        rules = schedule_codec.read_rules(cursor, self._take)
        count = cursor.array()
        if count > schedule_codec.SPECIALS_A_SCHEDULE:
            raise FrameError(f"a schedule with {count} groups of special days")
        special = tuple(self._special() for _ in range(self._take(count)))
        return _Unresolved(rules, special)

    def _special(self) -> tuple[int, tuple[Span, ...]]:
        if self._cursor.array() != 2:
            raise FrameError("special days are [group, spans]")
        group = self._cursor.uint(_NUMBER_MAX)
        return group, schedule_codec.read_spans(self._cursor, self._take)

    def _group(self) -> frozenset[int]:
        days = schedule_codec.read_days(self._cursor, self._take, schedule_codec.DAYS_A_GROUP)
        return frozenset(days)


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """A schedule whose groups of special days are still numbers."""

    rules: tuple[Rule | Recurrence, ...]
    special: tuple[tuple[int, tuple[Span, ...]], ...]

    def resolve(self, groups: Mapping[int, frozenset[int]]) -> Schedule:
        """Return the schedule. Raise FrameError when a group is not in the policy."""
        special = []
        for group, spans in self.special:
            if group not in groups:
                raise FrameError(f"a schedule names the special days {group}, which are none")
            special.append(SpecialDays(groups[group], spans))
        return Schedule(self.rules, tuple(special))
