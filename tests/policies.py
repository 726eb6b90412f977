"""Policies of any size, whole, as an issuer and a patient carrier would bring them."""

from __future__ import annotations

from hubcore.codec.cose import SigningKey
from hubcore.evidence.records import Head
from hubcore.policy import document as policies
from hubcore.policy.document import Proven
from hubcore.policy.policy import Policy
from hubcore.policy.root import Root
from hubcore.ports.stores import PolicyFile, PolicyStore

HEAD = Head(7, bytes(32))


def proven(policy: Policy, issuer: SigningKey) -> Proven:
    """The policy as its issuer has signed it, proven."""
    return policies.prove(policies.issue(policy, issuer), issuer.verify_key, policy.site)


async def bring(store: PolicyStore | PolicyFile, pieces: list[bytes]) -> None:
    """Bring all that is wanted, as far as it is among these pieces."""
    taken = 1
    while taken and store.wanted(len(pieces) + 1):
        taken = await store.take(pieces)


async def put(store: PolicyStore, new: Proven) -> None:
    """Put a policy in force."""
    await store.stage(new.root())
    await bring(store, list(new.pieces()))
    await store.put_in_force()


async def put_file(
    store: PolicyFile,
    new: Proven | Root,
    head: Head = HEAD,
    again: bool = False,
) -> None:
    """Put a policy in force in a file; a root has no tables."""
    root = new.root() if isinstance(new, Proven) else new
    await store.stage(root, again)
    if isinstance(new, Proven):
        await bring(store, list(new.pieces()))
    await store.put_in_force(head, again)
