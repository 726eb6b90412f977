"""What the backend is told, and what it orders."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hubcore.backend.pace import Pace
from hubcore.backend.rotation import DAY_SECONDS, RotationPace
from hubcore.phone.tickets import TicketTable
from hubcore.policy import document as policies
from hubcore.ports.keys import KeyPairs
from hubcore.ports.uplink import Uplink
from hubcore.update.running.board import BOARD, BOARD_VARIABLE, BYTES_MAX
from hubcore.version import __version__
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.adapters.keys.renewed import RenewedCertificate, renewed_tls
from hubd.adapters.smallfile import read_small
from hubd.backend.beside.certificates import TakeCertificate
from hubd.backend.heard import LastHeard
from hubd.backend.identity import Identity
from hubd.backend.orders import Orders, no_certificate
from hubd.backend.rotation import KeyRotation
from hubd.backend.sync import Sync
from hubd.building.devices import Devices
from hubd.building.evidence import Evidence
from hubd.config.file import Config
from hubd.doors.unlock import Unlock
from hubd.policy.carried import CarriedIntake
from hubd.policy.certificate import CertificateIntake, CertificateNotes
from hubd.policy.new import PolicyIntake
from hubd.policy.proven import ProvenPolicy
from hubd.policy.tlscertificate import TlsIntake


def make_policy_intake(
    config: Config,
    keys: HubKeys,
    policy: ProvenPolicy,
    unlock: Unlock,
    tickets: TicketTable,
    carried: CarriedIntake,
    evidence: Evidence,
) -> PolicyIntake:
    """Make what takes a new policy."""
    prove = partial(policies.prove, issuer=keys.issuer_key, site=config.hub.site)
    return PolicyIntake(
        prove=prove,
        store=policy,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        tickets=tickets,
        unlock=unlock,
        in_force=carried.policy_in_force,
    )


@dataclass(frozen=True, slots=True)
class CertificateTakers:
    """Who takes newer certificates of this hub, whichever way brings them."""

    take: TakeCertificate
    take_tls: TakeCertificate


def make_certificate_takers(
    config: Config, keys: HubKeys, tickets: TicketTable, evidence: Evidence
) -> CertificateTakers:
    """Make them; a hub without a TLS identity takes no certificate for TLS."""
    notes = CertificateNotes(evidence.log, evidence.clock, evidence.tell)
    intake = CertificateIntake(
        keys.in_force,
        issuer=keys.issuer_key,
        points=[point.number for door in config.doors for point in door.access_points],
        keep=RenewedCertificate(config.hub.state_directory).write,
        tickets=tickets,
        notes=notes,
    )
    if keys.tls is None:
        return CertificateTakers(intake.accept, no_certificate)
    for_tls = TlsIntake(keys.tls, keep=renewed_tls(config.hub.state_directory).write, notes=notes)
    return CertificateTakers(intake.accept, for_tls.accept)


def make_sync(
    config: Config,
    keys: HubKeys,
    uplink: Uplink,
    key_pairs: KeyPairs | None,
    orders: Orders,
    unlock: Unlock,
    devices: Devices,
    heard: LastHeard,
    evidence: Evidence,
) -> Sync:
    """Make what speaks with the backend."""
    identity = Identity(
        hub=config.hub.id,
        site=config.hub.site,
        boot_id=secrets.token_bytes(16),
        software=__version__,
    )
    rotation = None
    if key_pairs is not None and config.backend is not None:
        rotation = KeyRotation(
            pairs=key_pairs,
            uplink=uplink,
            pace=RotationPace(age_seconds=DAY_SECONDS * config.backend.key_days),
            clock=evidence.clock,
            hub=config.hub.id,
        )
    return Sync(
        uplink=uplink,
        rotation=rotation,
        records=evidence.log,
        orders=orders,
        identity=identity,
        clock=evidence.clock,
        pace=Pace(),
        appended=evidence.appended,
        telemetry=devices.telemetry if config.devices or config.door_locks else None,
        heard=heard.heard,
        certificate=keys.in_force,
        board=partial(_read_board, Path(os.environ.get(BOARD_VARIABLE, BOARD))),
        standing=evidence.health.standing,
        backend_time=evidence.backend_time,
        doors_at_rest=unlock.at_rest,
    )


def _read_board(file: Path) -> bytes | None:
    """Read how updates stand; None for a hub without updates. Raise OSError."""
    try:
        return read_small(file, BYTES_MAX)
    except FileNotFoundError:
        return None
