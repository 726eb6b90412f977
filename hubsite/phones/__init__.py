"""Phones that fetch their grants by themselves: how they join, and what they get."""
