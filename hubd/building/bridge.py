"""What speaks with the bridge of the site."""

from __future__ import annotations

from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.codec.cose import SigningKey
from hubcore.ports.bridge import BridgeLine
from hubcore.version import __version__
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.bridge.certificates import OwnCertificates
from hubd.bridge.ends import EndsHere
from hubd.bridge.mandates import MandatesHere
from hubd.bridge.sender import UNHELD_MAX
from hubd.bridge.way import BridgeWay, Policies
from hubd.building.backend import CertificateTakers
from hubd.building.doors import Doors
from hubd.building.evidence import Evidence
from hubd.config.file import Config
from hubd.policy.new import PolicyIntake
from hubd.policy.proven import ProvenPolicy
from hubd.stores import Stores


def make_bridge_way(
    config: Config,
    keys: HubKeys,
    line: BridgeLine | None,
    stores: Stores,
    policy: ProvenPolicy,
    intake: PolicyIntake,
    doors: Doors,
    evidence: Evidence,
    takers: CertificateTakers,
) -> BridgeWay | None:
    """Make the way over a bridge; None for a hub without one."""
    if line is None or keys.tls_key is None or keys.tls is None:
        return None
    return BridgeWay(
        line=line,
        records=evidence.log,
        hub=HubName(config.hub.site, config.hub.id),
        key=SigningKey(keys.tls_key),
        software=__version__,
        policies=Policies(intake.accept, policy.version, policy.digest),
        site_orders=doors.site,
        mandates=MandatesHere(config.hub.site, keys.issuer_key, stores.mandates),
        ends=EndsHere(config.hub.site, keys.issuer_key, stores.ends),
        certificates=OwnCertificates(
            key=SigningKey(keys.identity),
            certificate=keys.in_force,
            tls=keys.tls,
            take=takers.take,
            take_tls=takers.take_tls,
        ),
        clock=evidence.clock,
        pace=Pace(window=UNHELD_MAX),
        appended=evidence.appended_for_bridge,
        doors_at_rest=doors.unlock.at_rest,
    )
