"""The policy that the reference backend offers to hubs, and the pieces of it.

Laws:
1. A hub with a lower version is offered the policy: at its Hello, and when it changes.
2. A hub with another policy of the same version is told to people, and offered nothing.
3. Pieces are sent of the policy that is offered, and of no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from hubcore.backend.uplink import from_hub
from hubcore.backend.uplink.from_backend import BackendMessage
from hubsim.backend.seats import HubConnection
from hubsim.backend.voice import shout
from hubsim.site import offering


class PolicyOffers:
    """`connections` returns those that count, by hub; `version_of` reads a document's version."""

    def __init__(
        self,
        *,
        connections: Callable[[], Mapping[str, HubConnection]],
        send: Callable[[str, BackendMessage], bool],
        version_of: Callable[[bytes], int],
        ignored: Counter[str],
    ) -> None:
        """`send` hands a message over to a hub; False when that is away."""
        self._connections = connections
        self._send = send
        self._version_of = version_of
        self._ignored = ignored
        self._policy: offering.OfferedPolicy | None = None
        self.results: dict[str, from_hub.PolicyResult] = {}
        """What each hub has said last of a policy."""
        self.drifted: set[str] = set()
        """Hubs with another policy of the version that is offered."""

    def push_document(self, document: bytes) -> int:
        """Make this the policy for every hub; return to how many hubs it was sent now.

        Raise FrameError for a document that no message can carry, and what `version_of` raises.
        """
        return self.push(self.look_at(document))

    def look_at(self, document: bytes) -> offering.OfferedPolicy:
        """Make an offer of a document, in any thread: a large one takes seconds.

        Raise what `push_document` raises.
        """
        return offering.offer(document, self._version_of)

    def push(self, policy: offering.OfferedPolicy) -> int:
        """Make this the policy for every hub; return to how many hubs it was sent now."""
        self._policy = policy
        behind = [
            hub
            for hub, connection in self._connections().items()
            if connection.hello.policy_version < policy.version
        ]
        return sum(self._send(hub, policy.message) for hub in behind)

    def greeted(self, hub: str, hello: from_hub.Hello) -> None:
        """A hub is let in."""
        policy = self._policy
        if policy is None:
            return
        if hello.policy_version < policy.version:
            self._send(hub, policy.message)
        elif offering.has_drifted(policy, hello):
            shout(
                f"hub {hub} has another policy {policy.version} than the one that is offered: "
                "two were signed with one version; publish the next version"
            )
            self.drifted.add(hub)
            return
        self.drifted.discard(hub)

    def send_pieces(self, hub: str, names: tuple[bytes, ...]) -> None:
        """Send what is asked for of the policy that is offered."""
        answers = [] if self._policy is None else offering.answer(self._policy, names)
        if not answers:
            self._ignored["pieces that nobody has"] += 1
        for message in answers:
            self._send(hub, message)
