"""python -m hubupdate.publish: make keys, sign lists, say which hub gets what (docs/updates.md).

Exit status: 0 done; 1 what is signed is refused, a list ends soon, or too many hubs have failed; 64
what was asked for is wrong; 66 the disk.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tuf.api.metadata import TargetFile, Targets

from hubcore.errors import ConfigError, HubError, StoreError
from hubcore.update.image import Image, is_name
from hubcore.update.plan import PLAN_BYTES_MAX
from hubcore.update.tolerance import Verdict
from hubterm.exits import NO, OK, UNREADABLE, USAGE
from hubterm.files import read_ordinary
from hubupdate.packed import change_name, is_packed_of, pressed_name
from hubupdate.publish.arguments import parser
from hubupdate.publish.explain import explain, published_plan
from hubupdate.publish.heard import FLEET_BYTES_MAX, endings, read_fleet, told
from hubupdate.publish.keys import load_public, load_signer, make_key
from hubupdate.publish.lists import Lists, change_targets
from hubupdate.publish.packing import pack
from hubupdate.publish.plans import read_plan_file
from hubupdate.publish.roots import ROLES, accept_root, draft_root, sign_draft, write_draft
from hubupdate.publish.signed import name_of, newest_plan, put_plan, stopped
from hubupdate.trust import Repository

SOON_DAYS = {"root": 30, "targets": 14, "snapshot": 7, "timestamp": 2}
"""Before a list ends, this many days are told."""


@dataclass(frozen=True, slots=True)
class World:
    """What a command has of the world: the time, a place to speak, and whom to ask."""

    now: Callable[[], datetime]
    say: Callable[[str], None]
    ask: Callable[[Path], bytes]


def run(arguments: Sequence[str], world: World) -> int:
    """Do one command; return the exit status."""
    options = parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options, world)
    except ConfigError as error:
        world.say(f"hubupdate.publish: {error}")
        return USAGE
    except StoreError as error:
        world.say(f"hubupdate.publish: {error}")
        return UNREADABLE
    except HubError as error:
        world.say(f"hubupdate.publish: {error}")
        return NO


def main() -> None:
    """Run with this process's arguments."""
    world = World(lambda: datetime.now(UTC), print, _ask)
    sys.exit(run(sys.argv[1:], world))


def _ask(path: Path) -> bytes:
    return getpass.getpass(f"Passphrase of {path}: ").encode()


def _lists(options: argparse.Namespace, world: World, which: Repository | None = None) -> Lists:
    return Lists(options.carrier, which or Repository(options.repository), world.now())


def _key(options: argparse.Namespace, world: World) -> int:
    passphrase = b"" if options.open else world.ask(options.file)
    if not options.open and not passphrase:
        raise ConfigError("an empty passphrase: type one, or say --open for a key without")
    public = make_key(options.file, passphrase)
    world.say(f"{options.file} is the private key, {public} the public one")
    return OK


def _draft(options: argparse.Namespace, world: World) -> int:
    keys = {role: [load_public(one) for one in getattr(options, role)] for role in ROLES}
    which = Repository(options.repository)
    other = next(one for one in Repository if one is not which)
    root = draft_root(_lists(options, world), keys, _lists(options, world, other))
    write_draft(options.draft, root)
    world.say(f"{options.draft} is the draft of root {root.signed.version}: two persons sign it")
    return OK


def _sign(options: argparse.Namespace, world: World) -> int:
    root = sign_draft(options.draft, load_signer(options.key, world.ask))
    world.say(f"{options.draft} has {len(root.signatures)} signatures")
    return OK


def _accept(options: argparse.Namespace, world: World) -> int:
    path = accept_root(_lists(options, world), options.draft)
    world.say(f"{path} is in force")
    return OK


def _add(options: argparse.Namespace, world: World) -> int:
    name = options.name or options.image.name
    if not is_name(name):
        raise ConfigError(f"{name} is no name of an image: small letters, digits and ._+~- only")
    signer = load_signer(options.key, world.ask)
    lists = _lists(options, world, Repository.IMAGES)
    before = lists.targets().targets.get(name)
    listed = lists.put_target(name, options.image)
    if before is not None and before != listed:
        raise ConfigError(f"{name} is listed with other bytes: another image has another name")

    def change(targets: Targets) -> None:
        targets.targets[name] = listed

    path = change_targets(lists, change, signer)
    world.say(f"{path} lists {name}; publish puts it in force")
    return OK


def _pack(options: argparse.Namespace, world: World) -> int:
    signer = load_signer(options.key, world.ask)
    lists = _lists(options, world, Repository.IMAGES)
    image, data = _listed(lists, options.name)
    made: dict[str, TargetFile] = {}
    for reference in (None, *options.references):
        old, old_data = (None, None) if reference is None else _listed(lists, reference)
        name = pressed_name(image.name) if old is None else change_name(image.name, old.digest)
        packed = data.with_name(f"{name}.new")
        if not pack(image, data, old_data, packed):
            world.say(f"{name} would not be worth it")
            continue
        made[name] = lists.put_target(name, packed)
        packed.unlink()
        world.say(f"{name} has {made[name].length} bytes of {image.size}")
    path = change_targets(lists, lambda targets: targets.targets.update(made), signer)
    world.say(f"{path} lists {len(made)} more files; publish puts them in force")
    return OK


