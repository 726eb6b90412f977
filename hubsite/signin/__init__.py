"""Signing in: who is judged, in which order, and what each is told."""
