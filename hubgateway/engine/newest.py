"""A bucket of what hubs say of themselves: it ends at a hub's newest word.

How it works: a message that was on its way on a connection that the hub has left may come minutes
later, at another gateway. The engine knows which connection began last: the revision of the hub's
session (`rules.presence`). So a word is written only for that connection, and only if nobody has
written since that was looked at.

Laws:
1. What a hub has said on its newest connection is never followed by what it has said before.
2. What was said on an older connection is not kept.
3. The same word again costs no write.
"""

from __future__ import annotations

from hubcore.errors import StoreError
from hubgateway.engine.buckets import Table
from hubgateway.engine.trouble import MovedOnError
from hubgateway.rules import names

TRIES = 8


async def keep_newest(table: Table, bucket: str, hub: str, said: bytes, turn: int) -> bool:
    """Keep what a hub has said on the connection of this turn; False where a newer one began.

    Raise StoreError, LinkError.
    """
    for _ in range(TRIES):
        before, revision = await table.at(bucket, hub)
        _, newest_turn = await table.at(names.SESSIONS_BUCKET, hub)
        if newest_turn != turn:
            return False
        if before == said:
            return True
        try:
            await table.swap(bucket, hub, said, revision)
        except MovedOnError:
            continue
        return True
    raise StoreError(f"{hub} in {bucket} is written by somebody else, again and again")
