"""This server's own certificate: whether browsers believe it, and until when."""
