"""S0 as a node speaks it: nonces, encryption and authentication (SDS10865).

It is here for a simulated lock alone. Its nonces are taken from `secrets`.
"""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

NONCE_BYTES = 8
MAC_BYTES = 8
ENCAPSULATED = 0x81
ENCAPSULATED_AND_MORE = 0xC1
"""Encapsulated, and the sender asks for the next nonce at once."""


def _block(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - S0 is so
    return encryptor.update(block) + encryptor.finalize()


class S0:
    """The keys of a network, and what is done with them."""

    def __init__(self, network_key: bytes) -> None:
        self._encryption = _block(network_key, b"\xaa" * 16)
        self._authentication = _block(network_key, b"\x55" * 16)

    def seal(self, text: bytes, theirs: bytes, source: int, destination: int) -> bytes:
        """Return a message in its encapsulation, for the one who gave the nonce `theirs`."""
        ours = secrets.token_bytes(NONCE_BYTES)
        cipher = self._ofb(ours + theirs, b"\x00" + text)
        mac = self._mac(ours + theirs, cipher, (ENCAPSULATED, source, destination))
        return bytes([0x98, ENCAPSULATED]) + ours + cipher + theirs[:1] + mac

    def unseal(self, sealed: bytes, ours: bytes, source: int, destination: int) -> bytes | None:
        """Return the message of an encapsulation, None when it does not prove itself."""
        theirs = sealed[2 : 2 + NONCE_BYTES]
        cipher = sealed[2 + NONCE_BYTES : -MAC_BYTES - 1]
        if not cipher or sealed[-MAC_BYTES - 1 : -MAC_BYTES] != ours[:1]:
            return None
        head = (sealed[1], source, destination)
        if self._mac(theirs + ours, cipher, head) != sealed[-MAC_BYTES:]:
            return None
        return self._ofb(theirs + ours, cipher)[1:]

    def _ofb(self, start: bytes, text: bytes) -> bytes:
        stream = b""
        block = start
        while len(stream) < len(text):
            block = _block(self._encryption, block)
            stream += block
        return bytes(a ^ b for a, b in zip(text, stream, strict=False))

    def _mac(self, start: bytes, cipher: bytes, head: tuple[int, int, int]) -> bytes:
        """`head`: the command of the encapsulation, its source and its destination."""
        text = bytes([*head, len(cipher)]) + cipher
        text += bytes(-len(text) % 16)
        result = _block(self._authentication, start)
        for begin in range(0, len(text), 16):
            chunk = text[begin : begin + 16]
            mixed = bytes(a ^ b for a, b in zip(result, chunk, strict=True))
            result = _block(self._authentication, mixed)
        return result[:MAC_BYTES]
