"""`hubd --show-config`: the settings that a start would use, each with where its value came from.

Law: keys are shown by the name of their file, never by what it holds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hubd.config.file import load, written
from hubd.config.keys import KeyFile
from hubd.start.checkconfig import unit

FILE = "file"
DEFAULT = "default"
_NOT_WRITTEN = object()


class Setting(NamedTuple):
    """One value, the key that it has in the file, and where it came from."""

    key: str
    value: Any
    source: str


def show(path: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return the settings as one JSON document. Raise ConfigError for a file that is refused."""
    handing = {"CREDENTIALS_DIRECTORY": unit.CREDENTIALS_DIRECTORY, **environment}
    config = msgspec.to_builtins(load(path, handing), enc_hook=_plain)
    settings = effective(config, written(path))
    rows = [{"key": one.key, "value": one.value, "from": one.source} for one in settings]
    return json.dumps({"file": str(path), "settings": rows})


def _plain(value: object) -> str:
    return value.place if isinstance(value, KeyFile) else str(value)


def effective(value: Any, given: Any, key: str = "") -> Iterator[Setting]:
    """Yield each setting below a key; `given` is what the file has there."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            inner = given.get(name, _NOT_WRITTEN) if isinstance(given, dict) else _NOT_WRITTEN
            yield from effective(item, inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            inner = given[index] if isinstance(given, list) else _NOT_WRITTEN
            yield from effective(item, inner, f"{key}[{index}]")
    else:
        yield Setting(key, value, DEFAULT if given is _NOT_WRITTEN else FILE)
