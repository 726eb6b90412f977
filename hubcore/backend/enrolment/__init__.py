"""How a hub is born: the token, the greeting, the messages, the fingerprint; pure values.

docs/uplink.md, "Enrolment", has the table.
"""
