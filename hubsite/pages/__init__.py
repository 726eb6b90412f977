"""Pages that the server renders; no script is needed to use them."""
