"""The server as a process: its callers, its worker, its clock, its database and copies."""
