"""Every command of `hubctl --site`, and examples of each.

Laws:
1. The grammar is that of `hubctl.table`. A noun means there what it means at a hub.
2. Each command has an example that can be typed as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubctl.shell.examples import Example
from hubctl.table import LOOK, Row

ACT = "Act (group hubbridge-admin, or root)"
SECTIONS = (LOOK, ACT)

SITE = (
    Row("status", "site.looks:status", "How the site is: each hub, and what to do.", LOOK),
    Row("hub NAME", "site.looks:hub", "One hub: records, clock, certificate, doors.", LOOK),
    Row("doors", "site.looks:doors", "What happened last at doors, and what holds them.", LOOK),
    Row("readings", "site.looks:readings", "What devices have said last.", LOOK),
    Row("orders", "site.looks:orders", "What the site ordered, and who has not taken it.", LOOK),
    Row("doubts", "site.looks:doubts", "Whose records are not what was seen here.", LOOK),
    Row("watch", "site.watch:watch", "What happens on site, as it happens.", LOOK),
    Row("lockdown", "site.acts:lockdown", "Let nobody in, at all doors or some.", ACT),
    Row("lockdown end", "site.acts:lockdown_end", "End that.", ACT),
    Row("no-entry", "site.acts:no_entry", "Refuse new people, at all doors or some.", ACT),
    Row("no-entry end", "site.acts:no_entry_end", "End that.", ACT),
    Row("hold-open", "site.acts:hold_open", "Hold doors open, for as long as you say.", ACT),
    Row("hold-open end", "site.acts:hold_open_end", "End that.", ACT),
    Row("release NAME", "site.acts:release", "Open one access point of the hub NAME once.", ACT),
    Row("device NAME", "site.acts:device", "Command a shutter, a switch or a lock once.", ACT),
    Row("disable CREDENTIAL", "site.acts:disable", "A lost phone or card opens nothing.", ACT),
    Row("enable CREDENTIAL", "site.acts:enable", "End that.", ACT),
    Row("accept NAME", "site.acts:accept", "End such a doubt: name the record.", ACT),
    Row("guest NAME", "site.guests:guest", "Let a guest in, for a day at the longest.", ACT),
    Row("guest end GUEST", "site.guests:guest_end", "End that.", ACT),
)

OF_COMMAND: Mapping[str, Sequence[Example]] = {
    "status": (
        Example("hubctl --site status", "what is wrong comes first"),
        Example("hubctl --site status -o hub,phase,version", "three fields of each hub"),
    ),
    "hub NAME": (Example("hubctl --site hub hub-1", "all that the bridge knows of it"),),
    "doors": (Example("hubctl --site doors", "as the hubs' records tell"),),
    "readings": (
        Example("hubctl --site readings", "temperatures, batteries, positions"),
        Example("hubctl --site readings --json", "for machines"),
    ),
    "orders": (Example("hubctl --site orders", "what stands, and who has not taken it"),),
    "doubts": (Example("hubctl --site doubts", "which stand, and who has ended which"),),
    "watch": (
        Example("hubctl --site watch", "until Ctrl-C"),
        Example("hubctl --site watch --level warning --since 1h", "alarms and troubles"),
    ),
    "lockdown": (
        Example("hubctl --site lockdown", "all doors, for 7 days or until it is ended"),
        Example("hubctl --site lockdown --hub hub-1 --hub hub-2", "all doors of two hubs"),
        Example("hubctl --site lockdown --hub hub-1 --point 3 --for 2h", "one access point"),
    ),
    "lockdown end": (
        Example("hubctl --site lockdown end", "what was locked down by `lockdown`"),
        Example("hubctl --site lockdown end --hub hub-1", "at one hub"),
    ),
    "no-entry": (Example("hubctl --site no-entry --for 4h", "all doors, for 4 hours"),),
    "no-entry end": (Example("hubctl --site no-entry end", "all doors"),),
    "hold-open": (
        Example("hubctl --site hold-open --hub hub-1 --point 1 --for 30min", "a delivery"),
    ),
    "hold-open end": (Example("hubctl --site hold-open end --hub hub-1 --point 1", "the same"),),
    "release NAME": (
        Example("hubctl --site release hub-1 --point 1", "for as long as a phone gets"),
        Example("hubctl --site release hub-1 --point 1 --for 10s", "for longer, up to its cap"),
    ),
    "device NAME": (
        Example("hubctl --site device hub-1 shutter-2 close", "close a shutter"),
        Example("hubctl --site device hub-1 shutter-2 set-level 30", "30 per cent open"),
        Example("hubctl --site device hub-1 hall-light off", "a switch"),
    ),
    "disable CREDENTIAL": (
        Example("hubctl --site disable 3fa9c2d18b7e40c2", "for 30 days, at all hubs"),
        Example("hubctl --site disable 3fa9c2d18b7e40c2 --for 2d", "for two days"),
    ),
    "enable CREDENTIAL": (Example("hubctl --site enable 3fa9c2d18b7e40c2", "it was found"),),
    "accept NAME": (
        Example(
            "hubctl --site accept hub-1 --head "
            "97:3fa9c2d18b7e40c23fa9c2d18b7e40c23fa9c2d18b7e40c23fa9c2d18b7e40c2",
            "the whole name, as `hub hub-1` shows it",
        ),
    ),
    "guest NAME": (
        Example(
            "hubctl --site guest plumber --key plumber.key.cbor --hub hub-1 --point 1 --for 8h "
            "--grant plumber.grant",
            "the phone shows its key, and gets the grant",
        ),
    ),
    "guest end GUEST": (
        Example("hubctl --site guest end 00112233445566778899aabbccddeeff", "he has left"),
    ),
}

QUESTIONS = (
    Example("hubctl --site status", "is every hub well, and what is to be done?"),
    Example("hubctl --site doors", "which door is forced or held open?"),
    Example("hubctl --site orders", "is the lockdown in force everywhere?"),
    Example("hubctl --site watch --level warning", "what is wrong now?"),
)
"""At the end of `hubctl --site --help`."""
