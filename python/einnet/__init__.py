"""einnet: a tensor-program superoptimizer on MLIR.

Importing this package imports neither MLIR nor NumPy nor CUDA nor torch. Read `driver.py` first.
"""

__version__ = "0.1.0"
