"""What holds of each page: its style, its menu, and how browsers have it."""
