"""eOperators as `linalg.generic`: one position of the result at a time, whatever it takes.

The loops are the result's dimensions in the order of its layout, then the sums that are too long
to unroll. Reads at linear indices inside their tensors are operands; the others are
`tensor.extract` at clamped indices, selected against 0 by the term's guards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import cast

from mlir import ir
from mlir.dialects import linalg, tensor

from einnet.bridge.scalar import ScalarBuilder, arithmetic_of, convert
from einnet.bridge.unroll import is_affine, unrolled
from einnet.expr.index import Index, Ranges, Var
from einnet.expr.nodes import Call, Read, Scope, Tensor, factors_of
from einnet.expr.program import Definition

_MAPS_A_TENSOR = 4
"""A tensor read through more maps than this is read by `tensor.extract` instead: each map would
make it an operand once more."""


def emit_generic(
    definition: Definition, values: Mapping[str, ir.Value], *, keep_sums: bool = False
) -> tuple[ir.Value, list[ir.OpView]]:
    """The result and the operations that share its kernel, the `linalg.generic` itself last.

    Arithmetic on f16 and bf16 is done in f32, sums included. Raises NotEmittable for arithmetic
    that the element types do not have. `keep_sums` makes a loop of every sum, however short.
    """
    scope = unrolled(definition.scope, keep_sums=keep_sums)
    result_type = ir.Type.parse(definition.result.dtype)
    type_ = ir.Type.parse(arithmetic_dtype(definition))
    if not scope.body:
        out = emit_zeros(scope.extents, result_type)
        return out, [out.owner]
    if not scope.summation:
        out = _emit_loops(scope, values, type_, tensor.empty(scope.extents, result_type))
        return out, [out.owner]
    init = emit_zeros(scope.extents, type_)
    total = _emit_loops(scope, values, type_, init)
    if type_ == result_type:
        return total, [init.owner, total.owner]
    rounded = emit_conversion(total, result_type)
    return rounded, [init.owner, rounded.owner, total.owner]


def emit_zeros(shape: Sequence[int], type_: ir.Type) -> ir.Value:
    """A tensor of zeros: a `linalg.fill`."""
    zero = arithmetic_of(type_).constant(Fraction(0))
    return cast(ir.Value, linalg.fill(zero, outs=[tensor.empty(shape, type_)]))


def arithmetic_dtype(definition: Definition) -> str:
    """The element type that the definition's arithmetic is done in."""
    dtypes = {t.dtype for t in (*definition.operands, definition.result)}
    if "f64" in dtypes:
        return "f64"
    if dtypes & {"f32", "f16", "bf16"}:
        moves_alone = not any(isinstance(f, Call) for f in factors_of(definition.scope.body))
        single = len(definition.scope.body) == 1 and len(definition.scope.term.factors) == 1
        if len(dtypes) == 1 and moves_alone and single and not definition.scope.summation:
            return dtypes.pop()
        return "f32"
    return definition.result.dtype


def _emit_loops(
    scope: Scope, values: Mapping[str, ir.Value], type_: ir.Type, init: ir.Value
) -> ir.Value:
    """A `linalg.generic` that computes a flat scope into `init`, adding to it if there are sums."""
    loops = scope.traversal + scope.summation
    ranges = scope.ranges
    place = {iterator.name: d for d, iterator in enumerate(loops)}
    operands = _operands(scope, ranges)
    inputs = [values[_tensor(read).name] for read in operands]
    maps = [_map(read.index, place) for read in operands]
    bare = {e.name for read in operands for e in read.index}
    unbound = [i for i in scope.summation if i.name not in bare]
    if unbound:
        # Only its shape matters: linalg takes the loops' bounds from the operands.
        inputs.append(tensor.empty([i.extent for i in unbound], type_))
        maps.append(_dimensions([place[i.name] for i in unbound], len(loops)))
    maps.append(_dimensions(range(len(scope.traversal)), len(loops)))
    kinds = [linalg.IteratorType.parallel] * len(scope.traversal)
    kinds += [linalg.IteratorType.reduction] * len(scope.summation)
    op = linalg.GenericOp([init.type], inputs, [init], maps, kinds)
    elements = [ir.RankedTensorType(v.type).element_type for v in (*inputs, init)]
    block = op.regions[0].blocks.append(*elements)

    def loop(name: str) -> ir.Value:
        return linalg.IndexOp(place[name]).result

    def load(source: Tensor, index: list[ir.Value]) -> ir.Value:
        return tensor.extract(values[source.name], index)

    with ir.InsertionPoint(block):
        ready = dict(zip(operands, block.arguments, strict=False))
        builder = ScalarBuilder(type_, ranges, loop, load, ready)
        value = builder.body(scope.body)
        if scope.summation:
            value = builder.arithmetic.add(block.arguments[len(inputs)], value)
        linalg.yield_([convert(value, elements[-1])])
    return op.results[0]


def _operands(scope: Scope, ranges: Ranges) -> list[Read]:
    """The reads that can be operands, each once: of tensors all of whose reads can, by few maps."""
    reads = dict.fromkeys(f for f in factors_of(scope.body) if isinstance(f, Read))
    extracted = {
        _tensor(read).name
        for read in reads
        if not (is_affine(read, ranges) and _covers(read, ranges))
    }
    maps = Counter(_tensor(read).name for read in reads)
    return [
        read
        for read in reads
        if _tensor(read).name not in extracted and maps[_tensor(read).name] <= _MAPS_A_TENSOR
    ]


def _covers(read: Read, ranges: Ranges) -> bool:
    """Whether each bare iterator runs over the whole of its dimension, as linalg demands."""
    shape = _tensor(read).shape
    return all(
        e.name is None or ranges[e.name].extent == extent
        for e, extent in zip(read.index, shape, strict=True)
    )


def _tensor(read: Read) -> Tensor:
    if isinstance(read.source, Scope):
        raise TypeError(f"a nested scope in a flat body: {read.source}")
    return read.source


def _map(index: Sequence[Index], place: Mapping[str, int]) -> ir.AffineMap:
    return ir.AffineMap.get(len(place), 0, [_affine(e, place) for e in index])


def _affine(index: Index, place: Mapping[str, int]) -> ir.AffineExpr:
    total: ir.AffineExpr = ir.AffineConstantExpr.get(index.const)
    for atom, coefficient in index.terms:
        if not isinstance(atom, Var):
            raise TypeError(f"no linear index: {index}")
        total = total + ir.AffineDimExpr.get(place[atom.name]) * coefficient
    return total


def _dimensions(places: Sequence[int], count: int) -> ir.AffineMap:
    return ir.AffineMap.get(count, 0, [ir.AffineDimExpr.get(d) for d in places])


def emit_conversion(value: ir.Value, type_: ir.Type) -> ir.Value:
    """The tensor with every element converted."""
    old = ir.RankedTensorType(value.type)
    identity = ir.AffineMap.get_identity(old.rank)
    init = tensor.empty(old.shape, type_)
    kinds = [linalg.IteratorType.parallel] * old.rank
    op = linalg.GenericOp([init.type], [value], [init], [identity, identity], kinds)
    block = op.regions[0].blocks.append(old.element_type, type_)
    with ir.InsertionPoint(block):
        linalg.yield_([convert(block.arguments[0], type_)])
    return op.results[0]
