"""By which operator of the policy a user of this machine orders.

Laws:
1. The kernel says which user calls, and the configuration which operator that is. Nobody says it of
   himself.
2. A user without a line is `operator`. Without that he is nobody, and orders nothing.
"""

from __future__ import annotations

import pwd
from collections.abc import Mapping

from hubbridge.config import Api
from hubcore.codec import cwt
from hubcore.errors import ConfigError, ProofError


class Operators:
    """The operators by the numbers of users."""

    def __init__(self, by_uid: Mapping[int, str], otherwise: str) -> None:
        self._by_uid = dict(by_uid)
        self._otherwise = otherwise

    def of(self, uid: int) -> str:
        """Return who a user is; empty: nobody."""
        return self._by_uid.get(uid, self._otherwise)


def read_operators(api: Api) -> Operators:
    """Look the users of the configuration up on this machine. Raise ConfigError."""
    for operator in (api.operator, *api.operators.values()):
        _check(operator)
    by_uid: dict[int, str] = {}
    for user, operator in api.operators.items():
        try:
            by_uid[pwd.getpwnam(user).pw_uid] = operator
        except KeyError:
            raise ConfigError(
                f"hubbridge: [api.operators]: this machine has no user {user!r}: add it, or take "
                "the line out"
            ) from None
    return Operators(by_uid, api.operator)


def _check(operator: str) -> None:
    if not operator:
        return
    try:
        cwt.name(operator, "an operator")
    except ProofError as error:
        raise ConfigError(f"hubbridge: [api]: {operator!r}: {error}") from error
    if not operator.isprintable():
        raise ConfigError(f"hubbridge: [api]: {operator!r} is no printable text")
