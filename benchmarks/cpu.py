"""CPU of one open in the hub, full and short, beside the bare cryptography that it needs.

Laws:
1. Every round does a bare one, a full one, a short one and one of a PKOC phone, in turns.
2. Time is the thread's CPU, not the clock's.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from benchmarks import machine
from benchmarks.desk import Desk, make_desk
from benchmarks.pkoc import PkocDesk
from benchmarks.visit import Visit
from hubcore.codec import cbor
from hubcore.codec.cose import IV_BYTES, KID_BYTES, RSAES_OAEP_SHA256, Aead
from hubcore.errors import SignatureError
from hubcore.phone.messages import decode_to_hub
from hubcore.policy.document import Proven
from hubd.adapters.sqlite.policy import PolicyDatabase

ROOT = Path(__file__).resolve().parent.parent
COLD_ROUNDS = 60
WITHOUT_IFMA = ":~0x200000"
"""OPENSSL_ia32cap: bit 21 of the second vector off (CPUID leaf 7, EBX)."""
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
ECDSA = ec.ECDSA(hashes.SHA256())


@dataclass(slots=True)
class CpuRounds:
    """CPU nanoseconds of each round; `bare` is the bare cryptography of the full path.

    `pkoc` is a visit of a phone that others make, `pkoc_bytes` all its messages.
    """

    bare: list[int] = field(default_factory=list)
    full: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)
    full_steps: dict[str, list[int]] = field(default_factory=dict)
    short_steps: dict[str, list[int]] = field(default_factory=dict)
    bare_parts: dict[str, list[int]] = field(default_factory=dict)
    decoding: dict[str, float] = field(default_factory=dict)
    pkoc: list[int] = field(default_factory=list)
    pkoc_bytes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CpuMedians:
    """Nanoseconds: the bare cryptography of a full open, a full open, a short one."""

    bare: float
    full: float
    short: float


def bare_crypto(key: rsa.RSAPrivateKey) -> dict[str, Callable[[], object]]:
    """Return what a full open needs: one RSA decryption and two signature checks.

    The keys are loaded. The data has the sizes of a real open: a key of 32 bytes, a grant of some
    250 bytes, a request of some 500.
    """
    sealed = key.public_key().encrypt(os.urandom(32), OAEP)
    parts: dict[str, Callable[[], object]] = {
        "RSA-3072 decryption": lambda: key.decrypt(sealed, OAEP)
    }
    for name, size in (("signature of the grant", 250), ("signature of the request", 500)):
        private = ec.generate_private_key(ec.SECP256R1())
        data = os.urandom(size)
        check = private.public_key().verify
        parts[name] = partial(check, private.sign(data, ECDSA), data, ECDSA)
    return parts


def bare_short() -> dict[str, Callable[[], object]]:
    """Return what a short open needs: three keys derived, one seal opened, one made."""
    secret = os.urandom(32)
    salt = os.urandom(32)
    context = os.urandom(60)
    iv = os.urandom(12)
    request = os.urandom(48)
    verdict = os.urandom(80)
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


def cold_and_hot(key: rsa.RSAPrivateKey, rounds: int) -> dict[str, float]:
    """Return the median CPU of decoding one open, in nanoseconds: hot, after RSA, after a sleep.

    The same code costs several times as much when the processor's caches hold something else. So a
    hub's Python weighs more beside one RSA decryption than its own speed suggests.
    """
    recipient = [b"", {1: RSAES_OAEP_SHA256, 4: bytes(KID_BYTES)}, bytes(384)]
    sealed = [Aead.A256GCM.protected, {5: bytes(IV_BYTES)}, bytes(528), [recipient]]
    message = cbor.encode([2, sealed])
    (decrypt, *_) = bare_crypto(key).values()
    before: dict[str, Callable[[], object]] = {
        "decoding one open, again and again": lambda: None,
        "the same after an RSA decryption": decrypt,
        "the same after 20 ms of sleep": lambda: time.sleep(0.02),
    }
    result = {}
    for name, first in before.items():
        times = []
        for _ in range(rounds):
            first()
            times.append(_cpu(lambda: decode_to_hub(message)))
        result[name] = median(times)
    return result


def _add(steps: dict[str, list[int]], ns: dict[str, int]) -> None:
    for name, value in ns.items():
        steps.setdefault(name, []).append(value)


def _no_policy(_document: bytes) -> Proven:
    raise SignatureError("this site has no policy")


async def measure(directory: Path, rounds: int, warm_up: int = 20) -> CpuRounds:
    """Measure `rounds` opens of each kind."""
    result = CpuRounds()
    async with await PolicyDatabase.open(directory / "policy.db", "site-1", _no_policy) as file:
        desk = await make_desk(directory / "site", file)
        pkoc = PkocDesk(desk)
        bare = bare_crypto(desk.epoch_key)
        for index in range(warm_up + rounds):
            if index == warm_up:
                result = CpuRounds()
            parts = {name: _cpu(work) for name, work in bare.items()}
            _add(result.bare_parts, parts)
            result.bare.append(sum(parts.values()))
            await _open(desk, result)
            cost = await pkoc.open()
            result.pkoc.append(cost.ns)
            result.pkoc_bytes.append(cost.carried)
        result.decoding = cold_and_hot(desk.epoch_key, COLD_ROUNDS)
    return result


async def measure_without_ifma(directory: Path, rounds: int) -> CpuMedians | None:
    """Return the medians with OpenSSL's AVX-512 RSA switched off.

    A process of its own measures them. None where the processor has no such instructions.
    """
    if not machine.has(machine.IFMA):
        return None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.cpu", str(directory), str(rounds)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "OPENSSL_ia32cap": WITHOUT_IFMA},
        cwd=ROOT,
    )
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    bare, full, short = json.loads(printed)
    return CpuMedians(bare, full, short)


def main() -> None:
    """Measure and print the medians: `python -m benchmarks.cpu DIRECTORY ROUNDS`."""
    directory = Path(sys.argv[1])
    rounds = asyncio.run(measure(directory, int(sys.argv[2])))
    medians = [median(rounds.bare), median(rounds.full), median(rounds.short)]
    print(json.dumps(medians))


async def _open(desk: Desk, result: CpuRounds) -> None:
    full = Visit(desk)
    await full.open(short=False)
    short = Visit(desk)
    await short.open(short=True)
    result.full.append(full.total_ns)
    result.short.append(short.total_ns)
    _add(result.full_steps, full.ns)
    _add(result.short_steps, short.ns)


def _cpu(work: Callable[[], object]) -> int:
    began = time.thread_time_ns()
    work()
    return time.thread_time_ns() - began


if __name__ == "__main__":
    main()
