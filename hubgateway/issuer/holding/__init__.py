"""Where the issuer's key and the authority's lie, and how they are opened to sign.

Laws:
1. Whoever signs has a `SigningKey` and knows no kind. Each kind passes one suite
   (`tests/ports/test_issuer_keys.py`).
2. A secret (a passphrase or a PIN) comes from a person, or from a file of its own. It stands in no
   configuration and in no command.
3. A key that others of the machine may read is refused.
"""
