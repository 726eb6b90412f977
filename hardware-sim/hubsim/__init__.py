"""hubsim: a phone, a radio, a backend and a door that behave like the real ones, for desks and
tests. Not for hubs.
"""
