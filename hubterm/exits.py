"""How programs end, and what each exit status means. `docs/hubctl.md` has the table for people.

Law: one status has one meaning. What says nothing of the hub has a number of its own, as in
sysexits.h.
"""

from __future__ import annotations

OK = 0
"""All is well, or it is done."""
NO = 1
"""It is not well, or the hub says no."""
FAILED = 2
"""A check of `hubctl doctor` failed; no other command ends so."""
IN_DOUBT = 3
"""It was done, and not all is right: `hubctl enroll --start`."""
USAGE = 64
UNREADABLE = 66
NO_ANSWER = 69
SOFTWARE = 70
CANNOT_PRINT = 74
TRY_AGAIN = 75
"""It took too long, or too many ask at once."""
PROTOCOL = 76
"""The other end speaks otherwise: another version, or another program."""
NOT_ALLOWED = 77
INTERRUPTED = 130
"""As a shell says it of a program that was ended by Ctrl-C."""

STATUS_OF_CODE = {
    "usage": USAGE,
    "unreadable": UNREADABLE,
    "no-policy": UNREADABLE,
    "no-record": UNREADABLE,
    "pieces-missing": UNREADABLE,
    "down": NO_ANSWER,
    "busy": TRY_AGAIN,
    "timeout": TRY_AGAIN,
    "protocol": PROTOCOL,
    "version": PROTOCOL,
    "unknown-call": PROTOCOL,
    "internal": PROTOCOL,
    "not-allowed": NOT_ALLOWED,
    "unwritable": CANNOT_PRINT,
}
"""Of the codes in documents of errors. Any other code is the hub's no."""


def status_of(code: str) -> int:
    """Return how a program ends that has met this error."""
    return STATUS_OF_CODE.get(code, NO)
