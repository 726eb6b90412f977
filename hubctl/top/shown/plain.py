"""What was seen → one line for each change, for a terminal that draws nothing, and for a file.

Laws:
1. A thing has a line when it is first seen, when it changes, and when it has gone.
2. What changes by itself (ages, signal strength) makes no line.
3. While the hub does not answer, one line says so. What it says afterwards is held against what it
   said before.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubctl.show import backend_text, orders_of, troubles, wrong_with
from hubctl.top.shown.boxes import counted_decisions, radio_title
from hubctl.top.shown.seen import Document, Seen
from hubctl.top.shown.spans import Signs, drawable
from hubterm.shapes import listed, mapping, mappings
from hubterm.text import clean, moment

HUBD = "hubd"
Facts = dict[str, str]


class Told:
    """What was said already."""

    def __init__(self, signs: Signs) -> None:
        self._signs = signs
        self._facts: Facts = {}

    def lines(self, seen: Seen, at: float) -> list[str]:
        """Return a line for each change; `at` is Unix time."""
        now = facts(seen)
        if seen.trouble:
            now = self._facts | now
        changes = changed(self._facts, now)
        self._facts = now
        return [drawable(f"{moment(at)}  {change}", self._signs) for change in changes]


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what is to be said, the hub and its problems first."""
    said = [f"{name}: {text}" for name, text in now.items() if before.get(name) != text]
    return said + [f"{name}: gone" for name in before if name not in now]


def facts(seen: Seen) -> Facts:
    """Return what each thing is, by its name, the worst first."""
    if seen.trouble:
        return {HUBD: f"no answer: {seen.trouble}"}
    status = mapping(seen.status)
    made = {HUBD: _hubd(status)}
    for trouble in troubles(status.get("problems")):
        said = f"{trouble.severity}: {trouble.what} What to do: {trouble.remedy}"
        made[f"problem {trouble.id}"] = said
    for door in mappings(status.get("doors")):
        made[f"door {clean(door.get('id'))}"] = _door(door)
    for device in mappings(status.get("devices")):
        made[f"device {clean(device.get('id'))}"] = _device(device)
    made["radio"] = radio_title(status, seen.radio)
    for link in mappings(mapping(seen.radio).get("links")):
        made[f"link {clean(link.get('number'))}"] = clean(link.get("phase")).replace("_", " ")
    for why, count in counted_decisions(seen.measured):
        made[f"decided {why}"] = str(count)
    made["records waiting"] = clean(mapping(status.get("records")).get("waiting"))
    made["backend"] = _backend(status.get("backend"))
    return made


def _hubd(status: Document) -> str:
    ready = "ready" if status.get("ready") is True else "not ready"
    version = clean(status.get("version"))
    return f"{clean(status.get('hub'))} of site {clean(status.get('site'))}, {version}, {ready}"


def _door(door: Document) -> str:
    said = [clean(door.get("state")), clean(door.get("mode")), *wrong_with(door), orders_of(door)]
    return ", ".join(filter(None, said))


def _device(device: Document) -> str:
    said = [clean(device.get("position"))]
    if device.get("level") is not None:
        said.append(f"{clean(device['level'])} %")
    return ", ".join([*said, *map(clean, listed(device.get("faults")))])


def _backend(backend: object) -> str:
    """Say whether it is there; the difference of the clocks changes with each message."""
    known = mapping(backend)
    steady = {key: value for key, value in known.items() if not key.startswith("clock_")}
    return backend_text(steady if known else backend)
