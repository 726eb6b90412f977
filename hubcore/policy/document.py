"""The policy as a signed document: a versioned snapshot that any carrier may bring to a hub.

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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hubcore.calendar import codec as schedule_codec
from hubcore.calendar.schedule import Schedule
from hubcore.codec import cwt
from hubcore.codec.cbor import Cursor
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import FrameError, ProofError, SignatureError
from hubcore.policy.lists import Label, Lists
from hubcore.policy.policy import Policy
from hubcore.policy.rows import NUMBER_MAX, write_card, write_operator, write_point

TYPE = "application/hub-policy+cwt"
MAX_BYTES = 4 * 1024 * 1024
"""Some 200,000 revocations."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A policy whose signature holds and whose lists are not read yet."""

    site: str
    version: int
    issued_at: int
    _rest: Lists

    def read(self) -> Policy:
        """Read the whole; call it once.

        Raise SignatureError when its lists have another shape than a policy's.
        """
        try:
            return self._rest.read(self.site, self.version, self.issued_at)
        except (FrameError, ValueError) as error:
            raise SignatureError(f"policy {self.version}: {error}") from error


def issue(policy: Policy, issuer: SigningKey) -> bytes:
    """Return the signed document: a tagged COSE_Sign1 of type `application/hub-policy+cwt`."""
    groups = _number_special_days(policy)
    schedules = {
        number: _write_schedule(schedule, groups) for number, schedule in policy.schedules.items()
    }
    cards = sorted(policy.cards.values(), key=lambda card: card.digest)
    operators = sorted(policy.operators.items(), key=lambda item: item[0].encode())
    claims = {
        Label.ISS: policy.site,
        Label.IAT: policy.issued_at,
        Label.VERSION: policy.version,
        Label.CREDENTIALS: sorted(policy.revoked_credentials),
        Label.GRANTS: sorted(policy.revoked_grants),
        Label.SCHEDULES: schedules,
        Label.MODES: {point: int(mode) for point, mode in policy.modes.items()},
        Label.SPECIAL_DAYS: {number: sorted(days) for days, number in groups.items()},
        Label.DISABLED: sorted(policy.disabled),
        Label.EXTENDED_TIME: sorted(policy.extended_time),
        Label.CARDS: [write_card(card) for card in cards],
        Label.POINTS: {point: write_point(rules) for point, rules in policy.points.items()},
        Label.OPERATORS: [[name, write_operator(operator)] for name, operator in operators],
        Label.GROUPS: {number: list(devices) for number, devices in policy.groups.items()},
    }
    return cwt.issue(
        TYPE,
        {int(label): value for label, value in claims.items()},
        issuer,
        issuer.verify_key.kid,
    )


def _number_special_days(policy: Policy) -> dict[frozenset[int], int]:
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
        if cursor.map() != len(Label):
            raise SignatureError("policy: its claims are not exactly those of a policy")
        cursor.key(Label.ISS)
        policy_site = cursor.text(1, cwt.NAME_BYTES)
        cursor.key(Label.IAT)
        issued_at = cursor.uint(NUMBER_MAX)
        cursor.key(Label.VERSION)
        version = cursor.uint(NUMBER_MAX)
    except (ProofError, FrameError) as error:
        raise SignatureError(f"policy: {error}") from error
    if policy_site != site:
        raise SignatureError("policy: for another site")
    if version == 0:
        raise SignatureError("policy: versions begin with 1")
    return Proven(site, version, issued_at, Lists(cursor))


def read(data: bytes, issuer: VerifyKey, site: str) -> Policy:
    """Verify and read a policy for `site`; its version is for the store to judge.

    Raise SignatureError.
    """
    return prove(data, issuer, site).read()
