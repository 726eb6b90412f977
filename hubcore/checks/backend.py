"""The checks of the uplink, of the way over a bridge, and of what both say about this hub."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.backend.uplink.words import Cause
from hubcore.checks.words import Check, CheckId, Class, Severity, Topic
from hubcore.phone.certificates import CertificateState

_BY_UPLINK = "Doors and uplink go on as ever"
_NO_RECORDS = "Doors still open for phones, but remote orders are refused and no record goes up."

ROWS: Mapping[CheckId, Check] = {
    CheckId.BACKEND_AWAY: Check(
        topic=Topic.BACKEND,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The backend cannot be reached: {why}",
        remedy=(
            "Meanwhile the hub decides by itself and keeps its records. "
            "Check the network and [backend] endpoint. "
            "If it is about a key: the backend's own public key must be the one in {file}, "
            "and it must know this hub's; sudo /opt/hubd/bin/hubd --check-config shows both."
        ),
    ),
    CheckId.UPLINK_KEY: Check(
        topic=Topic.UPLINK_KEY,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The hub's own key for the backend is not as it ought to be: {why}.",
        remedy=(
            "The hub goes on with the key that it has: {key}. "
            "If the backend does not know that one, enrol the hub there again. "
            "If this stays after the next connection, see the journal: journalctl -u hubd."
        ),
        afar=("The hub's own key for the backend is not as it ought to be."),
        remedy_afar=(
            "The hub goes on with the key that it has. "
            "If the backend does not know that one, enrol the hub there again. "
            "If this stays after the next connection, see the journal: journalctl -u hubd."
        ),
    ),
    CheckId.POLICY_REFUSED: Check(
        topic=Topic.POLICY,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The newest policy that the backend offered is not in force here: {why}.",
        remedy=(
            "The older one decides meanwhile (hubctl policy): who was let in or shut out since is "
            "not known here. If the disk or memory is short, mend that, then: "
            "sudo systemctl restart hubd. Else have the site's operator issue the policy again."
        ),
        afar=("The newest policy that the backend offered is not in force here."),
    ),
    CheckId.TWO_HUBS: Check(
        topic=Topic.TWO_HUBS,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "Two machines speak to the backend as this hub: one is a copy, "
            "with its keys and its id. {held}"
        ),
        remedy=(
            "Doors still open for phones, but remote orders are refused. "
            "Decide on the backend's machine which one stays: "
            "hubsim backend --at SITE keep HUB BOOT. Give the other one an id and keys of its own."
        ),
    ),
    CheckId.FORK: Check(
        topic=Topic.FORK,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The backend holds records of this hub that differ from those here: "
            "the state directory was replaced, restored from a copy, or changed. {held}"
        ),
        remedy=(
            f"{_NO_RECORDS} "
            "Keep the old state directory if there is one: it is evidence. "
            "Check: sudo hubctl audit verify. "
            "If the state was replaced on purpose, on the backend's machine: "
            "hubsim backend --at SITE accept HUB. "
            "It keeps the old records under a name of their own."
        ),
    ),
    CheckId.GAP: Check(
        topic=Topic.GAP,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The backend waits for a record of this hub that does not come. "
            "It was lost among those that wait here, or at the backend. {held}"
        ),
        remedy=(
            f"{_NO_RECORDS} Check: sudo hubctl audit verify. "
            "To go on after the gap, on the backend's machine: hubsim backend --at SITE accept HUB."
        ),
    ),
    CheckId.TAIL_CUT: Check(
        topic=Topic.TAIL_CUT,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause=(
            "The backend holds newer records of this hub than there are here: "
            "the newest were deleted, or an older copy of the disk was put back. {held}"
        ),
        remedy=(
            f"{_NO_RECORDS} "
            "The records that are missing here are at the backend. "
            "Check: sudo hubctl audit verify. "
            "If an older copy was put back on purpose, on the backend's machine: "
            "hubsim backend --at SITE accept HUB. "
            "It keeps the old records under a name of their own."
        ),
    ),
    CheckId.EVIDENCE_STUCK: Check(
        topic=Topic.EVIDENCE,
        class_=Class.BACKEND,
        severity=Severity.ERROR,
        cause=(
            "The oldest of {waiting} records has waited {waited:.0f} s for the backend's receipt: "
            "{why}."
        ),
        remedy=(
            "The hub keeps them and decides by itself. "
            "Check the backend: is its disk full, does it report a fork? "
            "Then check here: sudo hubctl audit verify."
        ),
        afar=("Records have waited for long for the backend's receipt."),
    ),
    CheckId.BRIDGE_AWAY: Check(
        topic=Topic.BRIDGE,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="No bridge of the site has been reached for {minutes:.0f} min: {why}.",
        remedy=(
            f"{_BY_UPLINK}; with the internet gone no order of the site comes. "
            "Each step to each bridge: hubctl netcheck. "
            "On the bridge's machine: systemctl status hubbridge. "
            "Compare its address with [[bridges]] in /etc/hubd/hubd.toml."
        ),
        afar=("No bridge of the site has been reached for a while."),
    ),
    CheckId.BRIDGE_REFUSES: Check(
        topic=Topic.BRIDGE,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The bridge {bridge} has not let this hub in for {minutes:.0f} min: {why}.",
        remedy=(
            f"{_BY_UPLINK}. On the bridge's machine: journalctl -u hubbridge. It says whether "
            "this hub was ended, has a certificate of another site, or found no place there. "
            "The hub's own certificate: hubctl keys."
        ),
        afar=("A bridge has not let this hub in for a while."),
    ),
    CheckId.BRIDGE_OTHER: Check(
        topic=Topic.BRIDGE,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="What answers at the address of the bridge {bridge} is another machine: {why}.",
        remedy=(
            "The hub tells it nothing. Compare name and address in [[bridges]] of "
            "/etc/hubd/hubd.toml with the bridge's own hubbridge.toml. If they are right, "
            "another machine has taken the address, or the bridge has a certificate of another "
            "site: see hubctl netcheck."
        ),
        afar=("What answers at the address of a bridge is another machine."),
    ),
    CheckId.BRIDGE_REVOKED: Check(
        topic=Topic.BRIDGE,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The site has ended the bridge {bridge}: this hub does not speak with it.",
        remedy=(
            f"{_BY_UPLINK}. Take it out of [[bridges]] in /etc/hubd/hubd.toml, then: "
            "systemctl restart hubd. If it was ended by mistake, or replaced by a machine with "
            "another key, whoever has the issuer's key takes it in: hubissuer bridge."
        ),
        afar=("A bridge that the site has ended stands in this hub's configuration."),
    ),
    CheckId.BRIDGE_ENDED: Check(
        topic=Topic.BRIDGE_CERTIFICATE,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The certificate of the bridge {bridge} ended on {ends}.",
        remedy=(
            "The hub goes on with it: what a bridge brings proves itself. Other machines may not. "
            "Have the site's authority make a new one, and put it where hubbridge.toml names "
            "tls_certificate. If the date is wrong, check this machine's clock: timedatectl."
        ),
        afar=("The certificate of a bridge has ended."),
    ),
    CheckId.BRIDGE_ENDING: Check(
        topic=Topic.BRIDGE_CERTIFICATE,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The certificate of the bridge {bridge} ends {left}, on {ends}.",
        remedy=(
            "Have the site's authority make a new one, and put it where hubbridge.toml names "
            "tls_certificate."
        ),
        afar=("The certificate of a bridge ends soon."),
    ),
    CheckId.BRIDGE_FULL: Check(
        topic=Topic.BRIDGE_FULL,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The bridge {bridge} has no room: it does not hold {waiting} records of this hub.",
        remedy=(
            f"{_BY_UPLINK}, and the hub keeps them until the backend has them. "
            "On the bridge's machine, type: df -h /var/lib/hubbridge. If the disk has room, "
            "this hub's share is used up: see [room] of hubbridge.toml."
        ),
        afar=("A bridge has no room: it does not hold this hub's records."),
    ),
    CheckId.BRIDGE_DOUBTS: Check(
        topic=Topic.BRIDGE_WITNESS,
        class_=Class.EVIDENCE,
        severity=Severity.ERROR,
        cause="The bridge {bridge} and this hub know different records of it: {why}.",
        remedy=(
            "Doors and uplink go on; no record goes to the bridge until somebody has decided "
            "there, by hubctl --site accept. "
            "Keep the old state directory if there is one: it is evidence. "
            "Check: sudo hubctl audit verify. Tell whoever answers for the site: the disk was "
            "changed, or an older copy was put back."
        ),
        afar=("A bridge and this hub know different records of it."),
    ),
    CheckId.MANDATES_UNKEPT: Check(
        topic=Topic.MANDATES,
        class_=Class.MACHINE,
        severity=Severity.WARNING,
        cause="Who may give orders and receipts for this site is not kept on the disk: {why}.",
        remedy=(
            "What a bridge has brought holds until hubd ends; after a start a bridge must bring "
            "it again. Type: df -h /var/lib/hubd."
        ),
        afar=("Who may give orders and receipts for this site is not kept on its disk."),
    ),
}

CHECK_OF_HALT: Mapping[Cause, CheckId] = {
    Cause.TWO_HUBS: CheckId.TWO_HUBS,
    Cause.FORK: CheckId.FORK,
    Cause.GAP: CheckId.GAP,
    Cause.TAIL_CUT: CheckId.TAIL_CUT,
}
"""What stands after a Halt."""

CHECK_OF_BRIDGE: Mapping[CertificateState, CheckId | None] = {
    CertificateState.NOT_YET: None,
    CertificateState.VALID: None,
    CertificateState.ENDING: CheckId.BRIDGE_ENDING,
    CertificateState.ENDED: CheckId.BRIDGE_ENDED,
}
"""By the date of the certificate that a bridge has shown."""
