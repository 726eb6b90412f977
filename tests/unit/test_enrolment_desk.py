"""The backend's enrolment desk: one token, one machine, and a power cut at each durable step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import (
    Ask,
    Enrolled,
    FromBackend,
    Refused,
    RefusedCause,
    Waiting,
)
from hubcore.backend.enrolment.promise import ASKS, Signed
from hubcore.backend.enrolment.token import TOKEN_SECONDS, read_token
from hubcore.codec import cbor
from hubsim.backend.admission.keyring import HubFiles
from hubsim.backend.admission.zap import Gate
from hubsim.durable import write_durably
from hubsim.enrolment.book import Write
from hubsim.enrolment.desk import Desk
from tests.newhub import NewHub, Signer

SIGNER = Signer()
OTHER = Signer()
SITE = SIGNER.of_site()
NOON = 1_000_000.0


class Cut(BaseException):
    """The power is gone."""


class Machine(NewHub):
    """A machine that wants to be a hub."""

    def asks(self, token: str, version: int = messages.VERSION) -> bytes:
        """Its question."""
        return messages.encode(self.ask(read_token(token).secret, version))

    def signed(self, *points: int, hub: str = "hub-a") -> Signed:
        """What issuer and authority sign for it."""
        return SIGNER.sign_for(self, *points, hub=hub)


class Backend:
    """A desk with its files; it may be started again at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "hubs").mkdir()
        self.now = NOON
        self.archived: list[str] = []
        self.write: Write = write_durably
        self.start()

    def start(self) -> None:
        """Read everything from the disk again."""
        self.gate = Gate(HubFiles(self.path / "hubs"), self.path / "revoked")
        self.desk = Desk(
            directory=self.path,
            of_site=SITE,
            public=bytes(32),
            gate=self.gate,
            revoke=self.gate.revoke,
            begin_again=self.archived.append,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
            write=lambda path, text: self.write(path, text),
        )

    def token(self, hub: str = "hub-a", replaces: bool = False) -> str:
        """A new token for a hub with one door."""
        return self.desk.promise(hub, {10: "Front door"}, "Europe/Berlin", replaces)

    def hear(self, machine: Machine, token: str) -> FromBackend | None:
        """What it answers."""
        return self.desk.answer(machine.asks(token), machine.curve)

    def known(self) -> dict[str, str]:
        """Key by hub."""
        return {hub: key for key, hub in self.gate.hubs.items()}


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


def test_a_machine_waits_for_its_operator_and_is_then_a_hub(backend: Backend) -> None:
    token = backend.token()
    machine = Machine()
    assert backend.hear(machine, token) == Waiting("acme", "hub-a")
    assert backend.known() == {}
    backend.desk.approve("hub-a", machine.signed(10))
    answer = backend.hear(machine, token)
    assert isinstance(answer, Enrolled)
    entry = backend.desk.book.entries["hub-a"]
    assert answer.certificate.hex() == entry.certificate
    assert answer.tls_certificate.hex() == entry.tls_certificate
    assert answer.tls_authority == SITE.tls_authority
    assert backend.known() == {"hub-a": machine.curve}


def test_no_file_holds_the_secret(backend: Backend) -> None:
    """book, law 1"""
    token = backend.token()
    backend.hear(Machine(), token)
    secret = read_token(token).secret
    for path in backend.path.rglob("*.json"):
        assert secret.hex() not in path.read_text()
        assert token not in path.read_text()


def test_a_token_is_for_one_machine_alone(backend: Backend) -> None:
    """book, law 2"""
    token = backend.token()
    first = Machine()
    backend.hear(first, token)
    assert backend.hear(Machine(), token) == Refused(RefusedCause.USED, "")
    for kept in ("identity", "tls"):
        half = Machine()
        setattr(half, kept, getattr(first, kept))
        assert backend.hear(half, token) == Refused(RefusedCause.USED, "")
    other_tls = Machine()
    other_tls.identity = first.identity
    other_tls.curve = first.curve
    assert backend.hear(other_tls, token) == Refused(RefusedCause.USED, "")
    backend.start()
    assert backend.hear(Machine(), token) == Refused(RefusedCause.USED, "")
    assert isinstance(backend.hear(first, token), Waiting)


def test_a_token_ends_after_its_day_unless_it_was_used(backend: Backend) -> None:
    """book, law 3"""
    used = backend.token("hub-a")
    unused = backend.token("hub-b")
    machine = Machine()
    backend.hear(machine, used)
    backend.now += TOKEN_SECONDS - 1
    assert isinstance(backend.hear(Machine(), backend.token("hub-c")), Waiting)
    backend.now += 1
    assert backend.hear(Machine(), unused) == Refused(RefusedCause.UNKNOWN, "")
    assert isinstance(backend.hear(machine, used), Waiting)


