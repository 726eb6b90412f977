"""CPU of one open in the hub, full and short, beside the bare cryptography that it cannot do without.

Law: every round does a bare one, a full one and a short one, in turns; time is the thread's CPU, not the clock's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from benchmarks.desk import Desk, make_desk
from benchmarks.visit import Visit
from hubd.adapters.sqlite_policy import PolicyDatabase

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
ECDSA = ec.ECDSA(hashes.SHA256())


@dataclass(slots=True)
class CpuRounds:
    """CPU nanoseconds of each round: bare cryptography of the full path, whole opens, and their steps."""

    bare: list[int] = field(default_factory=list)
    full: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)
    full_steps: dict[str, list[int]] = field(default_factory=dict)
    short_steps: dict[str, list[int]] = field(default_factory=dict)
    bare_parts: dict[str, list[int]] = field(default_factory=dict)


def bare_crypto(key: rsa.RSAPrivateKey) -> dict[str, Callable[[], object]]:
    """Return what a full open cannot do without: one RSA decryption and two signature checks, with loaded keys.

    The data is of the sizes of a real open: a 32-byte key; a grant of some 250 bytes; a request of some 500.
    """
    sealed = key.public_key().encrypt(os.urandom(32), OAEP)
    parts: dict[str, Callable[[], object]] = {"RSA-3072 decryption": lambda: key.decrypt(sealed, OAEP)}
    for name, size in (("signature of the grant", 250), ("signature of the request", 500)):
        private, data = ec.generate_private_key(ec.SECP256R1()), os.urandom(size)
        check = private.public_key().verify
        parts[name] = partial(check, private.sign(data, ECDSA), data, ECDSA)
    return parts


def bare_short() -> dict[str, Callable[[], object]]:
    """Return what a short open cannot do without: three keys derived, one seal opened, one made."""
    secret, salt, context, iv = os.urandom(32), os.urandom(32), os.urandom(60), os.urandom(12)
    request, verdict = os.urandom(48), os.urandom(80)
    sealed = AESGCM(secret).encrypt(iv, request, context)

    def derive() -> bytes:
        return HKDF(hashes.SHA256(), 32, salt, context).derive(secret)

    return {
        "3 HKDF": lambda: [derive() for _ in range(3)],
        "2 AES-256-GCM": lambda: (
            AESGCM(secret).decrypt(iv, sealed, context),
            AESGCM(secret).encrypt(iv, verdict, context),
        ),
    }


def _add(steps: dict[str, list[int]], ns: dict[str, int]) -> None:
    for name, value in ns.items():
        steps.setdefault(name, []).append(value)


async def measure(directory: Path, rounds: int, warm_up: int = 20) -> CpuRounds:
    """Measure `rounds` opens of each kind."""
    result = CpuRounds()
    async with await PolicyDatabase.open(directory / "policy.db", "site-1") as policy:
        desk = await make_desk(directory / "site", policy)
        bare = bare_crypto(desk.epoch_key)
        for index in range(warm_up + rounds):
            if index == warm_up:
                result = CpuRounds()
            parts = {name: _cpu(work) for name, work in bare.items()}
            _add(result.bare_parts, parts)
            result.bare.append(sum(parts.values()))
            await _open(desk, result)
    return result


async def _open(desk: Desk, result: CpuRounds) -> None:
    full, short = Visit(desk), Visit(desk)
    await full.open(short=False)
    await short.open(short=True)
    result.full.append(full.total_ns)
    result.short.append(short.total_ns)
    _add(result.full_steps, full.ns)
    _add(result.short_steps, short.ns)


def _cpu(work: Callable[[], object]) -> int:
    began = time.thread_time_ns()
    work()
    return time.thread_time_ns() - began
