"""What ended the tasks of one connection."""

from __future__ import annotations


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what ended a group of tasks."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
