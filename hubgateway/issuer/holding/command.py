"""`hubissuer keys`: where a key lies, whether it signs, and how it comes to a safer place."""

from __future__ import annotations

import secrets as chance
from pathlib import Path
from types import ModuleType

import click

from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError, HubError, PeerError
from hubgateway.config import public_file
from hubgateway.issuer.holding import files, tokenuri
from hubgateway.issuer.holding.kinds import HeldKey, KeyKind, kind_of, open_key
from hubgateway.issuer.holding.secrets import from_file, secret_from

_HERE = Path("./-")
"""Files that are typed are looked for where the person is."""
CHALLENGE_BYTES = 32
KEY = click.argument("key")
SECRET = click.option(
    "--secret", default="", help="The file of the passphrase or PIN. Without it you are asked."
)


@click.group("keys")
def keys_group() -> None:
    """Show where a key lies, prove that it signs, move it behind a passphrase or into a token.

    KEY is a file, or pkcs11:token=…;object=…?module-path=… (RFC 7512).
    """


@keys_group.command("show")
@KEY
def show(key: str) -> None:
    """Say which kind of place KEY is. It asks for no secret, and signs nothing."""
    click.echo(f"{key}: {kind_of(key, key, _HERE)}")


@keys_group.command("prove")
@KEY
@SECRET
@click.option("--issuer", type=click.Path(path_type=Path), help="issuer.cbor: it must be its key.")
def prove(key: str, secret: str, issuer: Path | None) -> None:
    """Have KEY sign something new, and verify that."""
    held = open_key(key, key, _HERE, secret_from(secret, _HERE, "--secret"))
    _prove(held.key, issuer)
    _say(key, held)


@keys_group.command("lock")
@click.argument("file", type=click.Path(path_type=Path))
@SECRET
def lock(file: Path, secret: str) -> None:
    """Put the key of FILE behind a passphrase. FILE is replaced.

    Where the disk keeps what was deleted, the key that was not encrypted may still be found.
    """
    passphrase = from_file(secret, _HERE, "--secret") if secret else _new_passphrase()
    key = files.lock_file(file, passphrase)
    _prove(key, None)
    _say(str(file), HeldKey(KeyKind.LOCKED, key))


@keys_group.command("make")
@click.argument("uri")
@SECRET
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Its public half.")
def make(uri: str, secret: str, out: Path) -> None:
    """Make a key within the token that URI names, and write its public half as issuer.cbor."""
    place = tokenuri.read("URI", uri)
    pin = secret_from(secret, _HERE, "--secret")(f"PIN of {uri}")
    try:
        with out.open("xb") as file:  # before there is a key whose public half nobody has
            try:
                key = SigningKey(_tokens(uri).make_key(place, pin))
                file.write(cbor.encode(key.cose_key))
            except HubError:
                out.unlink()
                raise
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror}") from error
    _prove(key, out)
    _say(uri, HeldKey(KeyKind.TOKEN, key))


@keys_group.command("put")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("uri")
@click.option("--file-secret", default="", help="The file of the passphrase of FILE.")
@SECRET
def put(file: Path, uri: str, file_secret: str, secret: str) -> None:
    """Put the key of FILE into the token that URI names. FILE stays: delete it yourself.

    A key that was in a file may have been copied before. One that was made in a token was not.
    """
    place = tokenuri.read("URI", uri)
    source = open_key(
        str(file), str(file), _HERE, secret_from(file_secret, _HERE, "--file-secret")
    ).key
    pin = secret_from(secret, _HERE, "--secret")(f"PIN of {uri}")
    key = SigningKey(_tokens(uri).put_key(place, pin, files.private_half(str(file), source)))
    if key.cose_key != source.cose_key:
        raise ConfigError(f"{uri}: the token shows another key than {file} has")
    _prove(key, None)
    _say(uri, HeldKey(KeyKind.TOKEN, key))


def _tokens(uri: str) -> ModuleType:
    """Return what brings keys into tokens. Raise ConfigError where its library is missing."""
    try:
        from hubgateway.issuer.holding import tokenkeys
    except ImportError as error:
        raise ConfigError(
            f"{uri}: a key in a token needs the extra token of this program: {error}"
        ) from error
    return tokenkeys


def _prove(key: SigningKey, issuer: Path | None) -> None:
    """Have a key sign something new. Raise ConfigError where it is not the issuer's."""
    verifier = key.verify_key
    if issuer is not None:
        try:
            verifier = cose.read_key(cbor.decode(public_file(issuer, "--issuer")))
        except PeerError as error:
            raise ConfigError(f"{issuer}: this is no public key of an issuer: {error}") from error
    challenge = chance.token_bytes(CHALLENGE_BYTES)
    try:
        verifier.verify(key.sign(challenge), challenge)
    except PeerError as error:
        raise ConfigError(f"it signs, and not with the key of {issuer}") from error


def _say(named: str, held: HeldKey) -> None:
    click.echo(f"{named}: {held.kind}; it signs, key id {held.key.verify_key.kid.hex()}")


def _new_passphrase() -> str:
    typed: str = click.prompt(
        "A new passphrase", hide_input=True, confirmation_prompt=True, err=True
    )
    return typed
