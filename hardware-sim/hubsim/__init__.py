"""hubsim: a phone, a radio, a backend and a door that behave like the real ones. Not for hubs."""
