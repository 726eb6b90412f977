"""`hubctl --site`: what the people of a building ask its bridge, and order there."""
