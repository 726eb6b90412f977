"""The bridge's local socket: what the people of a site ask, and what they order."""