def test_a_new_token_takes_the_place_of_the_older_one(backend: Backend) -> None:
    """book, law 4"""
    old = backend.token()
    new = backend.token()
    assert backend.hear(Machine(), old) == Refused(RefusedCause.UNKNOWN, "")
    assert isinstance(backend.hear(Machine(), new), Waiting)


def test_refused_is_refused_until_there_is_another_token(backend: Backend) -> None:
    token = backend.token()
    machine = Machine()
    backend.hear(machine, token)
    backend.desk.book.refuse("hub-a")
    assert backend.hear(machine, token) == Refused(RefusedCause.REFUSED, "")
    with pytest.raises(ValueError, match="was refused"):
        backend.desk.approve("hub-a", machine.signed(10))
    assert isinstance(backend.hear(machine, backend.token()), Waiting)


def test_another_version_and_a_wrong_proof_have_their_own_answers(backend: Backend) -> None:
    token = backend.token()
    machine = Machine()
    answer = backend.desk.answer(machine.asks(token, version=messages.VERSION + 1), machine.curve)
    assert answer == Refused(RefusedCause.VERSION, "")
    older = cbor.encode([Ask.TYPE, 1, bytes(10), b"\xa0", bytes(64), "hubd"])
    assert backend.desk.answer(older, machine.curve) == Refused(RefusedCause.VERSION, "")
    stranger = Machine()
    answer = backend.desk.answer(machine.asks(token), stranger.curve)
    assert answer == Refused(RefusedCause.PROOF, "")
    assert backend.desk.answer(b"\x83\x01", machine.curve) is None
    assert isinstance(backend.hear(stranger, token), Waiting), "neither has used the token"


def test_guesses_have_a_pace(backend: Backend) -> None:
    """desk, law 2"""
    folder = backend.path / "other"
    folder.mkdir()
    foreign = Backend(folder).token()
    causes = []
    for _ in range(int(ASKS.burst) + 5):
        answer = backend.hear(Machine(), foreign)
        assert isinstance(answer, Refused)
        causes.append(answer.cause)
    assert causes == [RefusedCause.UNKNOWN] * int(ASKS.burst) + [RefusedCause.BUSY] * 5
    backend.now += 1
    assert backend.hear(Machine(), foreign) == Refused(RefusedCause.UNKNOWN, "")


@pytest.mark.parametrize(
    ("document", "part"),
    [
        (lambda machine: replace(machine.signed(10), certificate=b"\xff"), "no certificate of the"),
        (lambda machine: replace(machine.signed(10), tls_certificate=b"\xff"), "no certificate"),
        (lambda machine: OTHER.sign_for(machine, 10), "no certificate of the site's issuer"),
        (
            lambda machine: replace(
                machine.signed(10), tls_certificate=OTHER.sign_for(machine, 10).tls_certificate
            ),
            "not a client's certificate of this authority",
        ),
        (
            lambda machine: replace(
                machine.signed(10), tls_certificate=machine.signed(10, hub="hub-b").tls_certificate
            ),
            "not for spiffe://acme/hub/hub-a alone",
        ),
        (
            lambda machine: replace(
                machine.signed(10), tls_certificate=Machine().signed(10).tls_certificate
            ),
            "not for the key that hub-a asked with",
        ),
        (lambda machine: machine.signed(11), "has not all access points"),
        (lambda machine: machine.signed(10, hub="hub-b"), "not for the keys"),
        (lambda machine: Machine().signed(10), "not for the keys"),
    ],
)
def test_a_certificate_that_does_not_fit_is_not_taken(
    backend: Backend, document: Callable[[Machine], Signed], part: str
) -> None:
    """desk, law 1"""
    machine = Machine()
    with pytest.raises(ValueError, match="no machine has asked"):
        backend.desk.approve("hub-a", machine.signed(10))
    backend.hear(machine, backend.token())
    with pytest.raises(ValueError, match=part):
        backend.desk.approve("hub-a", document(machine))
    assert backend.known() == {}


def test_a_hub_that_is_there_must_be_replaced_on_purpose(backend: Backend) -> None:
    machine = Machine()
    backend.hear(machine, backend.token())
    backend.desk.approve("hub-a", machine.signed(10))
    with pytest.raises(ValueError, match="--replace"):
        backend.token()


def test_a_replaced_machine_is_revoked_before_the_new_one_is_known(backend: Backend) -> None:
    """desk, law 3"""
    old = Machine()
    backend.hear(old, backend.token())
    backend.desk.approve("hub-a", old.signed(10))
    new = Machine()
    token = backend.token(replaces=True)
    backend.hear(new, token)
    assert backend.known() == {"hub-a": old.curve}, "until somebody approves"
    backend.desk.approve("hub-a", new.signed(10))
    assert backend.known() == {"hub-a": new.curve}
    assert backend.gate.is_revoked(old.curve)
    assert backend.archived == ["hub-a"]
    backend.desk.approve("hub-a", new.signed(10))
    assert backend.archived == ["hub-a"], "again changes nothing"


