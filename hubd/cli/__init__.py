"""hubctl: what a technician types.

It knows the daemon's socket and the pure core, nothing else of the daemon.
"""
