"""Relay boards without metal: they answer on a pty as the real ones do on a serial line."""
