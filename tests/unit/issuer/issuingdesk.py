"""What is brought to a signer: sound documents of a site, which a test makes worse."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from hubcore.access.grant import Access, Grant
from hubcore.bridge.mandate import Mandate, Use
from hubcore.codec.cose import SigningKey, write_key
from hubcore.issuing import unsigned
from hubcore.issuing.limits import A_DAY, Limits
from hubcore.issuing.rules import judge
from hubcore.issuing.standing import Signed, Standing, signed
from hubcore.issuing.unsigned import Unsigned
from hubcore.issuing.wanted import Reader, Wanted, WantedPolicy
from hubcore.issuing.words import DAY_SECONDS, DocumentKind
from hubcore.phone.certificates import HubCertificate, issue_hub_certificate
from hubcore.policy.policy import Operator, OperatorRight, Policy
from hubsim.site.documents import make_key

SITE = "acme"
NOW = 1_800_000_000
ISSUER = make_key()
TRIAL = make_key()
PHONE = make_key()
HUB = make_key()
BRIDGE = make_key()
READER = Reader(SITE, ISSUER.verify_key, TRIAL)
RIGHTS = OperatorRight.RELEASE | OperatorRight.LOCK_DOWN
OPERATORS = {"hubsite": Operator(RIGHTS, frozenset({1, 2}))}
MANDATE = Mandate(
    site=SITE,
    holder="office",
    use=Use.ORDERS,
    version=1000 * (NOW - 100),
    key=BRIDGE.verify_key,
    not_before=NOW - 100,
    expires=NOW + DAY_SECONDS,
)
LIMITS = Limits(
    SITE,
    operators=OPERATORS,
    held_open=frozenset({2}),
    apart=frozenset({9}),
    cards=2,
    mandates=(MANDATE,),
)
IN_FORCE = HubCertificate(SITE, "hub-a", NOW - 1000, NOW + 1000, HUB.verify_key, (1, 2))


def policy(version: int, **said: object) -> Policy:
    made = Policy(SITE, version, NOW)
    return replace(made, **said)  # type: ignore[arg-type]


def grant(seconds: int = DAY_SECONDS, points: tuple[int, ...] = (1,), **said: object) -> Grant:
    access = tuple(Access(point, 1, ()) for point in points)
    made = Grant(SITE, "anna", NOW, NOW + seconds, b"grant-01", PHONE.verify_key, access)
    return replace(made, **said)  # type: ignore[arg-type]


def certificate(**said: object) -> HubCertificate:
    made = replace(IN_FORCE, not_before=NOW, expires=NOW + 90 * DAY_SECONDS)
    return replace(made, **said)  # type: ignore[arg-type]


def in_force(made: HubCertificate = IN_FORCE, issuer: SigningKey = ISSUER) -> bytes:
    return issue_hub_certificate(issuer, made, write_key(made.key.public))


def mandate(**said: object) -> Mandate:
    made = replace(MANDATE, version=1000 * NOW, not_before=NOW, expires=NOW + 30 * DAY_SECONDS)
    return replace(made, **said)  # type: ignore[arg-type]


class Signer:
    """A signer without a key or a log: what is signed is remembered."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.standing = Standing(limits.a_day, limits.revoking_a_day)
        self.last: Policy | None = None
        self.log: list[Signed] = []

    def ask(self, brought: Unsigned, now: float = NOW) -> Wanted:
        """Read, judge and remember. Raise RefusedError."""
        wanted = READER.read(brought.kind, brought.claims, brought.along)
        now_ms = int(1000 * now)
        judge(wanted, self.limits, self.standing, self.last, now_ms)
        digest = sha256(brought.claims).digest()
        fact = signed(wanted, self.standing.moment(now_ms), digest, self.last)
        self.standing.take(fact)
        self.log.append(fact)
        if isinstance(wanted, WantedPolicy):
            self.last = wanted.policy
        return wanted


def brought(made: object, along: bytes | None = None) -> Unsigned:
    """Return a document as it is brought."""
    match made:
        case Policy():
            return unsigned.of_policy(made, TRIAL)
        case Grant():
            return unsigned.of_grant(made, write_key(made.key.public))
        case HubCertificate():
            return unsigned.of_certificate(made, in_force() if along is None else along, TRIAL)
        case Mandate():
            return unsigned.of_mandate(made, TRIAL)
    raise AssertionError(made)


def listed(version: int, *names: str | bytes, issued_at: int = NOW) -> Unsigned:
    """Return a list of revocations."""
    return unsigned.of_revocations(SITE, version, issued_at, names, TRIAL)


def few_a_day(kind: DocumentKind, most: int) -> Limits:
    return replace(LIMITS, a_day={**A_DAY, kind: most})
