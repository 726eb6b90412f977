"""The way to a bridge of the site: TLS 1.3 with the hub's own certificate."""
