"""Puts on the path what the tests of this folder share: `verify_cases` and `random_pairs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
