"""The state of the two slots as it lies on the disk: lines of words, the last one a digest.

Laws:
1. A file is written whole or not at all; its last line proves that it was.
2. A file that cannot be read is an error, never an empty state.
3. A line is what a shell can read: a word, a space, and words without spaces.
"""

from __future__ import annotations

import hashlib

from hubcore.errors import StoreError
from hubcore.update.image import Image
from hubcore.update.slots import Doubt, Phase, Slot, Slots

STATE_BYTES_MAX = 8192
_FIRST = "hubd-slots 1"
_BY_PERSON = "by person"
_SUM = "sum "
_DECIMALS = 12


def write_state(slots: Slots) -> bytes:
    """Return the state's file."""
    lines = [
        _FIRST,
        f"well {slots.well}",
        f"phase {slots.phase}",
        f"starts {slots.starts}",
        f"running {_words_of(slots.running)}",
    ]
    if slots.other is not None:
        lines.append(f"other {_words_of(slots.other)}")
    if slots.by_person:
        lines.append(_BY_PERSON)
    if slots.doubt is not None:
        lines.append(f"doubt {slots.doubt.digest.hex()} {slots.doubt.trials}")
    lines += [f"bad {digest.hex()}" for digest in slots.quarantine]
    body = "".join(line + "\n" for line in lines)
    return f"{body}{_SUM}{_sum_of(body)}\n".encode("ascii")


def read_state(data: bytes) -> Slots:
    """Read the state's file. Raise StoreError for anything else."""
    try:
        return _read(_proven(data))
    except (ValueError, IndexError, KeyError) as error:
        raise StoreError(f"the state of the two slots cannot be read: {error}") from error


def _sum_of(body: str) -> str:
    return hashlib.sha256(body.encode("ascii")).hexdigest()


def _proven(data: bytes) -> list[str]:
    """Return the lines but for the last one, which proves them. Raise ValueError."""
    if len(data) > STATE_BYTES_MAX:
        raise ValueError("it is too long")
    body, found, told = data.decode("ascii").rpartition(_SUM)
    if not found or told != _sum_of(body) + "\n":
        raise ValueError("it was not written whole, or was changed")
    return body.splitlines()


def _read(lines: list[str]) -> Slots:
    if lines[0] != _FIRST:
        raise ValueError("it is of another kind")
    bad = [line.removeprefix("bad ") for line in lines if line.startswith("bad ")]
    fields = dict(line.split(" ", 1) for line in lines[1:] if not line.startswith("bad "))
    slots = Slots(
        well=Slot(fields["well"]),
        phase=Phase(fields["phase"]),
        starts=_number(fields["starts"]),
        running=_image(fields["running"]),
        other=_image(fields["other"]) if "other" in fields else None,
        quarantine=tuple(bytes.fromhex(digest) for digest in bad),
        by_person=_BY_PERSON in lines,
        doubt=_doubt(fields["doubt"]) if "doubt" in fields else None,
    )
    again = write_state(slots).decode("ascii").splitlines()[:-1]
    if again != lines:
        raise ValueError("it has lines that no state has")
    return slots


def _words_of(image: Image) -> str:
    return f"{image.name} {image.version} {image.digest.hex()} {image.size}"


def _image(words: str) -> Image:
    name, version, digest, size = words.split(" ")
    return Image(name, version, bytes.fromhex(digest), _number(size))


def _doubt(words: str) -> Doubt:
    digest, trials = words.split(" ")
    return Doubt(bytes.fromhex(digest), _number(trials))


def _number(word: str) -> int:
    """Read a short decimal number. Raise ValueError."""
    if len(word) > _DECIMALS or not (word.isascii() and word.isdigit()):
        raise ValueError("a number is expected")
    return int(word)
