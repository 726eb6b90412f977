"""How hubctl speaks of one door, and finds the one that was meant."""
