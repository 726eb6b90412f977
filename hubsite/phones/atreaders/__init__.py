"""What is held to a reader: cards, and phones that others make (PKOC)."""