def _listed(lists: Lists, name: str) -> tuple[Image, Path]:
    """Return a listed image, and where its bytes lie. Raise ConfigError."""
    listed = lists.targets().targets.get(name)
    if listed is None or not is_name(name):
        raise ConfigError(f"{name} is not on the list of images")
    digest = bytes.fromhex(listed.hashes["sha256"])
    return Image(name, "0", digest, listed.length), lists.file_of(listed)


def _withdraw(options: argparse.Namespace, world: World) -> int:
    def change(targets: Targets) -> None:
        if targets.targets.pop(options.name, None) is None:
            raise ConfigError(f"{options.name} is not on the list of images")
        for name in [name for name in targets.targets if is_packed_of(name, options.name)]:
            del targets.targets[name]

    signer = load_signer(options.key, world.ask)
    path = change_targets(_lists(options, world, Repository.IMAGES), change, signer)
    world.say(f"{path} has no {options.name}; publish puts it in force")
    return OK


def _plan(options: argparse.Namespace, world: World) -> int:
    images = _lists(options, world, Repository.IMAGES).targets()
    data = _read(options.plan, PLAN_BYTES_MAX)
    name = name_of(options.channel)
    signer = load_signer(options.key, world.ask)
    signed = read_plan_file(data, images, int(world.now().timestamp()))
    path = put_plan(_lists(options, world, Repository.DIRECTOR), name, signed, signer)
    world.say(f"{path} lists {name}; publish puts it in force")
    return OK


def _tolerate(options: argparse.Namespace, world: World) -> int:
    lists = _lists(options, world, Repository.DIRECTOR)
    name = name_of(options.channel)
    signed = newest_plan(lists, name)
    if signed.tolerance is None:
        world.say(f"{name} has no tolerance: nothing is judged")
        return OK
    tried = endings(read_fleet(_read(options.heard, FLEET_BYTES_MAX)), signed.plan.image)
    verdict = signed.tolerance.verdict(tried, signed.is_stopped)
    for line in told(signed.tolerance, tried, verdict):
        world.say(line)
    if verdict is Verdict.STOP:
        signer = load_signer(options.key, world.ask)
        path = put_plan(lists, name, stopped(signed, int(world.now().timestamp())), signer)
        world.say(f"{path} holds all hubs of {name}; publish puts it in force")
    return OK if verdict is Verdict.GO_ON else NO


def _read(path: Path, most: int) -> bytes:
    try:
        return read_ordinary(path, most)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error


def _resign(options: argparse.Namespace, world: World) -> int:
    lists = _lists(options, world)
    targets = lists.old_targets()
    for name, listed in sorted(targets.targets.items()):
        world.say(f"signed again: {name} {listed.hashes['sha256']}")
    path = lists.put_targets(targets, load_signer(options.key, world.ask))
    world.say(f"{path} is signed; publish puts it in force")
    return OK


def _publish(options: argparse.Namespace, world: World) -> int:
    lists = _lists(options, world)
    snapshot = load_signer(options.snapshot, world.ask)
    lists.publish(snapshot, load_signer(options.timestamp, world.ask))
    return _show_one(lists, world)


def _show(options: argparse.Namespace, world: World) -> int:
    return max(_show_one(_lists(options, world, which), world) for which in Repository)


def _show_one(lists: Lists, world: World) -> int:
    status = OK
    for role, number, end in lists.ends():
        left = end - lists.now
        soon = left < timedelta(days=SOON_DAYS[role])
        status = NO if soon else status
        told = " · ends soon" if soon else ""
        world.say(f"{lists.which} {role} {number} ends {end:%Y-%m-%d %H:%M UTC}{told}")
    return status


def _explain(options: argparse.Namespace, world: World) -> int:
    try:
        zone = ZoneInfo(options.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"{options.zone} is no time zone") from error
    at = options.at or world.now()
    if at.tzinfo is None:
        raise ConfigError("--at needs its zone: 2026-12-01T02:00:00+01:00")
    plan = published_plan(options.carrier, options.channel)
    if plan is None:
        raise ConfigError(f"the director lists no plan for the channel {options.channel}")
    for line in explain(plan, options.hub, at.timestamp(), zone):
        world.say(line)
    return OK


_COMMANDS: dict[str, Callable[[argparse.Namespace, World], int]] = {
    "key": _key,
    "draft": _draft,
    "sign": _sign,
    "accept": _accept,
    "add": _add,
    "pack": _pack,
    "withdraw": _withdraw,
    "plan": _plan,
    "tolerate": _tolerate,
    "resign": _resign,
    "publish": _publish,
    "show": _show,
    "explain": _explain,
}
