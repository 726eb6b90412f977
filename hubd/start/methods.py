"""The methods of dataclasses, compiled once: `python -m hubd.start.methods` beside Python's files.

`dataclasses` writes the methods of a class as text, and compiles that each time the class is made.
hubd has some 400 such classes: that is two fifths of the time until it is loaded. So an
installation compiles these texts, and a start takes them from a file.

Laws:
1. A text that is not in the file is compiled as ever. A file that is missing, old, cut off or
   another Python's costs time and nothing else.
2. The file lies among Python's own compiled files, and is believed as they are: whoever may change
   one of them may change hubd.
3. The file is the same for the same texts, so that two builds of an image do not differ.
"""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import marshal
import os
import sys
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType
from typing import Any

FILE = Path(__file__).parent / "__pycache__" / f"methods.{sys.implementation.cache_tag}.marshal"
LOADED = ("hubd.__main__", "hubd.adapters.bluez.adapter_session")
"""What a start loads."""
_EXEC = "exec"
_MARSHAL_VERSION = 2
"""Later ones show how often an object is used elsewhere, which differs from run to run (law 3)."""

Methods = Mapping[str, CodeType]
"""Texts, and what they are compiled to."""


def use(file: Path = FILE, namespace: dict[str, Any] | None = None) -> None:
    """Have `dataclasses` take its methods from the file from now on.

    `namespace` is another module's in a test. Nobody is replaced who collects methods.
    """
    names = vars(dataclasses) if namespace is None else namespace
    methods = read(file)
    if _EXEC in names or not methods:
        return

    def take(text: str, *scopes: dict[str, Any]) -> None:
        builtins.exec(methods.get(text) or _compiled(text), *scopes)  # noqa: S102 - law 2

    names[_EXEC] = take


def collect(namespace: dict[str, Any] | None = None) -> dict[str, CodeType]:
    """Return what is filled from now on with each text that `dataclasses` compiles."""
    names = vars(dataclasses) if namespace is None else namespace
    found: dict[str, CodeType] = {}

    def note(text: str, *scopes: dict[str, Any]) -> None:
        found[text] = _compiled(text)
        builtins.exec(found[text], *scopes)  # noqa: S102 - as `dataclasses` does

    names[_EXEC] = note
    return found


def _compiled(text: str) -> CodeType:
    """Compile as `dataclasses` does, which shares no `from __future__` with this module."""
    return compile(text, "<string>", _EXEC, dont_inherit=True)


def read(file: Path) -> Methods:
    """Return what is in the file, nothing when it is none of this Python's."""
    try:
        data = file.read_bytes()
        if not data.startswith(MAGIC_NUMBER):
            return {}
        methods = marshal.loads(data[len(MAGIC_NUMBER) :])  # noqa: S302 - law 2
    except (OSError, EOFError, ValueError, TypeError):
        return {}
    return methods if isinstance(methods, dict) else {}


def write(methods: Methods, file: Path) -> None:
    """Write the file, whole or not at all."""
    in_order = {text: methods[text] for text in sorted(methods)}
    file.parent.mkdir(exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.write_bytes(MAGIC_NUMBER + marshal.dumps(in_order, _MARSHAL_VERSION))
    part.replace(file)


def main() -> None:
    """Write the file for what a start loads."""
    methods = collect()
    for name in LOADED:
        importlib.import_module(name)
    write(methods, Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)


if __name__ == "__main__":
    main()
