"""The keys of one hub as the engine holds them: a ring, and how it changes.

How it works: the bucket of keys says of each key whose it is, because a handshake knows a key
alone. The ring lists the keys of one hub. A change writes the ring, then the keys, then the ring
again, each only if nobody else has written meanwhile (`hubgateway.keychanges`).

Laws:
1. A hub is held by one key, or by two while it changes.
2. A key that leaves is not taken again, as long as it is remembered.
3. A change that was cut off stands in the ring. The next one finishes it.
4. At most RETIRED_MAX retired keys of a hub are remembered; then the oldest is forgotten.
5. A ring that cannot be read is an error, never an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubcore.backend.uplink.from_hub import NewKey
from hubcore.codec.keyproof import is_proof, proof_of
from hubcore.errors import StoreError
from hubgateway.rules.names import KEY, Entry, Standing

RETIRED_MAX = 64
_RING_BYTES = 8192
_KINDS = ("held", "coming", "leaving", "retired")


@dataclass(frozen=True, slots=True)
class Ring:
    """Keys in hexadecimal digits; of `coming` and `leaving` it is not sure what is written."""

    held: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()

    def is_gone(self, key: str) -> bool:
        """Tell whether this key was the hub's, and is not to be any more."""
        return key in self.leaving or key in self.retired

    def turned(self, others: Iterable[str], keep: tuple[str, ...]) -> Ring:
        """Return the ring at the beginning of a change to the keys `keep`.

        `others` are keys that the bucket of keys has of this hub.
        """
        known = (*self.held, *self.coming, *self.leaving, *sorted(others))
        return Ring(
            held=keep[:1],
            coming=keep[1:],
            leaving=tuple(dict.fromkeys(key for key in known if key not in keep)),
            retired=self.retired,
        )

    def settled(self) -> tuple[Ring, tuple[str, ...]]:
        """Return the ring at the end of that change, and the keys that it forgets."""
        retired = tuple(dict.fromkeys((*self.retired, *self.leaving)))
        forgotten = retired[:-RETIRED_MAX]
        kept = retired[-RETIRED_MAX:]
        return Ring(held=(*self.held, *self.coming), retired=kept), forgotten


def write_ring(ring: Ring) -> bytes:
    """Return a ring as it lies in the engine: a line for each key."""
    rows = zip(_KINDS, (ring.held, ring.coming, ring.leaving, ring.retired), strict=True)
    return "".join(f"{kind} {key}\n" for kind, keys in rows for key in keys).encode("ascii")


def read_ring(value: bytes | None) -> Ring:
    """Read a ring, None for a hub that has none. Raise StoreError for what is no ring."""
    rows: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    if value is not None and len(value) > _RING_BYTES:
        raise StoreError("a hub's ring of keys is too long")
    for line in (value or b"").decode("ascii", "replace").splitlines():
        kind, _, key = line.partition(" ")
        if kind not in rows or not KEY.fullmatch(key):
            raise StoreError("a hub's ring of keys cannot be read")
        rows[kind].append(key)
    return Ring(**{kind: tuple(keys) for kind, keys in rows.items()})


def why_not(ring: Ring, entry: Entry | None, hub: str, over: str, new: str) -> str:
    """Return why a new key is refused, "" when only its proof is missing.

    `entry` is what the bucket of keys says of `new`; `over` is the key of the connection.
    """
    if new == over:
        return "this is the key of this connection"
    if entry is not None and entry.hub != hub:
        return "another hub has this key"
    if ring.is_gone(new) or (entry is not None and entry.standing is not Standing.ENROLLED):
        return "this key was in use before"
    return ""


def is_proven(message: NewKey, hub: str, over: str, own: tuple[bytes, bytes]) -> bool:
    """Tell whether a hub has the secret of its new key. `own`: the gateway's secret and public."""
    secret, public = own
    try:
        expected = proof_of(
            secret,
            message.key,
            hub=hub,
            old=bytes.fromhex(over),
            new=message.key,
            backend=public,
        )
    except ValueError:
        return False
    return is_proof(message.proof, expected)
