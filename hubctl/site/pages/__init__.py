"""How hubctl words what a bridge says of its site.

Law 1: every text of the bridge is cleaned.
"""
