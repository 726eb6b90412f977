"""Fills the tables of a site's server: people, doors, grants, phones, acts.

Law: rows are made in bulk, as they would lie after years of use; only what pages show is real.
"""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import transaction
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_refresh_token_model,
)

from benchmarks.site.evidence import fill_records, hubs_again
from benchmarks.site.sizes import Filled, Size
from hubcore.access.grant import write_scope
from hubcore.codec import cbor
from hubsim.site.documents import make_key
from hubsite.accounts.making import make_account
from hubsite.accounts.models import Account
from hubsite.accounts.sessions import SessionStore
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.log import NewAct
from hubsite.hubs.office import GRANT_ID_BYTES
from hubsite.phones.client import CLIENT_ID, SCOPE
from hubsite.register import models
from hubsite.register.granted import grantings_of
from hubsite.rules.issuing import WEB_SECONDS, access_of

GROUPS = 40
DOORS = 200
BATCH = 5000
TOKEN_SECONDS = 30 * 86_400


def fill(size: Size) -> Filled:
    """Make the rows. Each person has a group, a grant of his own and a phone in a browser."""
    points = _doors()
    people = _people(size.people)
    _grants(people, points)
    credentials = _credentials(people)
    tokens = _tokens(people[: size.phones], credentials)
    _signed(people[size.phones :], credentials[size.phones :])
    fill_records(size.records, [one.pk for one in credentials])
    for _ in range(0, size.acts, BATCH):
        with transaction.atomic():
            new = range(min(BATCH, size.acts))
            log.write_all("olga", [NewAct(ActKind.SIGNED_IN, str(number)) for number in new])
    keys = tuple(one.pk for one in credentials)
    return Filled(_cookie(), tokens, people[0].pk, keys)


def begin_again(filled: Filled) -> Filled:
    """Let these phones have no grant again; leave out credentials that were revoked meanwhile."""
    phones = models.Credential.objects.filter(pk__in=filled.credentials[: len(filled.tokens)])
    models.SignedGrant.objects.filter(credential__in=phones.values("pk")).delete()
    hubs_again()
    dead = set(models.Credential.objects.exclude(revoked_at=None).values_list("pk", flat=True))
    left = tuple(one for one in filled.credentials if one not in dead)
    return Filled(_session(), tuple(filled.tokens), filled.person, left)


def _doors() -> list[models.AccessPoint]:
    doors = [models.Door(name=f"Door {number}") for number in range(1, DOORS + 1)]
    models.Door.objects.bulk_create(doors)
    there = list(models.Door.objects.order_by("pk"))
    points = [
        models.AccessPoint(number=number, name="inward", door=door)
        for number, door in enumerate(there, start=1)
    ]
    models.AccessPoint.objects.bulk_create(points)
    return list(models.AccessPoint.objects.order_by("number"))


def _people(count: int) -> list[models.Person]:
    models.Group.objects.bulk_create(
        models.Group(name=f"Group {number}") for number in range(GROUPS)
    )
    groups = list(models.Group.objects.order_by("pk"))
    people = [models.Person(name=f"Person {number:05}") for number in range(count)]
    models.Person.objects.bulk_create(people, BATCH)
    members = models.Person.groups.through
    members.objects.bulk_create(
        (
            members(person_id=person.pk, group_id=groups[number % GROUPS].pk)
            for number, person in enumerate(people)
        ),
        BATCH,
    )
    return people


def _grants(people: list[models.Person], points: list[models.AccessPoint]) -> None:
    """Five doors to each group, and one door more to each person."""
    begins = datetime.now(UTC) - timedelta(days=1)
    to_groups = [
        models.Grant(group=group, begins=begins) for group in models.Group.objects.order_by("pk")
    ]
    to_people = [models.Grant(person=person, begins=begins) for person in people]
    models.Grant.objects.bulk_create([*to_groups, *to_people], BATCH)
    through = models.Grant.points.through
    rows = []
    for number, (grant, group) in enumerate(
        models.Grant.objects.order_by("pk").values_list("pk", "group_id")
    ):
        for nth in range(5 if group else 1):
            point = points[(number * 5 + nth) % len(points)]
            rows.append(through(grant_id=grant, accesspoint_id=point.pk))
    through.objects.bulk_create(rows, BATCH)


def _credentials(people: list[models.Person]) -> list[models.Credential]:
    """Give each of them a phone in a browser."""
    made = [
        models.Credential(
            person=person,
            kind=models.CredentialKind.WEB,
            label="A phone in a browser",
            key=cbor.encode(make_key().cose_key),
            family=uuid.uuid4(),
        )
        for person in people
    ]
    models.Credential.objects.bulk_create(made, BATCH)
    return made


def _signed(people: list[models.Person], credentials: list[models.Credential]) -> None:
    """Let these phones have grants that say what their holders may.

    What was signed is not kept here: only its scope counts for a policy.
    """
    now = int(time.time())
    rows = []
    for person, credential in zip(people, credentials, strict=True):
        rows.append(
            models.SignedGrant(
                grant_id=secrets.token_hex(GRANT_ID_BYTES),
                credential=credential,
                issued_at=now,
                expires=now + WEB_SECONDS,
                scope=write_scope(access_of(grantings_of(person, credential.kind), now)),
                document=b"",
            )
        )
    models.SignedGrant.objects.bulk_create(rows, BATCH)


def _tokens(people: list[models.Person], credentials: list[models.Credential]) -> tuple[str, ...]:
    """Return an access token of each of these phones."""
    application = get_application_model().objects.get(client_id=CLIENT_ID)
    expires = datetime.now(UTC) + timedelta(seconds=TOKEN_SECONDS)
    tokens = []
    for person, credential in zip(people, credentials, strict=False):
        account = Account.objects.create(name=person.pk, is_operator=False)
        token = secrets.token_urlsafe(24)
        access = get_access_token_model().objects.create(
            user=account,
            application=application,
            token=token,
            token_checksum=sha256(token.encode()).hexdigest(),
            expires=expires,
            scope=SCOPE,
        )
        get_refresh_token_model().objects.create(
            user=account,
            application=application,
            token=secrets.token_urlsafe(24),
            access_token=access,
            token_family=credential.family,
        )
        tokens.append(token)
    return tuple(tokens)


def _cookie() -> str:
    """Return the cookie of a new operator who has signed in."""
    make_account("olga", "acme", b"k" * 32)
    return _session()


def _session() -> str:
    account = Account.objects.get(name="olga")
    session = SessionStore()
    session[SESSION_KEY] = str(account.pk)
    session[BACKEND_SESSION_KEY] = "hubsite.accounts.backend.Sessions"
    session[HASH_SESSION_KEY] = account.get_session_auth_hash()
    session.create()
    return str(session.session_key)
