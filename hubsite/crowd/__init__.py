"""Phones that fetch their grants in one moment: what each has is read for all of them at once."""
