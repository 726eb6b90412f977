"""What hubd, hubbridge and hubctl agree on for local sockets. `docs/hubctl.md` tells the rest."""

API = 1
"""The version of the local API, in each request and each answer.

A call more, or a key more in an answer, is the same version.
"""
ROOT_SUFFIX = ".root"
"""Of root's own socket file, which stands beside everybody's."""
READERS_GROUP = "hubd"
"""Whoever is in it may look at a hub: the group of the socket's file."""
ACTORS_GROUP = "hubd-admin"
"""Whoever is in it, too, may act."""
UPDATES_USER = "hubupdate"
"""Who may renew a hub: let another version take it over."""
BRIDGE_READERS_GROUP = "hubbridge"
"""The same for a bridge, and for all hubs of its site."""
BRIDGE_ACTORS_GROUP = "hubbridge-admin"
BRIDGE_SOCKET = "/run/hubbridge/hubbridge.sock"
