"""What a site orders by itself, and what its key may grant."""
