"""Messages: each has one encoding and one size, and everything else is a FrameError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.codec.cose import DIRECT, Aead
from hubcore.errors import FrameError
from hubcore.phone import messages as m

IV = bytes(12)
KID = bytes(8)
TICKET = bytes(16)
AEADS = st.sampled_from(Aead)
OPS = st.binary(min_size=8, max_size=8)
POINTS = st.integers(0, 2**32 - 1)
TIMES = st.integers(0, 2**32 - 1)


def _blob(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


TO_HUB = st.one_of(
    st.just(m.GetEpoch()),
    st.builds(
        m.Open,
        AEADS,
        _blob(12),
        st.binary(max_size=300),
        _blob(8),
        st.sampled_from([b"k" * 256, b"k" * 384]),
    ),
    st.builds(m.Resume, AEADS, _blob(12), _blob(64), _blob(16)),
)
TO_PHONE = st.one_of(
    st.builds(m.Error, st.sampled_from(m.ErrorCode)),
    st.builds(m.EpochAnswer, st.binary(max_size=60), st.binary(max_size=60)),
    st.builds(m.VerdictMessage, AEADS, _blob(12), _blob(96)),
    st.builds(m.StateMessage, AEADS, _blob(12), _blob(72)),
)
TICKETS = st.none() | st.builds(m.NewTicket, _blob(16), TIMES)
VERDICTS = st.builds(
    m.Verdict,
    OPS,
    st.booleans(),
    st.sampled_from(m.Reason),
    st.sampled_from(m.DoorState),
    TIMES,
    TICKETS,
)
STATES = st.builds(
    m.State, st.integers(1, 0xFFFF), OPS, POINTS, st.sampled_from(m.DoorState), TIMES
)
RESUMES = st.builds(m.ResumeRequest, OPS, POINTS, st.sampled_from(m.Action))


@given(TO_HUB)
@settings(max_examples=80, deadline=None)
def test_what_a_phone_says_comes_through(message: m.ToHub) -> None:
    assert m.decode_to_hub(m.encode_to_hub(message)) == message


@given(TO_PHONE)
@settings(max_examples=80, deadline=None)
def test_what_a_hub_says_comes_through(message: m.ToPhone) -> None:
    assert m.decode_to_phone(m.encode_to_phone(message)) == message


@given(VERDICTS)
@settings(max_examples=120, deadline=None)
def test_a_verdict_has_80_bytes_whatever_it_says(verdict: m.Verdict) -> None:
    data = m.encode_verdict(verdict)
    assert len(data) == 80
    assert m.decode_verdict(data) == verdict


@given(STATES)
@settings(max_examples=80, deadline=None)
def test_a_state_has_56_bytes_whatever_it_says(state: m.State) -> None:
    data = m.encode_state(state)
    assert len(data) == 56
    assert m.decode_state(data) == state


@given(RESUMES)
@settings(max_examples=80, deadline=None)
def test_a_resume_request_has_48_bytes_whatever_it_says(request: m.ResumeRequest) -> None:
    data = m.encode_resume_request(request)
    assert len(data) == 48
    assert m.decode_resume_request(data) == request


@given(OPS, POINTS, st.sampled_from(m.Action), _blob(32), st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_a_request_comes_through(
    op: bytes, point: int, action: m.Action, secret: bytes, grant: bytes
) -> None:
    request = m.Request(grant, op, point, action, secret)
    padded = m.pad(request.encode(), 6, m.PAD_REQUEST)
    assert len(padded) % m.PAD_REQUEST == 0
    assert m.decode_request(padded) == request


@given(
    st.dictionaries(st.integers(0, 5), st.binary(max_size=70), max_size=4),
    st.sampled_from([48, 56, 80, 256]),
)
@settings(max_examples=120, deadline=None)
def test_padding_reaches_its_multiple_with_zeros(fields: dict[int, bytes], multiple: int) -> None:
    data = m.pad(dict(sorted(fields.items())), 6, multiple)
    assert len(data) % multiple == 0
    value = cbor.decode(data)
    assert not any(value.pop(6))
    assert value == fields


def test_sizes_are_what_the_protocol_says() -> None:
    challenge = m.Challenge(bytes(4), bytes(16), KID, KID).encode()
    assert len(challenge) == m.CHALLENGE_BYTES == 42
    assert m.decode_challenge(challenge) == m.Challenge(bytes(4), bytes(16), KID, KID)
    assert m.encode_to_hub(m.GetEpoch()) == b"\x81\x01"
    assert len(m.encode_to_hub(m.Resume(Aead.A256GCM, IV, bytes(64), TICKET))) <= m.RESUME_BYTES_MAX
    sealed = {len(m.encode_to_phone(m.VerdictMessage(aead, IV, bytes(96)))) for aead in Aead}
    assert len(sealed) == 1


@pytest.mark.parametrize("code", m.ErrorCode)
def test_an_error_is_three_bytes(code: m.ErrorCode) -> None:
    assert m.encode_to_phone(m.Error(code)) == bytes([0x82, 0, code])


def _open(**changes: Any) -> list[Any]:
    parts: dict[str, Any] = {
        "protected": Aead.A256GCM.protected,
        "unprotected": {5: IV},
        "ciphertext": bytes(32),
    }
    parts |= {"recipients": [[b"", {1: -41, 4: KID}, bytes(384)]]}
    return [2, list({**parts, **changes}.values())]


def _resume(**changes: Any) -> list[Any]:
    parts: dict[str, Any] = {
        "protected": Aead.A256GCM.protected,
        "unprotected": {5: IV},
        "ciphertext": bytes(64),
    }
    return [3, list({**parts, "recipients": [[DIRECT, {4: TICKET}, b""]], **changes}.values())]


BAD_TO_HUB: list[Any] = [
    None, 0, [], {}, b"", "", [0], [4], [1, 1], [2], [3], [2, []], [3, None], [[1]], {1: 2},
    [2, {}], [2, b""],
    [2, _open()[1][:3]], [2, [*_open()[1], 0]], [*_open(), 0], [3, _open()[1]], [2, _resume()[1]],
    _open(protected=b""), _open(protected=b"\xa0"), _open(protected=cbor.encode({1: 4})),
    _open(protected="x"),
    _open(protected=cbor.encode({1: 3, 2: [1]})), _open(unprotected={}),
    _open(unprotected={5: bytes(11)}),
    _open(unprotected={5: bytes(13)}), _open(unprotected={5: IV, 6: b""}),
    _open(unprotected={5: 0}),
    _open(unprotected={6: IV}), _open(ciphertext=None), _open(ciphertext=[]), _open(recipients=[]),
    _open(recipients=[[b"", {1: -41, 4: KID}, bytes(384)]] * 2),
    _open(recipients=[[b"", {1: -41}, bytes(384)]]),
    _open(recipients=[[b"", {1: -40, 4: KID}, bytes(384)]]),
    _open(recipients=[[b"\xa0", {1: -41, 4: KID}, bytes(384)]]),
    _open(recipients=[[b"", {1: -41, 4: bytes(7)}, bytes(384)]]),
    _open(recipients=[[b"", {1: -41, 4: KID}, bytes(383)]]),
    _open(recipients=[[b"", {1: -41, 4: KID, 5: 0}, bytes(384)]]),
    _open(recipients=[[b"", {1: -41, 4: KID}, b""]]),
    _open(recipients=[[b"", {1: -41, 4: KID}, bytes(384), []]]), _open(recipients=[b""]),
    _open(recipients=None),
    _resume(recipients=[[DIRECT, {4: bytes(15)}, b""]]), _resume(recipients=[[DIRECT, {}, b""]]),
    _resume(recipients=[[DIRECT, {4: TICKET}, b"\x00"]]),
    _resume(recipients=[[b"", {4: TICKET}, b""]]),
    _resume(recipients=[[DIRECT, {1: -10, 4: TICKET}, b""]]), _resume(ciphertext=bytes(161)),
]  # fmt: skip


@pytest.mark.parametrize("value", BAD_TO_HUB, ids=lambda value: repr(value)[:60])
def test_what_is_no_message_to_a_hub(value: Any) -> None:
    with pytest.raises(FrameError):
        m.decode_to_hub(cbor.encode(value))


BAD_TO_PHONE: list[Any] = [
    None, [], [0], [0, 0], [0, 7], [0, -1], [0, 1, 1], [0, "1"], [1], [1, b""], [1, b"", b"", b""],
    [1, "", b""],
    [4, []], [2, _open()[1]], [3, _resume()[1]],
    [2, _resume(recipients=[[DIRECT, {}, b""]] * 2)[1]],
    [2, _resume(recipients=[[DIRECT, {4: TICKET}, b""]])[1]],
    [2, _resume(recipients=[[b"\xa0", {}, b""]])[1]],
]  # fmt: skip


@pytest.mark.parametrize("value", BAD_TO_PHONE, ids=lambda value: repr(value)[:60])
def test_what_is_no_message_to_a_phone(value: Any) -> None:
    with pytest.raises(FrameError):
        m.decode_to_phone(cbor.encode(value))


@pytest.mark.parametrize(
    "value",
    [
        [2, bytes(4), bytes(16), KID, KID],
        [1, bytes(3), bytes(16), KID, KID],
        [1, bytes(4), bytes(17), KID, KID],
        [1, bytes(4), bytes(16), KID],
        [1, bytes(4), bytes(16), KID, KID, 0],
        [1, "1234", bytes(16), KID, KID],
        {},
        1,
    ],
)
def test_what_is_no_challenge(value: Any) -> None:
    with pytest.raises(FrameError):
        m.decode_challenge(cbor.encode(value))


def test_a_message_over_4096_bytes_is_refused_before_it_is_read() -> None:
    for decode in (m.decode_to_hub, m.decode_to_phone):
        with pytest.raises(FrameError, match="4096"):
            decode(b"\x81" * 4097)


def _changed(data: bytes, label: int, value: Any) -> bytes:
    fields = cbor.decode(data)
    if value is ...:
        del fields[label]
    else:
        fields[label] = value
    return cbor.encode(fields)


OP = bytes(8)
PLAINTEXTS: dict[str, tuple[bytes, Callable[[bytes], object], list[tuple[int, Any]]]] = {
    "request": (
        cbor.encode({**m.Request(b"grant", OP, 1, m.Action.OPEN, bytes(32)).encode(), 6: b""}),
        m.decode_request,
        [
            (2, bytes(7)),
            (3, -1),
            (3, 2**32),
            (4, 0),
            (4, 5),
            (5, bytes(31)),
            (6, None),
            (7, 0),
            (1, []),
        ],
    ),
    "resume": (
        m.encode_resume_request(m.ResumeRequest(OP, 1, m.Action.OPEN)),
        m.decode_resume_request,
        [(2, bytes(9)), (3, -1), (4, 9), (6, bytes(1)), (1, 0)],
    ),
    "verdict": (
        m.encode_verdict(
            m.Verdict(OP, True, m.Reason.OK, m.DoorState.OPEN, 1, m.NewTicket(TICKET, 1))
        ),
        m.decode_verdict,
        [
            (1, 1),
            (2, b""),
            (3, 2),
            (4, 11),
            (5, 7),
            (6, -1),
            (7, []),
            (7, [bytes(15), 1]),
            (7, [TICKET, -1]),
            (9, 0),
        ],
    ),
    "state": (
        m.encode_state(m.State(1, OP, 1, m.DoorState.OPEN, 1)),
        m.decode_state,
        [(1, 0), (1, 0x10000), (2, b""), (3, -1), (5, 7), (6, -1), (7, 0)],
    ),
}


@pytest.mark.parametrize("kind", PLAINTEXTS)
def test_a_plaintext_has_exactly_its_members(kind: str) -> None:
    data, decode, wrong = PLAINTEXTS[kind]
    decode(data)
    for label in cbor.decode(data):
        with pytest.raises(FrameError):
            decode(_changed(data, label, ...))
    for label, value in wrong:
        with pytest.raises(FrameError):
            decode(_repadded(kind, _changed(data, label, value)))


def _repadded(kind: str, data: bytes) -> bytes:
    """Give a changed plaintext its right size again, so that its size is not the reason."""
    label, size = {"request": (6, 1), "resume": (6, 48), "verdict": (8, 80), "state": (8, 56)}[kind]
    fields = cbor.decode(data)
    if not isinstance(fields.get(label), bytes) or kind == "request" or fields[label] == bytes(1):
        return data
    return m.pad({k: v for k, v in fields.items() if k != label}, label, size)


@given(st.binary(max_size=120))
@settings(max_examples=250, deadline=None)
def test_bytes_are_a_message_or_a_frame_error(data: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [
        m.decode_to_hub,
        m.decode_to_phone,
        m.decode_challenge,
    ]
    readers += [m.decode_request, m.decode_resume_request, m.decode_verdict, m.decode_state]
    for read in readers:
        try:
            read(data)
        except FrameError:
            continue


@given(TO_HUB, st.integers(0), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_a_changed_message_is_another_or_a_frame_error(
    message: m.ToHub, at: int, change: int
) -> None:
    data = bytearray(m.encode_to_hub(message))
    data[at % len(data)] ^= change
    try:
        other = m.decode_to_hub(bytes(data))
    except FrameError:
        return
    assert other != message
    assert m.encode_to_hub(other) == bytes(data)


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A right encoding with one part cut out, put in or changed."""
    data = draw(whole)
    at = draw(st.integers(0, len(data)))
    end = draw(st.integers(at, min(len(data), at + 4)))
    return data[:at] + draw(st.binary(max_size=4)) + data[end:]


