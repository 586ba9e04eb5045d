"""Contractions tagged `einnet.library = "blas"`: what they are, in terms of strides.

A tagged op is `C[b.., m.., n..] (+)= sum_k A[b.., m.., k..] * B[b.., k.., n..]`: a named
contraction or a `linalg.generic` of that form. Its roles are read from the indexing maps, the
layout of each operand from its strides, so a transposed operand costs nothing and no operand is
ever copied: an operand that BLAS cannot read in place is an `InputError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlir import ir
from mlir.dialects import linalg

from einnet.codegen.cpu.walk import defining, indexing_maps, walk
from einnet.errors import InputError

LIBRARY = "einnet.library"
# Set before bufferization on a product whose accumulator is a zero fill (`drop_zero_fills`).
OVERWRITES = "einnet.overwrites"

_LIBRARIES = ("blas", "cudnn")
"""What tags may say. Loops compute what is tagged for a library of a GPU."""

# An operation that no pass knows: unregistered, so it has no folds and unknown effects.
_SHIELD = "einnet.shield"


@dataclass(frozen=True)
class Dimension:
    """One dimension of a product: its extent and its stride, in elements, in A, B and C.

    The stride in an operand that does not have the dimension is 0.
    """

    extent: int
    a: int
    b: int
    c: int


@dataclass(frozen=True)
class Product:
    """`C (m x n) (+)= A (m x k) * B (k x n)`, once for each point of `batch`, outermost first.

    `overwrites`: C is not read. `swapped`: A is the operation's second operand and B its first,
    the transposed product, so that C is stored row by row.
    """

    m: Dimension
    n: Dimension
    k: Dimension
    batch: tuple[Dimension, ...]
    overwrites: bool
    swapped: bool = False


def is_product(op: ir.Operation) -> bool:
    if LIBRARY not in op.attributes:
        return False
    library = ir.StringAttr(op.attributes[LIBRARY]).value
    if library not in _LIBRARIES:
        raise InputError(
            f"{op.name}: unknown library '{library}' for the CPU target"
            f" (valid: {', '.join(_LIBRARIES)})"
        )
    return library == "blas"


def drop_zero_fills(function: ir.Operation) -> None:
    """On tensors: a product that accumulates into a fill of zeros overwrites an empty tensor."""
    for op in list(walk(function)):
        if not is_product(op):
            continue
        accumulator = defining(op.operands[2])
        if accumulator is None or accumulator.name != "linalg.fill":
            continue
        if not _is_zero(accumulator.operands[0]):
            continue
        op.operands[2] = accumulator.operands[1]
        op.attributes[OVERWRITES] = ir.UnitAttr.get(op.context)


def shield(function: ir.Operation) -> None:
    """On tensors: keep generic rewriting from merging products with the reshapes around them.

    `linalg-fuse-elementwise-ops` would expand a tagged product into a generic of many loops.
    """
    for op in list(walk(function)):
        if not is_product(op):
            continue
        for index, operand in enumerate(op.operands):
            with ir.InsertionPoint(op), op.location:
                op.operands[index] = ir.Operation.create(
                    _SHIELD, results=[operand.type], operands=[operand]
                ).result
        (result,) = op.results
        with ir.InsertionPoint.after(op), op.location:
            shield = ir.Operation.create(_SHIELD, results=[result.type], operands=[result])
        result.replace_all_uses_except(shield.result, shield)


def unshield(function: ir.Operation) -> None:
    """Undo `shield`."""
    for op in [op for op in walk(function) if op.name == _SHIELD]:
        op.results[0].replace_all_uses_with(op.operands[0])
        op.erase()


def read_product(op: ir.Operation) -> Product:
    """The product that a tagged operation on memrefs computes.

    Dimensions of one role that are adjacent in memory in every operand become one; further rows
    and columns become batch dimensions.
    """
    if not linalg.isa_contraction_op(op):  # pyright: ignore[reportAttributeAccessIssue]
        raise unfit(op, "it is no contraction by products and sums")
    strides = [_strides(op, operand) for operand in op.operands]
    shapes = [ir.MemRefType(operand.type).shape for operand in op.operands]
    extents: dict[int, int] = {}
    in_operand: list[dict[int, int]] = []
    for map_, shape, steps in zip(indexing_maps(op), shapes, strides, strict=True):
        stride_of: dict[int, int] = {}
        for expression, extent, step in zip(map_.results, shape, steps, strict=True):
            if not isinstance(expression, ir.AffineDimExpr):
                raise unfit(op, f"the index {expression} is not a plain dimension")
            stride_of[expression.position] = step
            extents[expression.position] = extent
        in_operand.append(stride_of)
    roles: dict[str, list[Dimension]] = {"ABC": [], "AC": [], "BC": [], "AB": []}
    for position, extent in sorted(extents.items()):
        present = (
            name for name, strides in zip("ABC", in_operand, strict=True) if position in strides
        )
        role = "".join(present)
        if role not in roles:
            raise unfit(op, f"dimension {position} is in one operand only")
        if extent != 1:
            a, b, c = (stride_of.get(position, 0) for stride_of in in_operand)
            roles[role].append(Dimension(extent, a, b, c))
    batch, rows, columns, summed = (_merge(dimensions) for dimensions in roles.values())
    if len(summed) > 1:
        raise unfit(op, "its summation dimensions are not adjacent in memory")
    unit = Dimension(1, 0, 0, 0)
    m, n, k = ((dimensions or [unit])[-1] for dimensions in (rows, columns, summed))
    product = Product(m, n, k, (*batch, *rows[:-1], *columns[:-1]), OVERWRITES in op.attributes)
    # A single column is a single row of the transposed product; BLAS wants C's rows contiguous.
    return _swap(product) if n.extent == 1 or (n.c != 1 and m.c == 1) else product


def unfit(op: ir.Operation, reason: str) -> InputError:
    """The error of a tag that cannot be honoured."""
    return InputError(
        f'{op.name} is tagged {LIBRARY} = "blas" but cannot be a BLAS call: {reason}',
        hint="drop the tag, and it becomes loops",
    )


def _merge(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """Fuse neighbours, outer then inner, that are one dimension in every operand."""
    merged: list[Dimension] = []
    for inner in sorted(dimensions, key=lambda d: (-d.c, -d.a, -d.b)):
        outer = merged[-1] if merged else None
        if outer is not None and (outer.a, outer.b, outer.c) == (
            inner.a * inner.extent,
            inner.b * inner.extent,
            inner.c * inner.extent,
        ):
            merged[-1] = Dimension(outer.extent * inner.extent, inner.a, inner.b, inner.c)
        else:
            merged.append(inner)
    return merged


def _swap(product: Product) -> Product:
    """`C^T = B^T A^T`."""
    m, n, k, *batch = (
        Dimension(d.extent, d.b, d.a, d.c)
        for d in (product.n, product.m, product.k, *product.batch)
    )
    return Product(m, n, k, tuple(batch), product.overwrites, swapped=not product.swapped)


def _strides(op: ir.Operation, operand: ir.Value) -> list[int]:
    strides, _ = ir.MemRefType(operand.type).get_strides_and_offset()
    if any(stride == ir.ShapedType.get_dynamic_stride_or_offset() for stride in strides):
        raise unfit(op, "an operand's strides are not static")
    return list(strides)


def _is_zero(value: ir.Value) -> bool:
    op = defining(value)
    if op is None or op.name != "arith.constant":
        return False
    attribute = op.attributes["value"]
    return isinstance(attribute, ir.FloatAttr) and attribute.value == 0.0
