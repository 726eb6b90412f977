"""A policy on a stick, as the site tool writes it: the new one or the one before, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubcore.codec import cbor
from hubcore.policy import document as policies
from hubcore.policy.onstick import PIECE_SUFFIX, PIECES_FOLDER, ROOT_FILE
from hubcore.policy.policy import Policy
from hubcore.policy.tree import names_of
from hubsim import site
from hubsim.site.carrying import write_policy_file, write_policy_folder

ISSUER = site.make_key()
SITE = "site-1"


def policy(version: int, *more: str) -> Policy:
    names = (f"credential-{number:05}" for number in range(20_000))
    return Policy(SITE, version, 0, frozenset([*names, *more]))


def read(folder: Path) -> Policy:
    """Read the policy of a folder, whatever else lies there."""
    pieces = [path.read_bytes() for path in (folder / PIECES_FOLDER).glob(f"*{PIECE_SUFFIX}")]
    document = (folder / ROOT_FILE).read_bytes() + b"".join(map(cbor.encode, pieces))
    return policies.read(document, ISSUER.verify_key, SITE)


def test_a_folder_has_the_policy_and_each_piece_under_its_name(tmp_path: Path) -> None:
    new = policy(1)
    carried = write_policy_folder(policies.issue(new, ISSUER), tmp_path)
    assert read(tmp_path) == new
    assert carried.new == carried.pieces > 10
    for path in (tmp_path / PIECES_FOLDER).iterdir():
        assert bytes.fromhex(path.stem) in names_of(path.read_bytes())


def test_a_change_writes_only_what_it_touched_and_nothing_old_stays(tmp_path: Path) -> None:
    write_policy_folder(policies.issue(policy(1), ISSUER), tmp_path)
    new = policy(2, "one-more")
    carried = write_policy_folder(policies.issue(new, ISSUER), tmp_path)
    assert read(tmp_path) == new
    assert carried.new == carried.gone == 2  # a piece of pages, and the index
    assert len(list((tmp_path / PIECES_FOLDER).iterdir())) == carried.pieces


# hubsim.site.carrying, law 1
def test_a_stick_that_is_pulled_out_holds_the_policy_before_until_the_root_is_there(
    tmp_path: Path,
) -> None:
    old = policy(1)
    write_policy_folder(policies.issue(old, ISSUER), tmp_path)
    (tmp_path / (ROOT_FILE + ".new")).mkdir()  # the root cannot be written
    with pytest.raises(OSError, match="directory"):
        write_policy_folder(policies.issue(policy(2, "one-more"), ISSUER), tmp_path)
    root = (tmp_path / ROOT_FILE).read_bytes()
    assert policies.prove(root, ISSUER.verify_key, SITE).version == 1
    assert old.revoked_credentials == _of_version(tmp_path, 1).revoked_credentials


def _of_version(folder: Path, version: int) -> Policy:
    found = read(folder)
    assert found.version == version
    return found


def test_a_damaged_piece_is_written_again(tmp_path: Path) -> None:
    document = policies.issue(policy(1), ISSUER)
    write_policy_folder(document, tmp_path)
    piece = next((tmp_path / PIECES_FOLDER).iterdir())
    piece.write_bytes(b"")
    assert write_policy_folder(document, tmp_path).new == 1
    assert read(tmp_path) == policy(1)


def test_one_file_has_all_of_it(tmp_path: Path) -> None:
    document = policies.issue(policy(3), ISSUER)
    write_policy_file(document, tmp_path / "policy")
    assert policies.read((tmp_path / "policy").read_bytes(), ISSUER.verify_key, SITE) == policy(3)
