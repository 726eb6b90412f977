"""What `hubctl top` shows: documents and keys in, lines out. Nothing here knows a terminal."""
