"""Readers and keypads that speak OSDP on RS-485, behind a process of its own."""
