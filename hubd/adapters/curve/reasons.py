"""Why the uplink is not up, in sentences for a technician (docs/uplink.md has the table).

Law: what is not sealed is called unproven, and only its digits get into a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubd.adapters.curve.zmtp import HandshakeProgress

_NOT_PROVEN = (
    "what answers did not prove the configured backend's key: it is another server, or somebody on "
    "the way; check host and port, then compare the backend's public key with the one configured"
)
_CLOSED: Mapping[HandshakeProgress, str] = {
    HandshakeProgress.NOTHING: (
        "it closed the connection without a word: it is no backend, or something in between lets "
        "nobody through; check host and port"
    ),
    HandshakeProgress.SIGNATURE: (
        "it closed the connection while it greeted: it speaks no CurveZMQ, as a backend without "
        "keys does not; check host and port"
    ),
    HandshakeProgress.GREETING: (
        "it closed the connection at this hub's first word: server key pin mismatch suspected; "
        "compare the backend's public key with the one configured"
    ),
    HandshakeProgress.UNPROVEN: _NOT_PROVEN,
    HandshakeProgress.WELCOME: (
        "the backend proved its key and then closed the connection; look at the backend's own log"
    ),
    HandshakeProgress.READY: (
        "the backend closed the connection at the end of the handshake; look at the backend's own "
        "log"
    ),
}
"""By how far the backend came in the handshake before it closed the connection."""

_SILENT: Mapping[HandshakeProgress, str] = {
    HandshakeProgress.NOTHING: (
        "it took the connection and said nothing: the backend is frozen, or it is another kind of "
        "server (one for web pages waits like this); check host and port, then the backend"
    ),
    HandshakeProgress.SIGNATURE: (
        "it began to greet and then said nothing: the backend is frozen; look at the backend"
    ),
    HandshakeProgress.GREETING: (
        "the backend greeted and then said nothing: it is frozen; look at the backend"
    ),
    HandshakeProgress.UNPROVEN: _NOT_PROVEN,
    HandshakeProgress.WELCOME: (
        "the backend proved its key but lets this hub wait: it does not know this hub's key yet, "
        "or not any more, when an older state of the hub or of the backend was put back; enrol "
        "the hub by a new token (hubctl enroll BACKEND --anew), or let the backend know the key "
        "that hubd --check-config shows (hubsim backend know HUB 'KEY'), or look whether the "
        "backend's directory of hubs is away"
    ),
    HandshakeProgress.READY: (
        "the handshake with the backend did not come to an end; look at the backend"
    ),
}
"""By how far the backend came in the handshake before it fell silent."""


def handshake_failure(progress: HandshakeProgress, status: str, has_closed: bool) -> str:
    """Say what a failed handshake means, `status` being the refusal's digits."""
    if progress is HandshakeProgress.REFUSED:
        return _refusal(status)
    sentences = _CLOSED if has_closed else _SILENT
    return sentences[progress]


def _refusal(status: str) -> str:
    """Say what an ERROR means.

    Nothing proves who sent it (RFC 26), so no key is changed by its word alone.
    """
    status_text = f"ZAP {status}" if status else "an ERROR without a status"
    who = f"the backend, or somebody on the way, says ({status_text}, which nothing proves) that"
    if status == "400":
        return (
            f"{who} this hub's key is refused. Ask at the backend: only if the key is revoked "
            "there, enrol the hub again; else look at the network between"
        )
    return (
        f"{who} this hub's key could not be checked: look at the backend, then at the network "
        "between"
    )
