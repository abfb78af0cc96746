"""Makes the tools that know transformers importable for the comparison with it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tools"))
