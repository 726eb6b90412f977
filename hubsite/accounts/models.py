"""The accounts, of operators and of people whose phones fetch grants, and their sessions.

Laws:
1. An account without a second factor cannot be signed in to.
2. An account is an operator's or a person's. That of a person has the person's id for a name.
"""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import RegexValidator
from django.db import models

NAME = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?\Z",
    "A name has 1 to 32 of a-z, 0-9, '.', '_' and '-', and begins and ends with a letter or digit.",
)
NAME_LENGTH = 32
SEALED_BYTES = 128
ADDRESS_LENGTH = 64
DIGEST_LENGTH = 64


class Account(AbstractBaseUser):
    """Who may sign in; `factor` is sealed (`hubsite.accounts.factor`).

    `factor_step` is the last step whose code counted. `wrong_tries` were made since their owner
    has read of them, the last of them at `wrong_at` from `wrong_from`. `last_login` was the last
    sign-in, from `last_from`.
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

    objects = BaseUserManager()

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.name)


class Session(AbstractBaseSession):
    """A session; `session_key` is the SHA-256 of its cookie, `account` the number of whose it is.

    `hubsite.accounts.sessions` reads and writes it.
    """

    session_key = models.CharField(primary_key=True, max_length=DIGEST_LENGTH)
    account = models.BigIntegerField(null=True, db_index=True)
