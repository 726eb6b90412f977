"""Use cases around phones that others make: PKOC."""
