"""People and groups as a directory sends them: SCIM 2.0 (RFC 7643, RFC 7644)."""
