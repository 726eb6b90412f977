"""The program behind `hubctl netcheck`: the ways to the backend and to the bridges, step by step.

`steps` takes those to the backend, `bridge` those to a bridge; `__main__` shows them.
"""
