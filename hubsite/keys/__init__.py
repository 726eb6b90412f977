"""Security keys and passkeys of operators (WebAuthn): a second factor beside codes."""
