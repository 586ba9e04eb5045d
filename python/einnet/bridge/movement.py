"""Operations of the tensor dialect, and constants, as scopes without sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlir import ir

from einnet.bridge.attributes import MUTANT
from einnet.bridge.constants import constant_of, dense_elements, is_number
from einnet.bridge.generic import positions
from einnet.bridge.guards import conjunction
from einnet.bridge.mutants import UNCORRECTED
from einnet.bridge.refusal import NotExpressible
from einnet.bridge.region import NameOf, Region, evaluate_block, evaluate_operation
from einnet.bridge.sums import ELEMENTWISE, collected, guarded, negate
from einnet.bridge.values import Data, Position, Scalar, data_body, number_body
from einnet.expr.index import Index, Ranges, constant, floordiv, mod, var
from einnet.expr.nodes import Body, Guard, Read, Residue, Scope, Tensor, Term, Within


def lift_movement(operation: ir.Operation, name_of: NameOf) -> Scope:
    """The scope of an operation with one tensor as its result.

    Raises NotExpressible.
    """
    shape = tuple(ir.RankedTensorType(operation.results[0].type).shape)
    iterators = positions(shape)
    lift = _LIFTS.get(operation.name)
    if lift is None and operation.name in ELEMENTWISE:
        lift = _elementwise
    if lift is None:
        raise NotExpressible(f"{operation.name} is not part of the expression language")
    ranges = {i.name: i.range for i in iterators}
    here = tuple(var(i.name) for i in iterators)
    body = collected(lift(operation, name_of, here, ranges), ranges)
    return Scope(iterators, (), body)


Here = tuple[Index, ...]
Lift = Callable[[ir.Operation, NameOf, Here, Ranges], Body]


def _read(source: Tensor, index: Sequence[Index]) -> Body:
    return (Term((Read(source, tuple(index)),)),)


def _shape(value: ir.Value) -> tuple[int, ...]:
    return tuple(ir.RankedTensorType(value.type).shape)


def _integers(operation: ir.Operation, name: str) -> list[int]:
    """A static list attribute. Raises NotExpressible where an entry is an operand instead."""
    values = list(ir.DenseI64ArrayAttr(operation.attributes[name]))
    if any(v == ir.ShapedType.get_dynamic_size() for v in values):
        raise NotExpressible(f"{operation.name} with an offset, size or stride that is no constant")
    return values


def _inside(index: Sequence[Index], shape: Sequence[int]) -> list[Guard]:
    return [Within(e, 0, extent) for e, extent in zip(index, shape, strict=True)]


def _other_than(body: Body, guards: Sequence[Guard], ranges: Ranges) -> Body:
    """The body where not all the guards hold: itself, less itself where they do."""
    inside = conjunction(guards, ranges)
    return body if inside is None else (*body, *negate(guarded(body, inside)))


def _constant(operation: ir.Operation, _: NameOf, here: Here, __: Ranges) -> Body:
    known = constant_of(operation.results[0])
    if known is not None:
        return number_body(known)
    if not is_number(operation.results[0].type):
        raise NotExpressible(f"a constant of type {operation.results[0].type}")
    attribute = operation.attributes["value"]
    body: Body = ()
    for where, value in dense_elements(attribute):
        guards = (Within(e, at, at + 1) for e, at in zip(here, where, strict=True))
        body += (Term((), tuple(guards), value),)
    return body


def _splat(operation: ir.Operation, _: NameOf, __: Here, ___: Ranges) -> Body:
    known = constant_of(operation.operands[0])
    if known is None:
        raise NotExpressible("a splat of a scalar that is no finite constant")
    return number_body(known)


def _pad(operation: ir.Operation, name_of: NameOf, here: Here, ranges: Ranges) -> Body:
    source = operation.operands[0]
    low = _integers(operation, "static_low")
    _integers(operation, "static_high")
    index = [e - pad for e, pad in zip(here, low, strict=True)]
    loops = tuple(Position((((), e),)) for e in here)
    block = operation.regions[0].blocks[0]
    (value,) = evaluate_block(block, loops, Region(here, ranges, name_of))
    padding = _other_than(data_body(value), _inside(index, _shape(source)), ranges)
    return (*_read(name_of(source), index), *padding)


def _generate(operation: ir.Operation, name_of: NameOf, here: Here, ranges: Ranges) -> Body:
    loops = tuple(Position((((), e),)) for e in here)
    block = operation.regions[0].blocks[0]
    (value,) = evaluate_block(block, loops, Region(here, ranges, name_of))
    return data_body(value)


def _extract_slice(operation: ir.Operation, name_of: NameOf, here: Here, _: Ranges) -> Body:
    source = operation.operands[0]
    offsets = _integers(operation, "static_offsets")
    sizes = _integers(operation, "static_sizes")
    strides = _integers(operation, "static_strides")
    kept = _kept_dimensions(sizes, _shape(operation.results[0]))
    index = [
        constant(offset) if place is None else here[place] * stride + offset
        for place, offset, stride in zip(kept, offsets, strides, strict=True)
    ]
    for offset, size, stride, extent in zip(offsets, sizes, strides, _shape(source), strict=True):
        if offset < 0 or offset + (size - 1) * stride >= extent or stride < 1:
            raise NotExpressible("a slice that leaves its source")
    return _read(name_of(source), index)


def _insert_slice(operation: ir.Operation, name_of: NameOf, here: Here, ranges: Ranges) -> Body:
    source, target = operation.operands[0], operation.operands[1]
    offsets = _integers(operation, "static_offsets")
    sizes = _integers(operation, "static_sizes")
    strides = _integers(operation, "static_strides")
    kept = _kept_dimensions(sizes, _shape(source))
    index: dict[int, Index] = {}
    gaps: list[Guard] = []
    region: list[Guard] = []
    for d, (place, offset) in enumerate(zip(kept, offsets, strict=True)):
        # A slice of one position has no stride, whatever the attribute says.
        moved, stride = here[d] - offset, strides[d] if sizes[d] > 1 else 1
        if stride < 1:
            raise NotExpressible("a slice with a stride below 1")
        region.append(Within(moved, 0, sizes[d] * stride))
        if place is None:
            gaps.append(region[-1])
            continue
        index[place] = floordiv(moved, stride, ranges)
        if stride > 1:
            gaps.append(Residue(moved, stride))
            region.append(gaps[-1])
    read = _read(name_of(source), [index[place] for place in range(len(index))])
    body = guarded(read, tuple(gaps))
    known = constant_of(target)
    old = _read(name_of(target), here) if known is None else number_body(known)
    return (*body, *_other_than(old, region, ranges))


def _kept_dimensions(sizes: Sequence[int], shape: Sequence[int]) -> list[int | None]:
    """For each dimension of a slice its place in the tensor of lower rank, None if it is left out.

    Where several dimensions of size 1 could be the ones left out, each choice means the same.
    """
    places: list[int | None] = []
    taken = 0
    for size in sizes:
        if taken < len(shape) and shape[taken] == size:
            places.append(taken)
            taken += 1
        elif size == 1:
            places.append(None)
        else:
            raise NotExpressible("a slice whose shape does not fit its sizes")
    if taken != len(shape):
        raise NotExpressible("a slice whose shape does not fit its sizes")
    return places


def _reshape(operation: ir.Operation, name_of: NameOf, here: Here, ranges: Ranges) -> Body:
    """Any change of shape that keeps the row-major order; groups are not needed to say which."""
    source = operation.operands[0]
    result = _shape(operation.results[0])
    index: list[Index] = []
    for places, dimensions in _groups(result, _shape(source)):
        position = constant(0)
        for place in places:
            position = position * result[place] + here[place]
        digits: list[Index] = []
        for extent in reversed(dimensions):
            digits.append(mod(position, extent, ranges))
            position = floordiv(position, extent, ranges)
        index.extend(reversed(digits))
    return _read(name_of(source), index)


def _groups(result: tuple[int, ...], source: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """The finest groups: dimensions of the result (by place) and the source's extents they hold."""
    groups: list[tuple[list[int], list[int]]] = []
    places: list[int] = []
    extents: list[int] = []
    left = right = 1
    i = j = 0
    while i < len(result) or j < len(source):
        if i < len(result) and (left <= right or j == len(source)):
            places.append(i)
            left *= result[i]
            i += 1
        else:
            extents.append(source[j])
            right *= source[j]
            j += 1
        if left == right and places and extents:
            groups.append((places, extents))
            places, extents, left, right = [], [], 1, 1
    if places or extents:
        # What is left over are dimensions of extent 1.
        groups.append((places, extents))
    return groups