def test_a_key_that_is_another_hubs_or_was_revoked_is_not_taken(backend: Backend) -> None:
    """desk, law 3"""
    machine = Machine()
    backend.hear(machine, backend.token("hub-a"))
    backend.desk.approve("hub-a", machine.signed(10))
    backend.hear(machine, backend.token("hub-b"))
    with pytest.raises(ValueError, match="is that of hub hub-a"):
        backend.desk.approve("hub-b", machine.signed(10, hub="hub-b"))
    assert backend.known() == {"hub-a": machine.curve}
    backend.desk.end("hub-a")
    with pytest.raises(ValueError, match="was revoked"):
        backend.desk.approve("hub-b", machine.signed(10, hub="hub-b"))
    assert backend.known() == {}


def test_both_keys_of_a_hub_that_changes_its_own_are_revoked(backend: Backend) -> None:
    """desk, law 3"""
    old = Machine()
    token = backend.token()
    backend.hear(old, token)
    backend.desk.approve("hub-a", old.signed(10))
    changed = Machine().curve
    file = backend.path / "hubs" / "hub-a.curve.pub"
    file.write_text(f"{old.curve}\n{changed}\n")
    backend.desk.approve("hub-a", old.signed(10))
    assert set(backend.gate.keys_of("hub-a")) == {old.curve, changed}, "its change goes on"
    new = Machine()
    backend.hear(new, backend.token(replaces=True))
    backend.desk.approve("hub-a", new.signed(10))
    assert backend.gate.is_revoked(old.curve)
    assert backend.gate.is_revoked(changed)
    assert backend.gate.keys_of("hub-a") == (new.curve,)


def test_a_hub_that_has_ended_is_not_known_and_may_begin_again(backend: Backend) -> None:
    machine = Machine()
    token = backend.token()
    backend.hear(machine, token)
    backend.desk.approve("hub-a", machine.signed(10))
    backend.desk.end("hub-a")
    assert backend.known() == {}
    assert backend.gate.is_revoked(machine.curve)
    assert backend.hear(machine, token) == Refused(RefusedCause.UNKNOWN, "")
    with pytest.raises(ValueError, match="no hub hub-a"):
        backend.desk.end("hub-a")
    assert isinstance(backend.hear(Machine(), backend.token()), Waiting)


def enrol_through_cuts(backend: Backend, cut_at: int, after: bool) -> tuple[Machine, Machine, int]:
    """Replace a hub while the power goes at one write; type each command again until it is done."""
    old = Machine()
    backend.hear(old, backend.token())
    backend.desk.approve("hub-a", old.signed(10))
    new = Machine()
    writes = 0

    def write(path: Path, text: str) -> None:
        nonlocal writes
        writes += 1
        if writes == cut_at and not after:
            raise Cut
        write_durably(path, text)
        if writes == cut_at:
            raise Cut

    def again(work: Callable[[], object]) -> object:
        try:
            return work()
        except Cut:
            backend.start()
            return work()

    backend.write = write
    token = str(again(lambda: backend.token(replaces=True)))
    again(lambda: backend.hear(new, token))
    again(lambda: backend.desk.approve("hub-a", new.signed(10)))
    return old, new, writes


@pytest.mark.parametrize("after", [False, True])
def test_a_power_cut_at_each_write_leaves_one_key_known(tmp_path: Path, after: bool) -> None:
    """desk, law 3; whatever write the power goes at, before it or after it"""
    cut_at = 0
    writes = 1
    while cut_at <= writes:
        path = tmp_path / str(cut_at)
        path.mkdir()
        backend = Backend(path)
        old, new, writes = enrol_through_cuts(backend, cut_at, after)
        backend.start()
        assert backend.known() == {"hub-a": new.curve}
        assert backend.gate.is_revoked(old.curve)
        assert not backend.gate.is_revoked(new.curve)
        assert backend.desk.book.entries["hub-a"].certificate
        cut_at += 1
    assert writes >= 4


def test_a_disk_that_is_full_ends_no_backend_and_the_machine_asks_again(backend: Backend) -> None:
    token = backend.token()
    machine = Machine()

    def full(_path: Path, _text: str) -> None:
        raise OSError(28, "No space left on device")

    backend.write = full
    answer = backend.hear(machine, token)
    assert isinstance(answer, Refused)
    assert answer.cause is RefusedCause.BUSY
    other = Machine()
    backend.write = write_durably
    assert isinstance(backend.hear(machine, token), Waiting)
    used = backend.hear(other, token)
    assert isinstance(used, Refused)
    assert used.cause is RefusedCause.USED
