"""`hubctl keys`: which keys this hub has, and how one is changed."""
