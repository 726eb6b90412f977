"""`hubsim update`: three updates of one machine, told as they happen.

A good version comes in spite of a power cut; a bad one is undone by itself; a person goes back.
Every line was seen: what does not happen ends the story with status 1.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hubcore.errors import HubError
from hubcore.update.running.wishes import Wish
from hubcore.update.slots import Phase
from hubsim.update.box import Box
from hubsim.update.shop import Shop
from hubsim.update.standin import Nature
from hubsim.update.updater import SPEED

Say = Callable[[str], None]


def show(say: Say) -> int:
    """Tell the story; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="hub") as folder:
        shop = Shop(Path(folder) / "shop")
        box = Box(Path(folder) / "box", shop)
        try:
            _story(box, shop, say)
        except HubError as error:
            say(f"It did not happen: {error}")
            return 1
        finally:
            box.cut_power()
    return 0


def _story(box: Box, shop: Shop, say: Say) -> None:
    began = time.monotonic()
    say("An update, and a version that comes back. The scripts, hubupdate and the signed lists are")
    say("the real ones; hubd is a small program in its place, and a trial of 10 minutes passes in")
    say(f"{600 / SPEED:g} s.")
    box.first("1.0")
    box.start()
    box.until_runs("1.0")
    say("  version 1.0 runs in slot A")

    shop.release("1.1", Nature.GOOD)
    box.wish(Wish.CHECK)
    box.until_phase(Phase.TRIAL)
    say("  1.1 is released: fetched, proven, tested on copies; now it is on trial in slot B")
    box.cut_power()
    say("  the power is cut amid the trial")
    box.start()
    box.until_runs("1.1")
    say("  the power is back: the trial began again and went well, 1.1 stays")

    shop.release("1.2", Nature.DIES_LATER)
    box.wish(Wish.CHECK)
    box.until_phase(Phase.TRIAL)
    say("  1.2 is released. It gets ready, and dies soon after")
    box.until(lambda: bool(box.board().get("quarantine")), "1.2 never comes into quarantine")
    box.until_runs("1.1")
    say("  1.1 came back without it, and 1.2 is in quarantine")

    shop.release("1.3", Nature.GOOD)
    box.wish(Wish.CHECK)
    box.until_runs("1.3")
    say("  1.3 mends that, and stays")
    box.wish(Wish.ROLL_BACK)
    box.until_runs("1.1")
    say("  a person types hubctl update rollback: 1.1 runs again, after its own test and trial")
    say(f"Seen in {time.monotonic() - began:.0f} s.")
