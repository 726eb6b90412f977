"""Pages about new hubs, and about what ends one."""
