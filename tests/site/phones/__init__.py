"""Phones of people: in a browser, of others, of guests; and cards."""
