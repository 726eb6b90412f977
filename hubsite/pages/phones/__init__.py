"""Pages of the credentials that people carry: phones, and phones in a browser."""
