"""The rules by which the issuer signs for a site's server, also for one in wrong hands.

Laws:
1. Of each kind no more are signed within any 24 hours than its ceiling. A clock that was set back
   signs nothing. A policy that is the last one with more revoked or disabled has a ceiling of its
   own: other policies that used up theirs keep nobody from being revoked.
2. A policy is of a higher version than the last one, by VERSION_STEP at most. The last one is
   signed again as it was, for who has lost the answer.
3. A credential that was revoked stays revoked: each policy names those that the one before named.
4. A policy names as operators only whom the limits name, with no right and no access point more.
   EACH in the limits stands for whoever is not named there. Who may open doors (OPENING) has his
   access points named, and none of them is `apart`.
5. A policy holds open only the doors that the limits name, and has no more cards than they say.
   More, that the last one had, keep nobody from being revoked.
6. A grant ends within `grant_seconds`, and has not ended yet. None is signed for a credential that
   the policy revokes.
7. An access point that is `apart` is opened by no grant and by no card of a policy.
8. A list of revocations names only what the last policy revokes, and bears no higher version.
9. A hub's certificate is for the key of the one in force, and for none of its doors more. It ends
   within `certificate_seconds`. The one in force is no older than the newest one that was signed
   here, for the same key. One that is made by what enrols hubs (`hubcore.issuing.hubrules`) counts
   for the same ceiling, and ends within the same time.
10. A mandate is one of the limits, with a higher version and other days: the same holder, key, use
    and ceilings. It ends within `mandate_seconds`.
11. The moment of issue is now, within CLOCK_SECONDS. So no version of a mandate is of tomorrow.

What these rules leave to the server: for whom grants are, which of them are revoked and which no
more, which cards there are and where they open, which factors a door demands, which credentials are
revoked, when a door is locked down.
"""

from __future__ import annotations

from hubcore.access.grant import Access, Grant
from hubcore.access.revocations import Revocations
from hubcore.bridge.mandate import Mandate
from hubcore.issuing.limits import EACH, VERSION_STEP, Limits
from hubcore.issuing.standing import Standing, only_revokes, place_of
from hubcore.issuing.wanted import Wanted, WantedCertificate, WantedPolicy
from hubcore.issuing.words import CLOCK_SECONDS, DocumentKind, Refusal, RefusedError
from hubcore.phone.certificates import HubCertificate
from hubcore.policy.policy import OPENING, Operator, Policy

_CLOCK_MS = 1000 * CLOCK_SECONDS


def judge(
    wanted: Wanted, limits: Limits, standing: Standing, last: Policy | None, now_ms: int
) -> None:
    """Raise RefusedError for what is not signed. `last` is the last policy that was signed."""
    _within_the_day(wanted, limits, standing, last, now_ms)
    match wanted:
        case WantedPolicy():
            _policy(wanted, limits, standing, last, now_ms)
        case Grant():
            _grant(wanted, limits, last, now_ms)
        case Revocations():
            _revocations(wanted, last, now_ms)
        case WantedCertificate():
            _certificate(wanted, limits, standing, now_ms)
        case Mandate():
            _mandate(wanted, limits, standing, now_ms)


def judge_made(
    made: HubCertificate, limits: Limits, standing: Standing, now_ms: int
) -> WantedCertificate:
    """Return a certificate that what enrols hubs has made, and may hand out (law 9).

    Raise RefusedError.
    """
    wanted = WantedCertificate(certificate=made, before=made)
    _within_the_day(wanted, limits, standing, None, now_ms)
    _is_begun("certificate", made.not_before, now_ms)
    _ends_within("certificate", made.expires, limits.certificate_seconds, now_ms)
    return wanted


