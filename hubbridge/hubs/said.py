"""What a hub says to its bridge, as the bridge reads it: a record, or any other message.

Law: a record is read by its one shape, to what is stored. It is never an Evidence here.
"""

from __future__ import annotations

from hubcore.backend.uplink.evidence import EVIDENCE_HEAD, record_of
from hubcore.bridge import codec
from hubcore.bridge.from_bridge import FromBridge
from hubcore.bridge.from_hub import FromHub
from hubcore.bridge.words import FROM_HUB_BYTES
from hubcore.evidence.records import StoredRecord
from hubtls.line import Line, Wire

Said = FromHub | StoredRecord
HubLine = Line[Said, FromBridge]


def read_said(data: bytes) -> Said:
    """Read what a hub says. Raise FrameError."""
    if data.startswith(EVIDENCE_HEAD):
        return record_of(data)
    return codec.decode_from_hub(data)


WIRE: Wire[Said, FromBridge] = Wire(read_said, codec.encode, FROM_HUB_BYTES)