@given(mutated(TO_HUB.map(m.encode_to_hub)))
@settings(max_examples=400, deadline=None)
def test_a_message_to_a_hub_has_one_encoding(data: bytes) -> None:
    """What a reader takes is what its writer writes, byte for byte."""
    try:
        read = m.decode_to_hub(data)
    except FrameError:
        return
    assert m.encode_to_hub(read) == data


REQUESTS = st.builds(
    m.Request, st.binary(max_size=60), OPS, POINTS, st.sampled_from(m.Action), _blob(32)
)


@given(mutated(REQUESTS.map(lambda request: m.pad(request.encode(), 6, m.PAD_REQUEST))))
@settings(max_examples=400, deadline=None)
def test_a_request_has_one_encoding_but_for_its_padding(data: bytes) -> None:
    try:
        read = m.decode_request(data)
    except FrameError:
        return
    assert cbor.encode({**read.encode(), 6: cbor.decode(data)[6]}) == data


@given(mutated(RESUMES.map(m.encode_resume_request)))
@settings(max_examples=400, deadline=None)
def test_a_resume_request_has_one_encoding_but_for_its_padding(data: bytes) -> None:
    try:
        read = m.decode_resume_request(data)
    except FrameError:
        return
    fields = {2: read.op, 3: read.access_point, 4: int(read.action), 6: cbor.decode(data)[6]}
    assert cbor.encode(fields) == data
