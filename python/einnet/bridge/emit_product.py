"""Matrix products as the linalg operations that a library call takes the place of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, cast

from mlir import ir
from mlir.dialects import linalg

from einnet.bridge.attributes import LIBRARY
from einnet.bridge.emit_generic import emit_zeros
from einnet.bridge.refusal import NotEmittable
from einnet.bridge.reshape import emit_reshape
from einnet.expr.nodes import Read, Tensor
from einnet.expr.program import Definition, Product

BLAS = "blas"

_BATCH, _M, _N, _K = "batch", "m", "n", "k"


def emit_product(
    definition: Definition, product: Product, values: Mapping[str, ir.Value]
) -> tuple[ir.Value, list[ir.OpView]]:
    """The product's result and the operations that share its kernel, the product itself last.

    Operands are collapsed to one dimension a group, in the order in which they hold their groups:
    a `linalg.matmul`, a `linalg.batch_matmul` where all three hold the batch first, otherwise a
    `linalg.contract`. Raises NotEmittable if an operand does not hold a group in one piece, or is
    not read as a whole, or if the product is scaled.
    """
    scope = definition.scope
    term = scope.term
    if term.coefficient != 1 or term.guards:
        raise NotEmittable(f"a library computes no scaled or guarded product: {scope}")
    extents = {i.name: i.hi for i in scope.traversal + scope.summation if i.lo == 0}
    sizes = {group: prod(extents[n] for n in names) for group, names in _groups_of(product).items()}
    # A batch of one is no batch: libraries know the plain product best.
    batched = sizes[_BATCH] > 1
    result_groups = [_BATCH, _M, _N] if batched else [_M, _N]
    a, b = term.reads
    held = [
        _held_groups(a, product, (_BATCH, _M, _K), extents),
        _held_groups(b, product, (_BATCH, _K, _N), extents),
    ]
    orders = [[g for g in groups if g != _BATCH or batched] for groups in held]
    inputs = [
        emit_reshape(values[_whole(read, extents).name], [sizes[g] for g in order])
        for read, order in zip((a, b), orders, strict=True)
    ]
    element = ir.RankedTensorType(inputs[0].type).element_type
    result_type = ir.Type.parse(definition.result.dtype)
    if isinstance(element, ir.IntegerType) != isinstance(result_type, ir.IntegerType):
        raise NotEmittable(f"a product of {element} in {result_type}: {scope}")
    init = emit_zeros([sizes[g] for g in result_groups], result_type)
    loops = {g: d for d, g in enumerate([*result_groups, _K])}
    maps = [_map(order, loops) for order in (*orders, result_groups)]
    operation: Callable[..., Any]
    if not batched:
        operation = linalg.matmul
    elif all(order[0] == _BATCH for order in orders):
        operation = linalg.batch_matmul
    else:
        operation = linalg.contract
    out = cast(ir.Value, operation(*inputs, outs=[init], indexing_maps=maps))
    out.owner.attributes[LIBRARY] = ir.StringAttr.get(BLAS)
    return emit_reshape(out, definition.result.shape), [init.owner, out.owner]


def is_read_in_place(definition: Definition, product: Product) -> bool:
    """Whether `emit_product` can emit the product and libraries read its operands as they are:
    each group in one piece, and not the batch innermost."""
    scope = definition.scope
    if scope.term.coefficient != 1 or scope.term.guards:
        return False
    extents = {i.name: i.hi for i in scope.traversal + scope.summation if i.lo == 0}
    try:
        for read, groups in zip(
            scope.term.reads, ((_BATCH, _M, _K), (_BATCH, _K, _N)), strict=True
        ):
            _held_groups(read, product, groups, extents)
    except NotEmittable:
        return False
    last = (read.index[-1].name for read in scope.term.reads if read.index)
    return not any(name in product.batch for name in last)


def _groups_of(product: Product) -> dict[str, tuple[str, ...]]:
    return {_BATCH: product.batch, _M: product.m, _N: product.n, _K: product.k}


def _whole(read: Read, extents: Mapping[str, int]) -> Tensor:
    """The tensor that the read covers completely, each dimension by one iterator."""
    source = read.source
    names = [e.name for e in read.index]
    if not isinstance(source, Tensor) or source.shape != tuple(
        extents.get(name or "", -1) for name in names
    ):
        raise NotEmittable(f"a library reads whole tensors, not {read}")
    return source


def _held_groups(
    read: Read, product: Product, expected: Sequence[str], extents: Mapping[str, int]
) -> list[str]:
    """The groups in the order in which the operand holds them, empty ones where they belong."""
    _whole(read, extents)
    members = _groups_of(product)
    group_of = {name: g for g in expected for name in members[g]}
    names = [e.name or "" for e in read.index]
    held = list(dict.fromkeys(group_of[name] for name in names))
    if names != [name for g in held for name in members[g]]:
        raise NotEmittable(f"the operand {read} holds a group of {product} in several pieces")
    for position, group in enumerate(expected):
        if group not in held:
            later = [held.index(g) for g in expected[position + 1 :] if g in held]
            held.insert(min(later, default=len(held)), group)
    return held


def _map(groups: Sequence[str], loops: Mapping[str, int]) -> ir.AffineMap:
    dims = [ir.AffineDimExpr.get(loops[g]) for g in groups]
    return ir.AffineMap.get(len(loops), 0, dims)
