"""Where log lines go: a stream, or journald by its own protocol."""
