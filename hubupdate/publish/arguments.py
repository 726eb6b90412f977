"""The words that the publisher's program takes."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from hubcore.version import __version__
from hubupdate.publish.roots import ROLES
from hubupdate.trust import Repository


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        "python -m hubupdate.publish", description="Signs what hubs renew themselves by."
    )
    top.add_argument("--version", action="version", version=f"hubupdate {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    _of_keys(commands)
    _of_lists(commands)
    _of_reading(commands)
    return top


_Commands = argparse._SubParsersAction


def _of_keys(commands: _Commands[argparse.ArgumentParser]) -> None:
    key = commands.add_parser("key", help="make a key: FILE and FILE.pub")
    key.add_argument("file", type=Path)
    key.add_argument("--open", action="store_true", help="without a passphrase, for a machine")
    draft = commands.add_parser("draft", help="write the next root, to be signed")
    _repository(draft)
    draft.add_argument("draft", type=Path)
    for role in ROLES:
        draft.add_argument(f"--{role}", type=Path, nargs="+", default=[], metavar="KEY.pub")
    sign = commands.add_parser("sign", help="sign a draft, as one person")
    sign.add_argument("draft", type=Path)
    sign.add_argument("key", type=Path)
    accept = commands.add_parser("accept", help="put a signed draft in force")
    _repository(accept)
    accept.add_argument("draft", type=Path)


def _of_lists(commands: _Commands[argparse.ArgumentParser]) -> None:
    add = commands.add_parser("add", help="list an image")
    _carrier(add)
    add.add_argument("image", type=Path)
    add.add_argument("--name", help="as hubs know it; the file's own name without")
    _key_of(add)
    pack = commands.add_parser("pack", help="list an image packed, too, so that less is fetched")
    _carrier(pack)
    pack.add_argument("name", help="of an image that is listed")
    pack.add_argument(
        "--from",
        dest="references",
        nargs="+",
        default=[],
        metavar="NAME",
        help="listed images that hubs may have: only what differs is fetched then",
    )
    _key_of(pack)
    withdraw = commands.add_parser("withdraw", help="take an image off the list")
    _carrier(withdraw)
    withdraw.add_argument("name")
    _key_of(withdraw)
    plan = commands.add_parser("plan", help="say which hubs of a channel get what, and when")
    _carrier(plan)
    plan.add_argument("channel")
    plan.add_argument("plan", type=Path, metavar="PLAN.toml")
    _key_of(plan)
    tolerate = commands.add_parser("tolerate", help="hold all hubs if too many have failed")
    _carrier(tolerate)
    tolerate.add_argument("channel")
    tolerate.add_argument(
        "--heard", type=Path, required=True, metavar="JSON", help="of hubissuer updates --json"
    )
    _key_of(tolerate)
    resign = commands.add_parser("resign", help="sign the newest list again, before it ends")
    _repository(resign)
    _key_of(resign)
    publish = commands.add_parser("publish", help="put the newest list in force for some days")
    _repository(publish)
    publish.add_argument("--snapshot", type=Path, required=True, metavar="KEY")
    publish.add_argument("--timestamp", type=Path, required=True, metavar="KEY")


def _of_reading(commands: _Commands[argparse.ArgumentParser]) -> None:
    show = commands.add_parser("show", help="say when each list ends")
    _carrier(show)
    explain = commands.add_parser("explain", help="say what a hub would do")
    _carrier(explain)
    explain.add_argument("channel")
    explain.add_argument("hub")
    explain.add_argument("--at", type=datetime.fromisoformat, help="a moment with its zone")
    explain.add_argument("--zone", default="UTC", help="the time zone at the door")


def _carrier(command: argparse.ArgumentParser) -> None:
    command.add_argument("carrier", type=Path, help="the folder that is given out")


def _repository(command: argparse.ArgumentParser) -> None:
    _carrier(command)
    command.add_argument("repository", choices=[str(one) for one in Repository])


def _key_of(command: argparse.ArgumentParser) -> None:
    command.add_argument("--key", type=Path, required=True, help="the private targets key")
