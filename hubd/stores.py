"""What is kept on the disk, opened at a start, and what is found there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from hubcore.errors import ConfigError, TrustError
from hubcore.evidence.statecheck import FoundState, LogFound, LoggedState, OnDisk, read_logged_state
from hubcore.policy.policy import Policy
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.database import AUDIT, POLICY
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.adapters.sqlite.policy_proof import PolicyFound


@dataclass(frozen=True, slots=True)
class Stores:
    """The audit log and the policy; `found` is their state, `told` what the log says of it."""

    audit: AuditStore
    policy: PolicyDatabase
    found: FoundState
    told: LoggedState


async def open_stores(
    state: Path, site: str, read: Callable[[bytes], Policy], stack: AsyncExitStack
) -> Stores:
    """Open the stores in the directory `state`, or make them; `stack` closes them.

    `read` verifies and reads a signed policy. Raise StoreError or ConfigError.
    """
    audit_path = state / "audit.db"
    policy_path = state / "policy.db"
    log_removed = AUDIT.removed(audit_path)
    policy_removed = POLICY.removed(policy_path)
    audit = await AuditStore.open(audit_path)
    await stack.enter_async_context(audit)
    try:
        policy = await PolicyDatabase.open(policy_path, site, read)
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
    return Stores(audit, policy, found, told)


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
