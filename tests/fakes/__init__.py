"""The fakes of the tests: one for each port of `hubcore.ports`, whole, and each can be told to
fail.

Laws:
1. A port has one fake, and every test that needs the port uses it.
2. A fake keeps the contract of its port: `tests/ports` runs one suite on the fake and on the real
   adapter.
3. A fake fails by an error that the port names, and only when a test tells it to.
"""
