"""Compares the key of a server that we ask with the pins of our file.

Laws:
1. Each handshake is compared, once authority and name were believed, before data of ours is sent.
2. The server's own key counts, and no other of its chain: Python before 3.13 gives that one alone.
3. Any other key ends the connection. The error names the section, the host, and the pin that was
   seen, so that somebody can compare.
4. A context makes each connection by itself: sockets, and what asyncio has.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable, Collection
from hashlib import sha256
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate

_PROTOCOL = 1
"""OpenSSL's number of a failure that is none of the system."""

PinsOf = Callable[[str], Collection[str]]
"""The pins of a host, none for one that is not pinned."""


class PinError(ssl.SSLCertVerificationError):
    """The server has proven its name by a key that is none of the pins."""

    def __init__(self, said: str) -> None:
        super().__init__(_PROTOCOL, said)
        self.verify_message = said


def pin_of(certificate: bytes) -> str:
    """Return the pin of a certificate's key; the certificate is DER. Raise ValueError."""
    try:
        key = load_der_x509_certificate(certificate).public_key()
        public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UnsupportedAlgorithm as error:
        raise ValueError("its key is of an unknown kind") from error
    return f"sha256/{b64encode(sha256(public).digest()).decode()}"


def compare(certificate: bytes | None, section: str, host: str, pins: Collection[str]) -> None:
    """Look at what a server has shown, in DER, None for nothing. Raise PinError (law 3)."""
    try:
        seen = pin_of(certificate or b"")
    except ValueError as error:
        raise PinError(f"{section}: pins: the key of {host} cannot be read") from error
    if seen not in pins:
        raise PinError(f"{section}: pins: the key {seen} of {host} is none of them")


def pin(context: ssl.SSLContext, section: str, pins_of: PinsOf) -> None:
    """Have each connection of a context compared. What its own sockets do else, they go on doing.

    A handshake in the middle of a connection is refused: it could bring another key.
    """

    def look(wire: ssl.SSLSocket | ssl.SSLObject) -> None:
        host = wire.server_hostname or ""
        pins = pins_of(host)
        if pins:
            compare(wire.getpeercert(binary_form=True), section, host, pins)

    socket_class: Any = context.sslsocket_class
    object_class: Any = context.sslobject_class

    class PinnedSocket(socket_class):
        def do_handshake(self, *args: Any, **more: Any) -> None:
            super().do_handshake(*args, **more)
            look(self)

    class PinnedObject(object_class):
        def do_handshake(self) -> None:
            super().do_handshake()
            look(self)

    context.sslsocket_class = PinnedSocket
    context.sslobject_class = PinnedObject
    context.options |= ssl.OP_NO_RENEGOTIATION


def pin_error_of(error: BaseException | None) -> PinError | None:
    """Return the refusal that a library has wrapped, None where there is none."""
    while error is not None and not isinstance(error, PinError):
        error = error.__cause__ or error.__context__
    return error
