"""COSE against published examples, and what each primitive refuses."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hubcore.codec import cbor, cose
from hubcore.codec.cose import Aead, SigningKey
from hubcore.errors import ProofError
from tests.vectors import world

TAGS = frozenset({18})


def _ec(x: str, y: str) -> dict[int, object]:
    return {1: 2, 3: -7, -1: 1, -2: bytes.fromhex(x), -3: bytes.fromhex(y)}


THUMBPRINT_KEY = _ec(
    "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d",
    "1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c",
)
"""RFC 9679, 6."""

SIGN1_KEY = _ec(
    "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff",
    "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e",
)
SIGN1 = bytes.fromhex(
    "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc6b23"
    "d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
)
"""RFC 9052, C.2.1: one signature, ES256."""

PS256_KEY = {
    1: 3,
    3: -37,
    -1: bytes.fromhex(
        "bc7e29d0df7e20cc9dc8d509e0f68895922af0ef452190d402c61b554334a7bf91c9a570240f994fae1b69035bcfad4f7e249eb26087c266"
        "5e7c958c967b1517413dc3f97a431691a5999b257cc6cd356bad168d929b8bae9020750e74cf60f6fd35d6bb3fc93fc28900478694f508b3"
        "3e7c00e24f90edf37457fc3e8efcfd2f42306301a8205ab740515331d5c18f0c64d4a43be52fc440400f6bfc558a6e32884c2af56f29e5c5"
        "2780cea7285f5c057fc0dfda232d0ada681b01495d9d0e32196633588e289e59035ff664f056189f2f10fe05827b796c326e3e748ffa7c58"
        "9ed273c9c43436cddb4a6a22523ef8bcb2221615b799966f1aba5bc84b7a27cf"
    ),
    -2: b"\x01\x00\x01",
}
PS256_SIGNED = bytes.fromhex(
    "85695369676e617475726543a1030044a10138244054546869732069732074686520636f6e74656e742e"
)
PS256_SIGNATURE = bytes.fromhex(
    "511ab7c07a4c9f1639fd955cdf17db5fc9d7360e07e8de8f835a6e443f56b816a842f5878707e9e4451f3eaec39bbcb30c92ee07ac30f2c8"
    "56a640d5ba5857f0a96135447f1a3fd207290afc40a033fcacb6c031285e01fe4c9d4e528ca63c00c55109ea4f6e58232b5d9b7c5448cc46"
    "37c8eead7037cc71fda4d1e83fb1ffa7294c744455785b9b9dbc7341826a6f90622533b9aa51998bedbbd6d155869e189c4097b6e6ebba2a"
    "5a6aa7e08ab8edab7021a567f36c715de34cbf9048609503b7f70da05ea6a6c7df1301fb575abe6f4da8aaa93b5fa6267ca490f03bc90bb5"
    "705bb3398466c0afe84af91c0b752c6e1cac149b07c237988f47980f1301669c"
)
"""The COSE working group's example of RSASSA-PSS with SHA-256: what is signed, and the signature.
"""


def test_the_thumbprint_of_rfc_9679() -> None:
    expected = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    assert cose.thumbprint(THUMBPRINT_KEY).hex() == expected
    assert cose.read_key(THUMBPRINT_KEY).kid.hex() == expected[:16]


def test_the_thumbprint_is_of_the_required_members_only() -> None:
    assert cose.thumbprint({**THUMBPRINT_KEY, 2: b"any", 4: [2]}) == cose.thumbprint(THUMBPRINT_KEY)


def test_the_es256_signature_of_rfc_9052() -> None:
    protected, _, payload, signature = cbor.decode(SIGN1, TAGS).value
    key = cose.read_key(SIGN1_KEY)
    cose.verify1(protected, payload, signature, key)
    for header, content, sign, aad in (
        (b"\xa1\x01\x38\x24", payload, signature, b""),
        (protected, payload + b"!", signature, b""),
        (protected, payload, signature[:-1] + b"\x00", b""),
        (protected, payload, signature, b"other"),
    ):
        with pytest.raises(ProofError):
            cose.verify1(header, content, sign, key, aad)


def test_a_ps256_salt_has_the_size_of_the_hash() -> None:
    """The working group's example has a salt of 64 bytes; RFC 8230, 2 wants 32: genuine, and
    refused.
    """
    key = cose.read_key(PS256_KEY)
    assert isinstance(key.public, rsa.RSAPublicKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 64)
    key.public.verify(PS256_SIGNATURE, PS256_SIGNED, pss, hashes.SHA256())
    with pytest.raises(ProofError):
        key.verify(PS256_SIGNATURE, PS256_SIGNED)


@pytest.mark.parametrize("name", ["phone", "phone_rsa"])
def test_what_is_signed_verifies_and_nothing_else(name: str) -> None:
    key = world.signer(name)
    protected, _, payload, signature = cose.sign1(b"\xa0", b"payload", key, b"aad")
    cose.verify1(protected, payload, signature, key.verify_key, b"aad")
    assert len(signature) == (64 if name == "phone" else 384)
    for wrong in (
        signature + b"\x00",
        signature[:-1],
        b"",
        b"\x00" * len(signature),
        b"\xff" * len(signature),
    ):
        with pytest.raises(ProofError):
            cose.verify1(protected, payload, wrong, key.verify_key, b"aad")
    with pytest.raises(ProofError):
        cose.verify1(protected, payload, signature, world.signer("stranger").verify_key, b"aad")


def _without(key: dict[int, object], label: int) -> dict[int, object]:
    return {k: v for k, v in key.items() if k != label}


def _bad_keys() -> list[object]:
    ec = THUMBPRINT_KEY
    ps = PS256_KEY
    modulus = PS256_KEY[-1]
    assert isinstance(modulus, bytes)
    bad: list[object] = [{}, [], None, 1, b"", {1: 2}, {1: 4, -1: bytes(32)}]
    bad += [_without(ec, label) for label in ec] + [_without(ps, label) for label in ps]
    bad += [
        {**ec, 4: [2]},
        {**ec, 2: b"kid"},
        {**ec, 3: -8},
        {**ec, 3: -9},
        {**ec, -1: 2},
        {**ec, 1: 3},
    ]
    bad += [
        {**ec, -2: bytes(32)},
        {**ec, -2: bytes(31)},
        {**ec, -2: bytes(33)},
        {**ec, -3: True},
        {**ec, -4: bytes(32)},
    ]
    bad += [{**ps, -2: b"\x03"}, {**ps, -2: b"\x00\x01\x00\x01"}, {**ps, 3: -38}, {**ps, 3: -41}]
    bad += [
        {**ps, -1: b"\x00" + modulus},
        {**ps, -1: modulus[1:]},
        {**ps, -1: bytes(256)},
        {**ps, -1: b""},
    ]
    return [*bad, {**ps, -1: modulus[:-1] + b"\xce"}, {**ps, -3: bytes(256)}]


@pytest.mark.parametrize("key", _bad_keys())
def test_a_key_of_another_kind_size_or_shape_is_refused(key: object) -> None:
    with pytest.raises(ProofError):
        cose.read_key(key)


def test_keys_go_out_and_come_back() -> None:
    for name in ("phone", "phone_rsa"):
        key = world.signer(name)
        assert cose.read_key(cbor.decode(cbor.encode(key.cose_key))).kid == key.verify_key.kid
        assert key.verify_key.alg == key.alg == (cose.ES256 if name == "phone" else cose.PS256)


@pytest.mark.parametrize("aead", Aead)
def test_content_opens_with_its_key_iv_and_aad_only(aead: Aead) -> None:
    key = bytes(range(aead.key_bytes))
    iv = bytes(12)
    sealed = cose.seal(aead, key, iv, b"content", b"aad")
    assert cose.unseal(aead, key, iv, sealed, b"aad") == b"content"
    assert sealed == AESGCM(key).encrypt(
        iv, b"content", cbor.encode(["Encrypt", cbor.encode({1: int(aead)}), b"aad"])
    )
    other = Aead.A128GCM if aead is Aead.A256GCM else Aead.A256GCM
    wrong = [
        (aead, key, iv, world.with_last_bit_flipped(sealed), b"aad"),
        (aead, key, iv, sealed, b""),
        (aead, key, bytes(11), sealed, b"aad"),
        (aead, bytes(aead.key_bytes), iv, sealed, b"aad"),
        (other, key, iv, sealed, b"aad"),
        (aead, key, iv, b"", b"aad"),
        (aead, key, iv, sealed[:15], b"aad"),
        (aead, key, b"", sealed, b"aad"),
    ]
    for arguments in wrong:
        with pytest.raises(ProofError):
            cose.unseal(*arguments)


def test_every_failed_unwrapping_gives_the_decoy() -> None:
    private = world.epoch_key("epoch_2048")
    public = private.public_key()
    decoy = bytes(range(32))
    right = cose.wrap_key(public, b"k" * 32)
    assert cose.unwrap_key(private, right, decoy) == b"k" * 32
    n = public.public_numbers().n
    wrong = [
        world.with_last_bit_flipped(right),
        cose.wrap_key(public, b"k" * 16),
        cose.wrap_key(public, b""),
        bytes(256),
        b"",
        right[1:],
        right + b"\x00",
        (n + 1).to_bytes(256, "big"),
        (n - 1).to_bytes(256, "big"),
        b"\xff" * 256,
    ]
    for encrypted in wrong:
        assert cose.unwrap_key(private, encrypted, decoy) == decoy


def test_keys_for_each_purpose_differ() -> None:
    def derive(
        secret: bytes = b"s",
        salt: bytes = b"t",
        alg: int = 3,
        hub: bytes = b"h",
        label: str = "h2p",
    ) -> bytes:
        return cose.derive(secret, salt, 32, alg, hub, label)

    keys = [
        derive(),
        derive(b"x"),
        derive(salt=b"x"),
        derive(alg=1),
        derive(hub=b"x"),
        derive(label="p2h"),
    ]
    assert len(set(keys)) == len(keys)
    assert cose.derive(b"s", b"t", 16, 3, b"h", "h2p") != derive()[:16]


def test_an_rsa_key_with_another_exponent_is_none() -> None:
    with pytest.raises(ProofError):
        cose.rsa_public(bytes.fromhex("c0") * 256, b"\x01\x00\x01", (256,))  # even
    key = SigningKey(rsa.generate_private_key(65537, 2048))
    assert cose.read_key(key.cose_key).alg == cose.PS256
