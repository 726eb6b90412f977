"""What a site orders by itself."""
