"""The orders that stand for the doors: who gives them, and what a door is in by them."""
