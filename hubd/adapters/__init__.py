"""Adapters: one file joins one port of `hubcore.ports` to one library, and translates its errors on
the spot.
"""
