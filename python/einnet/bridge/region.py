"""The symbolic value of scalar operations in a region, which computes one element from elements of
tensors: every value in it is one of the kinds of `values.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mlir import ir

from einnet.bridge.casts import CASTS, cast
from einnet.bridge.conditions import LOGIC, both, compare_positions, logic, negated, truth
from einnet.bridge.constants import constant_of
from einnet.bridge.guards import Conjunction, conjunction
from einnet.bridge.positions import ON_POSITIONS, arithmetic, in_width, merged
from einnet.bridge.refusal import NotExpressible
from einnet.bridge.sums import (
    ON_DATA,
    TERM_LIMIT,
    compare_data,
    guarded,
    limited,
    power,
    select_by_data,
)
from einnet.bridge.values import Comparison, Data, Position, Scalar, Truth, data_body, number_body
from einnet.expr.index import Index, Ranges, constant
from einnet.expr.nodes import Body, Read, Tensor, Term

NameOf = Callable[[ir.Value], Tensor]


@dataclass(frozen=True)
class Region:
    """What a region's operations may refer to: loops with their ranges, and tensors outside."""

    loops: tuple[Index, ...]
    ranges: Ranges
    name_of: NameOf


def evaluate_block(
    block: ir.Block, arguments: Iterable[Scalar], region: Region
) -> tuple[Scalar, ...]:
    """The values that the block's terminator yields.

    Raises NotExpressible for an operation that has no such value.
    """
    if any(r.hi <= r.lo for r in region.ranges.values()):
        raise NotExpressible("a loop over nothing")
    values: dict[ir.Value, Scalar] = dict(zip(block.arguments, arguments, strict=True))
    for view in block.operations:
        operation = view.operation
        if operation.name in ("linalg.yield", "tensor.yield"):
            return tuple(value_of(v, values) for v in operation.operands)
        if operation.name == "cf.assert":
            continue  # It holds, by contract of whoever wrote it.
        values[operation.results[0]] = evaluate_operation(operation, values, region)
    raise NotExpressible("the region has no yield")


def evaluate_operation(
    operation: ir.Operation, values: Mapping[ir.Value, Scalar], region: Region
) -> Scalar:
    """The value of one operation whose operands are in `values` or constants."""
    name = operation.name
    if name == "arith.constant":
        return _constant(operation.results[0])
    if name == "linalg.index":
        return Position((((), region.loops[ir.IntegerAttr(operation.attributes["dim"]).value]),))
    if name == "tensor.extract":
        return _extract(operation, values, region)
    operands = [value_of(v, values) for v in operation.operands]
    if name == "arith.select":
        return _select(operands, region.ranges)
    if name == "arith.cmpi":
        predicate = ir.IntegerAttr(operation.attributes["predicate"]).value
        left, right = _positions(name, operands)
        return compare_positions(predicate, left, right, region.ranges)
    if name == "arith.cmpf":
        predicate = ir.IntegerAttr(operation.attributes["predicate"]).value
        left, right = _bodies(name, operands)
        return compare_data(predicate, left, right)
    if name in CASTS:
        return cast(operation, operands[0], region.ranges)
    if all(isinstance(o, Truth) for o in operands) and name in LOGIC:
        return logic(name, [o for o in operands if isinstance(o, Truth)], region.ranges)
    if name in ON_POSITIONS:
        left, right = _positions(name, operands)
        return in_width(arithmetic(name, left, right, region.ranges), operation, region.ranges)
    if name == "math.fpowi":
        base, (exponent,) = operands[0], _positions(name, operands[1:])
        (body,) = _bodies(name, [base])
        return Data(limited(power(body, data_body(exponent)), region.ranges))
    if name in ON_DATA:
        return Data(limited(ON_DATA[name](*_bodies(name, operands)), region.ranges))
    raise NotExpressible(f"{name} is not part of the expression language")


def value_of(value: ir.Value, values: Mapping[ir.Value, Scalar]) -> Scalar:
    """The value of an operand: computed in the region, or a constant from outside."""
    known = values.get(value)
    return known if known is not None else _constant(value)


def _constant(value: ir.Value) -> Scalar:
    if isinstance(value.type, ir.ShapedType):
        raise NotExpressible("a tensor as an operand of a scalar operation")
    number = constant_of(value)
    if number is None:
        raise NotExpressible(f"a scalar of type {value.type} that is no finite constant")
    if isinstance(value.type, ir.FloatType):
        return Data(number_body(number))
    if isinstance(value.type, ir.IntegerType) and value.type.width == 1:
        return Truth(((),) if number else ())
    return Position((((), constant(int(number))),))


def _bodies(name: str, operands: list[Scalar]) -> list[Body]:
    for operand in operands:
        if not isinstance(operand, Data):
            raise NotExpressible(f"{name} on a value that is no sum of products")
    return [data_body(o) for o in operands]


def _positions(name: str, operands: list[Scalar]) -> list[Position]:
    positions = [o for o in operands if isinstance(o, Position)]
    if len(positions) != len(operands):
        raise NotExpressible(f"{name} on integers that depend on data")
    return positions


def _extract(operation: ir.Operation, values: Mapping[ir.Value, Scalar], region: Region) -> Scalar:
    """`tensor.extract`, whose index is inside by contract."""
    type_ = operation.operands[0].type
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        raise NotExpressible(f"a read of an element of {type_}")
    source = region.name_of(operation.operands[0])
    index = _positions(operation.name, [value_of(v, values) for v in operation.operands[1:]])
    cases: list[tuple[Conjunction, tuple[Index, ...]]] = [((), ())]
    for position in index:
        cases = [
            (met, (*done, e))
            for guards, done in cases
            for more, e in position.cases
            if (met := conjunction((*guards, *more), region.ranges)) is not None
        ]
        if len(cases) > TERM_LIMIT:
            raise NotExpressible(f"a read at an index of more than {TERM_LIMIT} cases")
    return Data(tuple(Term((Read(source, e),), guards) for guards, e in cases))


def _select(operands: list[Scalar], ranges: Ranges) -> Scalar:
    condition, yes, no = operands
    if isinstance(condition, Comparison):
        if isinstance(yes, Data) and isinstance(no, Data):
            return Data(select_by_data(condition, yes.body, no.body))
    elif isinstance(condition, Truth):
        if isinstance(yes, Data) and isinstance(no, Data):
            return Data(limited(_select_body(condition, yes.body, no.body, ranges), ranges))
        other = negated(condition, ranges)
        if isinstance(yes, Position) and isinstance(no, Position):
            chosen = ((condition, yes), (other, no))
            pairs = (((*c, *g), e) for t, p in chosen for c in t.cases for g, e in p.cases)
            return Position(merged(pairs, ranges))
        if isinstance(yes, Truth) and isinstance(no, Truth):
            first, second = both(condition, yes, ranges), both(other, no, ranges)
            return truth((*first.cases, *second.cases))
    raise NotExpressible("a select on data that is no relu, maximum or minimum")


def _select_body(condition: Truth, yes: Body, no: Body, ranges: Ranges) -> Body:
    body: Body = ()
    for case in condition.cases:
        body += guarded(yes, case)
    if no:
        for case in negated(condition, ranges).cases:
            body += guarded(no, case)
    return body