def _identity(operation: ir.Operation, name_of: NameOf, here: Here, _: Ranges) -> Body:
    return _read(name_of(operation.operands[0]), here)


def _concat(operation: ir.Operation, name_of: NameOf, here: Here, _: Ranges) -> Body:
    dimension = ir.IntegerAttr(operation.attributes["dim"]).value
    body: Body = ()
    offset = 0
    for part in operation.operands:
        index = list(here)
        index[dimension] = index[dimension] - offset
        # Outside its own part a read is outside its source, and so 0.
        body += _read(name_of(part), index)
        offset += _shape(part)[dimension]
    return body


def _from_elements(operation: ir.Operation, _: NameOf, here: Here, __: Ranges) -> Body:
    shape = _shape(operation.results[0])
    position = constant(0)
    for e, extent in zip(here, shape, strict=True):
        position = position * extent + e
    body: Body = ()
    for at, value in enumerate(operation.operands):
        known = constant_of(value)
        if known is None:
            raise NotExpressible("a tensor made from scalars that are no finite constants")
        body += guarded(number_body(known), (Within(position, at, at + 1),))
    return body


def _elementwise(operation: ir.Operation, name_of: NameOf, here: Here, ranges: Ranges) -> Body:
    values: dict[ir.Value, Scalar] = {v: Data(_read(name_of(v), here)) for v in operation.operands}
    region = Region(here, ranges, name_of)
    return data_body(evaluate_operation(operation, values, region))


def _cast(operation: ir.Operation, _: NameOf, __: Here, ___: Ranges) -> Body:
    if MUTANT in operation.attributes:
        raise NotExpressible(UNCORRECTED)
    raise NotExpressible(f"{operation.name} is not part of the expression language")


_LIFTS: dict[str, Lift] = {
    "arith.constant": _constant,
    "arith.extf": _identity,
    "builtin.unrealized_conversion_cast": _cast,
    "tensor.cast": _identity,
    "tensor.collapse_shape": _reshape,
    "tensor.concat": _concat,
    "tensor.expand_shape": _reshape,
    "tensor.extract_slice": _extract_slice,
    "tensor.from_elements": _from_elements,
    "tensor.generate": _generate,
    "tensor.insert_slice": _insert_slice,
    "tensor.pad": _pad,
    "tensor.reshape": _reshape,
    "tensor.splat": _splat,
}
