"""The figures of the project: each beside its bound, measured in the same run. `python -m
benchmarks` prints them all.

Laws: a figure that has a goal is a ratio to what nothing could do without (bare cryptography, a
bare durable commit, a bare import), or a size; what is compared is measured in turns, so that a
busy machine disturbs both; a goal that is not met says where the time went. benchmarks/README.md
says what each figure leaves out.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "hardware-sim"))  # the lab is no distribution
