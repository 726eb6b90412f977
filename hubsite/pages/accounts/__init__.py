"""The pages of signing in, and of an operator's own account."""
