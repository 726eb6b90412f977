"""Which endpoint is tried next, and with which of the backend's pinned keys.

How it works: a round goes over the endpoints in their order, and at each over the pinned keys. An
attempt that failed moves on by one. One whose cause is the same for every key moves on by a whole
endpoint. After an uplink that stayed up the next round begins.

Laws:
1. Between two tries of one endpoint with one key there are at most as many attempts as endpoints
   times keys, however the others fail. So none starves another.
2. Each attempt is one endpoint with one key. No key is offered to two endpoints at once.
3. An endpoint is tried first with the key that it proved last.
4. After an uplink that stayed up the first endpoint comes next. One that the hub gave up because
   nobody spoke on it counts as failed: such a backend starves none either.
5. Who asks for the same place again gets it once, and then the order goes on as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Failed(Enum):
    """What a failed attempt says of the other keys at the same endpoint."""

    FOR_THIS_KEY = "this key"
    """Another of the pinned keys may do."""
    FOR_EVERY_KEY = "every key"
    """Nobody was reached, or the backend has proved the key."""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt: the endpoint, and which of the pinned keys, both counted from 0."""

    endpoint: int
    key: int


class Tries:
    """The order of tries over `endpoints` endpoints and `keys` pinned keys."""

    def __init__(self, endpoints: int, keys: int) -> None:
        self._endpoints = endpoints
        self._keys = keys
        self._proved = [0] * endpoints
        self._todo: list[Try] = []
        self._current = Try(0, 0)
        self._again = False

    def next(self) -> Try:
        """Return the next attempt."""
        if self._again:
            self._again = False
            return self._current
        if not self._todo:
            self._todo = self._round()
        self._current = self._todo.pop(0)
        return self._current

    @property
    def begins_round(self) -> bool:
        """Whether the next attempt is the first of a round."""
        return not self._todo and not self._again

    def failed(self, how: Failed) -> None:
        """The last attempt did not come up."""
        if how is Failed.FOR_EVERY_KEY:
            here = self._current.endpoint
            self._todo = [one for one in self._todo if one.endpoint != here]

    def came_up(self) -> None:
        """The backend has proved the key of the last attempt."""
        self._proved[self._current.endpoint] = self._current.key

    def stayed_up(self) -> None:
        """The uplink was up for long, and has ended: begin a new round."""
        self._todo = []

    def again(self) -> None:
        """Let the next attempt be the same as the last."""
        self._again = True

    def _round(self) -> list[Try]:
        todo: list[Try] = []
        for endpoint in range(self._endpoints):
            todo.extend(Try(endpoint, key) for key in self._keys_at(endpoint))
        return todo

    def _keys_at(self, endpoint: int) -> Sequence[int]:
        proved = self._proved[endpoint]
        others = [key for key in range(self._keys) if key != proved]
        return [proved, *others]
