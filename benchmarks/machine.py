"""The class of the machine: what a reader needs to judge a figure, and nothing that names this
machine.
"""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Mapping
from importlib import metadata

from cryptography.hazmat.backends.openssl import backend

IFMA = "avx512ifma"
LIBRARIES = ("cryptography", "cbor2", "pyzmq", "msgspec", "structlog", "bumble")


def describe() -> Mapping[str, str]:
    """Return cores, processor family, kernel, Python and library versions."""
    about = {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": f"{platform.machine()}{' with AVX-512 IFMA' if has(IFMA) else ''}",
        "kernel": ".".join(platform.release().split(".")[:2]),
        "Python": platform.python_version(),
        "OpenSSL": backend.openssl_version_text().split()[1],
        "load before": f"{os.getloadavg()[0]:.1f}",
        "SQLite": sqlite3.sqlite_version,
    }
    return about | {name: metadata.version(name) for name in LIBRARIES}


def has(flag: str) -> bool:
    """Tell whether the processor has a feature; OpenSSL's RSA is some three times as fast with
    AVX-512 IFMA.
    """
    try:
        with open("/proc/cpuinfo") as about:
            return any(flag in line.split() for line in about if line.startswith("flags"))
    except OSError:
        return False
