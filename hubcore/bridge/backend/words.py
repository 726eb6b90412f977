"""What bridge and backend call things in their messages, and how large those may be."""

from __future__ import annotations

from hubcore.backend.uplink.words import (
    MAX_CERTIFICATE_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_RECORD_BYTES,
)
from hubcore.bridge.ends import Whom
from hubcore.bridge.stretch import STRETCH_BYTES, STRETCH_RECORDS
from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec.tls import check_name
from hubcore.errors import FrameError, TrustError

PROTOCOL = 1
"""Of the talk between bridge and backend; the other talks count their own."""
CARRIED_BYTES = MAX_RECORD_BYTES + 64
"""One message of a hub, as it came."""
BATCH_RECORDS = STRETCH_RECORDS
"""Records in one Forwarded: those of one stretch, up to a head that their hub has signed."""
BATCH_BYTES = STRETCH_BYTES
"""Their bytes together."""
FROM_BRIDGE_BYTES = BATCH_BYTES + DOCUMENT_BYTES + 512
"""The longest message of a bridge: records, and the head that their hub has signed."""
CERTIFICATE_MESSAGE_BYTES = MAX_CERTIFICATE_BYTES + 64
"""A Certificate or TlsCertificate of the uplink, as bytes."""
ENDS_BYTES = Whom.HUBS.document_bytes
"""The longest list of whom the site has ended, signed."""
FROM_BACKEND_BYTES = MAX_MESSAGE_BYTES
"""The longest message of a backend: a policy."""


def check_hub(value: object) -> None:
    """Raise FrameError for what is no name of a hub in TLS."""
    try:
        if type(value) is str:
            check_name("hub", value)
            return
    except TrustError as error:
        raise FrameError(f"uplink: {error}") from error
    raise FrameError("uplink: hub is no text")
