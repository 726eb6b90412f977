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

from hubcore.access.grant import ACCESS_POINT_MAX, GRANT_ID_BYTES
from hubcore.access.schedule import ALL_DAYS, MINUTES_A_DAY, Rule
from hubcore.access.words import Mode
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
_CLAIMS = (_ISS, _IAT, _VERSION, _CREDENTIALS, _GRANTS, _SCHEDULES, _MODES)
"""In the order of their encodings."""
MAX_BYTES = 4 * 1024 * 1024
"""Some 200,000 revocations."""
MAX_ITEMS = 500_000
"""Revocations, schedules, rules and modes together.

So 4 MiB of the shortest cost no more than 4 MiB of others.
"""
RULES_A_SCHEDULE = 1024
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
    schedules: Mapping[int, tuple[Rule, ...]] = field(default_factory=dict)
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
    schedules = {
        number: [[rule.days, rule.start, rule.end] for rule in rules]
        for number, rules in policy.schedules.items()
    }
    claims = {
        _ISS: policy.site,
        _IAT: policy.issued_at,
        _VERSION: policy.version,
        _CREDENTIALS: sorted(policy.revoked_credentials),
        _GRANTS: sorted(policy.revoked_grants),
        _SCHEDULES: schedules,
        _MODES: {point: int(mode) for point, mode in policy.modes.items()},
    }
    return cwt.issue(TYPE, claims, issuer, issuer.verify_key.kid)


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
        schedules = {number: self._schedule() for number in self._numbers(_NUMBER_MAX)}
        cursor.key(_MODES)
        modes = {point: self._mode() for point in self._numbers(ACCESS_POINT_MAX)}
        cursor.end()
        return Policy(
            site=proven.site,
            version=proven.version,
            issued_at=proven.issued_at,
            revoked_credentials=credentials,
            revoked_grants=grants,
            schedules=schedules,
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

    def _schedule(self) -> tuple[Rule, ...]:
        count = self._cursor.array()
        if count > RULES_A_SCHEDULE:
            raise FrameError(f"a schedule of {count} spans, more than {RULES_A_SCHEDULE}")
        self._take(count)
        return tuple(self._rule() for _ in range(count))

    def _rule(self) -> Rule:
        cursor = self._cursor
        if cursor.array() != 3:
            raise FrameError("a span is [days, from, to]")
        days = cursor.uint(ALL_DAYS)
        start = cursor.uint(MINUTES_A_DAY)
        end = cursor.uint(MINUTES_A_DAY)
        return Rule(days, start, end)
