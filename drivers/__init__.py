"""Drivers move metal: strikes, locks, lines.

A driver sees a device and a simple command, never a person; it imports only ports and errors.
"""
