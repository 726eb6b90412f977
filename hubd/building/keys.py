"""What tells of the hub's keys and changes them."""

from __future__ import annotations

from hubd.adapters.keys.filemode import mode_of
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.backend.sync import Sync
from hubd.building.evidence import Evidence
from hubd.building.phones import Phones
from hubd.calls.keys import KeyCalls
from hubd.config.file import Config
from hubd.keys.changing import KeyChanges
from hubd.keys.report import KeyReport


def make_key_calls(
    config: Config, keys: HubKeys, phones: Phones, sync: Sync | None, evidence: Evidence
) -> KeyCalls:
    """Make the calls; a hub without a backend has no key of an uplink."""
    rotation = None if sync is None else sync.rotation
    report = KeyReport(
        config=config,
        keys=keys,
        ring=phones.ring,
        rotation=rotation,
        mode=mode_of,
    )
    changes = KeyChanges(
        rotation=rotation,
        renew_epoch=phones.epochs.renew,
        log=evidence.log,
        clock=evidence.clock,
        tell=evidence.tell,
    )
    return KeyCalls(report, changes)
