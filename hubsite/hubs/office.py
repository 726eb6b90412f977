"""Makes what is to be signed, of the rows as they are, and keeps what was signed.

Laws:
1. A policy is signed when the rows say something else than the newest one that was signed. That one
   is read back from its own bytes: no second table says what hubs were told. One that cannot be
   read says something else.
2. A version is used once, and is higher than each that the engine has.
3. A grant is kept before it is handed out (`hubsite.hubs.keeping`). So whatever a phone has can be
   revoked.
4. With each policy a list of what it revokes is signed, for phones to carry to hubs that are
   offline: apart from the policy, so who does not sign a list holds up no policy. It names
   credentials before grants, and of both the newest first. What has no grant any more that could
   open a door is left out.
5. A credential that was revoked waits for no grant to be read, however many phones have some: a
   policy with it is signed first. Its revoked grants, and the rights of cards and of phones that
   others make, are those of the policy before it.
6. A card, and a phone that others make, has its rights in the policy. No grant is signed for it.
7. A digest counts for so many of these as its maker was told. Who keeps a row for it counts
   again (`known_by_digest`), in the transaction that keeps it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hubcore.access.grant import Grant
from hubcore.codec import cbor, cose
from hubcore.errors import HubError, PeerError, TrustError
from hubcore.issuing.cardasks import CardAsk, Shown
from hubcore.issuing.words import Refusal, RefusedError
from hubcore.policy import document
from hubcore.policy.document import Issued
from hubcore.policy.policy import Operator, Policy
from hubsite.acts.models import HEAD, ChainHead
from hubsite.hubs.keeping import NewGrant, keep
from hubsite.hubs.signer import Signer, SignsMany
from hubsite.register.granted import grantings_of
from hubsite.register.models import Credential, CredentialKind, SignedGrant, SignedPolicy
from hubsite.register.reading import newest_revoked, rows_of, rows_without_grants
from hubsite.rules.issuing import (
    BEGAN_SECONDS_AGO,
    OPENS_NOTHING,
    PHONE_SECONDS,
    WEB_SECONDS,
    Granting,
    access_of,
    expires_at,
    policy_of,
    uses_of,
)

GRANT_ID_BYTES = 16
_SECONDS = {CredentialKind.PHONE: PHONE_SECONDS, CredentialKind.WEB: WEB_SECONDS}
_NOTHING = {
    CredentialKind.PHONE: "Nothing is granted to this person now.",
    CredentialKind.WEB: "Nothing that a phone in a browser may open is granted to this person now.",
}


@dataclass(frozen=True, slots=True)
class MadeDigest:
    """A digest (16 bytes), made where there are `count` cards and phones with it (law 7)."""

    digest: bytes
    count: int


@dataclass(frozen=True, slots=True)
class WantedGrant:
    """A grant that is not signed yet; `key` is the COSE_Key of its holder."""

    credential: Credential
    grant: Grant
    key: dict[int, Any]


@dataclass(frozen=True, slots=True)
class Office:
    """What signs for one site. `operator` is what each operator may order of hubs."""

    site: str
    signer: Signer
    operator: Operator = OPENS_NOTHING

    def renew_at_once(self, now: int, above: int = 0) -> SignedPolicy | None:
        """Sign what has changed beside the grants that phones have (law 5); None for nothing.

        The policy knows of no act more than the one before it. As `renew_policy` otherwise.
        """
        newest = newest_policy()
        said = self._said(newest, above)
        if newest is None or said is None:
            return None
        rows = policy_of(rows_without_grants(self.site), newest.version + 1, now, self.operator)
        wanted = replace(rows, revoked_grants=said.revoked_grants, cards=said.cards)
        return None if _same(said, wanted) else self._sign(wanted, newest.act)

    def renew_policy(self, now: int, above: int = 0) -> SignedPolicy | None:
        """Sign the policy of the rows as they are; None where the newest says the same (law 1).

        `above` is the highest version that the engine has. Raise HubError when nobody signs.
        """
        act = acts_so_far()
        newest = newest_policy()
        version = max(above, newest.version if newest else 0) + 1
        wanted = policy_of(rows_of(self.site, now), version, now, self.operator)
        said = self._said(newest, above)
        if newest is not None and said is not None and _same(said, wanted):
            SignedPolicy.objects.filter(pk=newest.pk).update(act=act)
            return None
        return self._sign(wanted, act)

    def renew_list(self, now: int) -> None:
        """Sign what the newest policy revokes, unless that was done (law 4). Raise HubError."""
        signed = newest_policy()
        if signed is None or signed.revocations is not None:
            return
        policy = document.read(bytes(signed.document), self.signer.issuer, self.site)
        names = newest_revoked(policy, now)
        listed = b""
        if names:
            listed = self.signer.revocations(self.site, signed.version, now, names)
        SignedPolicy.objects.filter(pk=signed.pk).update(revocations=listed)

    def _said(self, newest: SignedPolicy | None, above: int) -> Policy | None:
        """Read what the newest policy says; None for one that is not what the engine offers."""
        if newest is None or newest.version < above:
            return None
        try:
            return document.read(bytes(newest.document), self.signer.issuer, self.site)
        except (PeerError, TrustError):
            return None

    def _sign(self, wanted: Policy, act: int) -> SignedPolicy:
        # One may have been signed whose answer was lost: its version is used.
        version = max(wanted.version, self.signer.policy_version() + 1)
        signed = self._signed(replace(wanted, version=version))
        return SignedPolicy.objects.create(
            version=version, issued_at=wanted.issued_at, act=act, document=signed.bundle()
        )

    def _signed(self, policy: Policy) -> Issued:
        try:
            return self.signer.policy(policy)
        except ValueError as error:
            raise RefusedError(Refusal.UNREADABLE, f"policy: {error}") from error

    def grant(self, by: str, credential: Credential, now: int) -> SignedGrant:
        """Sign what the holder of a credential may do now (law 3).

        Raise ValueError with a sentence when that is nothing, HubError when nobody signs.
        """
        return self.grant_of(by, credential, grantings_of(credential.person, credential.kind), now)

    def grant_of(
        self, by: str, credential: Credential, grantings: tuple[Granting, ...], now: int
    ) -> SignedGrant:
        """Sign what these grants of the holder allow, as they were just read; else as `grant`."""
        return keep(self.new_grant(by, credential, grantings, now))

    def new_grant(
        self, by: str, credential: Credential, grantings: tuple[Granting, ...], now: int
    ) -> NewGrant:
        """Sign the same, for who keeps it before he hands it out (law 3); else as `grant`."""
        one = self.wanted(credential, grantings, now)
        return NewGrant(by, credential, one.grant, self.signer.grant(one.grant, one.key), now)

    def new_grants(
        self, by: str, signer: SignsMany, wanted: Sequence[WantedGrant], now: int
    ) -> list[NewGrant | HubError]:
        """Have many signed in one go, else as `new_grant`. Why one is not stands in its place."""
        documents = signer.grants([(one.grant, one.key) for one in wanted])
        return [
            made
            if isinstance(made, HubError)
            else NewGrant(by, one.credential, one.grant, made, now)
            for one, made in zip(wanted, documents, strict=True)
        ]

    def wanted(
        self, credential: Credential, grantings: tuple[Granting, ...], now: int
    ) -> WantedGrant:
        """Return what these grants of the holder allow, unsigned.

        Raise ValueError with a sentence when that is nothing.
        """
        if credential.revoked_at is not None:
            raise ValueError("This credential was revoked. Nothing is issued to it any more.")
        if credential.digest is not None:
            raise ValueError("Hubs know by their policy what this one may. It takes no grant.")
        access = access_of(grantings, now)
        kind = CredentialKind(credential.kind)
        if not access:
            raise ValueError(_NOTHING[kind])
        key = cbor.decode(bytes(credential.key))
        made = Grant(
            site=self.site,
            credential=credential.pk,
            not_before=now - BEGAN_SECONDS_AGO,
            expires=expires_at(grantings, now, _SECONDS[kind]),
            grant_id=secrets.token_bytes(GRANT_ID_BYTES),
            key=cose.read_key(key),
            access=access,
            uses=uses_of(grantings, now),
        )
        return WantedGrant(credential, made, key)

    def digest(self, what: Shown, data: bytes) -> MadeDigest:
        """Return the digest by which hubs know one card or phone of others more (law 7).

        Raise HubError when nobody makes it: the signer's limits may allow no more.
        """
        count = known_by_digest() + 1
        return MadeDigest(self.signer.digest(CardAsk(count, what, data)), count)


def known_by_digest() -> int:
    """Return how many cards and phones of others are not revoked."""
    return Credential.objects.filter(revoked_at=None).exclude(digest=None).count()


def _same(said: Policy, wanted: Policy) -> bool:
    return replace(said, version=0, issued_at=0) == replace(wanted, version=0, issued_at=0)


def newest_policy() -> SignedPolicy | None:
    """Return the newest policy that was signed."""
    return SignedPolicy.objects.order_by("-version").first()


def acts_so_far() -> int:
    """Return the number of the newest act: it rises with each change."""
    head = ChainHead.objects.filter(pk=HEAD).first()
    return head.number if head else 0
