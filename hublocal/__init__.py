"""A program's local socket: JSON lines for people at the machine. It knows no program that has one.

The owner's words and its log are arguments. hubd and hubbridge stand on it.
"""
