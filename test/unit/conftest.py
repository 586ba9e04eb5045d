"""Puts on the path what the tests of several folders import: `strategies` and `tensor_algebra`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
