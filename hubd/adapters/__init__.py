"""Adapters: each joins one port of `hubcore.ports` to one library, and translates its errors."""
