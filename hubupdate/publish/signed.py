"""A channel's plan in the director's newest list, and what those who publish keep beside it.

Laws:
1. What is kept stands in the list itself, beside the plan's digest, so the same key signs it and
   the folder stays the whole state. Hubs pass it over.
2. Bytes of a plan are read after their digest was proven.
3. A person's plan brings its own tolerance, and ends a stop. Failures never end one.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import TargetFile, Targets

from hubcore.errors import ConfigError, StoreError, TrustError
from hubcore.update.image import is_name
from hubcore.update.plan import PLAN_BYTES_MAX, Plan, read_plan, write_plan
from hubcore.update.tolerance import Tolerance
from hubterm.files import read_ordinary
from hubupdate.publish.lists import Lists, change_targets
from hubupdate.trust import plan_name


@dataclass(frozen=True, slots=True)
class SignedPlan:
    """A plan, its tolerance, and whether failures have stopped it."""

    plan: Plan
    tolerance: Tolerance | None
    is_stopped: bool = False


def name_of(channel: str) -> str:
    """Return the name of a channel's plan. Raise ConfigError."""
    name = plan_name(channel)
    if not is_name(name):
        raise ConfigError(f"{channel} is no name of a channel: small letters and digits")
    return name


def put_plan(lists: Lists, name: str, signed: SignedPlan, signer: Signer) -> Path:
    """Sign a list with this plan, and return it. It is in force with the next `publish`."""
    with tempfile.TemporaryDirectory(prefix="hubupdate-plan.") as folder:
        made = Path(folder) / name
        made.write_bytes(write_plan(signed.plan))
        listed = lists.put_target(name, made)
    if signed.tolerance is not None:
        listed.unrecognized_fields["custom"] = {
            "tolerance": {
                "failures": signed.tolerance.failures_max,
                "share": signed.tolerance.share_max,
                "stopped": signed.is_stopped,
            }
        }

    def change(targets: Targets) -> None:
        targets.targets[name] = listed

    return change_targets(lists, change, signer)


def newest_plan(lists: Lists, name: str) -> SignedPlan:
    """Return the plan of the newest list, published or not. Raise HubError."""
    listed = lists.targets().targets.get(name)
    if listed is None:
        raise ConfigError(f"the director's list has no {name}: sign a plan first")
    plan = read_plan(_bytes(lists.file_of(listed), listed))
    kept = _kept(listed)
    if kept is None:
        return SignedPlan(plan, None)
    try:
        tolerance = Tolerance(kept["failures"], kept["share"])
        return SignedPlan(plan, tolerance, bool(kept["stopped"]))
    except (ValueError, TypeError, KeyError) as error:
        raise TrustError(
            f"the tolerance beside {name} cannot be read: sign the plan again"
        ) from error


def stopped(signed: SignedPlan, issued: int) -> SignedPlan:
    """Return the same plan, by which no hub switches any more."""
    plan = replace(signed.plan, issued=issued, is_held=True)
    return replace(signed, plan=plan, is_stopped=True)


def _bytes(place: Path, listed: TargetFile) -> bytes:
    try:
        data = read_ordinary(place, PLAN_BYTES_MAX)
    except OSError as error:
        raise StoreError(f"{place}: {error.strerror or error}") from error
    if hashlib.sha256(data).hexdigest() != listed.hashes["sha256"]:
        raise TrustError(f"{place} is not what its list says: sign the plan again")
    return data


def _kept(listed: TargetFile) -> Any:
    return listed.custom.get("tolerance") if isinstance(listed.custom, dict) else None
