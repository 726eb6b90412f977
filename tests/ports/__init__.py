"""One suite a port: what `hubcore.ports` promises, shown on the fake of the tests and on every real
adapter.

A new adapter joins its port's suite by one more parameter of the fixture.
"""
