"""Radios for desks: a virtual air, and this machine's own."""
