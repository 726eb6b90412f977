"""Devices: what a thing is told, and what it says. No text, no person."""
