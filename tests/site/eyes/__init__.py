"""What looks at each page in a real browser."""
