"""Loading compiled shared libraries, without MLIR."""

from __future__ import annotations

import ctypes
from pathlib import Path

from einnet.codegen.cpu.call import CompiledFunction
from einnet.codegen.cpu.openblas import load_openblas
from einnet.codegen.cpu.signature import Signature
from einnet.errors import InputError, Location


def load_library(path: Path, signature: Signature) -> CompiledFunction:
    """The function `signature.symbol` of the shared library `path`.

    `InputError`: it is not a library for this machine, or has no such function.
    """
    load_openblas()
    where = Location(str(path))
    try:
        library = ctypes.CDLL(str(path.resolve()))
    except OSError as error:
        raise InputError(f"cannot load the library: {error}", location=where) from error
    if not hasattr(library, signature.symbol):
        raise InputError(f"the library has no function {signature.symbol}", location=where)
    function = library[signature.symbol]
    function.argtypes = [ctypes.c_void_p]
    function.restype = None
    return CompiledFunction(function, signature)
