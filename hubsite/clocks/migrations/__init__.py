"""How the table came to be what it is, step by step."""
