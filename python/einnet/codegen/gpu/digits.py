"""Numbers of threads and blocks as values of iterators."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from mlir import ir
from mlir.dialects import arith

from einnet.codegen.gpu.values import Indices
from einnet.expr.index import Range


def digits_of(
    number: ir.Value, extents: Mapping[str, int], integer: ir.Type
) -> dict[str, ir.Value]:
    """The mixed-radix digits of a number below the product of the extents, the first fastest."""
    values: dict[str, ir.Value] = {}
    above = prod(extents.values())
    for name, extent in extents.items():
        above //= extent
        if extent == 1:
            values[name] = arith.constant(integer, 0)
        elif above == 1:
            values[name] = number
        else:
            radix = arith.constant(integer, extent)
            values[name] = arith.remui(number, radix)
            number = arith.divui(number, radix)
    return values


def with_digits(indices: Indices, number: ir.Value, extents: Mapping[str, int]) -> Indices:
    """Index arithmetic that knows the digits of a number in addition."""
    values = digits_of(number, extents, indices.integer)
    return indices.inside({n: (Range(0, extents[n]), value) for n, value in values.items()})
