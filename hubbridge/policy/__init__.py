"""The policy of the site at its bridge: kept whole, given to hubs, changed by nobody here."""
