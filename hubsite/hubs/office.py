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
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from hubcore.access.grant import Grant
from hubcore.codec import cbor, cose
from hubcore.errors import PeerError, TrustError
from hubcore.issuing.words import Refusal, RefusedError
from hubcore.policy import document
from hubcore.policy.document import Issued
from hubcore.policy.policy import Operator, Policy
from hubsite.acts.models import HEAD, ChainHead
from hubsite.hubs.keeping import NewGrant, keep
from hubsite.hubs.signer import Signer
from hubsite.register.models import Credential, CredentialKind, SignedGrant, SignedPolicy
from hubsite.register.reading import grantings_of, newest_revoked, rows_of
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


@dataclass(frozen=True, slots=True)
class Office:
    """What signs for one site. `operator` is what each operator may order of hubs."""

    site: str
    signer: Signer
    operator: Operator = OPENS_NOTHING

    def renew_policy(self, now: int, above: int = 0) -> SignedPolicy | None:
        """Sign the policy of the rows as they are; None where the newest says the same (law 1).

        `above` is the highest version that the engine has. Raise HubError when nobody signs.
        """
        act = acts_so_far()
        newest = SignedPolicy.objects.order_by("-version").first()
        version = max(above, newest.version if newest else 0) + 1
        wanted = policy_of(rows_of(self.site, now), version, now, self.operator)
        if newest is not None and newest.version >= above and self._says(newest, wanted):
            SignedPolicy.objects.filter(pk=newest.pk).update(act=act)
            return None
        # One may have been signed whose answer was lost: its version is used.
        version = max(version, self.signer.policy_version() + 1)
        signed = self._signed(replace(wanted, version=version))
        return SignedPolicy.objects.create(
            version=version, issued_at=now, act=act, document=signed.bundle()
        )

    def renew_list(self, now: int) -> None:
        """Sign what the newest policy revokes, unless that was done (law 4). Raise HubError."""
        signed = SignedPolicy.objects.order_by("-version").first()
        if signed is None or signed.revocations is not None:
            return
        policy = document.read(bytes(signed.document), self.signer.issuer, self.site)
        names = newest_revoked(policy, now)
        listed = b""
        if names:
            listed = self.signer.revocations(self.site, signed.version, now, names)
        SignedPolicy.objects.filter(pk=signed.pk).update(revocations=listed)

    def _says(self, newest: SignedPolicy, wanted: Policy) -> bool:
        try:
            said = document.read(bytes(newest.document), self.signer.issuer, self.site)
        except (PeerError, TrustError):
            return False
        return replace(said, version=0, issued_at=0) == replace(wanted, version=0, issued_at=0)

    def _signed(self, policy: Policy) -> Issued:
        try:
            return self.signer.policy(policy)
        except ValueError as error:
            raise RefusedError(Refusal.UNREADABLE, f"policy: {error}") from error

    def grant(self, by: str, credential: Credential, now: int) -> SignedGrant:
        """Sign what the holder of a credential may do now (law 3).

        Raise ValueError with a sentence when that is nothing, HubError when nobody signs.
        """
        return self.grant_of(by, credential, grantings_of(credential.person), now)

    def grant_of(
        self, by: str, credential: Credential, grantings: tuple[Granting, ...], now: int
    ) -> SignedGrant:
        """Sign what these grants of the holder allow, as they were just read; else as `grant`."""
        if credential.revoked_at is not None:
            raise ValueError("This credential was revoked. Nothing is issued to it any more.")
        access = access_of(grantings, now)
        if not access:
            raise ValueError("Nothing is granted to this person now.")
        seconds = _SECONDS[CredentialKind(credential.kind)]
        key = cbor.decode(bytes(credential.key))
        made = Grant(
            site=self.site,
            credential=credential.pk,
            not_before=now - BEGAN_SECONDS_AGO,
            expires=expires_at(grantings, now, seconds),
            grant_id=secrets.token_bytes(GRANT_ID_BYTES),
            key=cose.read_key(key),
            access=access,
            uses=uses_of(grantings, now),
        )
        signed = self.signer.grant(made, key)
        return keep(NewGrant(by, credential, made, signed, now))


def acts_so_far() -> int:
    """Return the number of the newest act: it rises with each change."""
    head = ChainHead.objects.filter(pk=HEAD).first()
    return head.number if head else 0
