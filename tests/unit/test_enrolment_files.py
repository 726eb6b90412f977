"""Where an enrolment puts its keys: in one store, plain or sealed, and whole after a power cut."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.errors import ConfigError
from hubd.enrolment.durable import Durable, Sealer
from hubd.enrolment.places import CURVE_SECRET, IDENTITY, KeyStore, Places, choose_sealer

SECRET = b"a secret of this machine"
_MASK = 0x5A


class Machine:
    """systemd-creds of a machine: `sealed` is SECRET in another form, bound to its name."""

    def __init__(self, has_tpm: bool = True, fails: bool = False) -> None:
        self.has_tpm = has_tpm
        self.fails = fails
        self.commands: list[Sequence[str]] = []

    def run(self, command: Sequence[str], text: bytes) -> subprocess.CompletedProcess[bytes]:
        self.commands.append(command)
        if command[1] == "has-tpm2":
            return subprocess.CompletedProcess(command, 0 if self.has_tpm else 1, b"", b"")
        if self.fails:
            return subprocess.CompletedProcess(command, 1, b"", b"TPM is gone")
        said = bytes(byte ^ _MASK for byte in text)
        return subprocess.CompletedProcess(command, 0, said, b"")


class Cut(BaseException):
    """The power is gone."""


def store(root: Path, sealer: Sealer | None = None, files: Durable | None = None) -> KeyStore:
    places = Places(root)
    places.make_folders()
    return KeyStore(places, files or Durable(), sealer)


def all_bytes(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


def test_a_sealed_key_is_never_on_the_disk_in_clear(tmp_path: Path) -> None:
    """durable, law 3"""
    machine = Machine()
    seen: list[bytes] = []
    files = Durable(lambda _: seen.append(all_bytes(tmp_path)))
    keys = store(tmp_path, Sealer(machine.run), files)
    keys.put_pending(IDENTITY, SECRET)
    assert keys.pending(IDENTITY) == keys.key(IDENTITY) == SECRET
    keys.take_into_force(IDENTITY)
    assert keys.pending(IDENTITY) is None
    assert keys.key(IDENTITY) == SECRET
    assert not any(SECRET in disk for disk in [*seen, all_bytes(tmp_path)])
    assert {command[2] for command in machine.commands} == {f"--name={IDENTITY}"}
    assert not any(SECRET.decode() in word for command in machine.commands for word in command)


@pytest.mark.parametrize("now_sealed", [True, False])
def test_a_key_lies_in_one_store(tmp_path: Path, now_sealed: bool) -> None:
    """places, law 1"""
    sealer = Sealer(Machine().run)
    before = store(tmp_path, None if now_sealed else sealer)
    before.put_private(CURVE_SECRET, b"old")
    after = store(tmp_path, sealer if now_sealed else None)
    after.put_pending(CURVE_SECRET, SECRET)
    assert before.key(CURVE_SECRET) == b"old", "until the new one is in force"
    after.take_into_force(CURVE_SECRET)
    assert after.key(CURVE_SECRET) == SECRET
    assert before.key(CURVE_SECRET) is None


def test_a_machine_that_cannot_seal_says_what_to_do(tmp_path: Path) -> None:
    keys = store(tmp_path, Sealer(Machine(fails=True).run))
    with pytest.raises(ConfigError, match="TPM is gone; with --plain"):
        keys.put_pending(IDENTITY, SECRET)
    assert SECRET not in all_bytes(tmp_path)


@pytest.mark.parametrize("can_seal", [True, False])
@pytest.mark.parametrize("has_drop_in", [True, False])
@pytest.mark.parametrize("wanted", [True, False, None])
def test_keys_are_sealed_where_the_machine_can_or_as_it_is_wanted(
    tmp_path: Path, can_seal: bool, has_drop_in: bool, wanted: bool | None
) -> None:
    """places, law 3"""
    places = Places(tmp_path)
    if has_drop_in:
        places.drop_in_shipped.parent.mkdir(parents=True)
        places.drop_in_shipped.touch()
    sealer = Sealer(Machine(has_tpm=False, fails=not can_seal).run)
    chosen = choose_sealer(places, wanted, sealer)
    seals = (can_seal and has_drop_in) if wanted is None else wanted
    assert chosen is (sealer if seals else None)


def test_a_machine_that_does_not_open_what_it_sealed_cannot_seal() -> None:
    def forgetful(command: Sequence[str], _: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, 0, b"something else", b"")

    assert not Sealer(forgetful).can()
    assert Sealer(Machine(has_tpm=False).run).can()


def test_the_tools_of_this_system_seal_as_the_unit_opens() -> None:
    """durable, law 3; the real systemd-creds, where root has it and a place for its key"""
    sealer = Sealer()
    if os.geteuid() != 0 or not sealer.can():
        pytest.skip("systemd-creds cannot seal here")
    sealed = sealer.seal("tls_key", SECRET)
    assert SECRET not in sealed
    assert sealer.unseal("tls_key", sealed) == SECRET
    with pytest.raises(ConfigError, match="decrypt failed"):
        sealer.unseal("identity", sealed)


@pytest.mark.parametrize("began_sealed", [True, False])
def test_an_enrolment_under_way_goes_on_as_it_began(tmp_path: Path, began_sealed: bool) -> None:
    sealer = Sealer(Machine().run)
    began = sealer if began_sealed else None
    store(tmp_path, began).put_pending(IDENTITY, SECRET)
    assert choose_sealer(Places(tmp_path), not began_sealed, sealer) is began


def test_without_systemd_creds_keys_are_plain(tmp_path: Path) -> None:
    def away(command: Sequence[str], _text: bytes) -> subprocess.CompletedProcess[bytes]:
        raise FileNotFoundError(command[0])

    assert choose_sealer(Places(tmp_path), None, Sealer(away)) is None


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 8), st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_a_file_is_the_old_one_or_the_new_one(
    tmp_path_factory: pytest.TempPathFactory, cut_at: int, old: bytes, new: bytes
) -> None:
    """durable, laws 1 and 2"""
    path = tmp_path_factory.mktemp("disk") / "file"
    Durable().write(path, old)
    steps = 0

    def step(_name: str) -> None:
        nonlocal steps
        steps += 1
        if steps == cut_at:
            raise Cut

    try:
        Durable(step).write(path, new)
    except Cut:
        assert path.read_bytes() == old
        Durable().write(path, new)
    assert path.read_bytes() == new
    assert [one.name for one in path.parent.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o600
