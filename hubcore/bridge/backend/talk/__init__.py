"""The bridge's side of the talk with its backend: the talk, its turns, and what is said apart."""
