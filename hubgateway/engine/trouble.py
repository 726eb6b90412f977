"""What goes wrong with the engine: in whose words it is told, and as which error."""

from __future__ import annotations

import ssl
import sys

import nats.errors
from nats.js import errors as refusals

from hubcore.errors import LinkError, StoreError
from hubgateway.engine.rights import Who, missing

ANSWER_SECONDS = 5.0
TOLD_MAX = 64
"""So many sentences are told of one connection."""
JUNK = (ValueError, TypeError, LookupError, AttributeError)
"""What the library raises for an answer that is none: it reads what came unchecked."""


class MovedOnError(StoreError):
    """Somebody else has written meanwhile what was to be written after something older."""


class Complaints:
    """What the engine says beside its answers: each once a connection, and TOLD_MAX at most.

    So no peer fills the journal. `who` has the account.
    """

    def __init__(self, who: Who) -> None:
        self._who = who
        self._last: Exception | None = None
        self._told: set[str] = set()

    async def heard(self, error: Exception) -> None:
        """Tell people what the library has met."""
        self._last = error
        if isinstance(error, ssl.SSLCertVerificationError):
            self._tell(f"engine: its certificate is not believed: {words(error)}")
        elif isinstance(error, nats.errors.Error):
            self._tell(missing(str(error), self._who))
        elif not isinstance(error, OSError | TimeoutError):
            self._tell(f"engine: {words(error)}")

    def cause(self, error: Exception) -> Exception:
        """Return why no server was found, where the library says no more than that."""
        is_bare = isinstance(error, nats.errors.NoServersError)
        return self._last or error if is_bare else error

    def forget(self) -> None:
        """The engine was away: it may have other rights now."""
        self._told.clear()

    def _tell(self, said: str) -> None:
        if said and said not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(said)
            complain(said)


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
