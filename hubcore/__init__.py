"""hubcore: the ground floor of an access hub, pure values, rules and messages; it knows nothing
above it.
"""
