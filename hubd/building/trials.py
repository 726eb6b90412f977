"""What `hubctl doctor --active` tries on this hub."""

from __future__ import annotations

from collections.abc import Sequence

from hubd.adapters.host.disk_probe import DiskProbe
from hubd.backend.sync import Sync
from hubd.building.devices import Devices
from hubd.building.evidence import Evidence
from hubd.config.file import Config
from hubd.readers.attending import Attending
from hubd.trying import steps
from hubd.trying.trials import Step, Trials
from hubd.wiring.parts import Parts


def make_trials(
    config: Config,
    parts: Parts,
    devices: Devices,
    readers: Attending | None,
    sync: Sync | None,
    evidence: Evidence,
) -> Trials:
    """Make what tries the parts that this hub has."""

    probe = DiskProbe(config.hub.state_directory)

    def make_steps(number: int) -> Sequence[Step]:
        made = [steps.disk(probe), steps.radio(parts.listen)]
        if sync is not None:
            made.append(steps.backend(number, evidence.log, lambda: sync.state))
        if parts.read_inputs is not None:
            made.append(steps.inputs(parts.read_inputs))
        if readers is not None:
            made.extend(steps.readers(readers.names(), readers.answers))
        made.extend(steps.devices(parts.devices, devices.supervisor))
        return made

    return Trials(make_steps, log=evidence.log, clock=evidence.clock, tell=evidence.tell)
