"""The numbers of a hub, as Prometheus reads them."""
