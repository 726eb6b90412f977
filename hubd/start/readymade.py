"""Law: import this before anything that makes a dataclass. It then takes methods that are compiled.

Without the file of `hubd.start.methods` it does nothing.
"""

from hubd.start import methods

methods.use()
