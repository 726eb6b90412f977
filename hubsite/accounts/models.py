"""The accounts, of operators and of people whose phones fetch grants, and their sessions.

Laws:
1. An account without a second factor cannot be signed in to.
2. An account is an operator's or a person's. That of a person has the person's id for a name.
3. The name that authenticators get of an account (`handle`) says nothing of its owner.
"""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import RegexValidator
from django.db import models

from hubsite.accounts.naming import NAME_PATTERN, NAME_WORDS

NAME = RegexValidator(NAME_PATTERN, NAME_WORDS)
NAME_LENGTH = 32
SEALED_BYTES = 128
ADDRESS_LENGTH = 64
DIGEST_LENGTH = 64
HANDLE_BYTES = 32
KEY_NAME_LENGTH = 40
ISSUER_LENGTH = 512
SUBJECT_LENGTH = 255
CREDENTIAL_BYTES = 4096
_ID_AT = 18
"""In an attested credential 16 bytes name the make, and two are the length of the id."""


class Account(AbstractBaseUser):
    """Who may sign in; `factor` is sealed (`hubsite.accounts.factor`).

    `factor_step` is the last step whose code counted. `wrong_tries` were made since their owner
    has read of them, the last of them at `wrong_at` from `wrong_from`. `last_login` was the last
    sign-in, from `last_from`. `ticket` is the SHA-256 of what lets its owner make a first key, once
    and until `ticket_ends`.
    """

    name = models.CharField(max_length=NAME_LENGTH, unique=True, validators=[NAME])
    is_active = models.BooleanField(default=True)
    is_operator = models.BooleanField(default=False)
    factor = models.BinaryField(max_length=SEALED_BYTES, default=b"")
    factor_step = models.BigIntegerField(default=0)
    wrong_tries = models.BigIntegerField(default=0)
    wrong_at = models.DateTimeField(null=True)
    wrong_from = models.CharField(max_length=ADDRESS_LENGTH, default="", blank=True)
    last_from = models.CharField(max_length=ADDRESS_LENGTH, default="", blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    handle = models.BinaryField(max_length=HANDLE_BYTES, default=b"")
    ticket = models.CharField(max_length=DIGEST_LENGTH, default="", blank=True)
    ticket_ends = models.DateTimeField(null=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.name)

    def keys_in_use(self) -> models.QuerySet:
        """Return the keys that count."""
        return self.keys.filter(refused_at=None)

    def keys_refused(self) -> models.QuerySet:
        """Return the keys that count no more, because they may have been copied."""
        return self.keys.exclude(refused_at=None)


class Key(models.Model):
    """A security key or passkey of an account; `name` is what its owner calls it.

    `digest` is the SHA-256 of its id, `credential` its id and public key as its authenticator gave
    them. `counter` is the highest that it has told, 0 for one that counts nothing. `refused_at`:
    since then it counts no more (`hubsite.keys.keeping`).
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="keys")
    name = models.CharField(max_length=KEY_NAME_LENGTH)
    digest = models.CharField(max_length=DIGEST_LENGTH, unique=True)
    credential = models.BinaryField(max_length=CREDENTIAL_BYTES)
    counter = models.BigIntegerField(default=0)
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.name)

    @property
    def credential_id(self) -> bytes:
        """Its id, as its authenticator made it: two bytes of length stand before it."""
        data = bytes(self.credential)
        length = int.from_bytes(data[_ID_AT - 2 : _ID_AT])
        return data[_ID_AT : _ID_AT + length]


class Binding(models.Model):
    """An account, and who its owner is at a provider (`hubsite.oidc.binding`)."""

    account = models.OneToOneField(Account, models.CASCADE, related_name="binding")
    issuer = models.CharField(max_length=ISSUER_LENGTH)
    subject = models.CharField(max_length=SUBJECT_LENGTH)

    class Meta:
        """One at a provider is one account."""

        constraints = (
            models.UniqueConstraint(fields=("issuer", "subject"), name="one_account_each"),
        )

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


class Spent(models.Model):
    """Something that counted once, by its SHA-256 (`hubsite.accounts.once`)."""

    digest = models.CharField(primary_key=True, max_length=DIGEST_LENGTH)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return str(self.digest)


class Session(AbstractBaseSession):
    """A session; `session_key` is the SHA-256 of its cookie, `account` the number of whose it is.

    `hubsite.accounts.sessions` reads and writes it.
    """

    session_key = models.CharField(primary_key=True, max_length=DIGEST_LENGTH)
    account = models.BigIntegerField(null=True, db_index=True)
