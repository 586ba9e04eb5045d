"""Approximations in the place of libm's `tanhf`, `expf` and `erff`.

Those are calls: one element at a time, and no vector loop at all around them.
"""

from __future__ import annotations

from mlir import ir
from mlir.dialects import func

from einnet.codegen.approximations import Approximations
from einnet.codegen.cpu.walk import walk

_EXACT = Approximations()

_BUILDERS = {"math.tanh": _EXACT.tanh, "math.erf": _EXACT.erf, "math.exp": _EXACT.exp}


def approximate_math(function: func.FuncOp) -> None:
    """Replace `math.tanh`, `math.erf` and `math.exp` on f32 scalars in `function`."""
    for op in list(walk(function.operation)):
        build = _BUILDERS.get(op.name)
        if build is None or not isinstance(op.operands[0].type, ir.F32Type):
            continue
        with ir.InsertionPoint(op), op.location:
            value = build(op.operands[0])
        op.results[0].replace_all_uses_with(value)
        op.erase()
