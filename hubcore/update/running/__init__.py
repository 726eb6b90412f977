"""How the program of updates goes on: its pauses, and what persons wish of it."""
