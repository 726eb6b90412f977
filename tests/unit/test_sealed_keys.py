"""The drop-in for encrypted keys names each private key that the unit hands over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

SYSTEMD = Path(__file__).parents[2] / "systemd"
PUBLIC = {"certificate", "issuer", "backend_public", "tls_certificate", "tls_authority"} | {
    "pkoc_certificate"
}


def test_each_private_key_may_lie_encrypted() -> None:
    unit = (SYSTEMD / "hubd.service").read_text()
    drop_in = (SYSTEMD / "sealed-keys.conf").read_text()
    private = set(re.findall(r"^LoadCredential=(\w+):", unit, re.M)) - PUBLIC
    sealed = re.findall(r"^LoadCredentialEncrypted=(\w+):hubd\.\1$", drop_in, re.M)
    assert set(sealed) == private
    assert f"HUBD_SEALED_KEYS={':'.join(sealed)}\n" in drop_in
