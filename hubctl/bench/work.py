"""What is measured: the steps of an unlock that this hub's own parts decide the time of.

Laws:
1. Nothing of the running hub is touched: no key, no record, no socket. Keys are made for this
   alone.
2. Files lie in a folder of their own on the disk of the evidence, and are gone at the end, also
   after a Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hubcore.codec import cose
from hubcore.codec.cose import EXPONENT, Aead, SigningKey
from hubctl.bench.timing import Figure, timed

RECORD_BYTES = 300
"""The record of an access has some 250."""
REQUEST_BYTES = 1200
"""A phone's request on the full path has some 1,100."""
VERIFIES = 3
"""Signatures of the full path: the grant, the phone's proof, and what it brought of the policy."""
FOLDER = ".hubctl-bench-"

Step = Callable[[], Iterator[Figure]]


@contextlib.contextmanager
def folder_on(disk: Path) -> Iterator[Path]:
    """Make a folder on the disk of a directory, and remove it at the end. Raise OSError."""
    made = Path(tempfile.mkdtemp(prefix=FOLDER, dir=disk))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def rsa_steps(bits: int) -> Iterator[Figure]:
    """Measure what opens a phone's request: RSA of the epoch key's size."""
    began = time.perf_counter()
    key = rsa.generate_private_key(EXPONENT, bits)
    made_ms = 1000 * (time.perf_counter() - began)
    decoy = bytes(Aead.A256GCM.key_bytes)
    wrapped = cose.wrap_key(key.public_key(), decoy)
    yield Figure(
        "rsa",
        f"RSA-{bits}: open a phone's request",
        1,
        timed(lambda: cose.unwrap_key(key, wrapped, decoy)),
    )
    yield Figure("rsa-key", f"RSA-{bits}: make an epoch key, ahead of need", 0, [made_ms])


def cipher_steps() -> Iterator[Figure]:
    """Measure what is opened and proven after that."""
    key = os.urandom(Aead.A256GCM.key_bytes)
    iv = os.urandom(cose.IV_BYTES)
    sealed = cose.seal(Aead.A256GCM, key, iv, bytes(REQUEST_BYTES))
    yield Figure(
        "aes",
        "AES-GCM: unseal a request",
        1,
        timed(lambda: cose.unseal(Aead.A256GCM, key, iv, sealed)),
    )
    signer = SigningKey(ec.generate_private_key(ec.SECP256R1()))
    verifier = signer.verify_key
    data = bytes(REQUEST_BYTES)
    signature = signer.sign(data)
    yield Figure(
        "ecdsa",
        "ECDSA P-256: prove a signature",
        VERIFIES,
        timed(lambda: verifier.verify(signature, data)),
    )


def disk_steps(folder: Path) -> Iterator[Figure]:
    """Measure how long the disk takes for one record. Raise OSError, sqlite3.Error."""
    body = os.urandom(RECORD_BYTES)
    with (folder / "file").open("wb", buffering=0) as file:

        def write() -> None:
            file.write(body)
            os.fsync(file.fileno())

        yield Figure("fsync", "disk: write and sync one record", 0, timed(write))
    with contextlib.closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE records (number INTEGER PRIMARY KEY, at_ms INTEGER, body BLOB, hash BLOB)"
        )

        def commit() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO records (at_ms, body, hash) VALUES (?, ?, ?)", (1, body, body[:32])
            )
            connection.execute("COMMIT")

        yield Figure("commit", "SQLite: commit one record, as hubd does", 1, timed(commit))
