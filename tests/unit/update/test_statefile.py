"""The state of the slots on the disk: what was written is read, and nothing else is."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.errors import StoreError
from hubcore.update.image import IMAGE_BYTES_MAX, Image
from hubcore.update.slots import QUARANTINE_MAX, STARTS_MAX, TRIALS_MAX, Doubt, Phase, Slot, Slots
from hubcore.update.statefile import STATE_BYTES_MAX, read_state, write_state

DIGESTS = st.binary(min_size=32, max_size=32)
IMAGES = st.builds(
    Image,
    name=st.from_regex(r"[a-z0-9][a-z0-9._+~-]{0,99}", fullmatch=True),
    version=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", fullmatch=True),
    digest=DIGESTS,
    size=st.integers(1, IMAGE_BYTES_MAX),
)
STATES = st.builds(
    Slots,
    well=st.sampled_from(Slot),
    running=IMAGES,
    other=IMAGES,
    phase=st.sampled_from(Phase),
    starts=st.integers(0, STARTS_MAX),
    quarantine=st.lists(DIGESTS, max_size=QUARANTINE_MAX).map(tuple),
    doubt=st.none() | st.builds(Doubt, DIGESTS, st.integers(1, TRIALS_MAX - 1)),
)


@given(STATES, st.booleans(), st.booleans())
def test_what_was_written_is_read(slots: Slots, keeps_other: bool, by_person: bool) -> None:
    slots = replace(slots, by_person=by_person and slots.phase is not Phase.RESTING)
    if slots.phase is Phase.RESTING and not keeps_other:
        slots = replace(slots, other=None)
    written = write_state(slots)
    assert len(written) <= STATE_BYTES_MAX
    assert read_state(written) == slots


@given(STATES, st.data())
def test_a_file_that_was_cut_or_changed_is_an_error(slots: Slots, data: st.DataObject) -> None:
    written = write_state(slots)
    end = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(StoreError):
        read_state(written[:end])
    at = data.draw(st.integers(0, len(written) - 1))
    flipped = written[at] ^ (1 << data.draw(st.integers(0, 7)))
    with pytest.raises(StoreError):
        read_state(written[:at] + bytes([flipped]) + written[at + 1 :])


@given(st.binary(max_size=STATE_BYTES_MAX + 10))
def test_bytes_of_any_kind_are_an_error(data: bytes) -> None:
    with pytest.raises(StoreError):
        read_state(data)


WELL = write_state(Slots(well=Slot.A, running=Image("a", "1", b"\x01" * 32, 5))).decode()
BODY = WELL[: WELL.index("sum ")]


@pytest.mark.parametrize(
    "body",
    [
        "",
        BODY.replace("hubd-slots 1", "hubd-slots 2"),
        BODY.replace("well A", "well C"),
        BODY.replace("phase resting", "phase trial"),
        BODY.replace("starts 0", "starts 00"),
        BODY.replace("starts 0", "starts 9"),
        BODY.replace("starts 0", "starts -1"),
        BODY.replace("starts 0", "starts " + "1" * 5000),
        BODY.replace("running a", "running ../a"),
        BODY.replace("running a 1 ", "running a "),
        BODY + "else 1\n",
        BODY + "by person\n",
        BODY + "by nobody\n",
        BODY + "doubt " + "0" * 64 + " 0\n",
        BODY + "doubt " + "0" * 64 + " 3\n",
        BODY + "doubt " + "0" * 62 + " 1\n",
        BODY + "well A\n",
        BODY + "bad " + "0" * 62 + "\n",
        "\n".join(reversed(BODY.splitlines())) + "\n",
    ],
)
def test_a_whole_file_that_says_no_state_is_an_error(body: str) -> None:
    whole = f"{body}sum {hashlib.sha256(body.encode()).hexdigest()}\n"
    with pytest.raises(StoreError):
        read_state(whole.encode())
