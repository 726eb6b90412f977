"""The local socket that hubctl asks."""
