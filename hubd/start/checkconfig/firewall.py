"""Whether a firewall of this machine lets nothing out to the backend, by its files.

Laws:
1. Files alone are read: which rules are in force takes root, and `hubctl netcheck` shows whether
   the way is open.
2. What this user may not read is `unknown`, never taken for a rule that lets it out.
3. A machine without ufw and without a rule set that drops what goes out has no such check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from hubcore.checks import Area, CheckId
from hubd.config.file import Config
from hubd.wiring.look.finding import Finding, FindingKind, fact, found

ABOUT = "firewall"
FILE_CHARACTERS_MAX = 1 << 18
UFW = "etc/ufw/ufw.conf"
UFW_DEFAULTS = "etc/default/ufw"
UFW_RULES = "etc/ufw/user.rules"
NFTABLES = "etc/nftables.conf"
OpenFile = Callable[..., IO[str]]
_CHAIN = re.compile(r"chain\s+\S+\s*\{((?:[^{}]|\{[^{}]*\})*)\}", re.ASCII)
_NO_COMMENT = re.compile(r"#[^\n]*")


class _Files:
    """The files below a root; `open_file` opens one as `Path.open` does."""

    def __init__(self, root: Path, open_file: OpenFile) -> None:
        self._root = root
        self._open = open_file

    def setting(self, place: str, name: str) -> str:
        """Return the last value of a shell assignment, without its quotes; '' for none."""
        values = re.findall(rf"^{name}=[\"']?([A-Za-z]*)", self.text(place), re.M)
        return values[-1] if values else ""

    def text(self, place: str) -> str:
        """Return what a file holds, '' where there is none. Raise PermissionError."""
        try:
            with self._open(self._root / place, encoding="utf-8", errors="replace") as opened:
                return opened.read(FILE_CHARACTERS_MAX)
        except PermissionError:
            raise
        except OSError:
            return ""


def look(config: Config, root: Path, open_file: OpenFile = Path.open) -> Iterator[Finding]:
    """Yield what the files of a firewall say of the way to each port of the backend."""
    if config.backend is None:
        return
    files = _Files(root, open_file)
    ports = sorted({int(str(place).rpartition(":")[2]) for place in config.backend.places})
    try:
        for port in ports:
            yield from _ufw(port, files)
            yield from _nftables(port, files)
    except PermissionError as error:
        text = f"{error.filename} cannot be read; hubctl netcheck shows whether the way is open"
        yield Finding(FindingKind.UNKNOWN, ABOUT, text, CheckId.FIREWALL_DROPS, Area.CONNECTIVITY)


def _ufw(port: int, files: _Files) -> Iterator[Finding]:
    if files.setting(UFW, "ENABLED") != "yes":
        return
    if files.setting(UFW_DEFAULTS, "DEFAULT_OUTPUT_POLICY") not in ("DROP", "REJECT"):
        yield fact(ABOUT, "ufw is on, and lets out what goes out")
    elif re.search(rf"^### tuple ### allow (?:tcp|any) {port} .* out", files.text(UFW_RULES), re.M):
        yield fact(ABOUT, f"ufw lets port {port} out")
    else:
        how = f"type: sudo ufw allow out {port}/tcp"
        file = f"/{UFW_DEFAULTS}"
        yield found(CheckId.FIREWALL_DROPS, ABOUT, file=file, port=port, how=how)


def _nftables(port: int, files: _Files) -> Iterator[Finding]:
    """Look for a chain of /etc/nftables.conf that drops all but what its rules name."""
    text = _NO_COMMENT.sub("", files.text(NFTABLES))
    for chain in _CHAIN.findall(text):
        if not re.search(r"hook\s+output[^;]*;\s*policy\s+drop", chain):
            continue
        if re.search(rf"\b{port}\b[^\n]*accept", chain):
            yield fact(ABOUT, f"/{NFTABLES} lets port {port} out")
            continue
        how = f"let tcp dport {port} out there, and type: sudo systemctl reload nftables"
        yield found(CheckId.FIREWALL_DROPS, ABOUT, file=f"/{NFTABLES}", port=port, how=how)
