"""Why a step to the backend or to a bridge fails: a word that scripts decide by, and what to do.

Law: a remedy names a command that exists on a Debian hub, or who must be asked.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from enum import StrEnum

from hubd.adapters.curve.zmtp import HandshakeProgress


class Cause(StrEnum):
    """Why a step did not go well. The words stand in JSON: they are never changed."""

    NAME_UNKNOWN = "name-unknown"
    NAME_SERVER_SILENT = "name-server-silent"
    REFUSED = "refused"
    DROPPED = "dropped"
    NO_ROUTE = "no-route"
    NOT_CURVE = "not-curve"
    SILENT = "silent"
    OTHER_KEY = "other-key"
    KEY_REFUSED = "key-refused"
    BACKEND_ENDED = "backend-ended"
    BROKEN = "broken"
    UNSYNCHRONISED = "unsynchronised"
    NOT_FOUND = "not-found"
    NOT_TLS = "not-tls"
    OTHER_AUTHORITY = "other-authority"
    OTHER_NAME = "other-name"
    NO_AUTHORITY = "no-authority"
    ENDED = "ended"
    NOT_MEASURED = "not-measured"


REMEDIES: Mapping[Cause, str | None] = {
    Cause.NAME_UNKNOWN: "Compare host or [backend] endpoint; see: getent ahosts NAME.",
    Cause.NAME_SERVER_SILENT: "Look at the network: ip route; cat /etc/resolv.conf.",
    Cause.REFUSED: "The machine is there and nothing listens: start the backend, or mend the port.",
    Cause.DROPPED: (
        "A firewall drops it, or no machine has this address: let TCP to this port out of this "
        "network and into the backend's."
    ),
    Cause.NO_ROUTE: "Look at this machine's network: ip -br address; ip route.",
    Cause.NOT_CURVE: (
        "Compare host and port with the operator's. The port for enrolment is another one."
    ),
    Cause.SILENT: "Look at the backend; or compare the port: web servers wait like this.",
    Cause.OTHER_KEY: (
        "Compare the backend's public key with the operator's. If it is right, somebody is on "
        "the way."
    ),
    Cause.KEY_REFUSED: "Ask at the backend. On the hub itself: hubctl uplink.",
    Cause.BACKEND_ENDED: "Look at the backend's own log.",
    Cause.BROKEN: "Try again; then look at the network between.",
    Cause.UNSYNCHRONISED: "See: timedatectl timesync-status.",
    Cause.NOT_FOUND: (
        "Compare name and search_from in [[bridges]] with the bridge's own hubbridge.toml, which "
        "must say announce = true. A switch may hold multicast back: then name its address instead."
    ),
    Cause.NOT_TLS: "Compare address and port with the bridge's own hubbridge.toml.",
    Cause.OTHER_AUTHORITY: (
        "Compare address and name with the bridge's own hubbridge.toml. If they are right, its "
        "certificate is of another site, or another machine has taken its address."
    ),
    Cause.OTHER_NAME: (
        "Compare name and address in [[bridges]] with the bridge's own hubbridge.toml: two "
        "bridges may stand the other way round."
    ),
    Cause.NO_AUTHORITY: "As root it can be proven: sudo hubctl netcheck.",
    Cause.ENDED: (
        "Have the site's authority make a new one, and put it where hubbridge.toml names "
        "tls_certificate. If the date is wrong, see this machine's clock: timedatectl."
    ),
    Cause.NOT_MEASURED: None,
}

OF_BRIDGE: Mapping[Cause, str] = {
    Cause.REFUSED: (
        "The machine is there and nothing listens. On it: systemctl status hubbridge; or mend the "
        "port."
    ),
    Cause.DROPPED: (
        "No machine has this address, or a firewall drops it: look at the bridge's cable and "
        "VLAN, and at listen in its hubbridge.toml."
    ),
    Cause.SILENT: "On the bridge's machine: journalctl -u hubbridge; or compare the port.",
}
"""What to do on the way to a bridge, where that is something else."""

_OF_HANDSHAKE: Mapping[HandshakeProgress, Cause] = {
    HandshakeProgress.NOTHING: Cause.SILENT,
    HandshakeProgress.SIGNATURE: Cause.SILENT,
    HandshakeProgress.GREETING: Cause.SILENT,
    HandshakeProgress.UNPROVEN: Cause.OTHER_KEY,
    HandshakeProgress.WELCOME: Cause.BACKEND_ENDED,
    HandshakeProgress.READY: Cause.BACKEND_ENDED,
    HandshakeProgress.REFUSED: Cause.KEY_REFUSED,
}
"""By how far it came, while the other side kept the connection."""
_OF_CLOSED: Mapping[HandshakeProgress, Cause] = {
    **_OF_HANDSHAKE,
    HandshakeProgress.NOTHING: Cause.NOT_CURVE,
    HandshakeProgress.SIGNATURE: Cause.NOT_CURVE,
    HandshakeProgress.GREETING: Cause.OTHER_KEY,
}
"""By how far it came before the other side closed."""
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN})


def of_name(error: BaseException | None) -> Cause:
    """Return why a name has no address, by what the resolver raised."""
    return Cause.NAME_SERVER_SILENT if isinstance(error, TimeoutError) else Cause.NAME_UNKNOWN


def of_connect(error: BaseException | None) -> Cause:
    """Return why an address did not connect, by what the socket raised."""
    match error:
        case ConnectionRefusedError():
            return Cause.REFUSED
        case TimeoutError():
            return Cause.DROPPED
        case OSError() if error.errno in _NO_WAY:
            return Cause.NO_ROUTE
    return Cause.BROKEN


def of_handshake(progress: HandshakeProgress, has_closed: bool) -> Cause:
    """Return why a handshake did not come to its end."""
    return (_OF_CLOSED if has_closed else _OF_HANDSHAKE)[progress]
