"""hubctl in the hands of a user who owns nothing on this machine.

Laws:
1. All that hubctl itself opens, it opens as that user.
2. What Python imports, it imports as root: its own folder may lie where that user may not look.
"""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import builtins, importlib, os, sys

SOMEBODY = 4711

def as_root(importing):
    def imported(*words, **more):
        who = os.geteuid()
        os.seteuid(0)
        try:
            return importing(*words, **more)
        finally:
            os.seteuid(who)
    return imported

from hubctl.main import hubctl
builtins.__import__ = as_root(builtins.__import__)
importlib.import_module = as_root(importlib.import_module)
os.setgroups([])
os.setresgid(SOMEBODY, SOMEBODY, SOMEBODY)
os.setresuid(SOMEBODY, SOMEBODY, 0)
hubctl(sys.argv[1:])
"""


def hubctl_as_somebody(*words: str) -> subprocess.CompletedProcess[str]:
    """Run hubctl with these words; the caller has to be root."""
    return subprocess.run(
        [sys.executable, "-c", _SCRIPT, *words], check=False, capture_output=True, text=True
    )
