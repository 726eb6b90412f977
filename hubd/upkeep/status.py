"""What `hubctl status` and `hubctl doors` are told: one document, put together from those who know.

Law: it only reads, waits for nothing, and names no person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog, PolicyStore
from hubd.backend.sync import Sync
from hubd.config.file import Config
from hubd.doors.watch import DoorWatch
from hubd.upkeep.checks import Topic
from hubd.upkeep.health import Health


@dataclass(frozen=True, slots=True)
class Status:
    """Who knows what; `links` counts radio links, `epoch` tells whether an epoch key is ready,
    `tasks` counts what runs in the daemon."""

    config: Config
    version: str
    health: Health
    clock: Clock
    log: AuditLog
    policy: PolicyStore
    watch: DoorWatch
    sync: Sync | None
    links: Callable[[], int]
    epoch: Callable[[], bool]
    tasks: Callable[[], int]

    def whole(self) -> Mapping[str, object]:
        """Return the whole document."""
        on_air = not any(problem.id is Topic.RADIO for problem in self.health.problems())
        return {
            "hub": self.config.hub.id,
            "site": self.config.hub.site,
            "version": self.version,
            **self.health.snapshot(),
            "radio": {"on_air": on_air, "links": self.links(), "epoch_key": self.epoch()},
            "backend": None if self.sync is None else asdict(self.sync.state),
            "policy_version": self.policy.version(),
            "records": {"last": self.log.last(), "waiting": self.log.waiting()},
            "doors": self.doors(),
            "clock": {"state": self.clock.state().value, "wall": self.clock.wall()},
            "tasks": self.tasks(),
        }

    def doors(self) -> list[Mapping[str, object]]:
        """Return the doors alone."""
        return [
            {
                "id": door.id,
                "name": door.name,
                "state": self.watch.state(door.id).name.lower(),
                "watched": door.dps is not None,
                "access_points": [
                    {
                        "number": p.number,
                        "name": p.name,
                        "fresh": p.fresh,
                        "mode": self.policy.mode(p.number).name.lower(),
                    }
                    for p in door.access_points
                ],
            }
            for door in self.config.doors
        ]
