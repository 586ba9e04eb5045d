"""Slices: parts of tensors that lie at linear indices, as views instead of loops.

A read whose indices are linear visits, in each dimension of its tensor, positions of one
arithmetic progression: `tensor.extract_slice` takes those that the tensor has, and `tensor.pad`
adds zeros for those before and after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from mlir import ir
from mlir.dialects import arith, linalg, tensor

from einnet.bridge.reshape import emit_reshape
from einnet.expr.index import Index, Ranges, Var, bounds
from einnet.expr.nodes import Iterator, Scope, Tensor
from einnet.expr.program import Definition
from einnet.expr.transform import is_movement


@dataclass(frozen=True)
class Stretch:
    """What a read visits of a dimension: `size` positions from `offset`, `step` apart, with `low`
    zeros before and `high` zeros after them. `index` is the read's index in all of that."""

    offset: int
    size: int
    step: int
    low: int
    high: int
    index: Index

    @property
    def extent(self) -> int:
        return self.low + self.size + self.high


def stretch(index: Index, extent: int, ranges: Ranges) -> Stretch | None:
    """What an index visits of a dimension of that extent; None for one that is not linear, that
    runs backwards, or that never meets the dimension."""
    if any(not isinstance(atom, Var) or c < 0 for atom, c in index.terms):
        return None
    least, most = bounds(index, ranges)
    step = gcd(*(c for atom, c in index.terms if _varies(atom, ranges))) or 1
    count = (most - least) // step + 1
    low = min(count, max(0, -(least // step)))
    size = min(count, (extent - 1 - least) // step + 1) - low
    if size < 1:
        return None
    terms = tuple((a, c // step) for a, c in index.terms if _varies(a, ranges))
    moved = Index(0, terms)
    moved = moved - bounds(moved, ranges)[0]
    return Stretch(least + step * low, size, step, low, count - low - size, moved)


def _varies(atom: object, ranges: Ranges) -> bool:
    return isinstance(atom, Var) and ranges[atom.name].extent > 1


def emit_stretches(
    value: ir.Value, stretches: Sequence[Stretch]
) -> tuple[ir.Value, list[ir.OpView]]:
    """The part of a tensor that a read visits, and the operations that take it."""
    found, operations = emit_slice(
        value,
        [s.offset for s in stretches],
        [s.size for s in stretches],
        [s.step if s.size > 1 else 1 for s in stretches],
    )
    low, high = [s.low for s in stretches], [s.high for s in stretches]
    if any(low) or any(high):
        found = _emit_pad(found, low, high)
        operations.append(found.owner)
    return found, operations


def emit_slice(
    value: ir.Value, offsets: Sequence[int], sizes: Sequence[int], steps: Sequence[int]
) -> tuple[ir.Value, list[ir.OpView]]:
    """A `tensor.extract_slice`, or the tensor itself where that is all of it."""
    type_ = ir.RankedTensorType(value.type)
    if list(sizes) == list(type_.shape):
        return value, []
    part = ir.RankedTensorType.get(sizes, type_.element_type)
    found = tensor.extract_slice(part, value, [], [], [], offsets, sizes, steps)
    return found, [found.owner]


def _emit_pad(value: ir.Value, low: Sequence[int], high: Sequence[int]) -> ir.Value:
    type_ = ir.RankedTensorType(value.type)
    shape = [a + n + b for a, n, b in zip(low, type_.shape, high, strict=True)]
    zero = arith.constant(type_.element_type, _zero(type_.element_type))
    padded = tensor.PadOp(
        ir.RankedTensorType.get(shape, type_.element_type), value, [], [], low, high
    )
    block = padded.regions[0].blocks.append(*[ir.IndexType.get()] * len(shape))
    with ir.InsertionPoint(block):
        tensor.yield_(zero)
    return padded.result


def _zero(type_: ir.Type) -> float | int:
    return 0 if isinstance(type_, ir.IntegerType) else 0.0


@dataclass(frozen=True)
class Sliced:
    """The tensor `L<traversal> source[index]` as a slice of its source: what it visits of each
    dimension, and the iterators, those of one element left out, as the source holds them and as
    the traversal does."""

    source: Tensor
    stretches: tuple[Stretch, ...]
    held: tuple[str, ...]
    traversal: tuple[Iterator, ...]

    @property
    def order(self) -> list[int]:
        """For each dimension of the result where the source holds it."""
        return [self.held.index(i.name) for i in self.traversal if i.extent > 1]


def sliced(source: Tensor, index: Sequence[Index], scope: Scope) -> Sliced | None:
    """What `L<traversal> source[index]`, for the scope's traversal, is of its source; None if it
    visits a position twice, or not in steps."""
    found = [stretch(e, n, scope.ranges) for e, n in zip(index, source.shape, strict=True)]
    stretches = tuple(s for s in found if s is not None)
    varying = [s.index.name for s in stretches if s.index.terms]
    held = tuple(name for name in varying if name is not None)
    wanted = [i.name for i in scope.traversal if i.extent > 1]
    if len(stretches) < len(found) or len(held) < len(varying) or sorted(held) != sorted(wanted):
        return None
    return Sliced(source, stretches, held, scope.traversal)


def sliced_definition(definition: Definition) -> Sliced | None:
    """What a definition is a slice of; None if it is more than that."""
    scope = definition.scope
    if not is_movement(scope) or scope.term.guards:
        return None
    (read,) = scope.term.reads
    if isinstance(read.source, Scope) or read.source.dtype != definition.result.dtype:
        return None
    return sliced(read.source, read.index, scope)


def emit_sliced(part: Sliced, value: ir.Value) -> tuple[ir.Value, list[ir.OpView]]:
    """The slice of the source's value, its dimensions in order, and the operations that take it."""
    found, operations = emit_stretches(value, part.stretches)
    extents = {i.name: i.extent for i in part.traversal}
    order = part.order
    if order != sorted(order):
        if len(part.stretches) == len(part.traversal):
            order = _with_units(part)
        else:
            found = _reshaped(found, [extents[name] for name in part.held], operations)
        found, made = _emit_transpose(found, order)
        operations += made
    return _reshaped(found, list(extents.values()), operations), operations


def _with_units(part: Sliced) -> list[int]:
    """The order of all dimensions, as many as the source has: those of one element where they are
    left."""
    units = iter([d for d, s in enumerate(part.stretches) if not s.index.terms])
    place = {s.index.name: d for d, s in enumerate(part.stretches) if s.index.terms}
    return [place[i.name] if i.extent > 1 else next(units) for i in part.traversal]


def _reshaped(value: ir.Value, shape: Sequence[int], operations: list[ir.OpView]) -> ir.Value:
    """The value in another shape; the operations that do it join the others."""
    found = last = emit_reshape(value, shape)
    while last != value:
        operations.append(last.owner)
        last = last.owner.operands[0]
    return found


def _emit_transpose(value: ir.Value, order: list[int]) -> tuple[ir.Value, list[ir.OpView]]:
    type_ = ir.RankedTensorType(value.type)
    empty = tensor.empty([type_.shape[d] for d in order], type_.element_type)
    moved = linalg.transpose(value, outs=[empty], permutation=order)
    return moved.results[0], [moved]
