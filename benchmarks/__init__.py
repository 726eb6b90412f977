"""The figures of the project: each beside its bound, measured in the same run.

`python -m benchmarks` prints them all. benchmarks/README.md says what each figure leaves out.

Laws:
1. A figure with a goal is a size, or a ratio to what nothing could do without (bare cryptography, a
   bare durable commit, a bare import).
2. Figures that are compared are measured in turns, so that a busy machine disturbs both.
3. A goal that is not met says where the time went.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "hardware-sim"))  # the lab is no distribution
