"""The commands of `hubctl --site`."""
