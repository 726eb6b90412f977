"""A hub of this process as it changes hands: its sessions, and the process that takes over."""
