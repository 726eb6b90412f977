"""Who this hub is to the backend."""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.backend.uplink import from_hub
from hubcore.backend.uplink.words import PROTOCOL
from hubcore.errors import ConfigError, FrameError
from hubcore.evidence.records import Head
from hubcore.policy.root import NO_DIGEST


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this hub is: ids of at most 32 bytes, `boot_id` 16 bytes, the software's version."""

    hub: str
    site: str
    boot_id: bytes
    software: str

    def __post_init__(self) -> None:
        """Raise ConfigError for what no Hello can carry."""
        try:
            self.hello(policy_version=0, policy_digest=NO_DIGEST, head=Head(), waiting=0)
        except FrameError as error:
            raise ConfigError(
                f"this hub cannot introduce itself to the backend: {error}"
            ) from error

    def hello(
        self, *, policy_version: int, policy_digest: bytes, head: Head, waiting: int
    ) -> from_hub.Hello:
        """Return the Hello of this hub; `head` is that of its chain."""
        return from_hub.Hello(
            protocol=PROTOCOL,
            hub=self.hub,
            site=self.site,
            boot_id=self.boot_id,
            software=self.software,
            policy_version=policy_version,
            policy_digest=policy_digest,
            last_record=head.number,
            head_hash=head.hash,
            waiting=waiting,
        )
