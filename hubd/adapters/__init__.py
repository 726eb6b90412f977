"""Adapters: one file joins one port of `hubd.ports` to one library, and translates its errors on the spot."""
