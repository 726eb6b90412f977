"""The policy as the engine holds it: which root is offered to a hub.

Laws:
1. The root with the highest version is offered; it proves itself at the hub, not here.
2. A hub that has this version with another digest is offered it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hubcore.backend.uplink.from_backend import NewPolicy
from hubcore.errors import FrameError
from hubcore.policy import document
from hubgateway.rules.names import root_version


@dataclass(frozen=True, slots=True)
class Offer:
    """A version and what is said of it."""

    version: int
    message: NewPolicy
    digest: bytes | None


def newest(values: Mapping[str, bytes]) -> Offer | None:
    """Return the offer among the values of the policy's bucket, None when there is none."""
    versions = [version for key in values if (version := root_version(key)) is not None]
    if not versions:
        return None
    version = max(versions)
    data = values[f"root.{version}"]
    try:
        message = NewPolicy(data)
    except FrameError:
        return None
    try:
        digest = document.split(data).digest
    except FrameError:  # no policy: a hub says so
        digest = None
    return Offer(version, message, digest)


class Has(Protocol):
    """What a Hello of a hub or a bridge tells of its policy."""

    @property
    def policy_version(self) -> int:
        """The version, 0 for none."""

    @property
    def policy_digest(self) -> bytes:
        """The digest of the signed root."""


def is_due(offer: Offer, hello: Has) -> bool:
    """Tell whether somebody that says this is to be offered the policy."""
    if hello.policy_version != offer.version:
        return hello.policy_version < offer.version
    return offer.digest is not None and hello.policy_digest != offer.digest