def kind_of(wanted: Wanted) -> DocumentKind:
    """Return the kind of what is wanted."""
    match wanted:
        case WantedPolicy():
            return DocumentKind.POLICY
        case Grant():
            return DocumentKind.GRANT
        case Revocations():
            return DocumentKind.REVOCATIONS
        case WantedCertificate():
            return DocumentKind.CERTIFICATE
        case Mandate():
            return DocumentKind.MANDATE


def _no(text: str) -> RefusedError:
    return RefusedError(Refusal.RULE, text)


def _within_the_day(
    wanted: Wanted, limits: Limits, standing: Standing, last: Policy | None, now_ms: int
) -> None:
    """Keep law 1."""
    if now_ms < standing.newest_ms - _CLOCK_MS:
        raise RefusedError(
            Refusal.CLOCK, "the signer's clock is behind its own log: somebody must set it right"
        )
    kind = kind_of(wanted)
    word = kind.word
    most = limits.a_day[kind]
    signed = standing.within_a_day(kind, standing.moment(now_ms))
    if isinstance(wanted, WantedPolicy) and only_revokes(wanted.policy, last):
        word = f"{word} that only revokes"
        most = limits.revoking_a_day
        signed = standing.revoking_within_a_day(standing.moment(now_ms))
    if signed >= most:
        raise RefusedError(
            Refusal.CEILING, f"{word}: {most} were signed within 24 hours, its ceiling"
        )


def _is_now(what: str, at_ms: int, now_ms: int) -> None:
    """Keep law 11."""
    if abs(at_ms - now_ms) > _CLOCK_MS:
        raise _no(
            f"{what}: it says another moment of issue than now: compare the clocks of both machines"
        )


def _policy(
    wanted: WantedPolicy, limits: Limits, standing: Standing, last: Policy | None, now_ms: int
) -> None:
    policy = wanted.policy
    before = standing.policy
    if before is not None and before.digest == wanted.digest:
        return  # law 2: the same once more
    newest = newest_policy(limits, standing)
    if not newest < policy.version <= newest + VERSION_STEP:
        raise _no(
            f"policy: version {policy.version} is no next one: the last has {newest}, and the step "
            f"is at most {VERSION_STEP}"
        )
    _is_now("policy", 1000 * policy.issued_at, now_ms)
    if last is not None:
        _stay_revoked(policy, last)
    for name, operator in policy.operators.items():
        most = limits.operators.get(name, limits.operators.get(EACH))
        _operator(name, operator, most, limits.apart)
    held = {point for point, rules in policy.points.items() if rules.hold_open is not None}
    if held - limits.held_open:
        raise _no(f"policy: access point {min(held - limits.held_open)} may not be held open")
    if len(policy.cards) > limits.cards and not only_revokes(policy, last):
        raise _no(
            f"policy: it names {len(policy.cards)} cards, and the limits allow {limits.cards}"
        )
    for card in policy.cards.values():
        _none_apart("policy: a card", card.access, limits)


def newest_policy(limits: Limits, standing: Standing) -> int:
    """Return the version of the last policy, here or elsewhere; 0 for none."""
    here = standing.policy
    return max(limits.policy_version, here.number if here is not None else 0)


def _stay_revoked(policy: Policy, last: Policy) -> None:
    """Keep law 3."""
    lost = len(last.revoked_credentials - policy.revoked_credentials)
    if lost:
        raise _no(
            f"policy: {lost} credentials that policy {last.version} revokes are revoked no more"
        )


def _operator(name: str, wanted: Operator, most: Operator | None, apart: frozenset[int]) -> None:
    """Keep law 4."""
    if most is None:
        raise _no(f"policy: the limits name no operator {name!r}")
    if wanted.rights & ~most.rights:
        raise _no(f"policy: operator {name!r} has a right more than the limits say")
    if most.access_points and not (
        wanted.access_points and wanted.access_points <= most.access_points
    ):
        raise _no(f"policy: operator {name!r} has an access point more than the limits say")
    if wanted.rights & OPENING:
        if not wanted.access_points:
            raise _no(f"policy: operator {name!r} may open doors, and none is named")
        if wanted.access_points & apart:
            point = min(wanted.access_points & apart)
            raise _no(f"policy: operator {name!r} may open access point {point}, which is apart")


