"""How a new version takes a hub over from the old one, while phones are connected: two tables.

How it works: the old process starts the new one as its child, with one end of a socket pair. The
new one imports and checks everything, and says WARM. When no door moves, the old one closes its
books and gives the *turn*: one message, with every descriptor that the hub lives on. The new one
takes them up, drives, and is on trial. The old one stands by with copies of the descriptors. It
stays the main process of the unit, so that it outlives a new one that dies. If the trial goes well,
the new one says COMMIT; the old one makes it the main process and leaves. If not, the new one hands
everything back, or is killed, and the old one goes on.

Laws:
1. One process at most drives. To drive is to read phones, to write records and to command movers.
2. The turn is with one process, or on its way to a living one. Who has it and lives, drives.
3. A turn that was given cannot be asked back. The old process kills the new one, and drives only
   after its end. A closed socket, silence and nonsense are no end: only the kernel's word is.
4. Until it has given the turn, the old process drives, whatever becomes of the new one.
5. A new process without the turn that hears nothing more of the old one leaves. One that has the
   turn goes on.
6. What a new process said before it was killed no longer counts. A further one is started after
   the end of the one before.
7. Descriptors that were handed back are taken up as they are. After a kill nobody knows how far the
   new process had read, so the old one registers again with the radio's service.
8. What is not in a table is refused: `SequenceError`, and the caller tells BROKEN or GONE instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from hubcore.errors import SequenceError


class OldPhase(Enum):
    """Where the process stands that drove before."""

    SERVING = "drives; there is no new process"
    WARMING = "drives; the new process checks itself"
    WAITING = "drives; the new process is ready, and a quiet moment is awaited"
    SETTLING = "may drive; reads nothing more from phones and closes its books"
    PASSED = "has given the turn; the new process has not said that it drives"
    STANDBY = "the new process drives, on trial"
    PROMOTING = "the new process drives; the service manager is told that it is the main one"
    DISMISSING = "drives; a new process that has no turn is to end"
    RECLAIMING = "waits for the end of a new process that may have the turn"
    RETURNED = "takes up what was handed back; the new process is about to end"
    RESUMING = "takes up what it has; the new process has ended"
    LEFT = "has ended, or does nothing but end"


class OldEvent(Enum):
    """What the old process sees."""

    ORDERED = "an update is ordered"
    WARM = "new process: checked, ready"
    QUIET = "no door moves and no phone waits"
    BUSY = "a door or a phone began before the books were closed"
    SETTLED = "the books are closed"
    TAKEN = "new process: I drive"
    BACK = "new process: here is everything back"
    COMMIT = "new process: the trial went well"
    BROKEN = "the new process closed its socket, was late, or said nonsense"
    ENDED = "the new process has ended, says the kernel"
    MOVED = "the service manager has taken the new process as the main one"
    UNMOVED = "the service manager has not"
    RESUMED = "everything is taken up again"
    FAILED = "it cannot be taken up again"
    STOP = "the service manager ends this process"


class OldAct(Enum):
    """What the old process does."""

    START = "start the new process"
    SETTLE = "read nothing more from phones, drain what is to be sent, close the books"
    REOPEN = "open the books and read on: nothing was given away"
    GIVE = "send the turn, with the descriptors"
    KILL = "kill the new process, close its socket"
    PROMOTE = "tell the service manager the new main process"
    ADOPT = "take up the descriptors as they came back"
    REGISTER = "take up the descriptors, and register with the radio's service again"
    SECURE = "drive each mover to rest"
    EXIT = "end"


class NewPhase(Enum):
    """Where the process stands that is to drive."""

    WARMING = "checks itself"
    WARM = "is ready, has no turn"
    TAKING = "has the turn, and takes everything up"
    TRIAL = "drives; the old process stands by"
    COMMITTING = "drives; waits until the old process has left"
    SERVING = "drives alone"
    LEFT = "has ended, or does nothing but end"


class NewEvent(Enum):
    """What the new process sees."""

    CHECKED = "its own checks went well"
    TURN = "old process: the turn, with the descriptors"
    TOOK = "everything is taken up"
    HEALTHY = "the trial went well"
    LATE = "the old process has not left in time"
    FAILED = "a check, the taking up, or a required part of the hub failed"
    GONE = "the old process has closed its socket, or said nonsense"
    STOP = "the service manager ends this process"


class NewAct(Enum):
    """What the new process does."""

    SAY_WARM = "say WARM"
    TAKE = "take up the descriptors, open the books"
    SAY_TAKEN = "say TAKEN, and from now on a beat each second"
    SAY_COMMIT = "say COMMIT"
    GIVE_BACK = "read nothing more, close the books, say BACK with the descriptors"
    SECURE = "drive each mover to rest"
    EXIT = "end"


_O = OldPhase
_OE = OldEvent
_OA = OldAct
_N = NewPhase
_NE = NewEvent
_NA = NewAct

OLD_TABLE: Mapping[tuple[OldPhase, OldEvent], tuple[OldPhase, tuple[OldAct, ...]]] = {
    (_O.SERVING, _OE.ORDERED): (_O.WARMING, (_OA.START,)),
    (_O.SERVING, _OE.STOP): (_O.LEFT, (_OA.SECURE, _OA.EXIT)),
    (_O.WARMING, _OE.WARM): (_O.WAITING, ()),
    (_O.WARMING, _OE.BROKEN): (_O.DISMISSING, (_OA.KILL,)),
    (_O.WARMING, _OE.ENDED): (_O.SERVING, ()),
    (_O.WARMING, _OE.STOP): (_O.LEFT, (_OA.KILL, _OA.SECURE, _OA.EXIT)),
    (_O.WAITING, _OE.QUIET): (_O.SETTLING, (_OA.SETTLE,)),
    (_O.WAITING, _OE.BROKEN): (_O.DISMISSING, (_OA.KILL,)),
    (_O.WAITING, _OE.ENDED): (_O.SERVING, ()),
    (_O.WAITING, _OE.STOP): (_O.LEFT, (_OA.KILL, _OA.SECURE, _OA.EXIT)),
    (_O.SETTLING, _OE.BUSY): (_O.WAITING, (_OA.REOPEN,)),
    (_O.SETTLING, _OE.SETTLED): (_O.PASSED, (_OA.GIVE,)),
    (_O.SETTLING, _OE.BROKEN): (_O.DISMISSING, (_OA.REOPEN, _OA.KILL)),
    (_O.SETTLING, _OE.ENDED): (_O.SERVING, (_OA.REOPEN,)),
    (_O.SETTLING, _OE.STOP): (_O.LEFT, (_OA.KILL, _OA.SECURE, _OA.EXIT)),
    (_O.PASSED, _OE.TAKEN): (_O.STANDBY, ()),
    (_O.PASSED, _OE.BACK): (_O.RETURNED, (_OA.ADOPT,)),
    (_O.PASSED, _OE.BROKEN): (_O.RECLAIMING, (_OA.KILL,)),
    (_O.PASSED, _OE.ENDED): (_O.RESUMING, (_OA.REGISTER,)),
    (_O.PASSED, _OE.STOP): (_O.LEFT, (_OA.EXIT,)),
    (_O.STANDBY, _OE.COMMIT): (_O.PROMOTING, (_OA.PROMOTE,)),
    (_O.STANDBY, _OE.BACK): (_O.RETURNED, (_OA.ADOPT,)),
    (_O.STANDBY, _OE.BROKEN): (_O.RECLAIMING, (_OA.KILL,)),
    (_O.STANDBY, _OE.ENDED): (_O.RESUMING, (_OA.REGISTER,)),
    (_O.STANDBY, _OE.STOP): (_O.LEFT, (_OA.EXIT,)),
    (_O.PROMOTING, _OE.COMMIT): (_O.PROMOTING, ()),
    (_O.PROMOTING, _OE.MOVED): (_O.LEFT, (_OA.EXIT,)),
    (_O.PROMOTING, _OE.UNMOVED): (_O.STANDBY, ()),
    (_O.PROMOTING, _OE.BROKEN): (_O.RECLAIMING, (_OA.KILL,)),
    (_O.PROMOTING, _OE.ENDED): (_O.RESUMING, (_OA.REGISTER,)),
    (_O.PROMOTING, _OE.STOP): (_O.LEFT, (_OA.EXIT,)),
    (_O.DISMISSING, _OE.ENDED): (_O.SERVING, ()),
    (_O.DISMISSING, _OE.STOP): (_O.LEFT, (_OA.SECURE, _OA.EXIT)),
    (_O.RECLAIMING, _OE.ENDED): (_O.RESUMING, (_OA.REGISTER,)),
    (_O.RECLAIMING, _OE.STOP): (_O.LEFT, (_OA.EXIT,)),
    (_O.RETURNED, _OE.RESUMED): (_O.DISMISSING, (_OA.KILL,)),
    (_O.RETURNED, _OE.FAILED): (_O.RECLAIMING, (_OA.KILL,)),
    (_O.RETURNED, _OE.BROKEN): (_O.RETURNED, ()),
    (_O.RETURNED, _OE.ENDED): (_O.RESUMING, ()),
    (_O.RETURNED, _OE.STOP): (_O.LEFT, (_OA.SECURE, _OA.EXIT)),
    (_O.RESUMING, _OE.RESUMED): (_O.SERVING, ()),
    (_O.RESUMING, _OE.FAILED): (_O.LEFT, (_OA.SECURE, _OA.EXIT)),
    (_O.RESUMING, _OE.STOP): (_O.LEFT, (_OA.SECURE, _OA.EXIT)),
}
"""A death without a word is in no row: the service manager then ends the new process, too."""

NEW_TABLE: Mapping[tuple[NewPhase, NewEvent], tuple[NewPhase, tuple[NewAct, ...]]] = {
    (_N.WARMING, _NE.CHECKED): (_N.WARM, (_NA.SAY_WARM,)),
    (_N.WARMING, _NE.FAILED): (_N.LEFT, (_NA.EXIT,)),
    (_N.WARMING, _NE.GONE): (_N.LEFT, (_NA.EXIT,)),
    (_N.WARMING, _NE.STOP): (_N.LEFT, (_NA.EXIT,)),
    (_N.WARM, _NE.TURN): (_N.TAKING, (_NA.TAKE,)),
    (_N.WARM, _NE.FAILED): (_N.LEFT, (_NA.EXIT,)),
    (_N.WARM, _NE.GONE): (_N.LEFT, (_NA.EXIT,)),
    (_N.WARM, _NE.STOP): (_N.LEFT, (_NA.EXIT,)),
    (_N.TAKING, _NE.TOOK): (_N.TRIAL, (_NA.SAY_TAKEN,)),
    (_N.TAKING, _NE.FAILED): (_N.LEFT, (_NA.GIVE_BACK, _NA.EXIT)),
    (_N.TAKING, _NE.GONE): (_N.TAKING, ()),
    (_N.TAKING, _NE.STOP): (_N.LEFT, (_NA.SECURE, _NA.EXIT)),
    (_N.TRIAL, _NE.HEALTHY): (_N.COMMITTING, (_NA.SAY_COMMIT,)),
    (_N.TRIAL, _NE.FAILED): (_N.LEFT, (_NA.GIVE_BACK, _NA.EXIT)),
    (_N.TRIAL, _NE.GONE): (_N.SERVING, ()),
    (_N.TRIAL, _NE.STOP): (_N.LEFT, (_NA.SECURE, _NA.EXIT)),
    (_N.COMMITTING, _NE.LATE): (_N.COMMITTING, (_NA.SAY_COMMIT,)),
    (_N.COMMITTING, _NE.FAILED): (_N.LEFT, (_NA.SECURE, _NA.EXIT)),
    (_N.COMMITTING, _NE.GONE): (_N.SERVING, ()),
    (_N.COMMITTING, _NE.STOP): (_N.LEFT, (_NA.SECURE, _NA.EXIT)),
    (_N.SERVING, _NE.FAILED): (_N.LEFT, (_NA.SECURE, _NA.EXIT)),
    (_N.SERVING, _NE.STOP): (_N.LEFT, (_NA.SECURE, _NA.EXIT)),
}

OLD_DRIVES = frozenset(
    {_O.SERVING, _O.WARMING, _O.WAITING, _O.SETTLING, _O.DISMISSING, _O.RETURNED, _O.RESUMING}
)
"""Phases in which the old process may command movers. RETURNED and RESUMING take everything up."""

NEW_DRIVES = frozenset({_N.TAKING, _N.TRIAL, _N.COMMITTING, _N.SERVING})


def old_step(phase: OldPhase, event: OldEvent) -> tuple[OldPhase, tuple[OldAct, ...]]:
    """Return the old process's next phase, and what it does now. Raise SequenceError."""
    try:
        return OLD_TABLE[phase, event]
    except KeyError:
        raise SequenceError(f"The old process is {phase.name}: {event.name} is refused.") from None


def new_step(phase: NewPhase, event: NewEvent) -> tuple[NewPhase, tuple[NewAct, ...]]:
    """Return the new process's next phase, and what it does now. Raise SequenceError."""
    try:
        return NEW_TABLE[phase, event]
    except KeyError:
        raise SequenceError(f"The new process is {phase.name}: {event.name} is refused.") from None
