"""Strikes, driven by a guard process that owns their off-timers."""
