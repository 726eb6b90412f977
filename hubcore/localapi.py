"""What hubd and hubctl agree on for the local socket. `docs/hubctl.md` tells the rest."""

API = 1
"""The version of the local API, in each request and each answer.

A call more, or a key more in an answer, is the same version.
"""
ROOT_SUFFIX = ".root"
"""Of root's own socket file, which stands beside everybody's."""
READERS_GROUP = "hubd"
"""Whoever is in it may look: the group of the socket's file."""
ACTORS_GROUP = "hubd-admin"
"""Whoever is in it, too, may act."""
