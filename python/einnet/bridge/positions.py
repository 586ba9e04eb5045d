"""Arithmetic on positions: integers that the loops determine, by cases."""

from __future__ import annotations

from collections.abc import Iterable

from mlir import ir

from einnet.bridge.guards import Conjunction, conjunction, union
from einnet.bridge.refusal import NotExpressible
from einnet.bridge.values import Position
from einnet.expr.index import Index, Ranges, bounds, floordiv, mod
from einnet.expr.nodes import Within

PIECE_LIMIT = 16
"""An integer or a condition with more cases than this stays opaque."""

ON_POSITIONS = frozenset(
    (
        "arith.addi",
        "arith.subi",
        "arith.muli",
        "arith.floordivsi",
        "arith.ceildivsi",
        "arith.ceildivui",
        "arith.divsi",
        "arith.divui",
        "arith.remsi",
        "arith.remui",
        "arith.maxsi",
        "arith.maxui",
        "arith.minsi",
        "arith.minui",
    )
)


def merged(
    pairs: Iterable[tuple[Conjunction, Index]], ranges: Ranges
) -> tuple[tuple[Conjunction, Index], ...]:
    """The cases that can happen, those of one value put together."""
    found: dict[Index, list[Conjunction]] = {}
    for guards, index in pairs:
        simple = conjunction(guards, ranges)
        if simple is not None:
            found.setdefault(index, []).append(simple)
    cases = tuple((g, index) for index, several in found.items() for g in union(several))
    if len(cases) > PIECE_LIMIT:
        raise NotExpressible(f"an integer of more than {PIECE_LIMIT} cases")
    # One case is all cases, whatever its guards look like.
    return (((), cases[0][1]),) if len(cases) == 1 else cases


def arithmetic(name: str, a: Position, b: Position, ranges: Ranges) -> Position:
    """What an operation of `ON_POSITIONS` makes of two integers. Raises NotExpressible."""
    pairs: list[tuple[Conjunction, Index]] = []
    for left_guards, left in a.cases:
        for right_guards, right in b.cases:
            guards = conjunction((*left_guards, *right_guards), ranges)
            if guards is not None:
                for more, result in _combine(name, left, right, ranges):
                    pairs.append(((*guards, *more), result))
    return Position(merged(pairs, ranges))


def _combine(name: str, a: Index, b: Index, ranges: Ranges) -> list[tuple[Conjunction, Index]]:
    """The result of one operation on two indices, by cases."""
    match name.removeprefix("arith."):
        case "addi":
            return [((), a + b)]
        case "subi":
            return [((), a - b)]
        case "muli":
            if not (a.is_constant or b.is_constant):
                raise NotExpressible("a product of two positions")
            return [((), b * a.const if a.is_constant else a * b.const)]
        case "maxsi" | "minsi" | "maxui" | "minui" as which:
            if which.endswith("ui"):
                require_natural(name, a, ranges)
                require_natural(name, b, ranges)
            first, second = (a, b) if which.startswith("max") else (b, a)
            low, high = bounds(first - second, ranges)
            return [
                ((Within(first - second, 0, max(high, 0) + 1),), a),
                ((Within(first - second, min(low, 0), 0),), b),
            ]
        case "floordivsi":
            return [((), floordiv(a, _divisor(name, b), ranges))]
        case "ceildivsi" | "ceildivui" as which:
            if which == "ceildivui":
                require_natural(name, a, ranges)
            return [((), -floordiv(-a, _divisor(name, b), ranges))]
        case "divui" | "remui" as which:
            require_natural(name, a, ranges)
            divide = floordiv if which == "divui" else mod
            return [((), divide(a, _divisor(name, b), ranges))]
        case which:
            # These round towards zero.
            k = _divisor(name, b)
            divide = floordiv if which == "divsi" else mod
            low, high = bounds(a, ranges)
            return [
                ((Within(a, 0, max(high, 0) + 1),), divide(a, k, ranges)),
                ((Within(a, min(low, 0), 0),), -divide(-a, k, ranges)),
            ]


def _divisor(name: str, index: Index) -> int:
    if not index.is_constant or index.const <= 0:
        raise NotExpressible(f"{name} by something else than a positive constant")
    return index.const


def require_natural(name: str, index: Index, ranges: Ranges) -> None:
    """Raises NotExpressible for an integer that an unsigned operation may misread."""
    if bounds(index, ranges)[0] < 0:
        raise NotExpressible(f"{name} on an integer that may be negative")


def in_width(position: Position, operation: ir.Operation, ranges: Ranges) -> Position:
    """The position itself, if no case of it overflows the operation's type."""
    type_ = operation.results[0].type
    width = type_.width if isinstance(type_, ir.IntegerType) else 64
    for _, index in position.cases:
        low, high = bounds(index, ranges)
        if low < -(1 << (width - 1)) or high >= 1 << (width - 1):
            raise NotExpressible(f"{operation.name} may overflow {type_}")
    return position
