"""Log lines and acts on their way to a syslog server, by TLS."""
