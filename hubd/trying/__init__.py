"""`hubctl doctor --active`: what the hub's parts do when they are really asked.

`trials` asks them, `steps` says how each is asked.
"""
