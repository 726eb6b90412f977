"""The commands that change something, a file for each noun.

hubd records each act with its caller.
"""
