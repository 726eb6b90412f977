"""What devices say by way of their hub: the last values, and words for them."""
