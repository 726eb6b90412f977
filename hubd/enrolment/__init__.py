"""How this machine becomes a hub of a site: `hubctl enroll`.

`places` says where all lies, `durable` writes it, `ownkeys` makes the keys, `greeting` and `asking`
speak with the backend, `proven` proves its answer, `settings` writes the configuration, `enrol` is
the order of the steps.
"""
