"""What is kept on the disk, opened at a start, and what is found there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError, FrameError, TrustError
from hubcore.evidence.carried_orders import CarriedOrder, believed, digest_of_site
from hubcore.evidence.records import Record
from hubcore.evidence.statecheck import (
    Doubt,
    FoundState,
    LogFound,
    LoggedState,
    OnDisk,
    judge,
    read_logged_state,
)
from hubcore.policy.document import Proven
from hubcore.ports.stores import PolicyContents
from hubd.adapters.host.signed_file import EndsFile, MandateFile, RevocationFile, SiteOrderFile
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.audit_start import CHECKED_AT_START
from hubd.adapters.sqlite.database import AUDIT, POLICY
from hubd.adapters.sqlite.looks.log import LogLook, look_at_log
from hubd.adapters.sqlite.looks.policy import PolicyLook, look_at_policy
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.adapters.sqlite.policy_proof import PolicyFound
from hubd.adapters.sqlite.tables.contents import count
from hubd.adapters.sqlite.tables.retention import Retention

LOG = "audit.db"
POLICY_FILE = "policy.db"


@dataclass(frozen=True, slots=True)
class Stores:
    """The audit log, the policy, and the revocations that phones brought.

    `found` is the state of log and policy, `told` what the log says of it.
    `orders` are those of the backend that stood when hubd last ended. `site_orders` keeps
    the site's; `site_orders_digest` is what the log says of that file, None where that does not
    count.
    """

    audit: AuditStore
    policy: PolicyDatabase
    policy_contents: Callable[[], PolicyContents | None]
    """Reads for long: it is for a thread. Raises StoreError."""
    revocations: RevocationFile
    found: FoundState
    told: LoggedState
    site_orders: SiteOrderFile
    mandates: MandateFile
    ends: EndsFile
    orders: tuple[CarriedOrder, ...] = ()
    site_orders_digest: bytes | None = None


def read_policy_contents(path: Path) -> PolicyContents | None:
    """Count what the policy in a file holds, None when there is none: in a thread.

    Raise StoreError for a file that cannot be read.
    """
    with closing(POLICY.reader(path)) as connection, POLICY.errors(path):
        try:
            return count(connection)
        except FrameError as error:
            raise POLICY.broken(path, str(error)) from error


def make_retention(budget_bytes: int, hub: str, site: str, key: SigningKey) -> Retention:
    """Return the rule by which records go. `key` is the hub's identity, which signs for them."""
    return Retention(budget_bytes=budget_bytes, hub=hub, site=site, key=key)


@dataclass(frozen=True, slots=True)
class StoresLook:
    """What was seen of the stores while another process drives."""

    log: LogLook
    policy: PolicyLook

    def end(self) -> None:
        """Close what the stores have not taken."""
        self.log.end()
        self.policy.end()


def look_at_stores(
    state: Path,
    prove: Callable[[bytes], Proven],
    retention: Retention | None = None,
) -> StoresLook:
    """Check the stores in the directory `state` as a start does, and change nothing: in a thread.

    Raise StoreError.
    """
    with ExitStack() as undo:
        log = look_at_log(state / LOG, retention)
        undo.callback(log.end)
        policy = look_at_policy(state / POLICY_FILE, prove)
        undo.pop_all()
    return StoresLook(log, policy)


async def open_stores(
    state: Path,
    site: str,
    prove: Callable[[bytes], Proven],
    stack: AsyncExitStack,
    retention: Retention | None = None,
    look: StoresLook | None = None,
) -> Stores:
    """Open the stores in the directory `state`, or make them; `stack` closes them.

    `prove` verifies a signed policy. Without `retention` no record ever goes. What `look` has seen
    is not checked twice. Raise StoreError or ConfigError.
    """
    audit_path = state / LOG
    policy_path = state / POLICY_FILE
    log_removed = AUDIT.removed(audit_path)
    policy_removed = POLICY.removed(policy_path)
    if look is not None and look.log.seen is not None:
        audit = look.log.go_on(audit_path, retention)
    else:
        audit = await AuditStore.open(audit_path, retention)
    await stack.enter_async_context(audit)
    try:
        if look is not None and look.policy.seen is not None:
            policy = look.policy.go_on(policy_path, site, prove)
        else:
            policy = await PolicyDatabase.open(policy_path, site, prove)
    except TrustError as error:
        raise ConfigError(str(error)) from error
    await stack.enter_async_context(policy)
    kept = policy.found
    found = FoundState(
        policy=kept.policy,
        version=kept.version,
        log=_log_found(audit, kept),
        policy_removed=policy_removed,
        log_removed=log_removed,
    )
    told = read_logged_state(audit.newest_about_state())
    in_doubt = isinstance(judge(found, told), Doubt)
    return Stores(
        audit=audit,
        policy=policy,
        policy_contents=partial(read_policy_contents, policy_path),
        revocations=RevocationFile(state / "revocations.cbor"),
        found=found,
        told=told,
        site_orders=SiteOrderFile(state / "site-orders.cbor"),
        mandates=MandateFile(state / "mandates.cbor"),
        ends=EndsFile(state / "ends.cbor"),
        orders=_orders_found(audit, in_doubt),
        site_orders_digest=None if in_doubt else _site_orders_digest(audit),
    )


def _orders_found(audit: AuditStore, in_doubt: bool) -> tuple[CarriedOrder, ...]:
    """Find the orders that stood before this start."""
    stored = audit.newest_about_orders()
    if stored is None:
        return ()
    is_checked = stored.number > audit.last() - CHECKED_AT_START
    return believed(Record.decode(stored.body), is_checked and not in_doubt)


def _site_orders_digest(audit: AuditStore) -> bytes | None:
    """Find what the newest checked record about the site's orders says of their file."""
    for stored in reversed(audit.newest(audit.last() + 1, CHECKED_AT_START)):
        digest = digest_of_site(stored.body)
        if digest is not None:
            return digest
    return None


def _log_found(audit: AuditStore, kept: PolicyFound) -> LogFound:
    """Compare the log with the head that the policy's file noted.

    A head is noted with each policy: where there is none, it was taken away.
    """
    noted = kept.noted
    if audit.last() == 0:
        return LogFound.GONE if noted.number else LogFound.EMPTY
    if kept.policy is OnDisk.PROVEN and not noted.number:
        return LogFound.DIFFERS
    return LogFound.HOLDS if audit.holds(noted) else LogFound.DIFFERS
