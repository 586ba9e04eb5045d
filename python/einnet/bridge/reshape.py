"""Reshapes: changes of shape that leave every element where it is in row-major order."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from mlir import ir
from mlir.dialects import tensor

from einnet.expr.index import Index, constant, var
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition
from einnet.expr.transform import is_movement, stays_inside


def reshaped_tensor(definition: Definition) -> Tensor | None:
    """The tensor of which the definition is a reshape, or None if it is something else."""
    scope = definition.scope
    if not is_movement(scope) or scope.term.guards:
        return None
    (read,) = scope.term.reads
    source = read.source
    if isinstance(source, Scope) or source.dtype != definition.result.dtype:
        return None
    if prod(source.shape) != prod(definition.result.shape) or not stays_inside(read, scope.ranges):
        return None
    here = linear_position([var(i.name) for i in scope.traversal], scope.extents)
    # Unit iterators are 0; an index that spells them out is no other index for it.
    units = [i.name for i in scope.traversal if i.extent == 1]
    difference = here - linear_position(read.index, source.shape)
    for name in units:
        difference = difference - var(name) * difference.coefficient(name)
    return source if difference == constant(0) else None


def linear_position(index: Sequence[Index], shape: Sequence[int]) -> Index:
    """The row-major position of an element."""
    position = constant(0)
    for e, extent in zip(index, shape, strict=True):
        position = position * extent + e
    return position


def emit_reshape(value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """Collapse and expand `value` to `shape`, of as many elements: views, never copies.

    Dimensions are only joined between the places where both shapes have a boundary.
    """
    type_ = ir.RankedTensorType(value.type)
    source = tuple(type_.shape)
    target = tuple(shape)
    if source == target:
        return value
    groups = _common_groups(source, target)
    middle = [prod(source[d] for d in dims) for dims, _ in groups]
    if len(middle) != len(source):
        collapsed = ir.RankedTensorType.get(middle, type_.element_type)
        value = tensor.collapse_shape(collapsed, value, [dims for dims, _ in groups])
    if len(middle) != len(target):
        expanded = ir.RankedTensorType.get(target, type_.element_type)
        value = tensor.expand_shape(expanded, value, [dims for _, dims in groups], [], target)
    return value


def _common_groups(
    source: Sequence[int], target: Sequence[int]
) -> list[tuple[list[int], list[int]]]:
    """Runs of dimensions of both shapes with equal products, as many as there are.

    No group is empty on either side; there is none if one of the shapes has rank 0.
    """
    if not source or not target:
        return []
    groups: list[tuple[list[int], list[int]]] = []
    left = right = 0
    while left < len(source) and right < len(target):
        a, b = [left], [right]
        left, right = left + 1, right + 1
        size_a, size_b = source[a[0]], target[b[0]]
        while size_a != size_b:
            if size_a < size_b:
                size_a *= source[left]
                a.append(left)
                left += 1
            else:
                size_b *= target[right]
                b.append(right)
                right += 1
        groups.append((a, b))
    # What is left over on one side are unit dimensions.
    groups[-1][0].extend(range(left, len(source)))
    groups[-1][1].extend(range(right, len(target)))
    return groups
