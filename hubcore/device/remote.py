"""Which commands somebody far away may give to devices, and why not.

Laws:
1. No command from afar opens an entrance: what may be told from afar stands in `FROM_AFAR`, and
   nothing else is told. Doors, gates and garage doors are opened at their access points alone.
2. A command that is late, lives too long, or comes while the time is not trusted is denied.
3. Who commands needs the right COMMAND in the policy.
4. What a group's devices cannot do is denied to these devices, and done by the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hubcore.device.command import LEVELS_OF, VERBS_OF, Capability, Verb

FROM_AFAR: Mapping[Capability, frozenset[Verb]] = {
    Capability.STRIKE: frozenset(),
    Capability.LOCK: frozenset({Verb.LOCK, Verb.READ}),
    Capability.SWITCH: frozenset({Verb.ON, Verb.OFF, Verb.READ}),
    Capability.COVER: frozenset({Verb.OPEN, Verb.CLOSE, Verb.STOP, Verb.SET_LEVEL, Verb.READ}),
    Capability.BARRIER: frozenset({Verb.CLOSE, Verb.READ}),
    Capability.SENSOR: frozenset({Verb.READ}),
    Capability.METER: frozenset({Verb.READ}),
}
"""What may be told from afar. Any other verb of a capability opens an entrance."""
OPENS_DOORS = frozenset(Verb).difference(*FROM_AFAR.values())
"""Verbs that open an entrance, whatever they are given to."""


class ActDenial(StrEnum):
    """Why a command from afar is denied. The words stand in records: they are never changed."""

    TIME_UNTRUSTED = "time-untrusted"
    TOO_LATE = "too-late"
    LIVES_TOO_LONG = "lives-too-long"
    OPENS_A_DOOR = "opens-a-door"
    NO_RIGHT = "no-right"
    NO_DEVICE = "no-device"
    TOO_MANY_DEVICES = "too-many-devices"
    NOT_ITS_VERB = "not-its-verb"
    WRONG_LEVEL = "wrong-level"
    POLICY_UNREADABLE = "policy-unreadable"
    OP_CONFLICT = "op-conflict"
    BUSY = "busy"


SENTENCES: Mapping[ActDenial, str] = {
    ActDenial.TIME_UNTRUSTED: "the hub does not trust its clock and cannot tell what is late",
    ActDenial.TOO_LATE: "it came too late",
    ActDenial.LIVES_TOO_LONG: "it may live for 60 s at most",
    ActDenial.OPENS_A_DOOR: "a door is opened at its access point, never as a device",
    ActDenial.NO_RIGHT: "the policy names no such operator with the right to command devices",
    ActDenial.NO_DEVICE: "this hub has no such device, and none of such a group",
    ActDenial.TOO_MANY_DEVICES: "the group has too many devices at this hub",
    ActDenial.NOT_ITS_VERB: "no device that it names can do this",
    ActDenial.WRONG_LEVEL: "the level is missing, out of range, or not for this verb",
    ActDenial.POLICY_UNREADABLE: "the hub cannot read its policy",
    ActDenial.OP_CONFLICT: "another command was given under this id",
    ActDenial.BUSY: "too many commands in a short time; give it again later",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is now, when the command expires (Unix seconds), and whether the time is trusted."""

    now: float
    expires_at: int
    trusted: bool
    lives_seconds_max: int


def why_not_in_time(moment: Moment) -> ActDenial | None:
    """Tell why nothing may be done at this moment."""
    if not moment.trusted:
        return ActDenial.TIME_UNTRUSTED
    if moment.now > moment.expires_at:
        return ActDenial.TOO_LATE
    if moment.expires_at > moment.now + moment.lives_seconds_max:
        return ActDenial.LIVES_TOO_LONG
    return None


def why_not_to(verb: Verb, capability: Capability) -> ActDenial | None:
    """Tell why one device is not told this, whatever else is told it."""
    if verb in FROM_AFAR[capability]:
        return None
    opens = verb in VERBS_OF[capability] or verb in OPENS_DOORS
    return ActDenial.OPENS_A_DOOR if opens else ActDenial.NOT_ITS_VERB


def why_not(verb: Verb, level: int | None, devices: Sequence[Capability]) -> ActDenial | None:
    """Tell why these devices are not told this, None when at least one of them can do it."""
    if verb in OPENS_DOORS:
        return ActDenial.OPENS_A_DOOR
    if not devices:
        return ActDenial.NO_DEVICE
    levels = LEVELS_OF.get(verb)
    fits = level is None if levels is None else level in levels
    if not fits:
        return ActDenial.WRONG_LEVEL
    denials = {why_not_to(verb, capability) for capability in devices}
    if None in denials:
        return None
    opens = ActDenial.OPENS_A_DOOR in denials
    return ActDenial.OPENS_A_DOOR if opens else ActDenial.NOT_ITS_VERB
