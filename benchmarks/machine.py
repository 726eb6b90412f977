"""The class of the machine: what a reader needs to judge a figure, nothing that names it."""

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
    processor = platform.machine()
    if has(IFMA):
        processor += " with AVX-512 IFMA"
    major, minor = platform.release().split(".")[:2]
    about = {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": processor,
        "kernel": f"{major}.{minor}",
        "Python": platform.python_version(),
        "OpenSSL": backend.openssl_version_text().split()[1],
        "load before": f"{os.getloadavg()[0]:.1f}",
        "SQLite": sqlite3.sqlite_version,
    }
    return about | {name: metadata.version(name) for name in LIBRARIES}


def has(flag: str) -> bool:
    """Tell whether the processor has a feature.

    OpenSSL's RSA is some three times as fast with AVX-512 IFMA.
    """
    try:
        with open("/proc/cpuinfo") as about:
            lines = about.readlines()
    except OSError:
        return False
    return any(flag in line.split() for line in lines if line.startswith("flags"))
