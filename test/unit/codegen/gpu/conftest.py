"""Puts on the path what the tests of this folder import: `emulate` and `kernels`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