def _none_apart(what: str, access: tuple[Access, ...], limits: Limits) -> None:
    """Keep law 7."""
    found = {entry.access_point for entry in access} & limits.apart
    if found:
        raise _no(f"{what} opens access point {min(found)}, which is apart")


def _grant(grant: Grant, limits: Limits, last: Policy | None, now_ms: int) -> None:
    _ends_within("grant", grant.expires, limits.grant_seconds, now_ms)
    if last is not None and grant.credential in last.revoked_credentials:
        raise _no("grant: the policy revokes its credential")
    if last is not None and grant.grant_id in last.revoked_grants:
        raise _no("grant: the policy revokes a grant of this id")
    _none_apart("grant: it", grant.access, limits)


def _ends_within(what: str, expires: int, seconds: int, now_ms: int) -> None:
    now = now_ms // 1000
    if expires <= now:
        raise _no(f"{what}: it has ended already")
    if expires > now + seconds + CLOCK_SECONDS:
        raise _no(f"{what}: it ends later than {seconds} s from now")


def _revocations(wanted: Revocations, last: Policy | None, now_ms: int) -> None:
    """Keep law 8."""
    _is_now("revocations", 1000 * wanted.issued_at, now_ms)
    if last is None or wanted.version > last.version:
        raise _no(
            "revocations: no policy of that version was signed here; let that be signed first"
        )
    if not last.revoked_credentials.issuperset(wanted.credentials):
        raise _no("revocations: it names a credential that the last policy does not revoke")
    if not last.revoked_grants.issuperset(wanted.grants):
        raise _no("revocations: it names a grant that the last policy does not revoke")


def _certificate(
    wanted: WantedCertificate, limits: Limits, standing: Standing, now_ms: int
) -> None:
    """Keep law 9."""
    made = wanted.certificate
    before = wanted.before
    if (made.hub, made.key.kid) != (before.hub, before.key.kid):
        raise _no("certificate: it is for another hub or key than the one in force")
    if set(made.access_points) - set(before.access_points):
        raise _no("certificate: it has an access point more: hubissuer renew gives one")
    if made.not_before < before.not_before:
        raise _no("certificate: it begins before the one in force")
    known = standing.certificates.get(made.hub)
    if known is not None and (known.key != made.key.kid or before.not_before < known.number):
        raise _no("certificate: the one that came along is not the newest that was signed here")
    _is_begun("certificate", made.not_before, now_ms)
    _ends_within("certificate", made.expires, limits.certificate_seconds, now_ms)


def _is_begun(what: str, not_before: int, now_ms: int) -> None:
    if not_before > now_ms // 1000 + CLOCK_SECONDS:
        raise _no(f"{what}: it begins later than now")


def _mandate(wanted: Mandate, limits: Limits, standing: Standing, now_ms: int) -> None:
    """Keep law 10."""
    place = place_of(wanted)
    mine = next((one for one in limits.mandates if place_of(one) == place), None)
    if mine is None:
        raise _no(f"mandate: the limits have none for {place}")
    limited = (wanted.holder, wanted.key, wanted.guests, wanted.devices)
    if limited != (mine.holder, mine.key, mine.guests, mine.devices):
        raise _no(f"mandate: for {place} the limits have another holder, key or ceiling")
    signed = standing.mandates.get(place)
    newest = max(mine.version, signed.number if signed is not None else 0)
    if wanted.version <= newest:
        raise _no(f"mandate: version {wanted.version} is no next one: the last has {newest}")
    _is_now("mandate", wanted.version, now_ms)
    _is_begun("mandate", wanted.not_before, now_ms)
    _ends_within("mandate", wanted.expires, limits.mandate_seconds, now_ms)
