"""The program behind `hubctl netcheck`: the way to the backend, step by step.

`steps` takes the steps, `__main__` shows them.
"""
