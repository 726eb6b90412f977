"""Which hosts are this machine: a name or an address that leads nowhere else."""

from __future__ import annotations

from ipaddress import ip_address


def is_this_machine(host: str) -> bool:
    """Tell whether a host is loopback. No name is looked up: any other one may lead elsewhere."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
