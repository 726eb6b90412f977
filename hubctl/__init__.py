"""hubctl: what a technician types at a hub.

It knows the daemon's socket and the pure core, nothing else of the daemon.
"""
