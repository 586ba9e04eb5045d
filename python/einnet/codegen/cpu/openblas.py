"""The BLAS library: OpenBLAS from the wheel `scipy-openblas32`, symbols `scipy_cblas_*`.

Found and loaded without importing MLIR. 32-bit integers (LP64).
"""

from __future__ import annotations

import ctypes
from functools import cache

from einnet.errors import InputError
from einnet.toolchain import tools


@cache
def load_openblas() -> ctypes.CDLL:
    """The library, loaded so that compiled programs loaded later find its symbols."""
    return ctypes.CDLL(str(tools.openblas()), mode=ctypes.RTLD_GLOBAL)


def set_threads(count: int) -> None:
    """Let BLAS calls of this process use `count` threads. Generated loops always use one."""
    if count < 1:
        raise InputError(f"cannot run on {count} threads", hint="give 1 or more")
    load_openblas().scipy_openblas_set_num_threads(ctypes.c_int(count))
