"""Puts on the path what the tests here import: the examples, which are programs and not a package,
and the modules of this folder."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

sys.path[:0] = [str(FOLDER), str(FOLDER.parents[2] / "examples")]
