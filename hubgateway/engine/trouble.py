"""What goes wrong with the engine: in whose words it is told, and as which error."""

from __future__ import annotations

import sys

from nats.js import errors as refusals

from hubcore.errors import LinkError, StoreError

ANSWER_SECONDS = 5.0
JUNK = (ValueError, TypeError, LookupError, AttributeError)
"""What the library raises for an answer that is none: it reads what came unchecked."""


class MovedOnError(StoreError):
    """Somebody else has written meanwhile what was to be written after something older."""


def trouble(error: Exception) -> StoreError | LinkError:
    """Return what a failure of the engine means here."""
    if isinstance(error, refusals.APIError):
        return StoreError(f"the engine refuses: {words(error)}")
    return LinkError(f"the engine does not answer: {words(error)}")


def words(error: Exception) -> str:
    """Return a failure of the engine in words."""
    if isinstance(error, refusals.APIError) and error.description:
        return f"{error.description} ({error.err_code})"
    return str(error) or type(error).__name__


def complain(text: str) -> None:
    """Tell people."""
    print(f"hubgateway: {text}", file=sys.stderr, flush=True)  # noqa: T201
