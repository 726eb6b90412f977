"""A whole site on one machine, to try: server, engine, gateway, bridge, hub, a browser phone."""
