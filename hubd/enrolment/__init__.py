"""How this machine becomes a hub of a site: `hubctl enroll`.

`places` says where all lies, `durable` writes it, `greeting` and `asking` speak with the backend,
`settings` writes the configuration, `enrol` is the order of the steps.
"""
