"""Puts on the path what the tests of this folder import: its own modules, and the examples."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
sys.path.insert(0, str(FOLDER.parents[3] / "examples"))
