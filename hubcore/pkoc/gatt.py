"""The GATT service of PKOC: beside the hub's own, after it in the table.

Laws:
1. It comes after the hub's own service, so that the handles of that one stay what they are.
2. WRITE takes both kinds of writes: public phones write without waiting for an answer.
3. A reader speaks first, as soon as a phone subscribes to NOTIFY.

Source: the public apps of PSIA (Constants), read on 2026-11-27.
"""

from __future__ import annotations

SERVICE_NUMBER = 0xFFF0
"""As the advertisement has it."""
SERVICE = "0000fff0-0000-1000-8000-00805f9b34fb"
WRITE = "fe278a85-89ae-191f-5dde-841202693835"
NOTIFY = "e5b1b3b5-3cca-3f76-cd86-a884cc239692"

HELLO_BYTES_MAX = 219
"""The reader's first message with a certificate. A phone needs an ATT_MTU of 3 more for it."""
