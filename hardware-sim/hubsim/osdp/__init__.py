"""Simulated OSDP readers on a pseudo-terminal, with the reader's side of libosdp."""
