"""`hubctl state accept`: somebody says that the state on the disk is right."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubterm.text import clean


@click.command()
@JSON
@SOCKET
@click.pass_obj
def accept(path: Path, as_json: bool) -> None:
    """Say that policy and log on the disk are right, after one was lost.

    This is recorded.
    """
    answer = ask_or_end(path, "accept-state", as_json)
    if as_json:
        print_json(answer)
    elif answer["was"] is None:
        print("Nothing was in doubt.")
    else:
        version = clean(answer["policy_version"])
        print(f"Accepted ({clean(answer['was'])}). The policy in force is version {version}.")
