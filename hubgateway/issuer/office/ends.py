"""The lists of whom the site has ended, as an office changes them: one of hubs, one of bridges.

Laws:
1. Whom a command ends is on a list before its key is taken away, so that no bridge speaks with it,
   and no hub with a bridge. Who is taken in again is on it no more; the key of a replaced machine
   stays there.
2. A list that changes nothing is not signed: each version says something new.
3. A list grows from one that this issuer has signed, and from no other.
"""

from __future__ import annotations

from collections.abc import Callable

from hubcore.bridge.ends import Ends, Whom, issue_ends, prove_ends
from hubcore.codec.cose import SigningKey
from hubcore.errors import PeerError, TrustError
from hubgateway.issuer.office.rows import Rows
from hubgateway.issuer.office.words import NoError
from hubgateway.rules import names


class EndsLists:
    """Keys are SHA-256 digests of TLS keys; `wall` is Unix time."""

    def __init__(
        self, rows: Rows, issuer: SigningKey, site: str, wall: Callable[[], float]
    ) -> None:
        self._rows = rows
        self._issuer = issuer
        self._site = site
        self._wall = wall

    async def change(
        self,
        whom: Whom,
        *,
        ended: frozenset[str] = frozenset(),
        back: frozenset[str] = frozenset(),
        keys: frozenset[bytes] = frozenset(),
        keys_back: frozenset[bytes] = frozenset(),
    ) -> None:
        """Sign the next list of ends, if something changes. Raise NoError."""
        ends, revision = await self._newest(whom)
        try:
            changed = ends.changed(int(1000 * self._wall()), ended, back, keys, keys_back)
        except TrustError as error:
            raise NoError(f"{names.ENDS_BUCKET}: {whom.word}: {error}") from error
        if changed is not ends:
            document = issue_ends(changed, self._site, self._issuer)
            await self._rows.swap(names.ENDS_BUCKET, whom.word, document, revision)

    async def has(self, whom: Whom, name: str) -> bool:
        """Tell whether somebody is on a list. Raise NoError."""
        ends, _ = await self._newest(whom)
        return name in ends.names

    async def keys(self) -> frozenset[bytes]:
        """Return the keys on all lists. Raise NoError."""
        lists = [await self._newest(whom) for whom in Whom]
        return frozenset().union(*(ends.keys for ends, _ in lists))

    async def _newest(self, whom: Whom) -> tuple[Ends, int]:
        """Return the newest list, and its revision. Raise NoError for one of somebody else."""
        value, revision = await self._rows.at(names.ENDS_BUCKET, whom.word)
        if value is None:
            return Ends(whom=whom), revision
        try:
            ends = prove_ends(value, self._site, self._issuer.verify_key)
            if ends.whom is not whom:
                raise TrustError("it is a list of others")
        except (PeerError, TrustError) as error:
            raise NoError(
                f"{names.ENDS_BUCKET}: {whom.word}: {error}. Put back the last list that this "
                "issuer has signed"
            ) from error
        return ends, revision
