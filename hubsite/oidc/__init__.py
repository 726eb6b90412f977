"""Sign-in by a provider of identities (OpenID Connect): what it says, and who is bound to it."""
