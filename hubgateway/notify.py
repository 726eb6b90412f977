"""Tells systemd that a program serves (sd_notify(3))."""

from __future__ import annotations

import os
import socket


def notify_ready() -> None:
    """Say READY=1 to who started this, where that is systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", address.replace("@", "\0", 1))
