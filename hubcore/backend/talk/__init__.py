"""The talk with the backend: what the hub says and obeys, and when."""
