"""Puts this folder's `gpu_artifacts` and the runtime's `fake_device` on the path."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "runtime" / "cuda")]
