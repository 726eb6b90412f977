"""Judges a certificate as a browser would: its time, and the names that it has.

Laws:
1. A name counts where the certificate's alternative names have it. `*.acme.example` counts for one
   label before the dot and no more (RFC 9525, section 6.3). The subject's name counts for nothing.
2. An end is told LEFT before it, or in the last quarter of a shorter life: so one that is renewed
   in good time by a program is never told.
3. Who vouches for it is not judged: browsers believe others than this machine does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509

LEFT = timedelta(days=14)


def first_of(pem: bytes) -> x509.Certificate:
    """Return the first certificate of a file. Raise ValueError."""
    return x509.load_pem_x509_certificates(pem)[0]


def wrong_with(certificate: x509.Certificate, hosts: Iterable[str], now: datetime) -> str:
    """Return why browsers refuse it for one of these names at this moment, "" for nothing.

    The answer is part of a sentence: "it ended on ...".
    """
    if now < certificate.not_valid_before_utc:
        return (
            f"it begins on {said(certificate.not_valid_before_utc)}, and the clock of this "
            f"machine says {said(now)}"
        )
    if now >= certificate.not_valid_after_utc:
        return (
            f"it ended on {said(certificate.not_valid_after_utc)}, and the clock of this machine "
            f"says {said(now)}"
        )
    names = names_in(certificate)
    left_out = [host for host in hosts if not _is_named(host, names)]
    if left_out:
        return f"it is for {', '.join(names) or 'no name'}, and not for {', '.join(left_out)}"
    return ""


def ends_soon(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether its end is to be told (law 2)."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now < min(LEFT, life / 4)


def names_in(certificate: x509.Certificate) -> list[str]:
    """Return the names and addresses that it has (law 1). Raise ValueError for odd ones."""
    kind = x509.SubjectAlternativeName
    try:
        found = certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return []
    names = found.get_values_for_type(x509.DNSName)
    addresses = found.get_values_for_type(x509.IPAddress)
    return [*names, *(str(address) for address in addresses)]


def _is_named(host: str, names: Iterable[str]) -> bool:
    wanted = host.rstrip(".").lower()
    held = {name.rstrip(".").lower() for name in names}
    return wanted in held or (not _is_address(wanted) and _any_label(wanted) in held)


def _any_label(host: str) -> str:
    """Return the name that counts for each first label: *.acme.example."""
    return f"*.{host.partition('.')[2]}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def said(moment: datetime) -> str:
    """Return a moment as people read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
