"""Conditions on positions: comparisons, and what logic makes of them."""

from __future__ import annotations

from collections.abc import Iterable

from einnet.bridge.guards import Conjunction, conjunction, negation, union
from einnet.bridge.positions import PIECE_LIMIT, require_natural
from einnet.bridge.refusal import NotExpressible
from einnet.bridge.values import Position, Truth
from einnet.expr.index import FloorDiv, Index, Ranges, bounds, linear, mod
from einnet.expr.nodes import Residue, Within
from einnet.expr.transform import residue

LOGIC = frozenset(("arith.andi", "arith.ori", "arith.xori"))


def compare_positions(predicate: int, a: Position, b: Position, ranges: Ranges) -> Truth:
    """`arith.cmpi`: the predicates are eq ne slt sle sgt sge ult ule ugt uge."""
    if predicate >= 6:
        for position in (a, b):
            for _, index in position.cases:
                require_natural("arith.cmpi", index, ranges)
        predicate -= 4
    found: list[Conjunction] = []
    for left_guards, left in a.cases:
        for right_guards, right in b.cases:
            guards = conjunction((*left_guards, *right_guards), ranges)
            if guards is None:
                continue
            for more in _holds(predicate, left - right, ranges):
                both = conjunction((*guards, *more), ranges)
                if both is not None:
                    found.append(both)
    return truth(found)


def truth(cases: Iterable[Conjunction]) -> Truth:
    """The condition that one of the cases holds."""
    merged = union(cases)
    if len(merged) > PIECE_LIMIT:
        raise NotExpressible(f"a condition of more than {PIECE_LIMIT} cases")
    return Truth(merged)


def _holds(predicate: int, difference: Index, ranges: Ranges) -> tuple[Conjunction, ...]:
    """Where `difference` compares with 0 as the predicate says."""
    low, high = bounds(difference, ranges)
    match predicate:
        case 0 | 1:
            guard = _remainder_is_zero(difference, ranges) or Within(difference, 0, 1)
            equal = conjunction((guard,), ranges)
            if predicate == 0:
                return () if equal is None else (equal,)
            return ((),) if equal is None else negation(equal, ranges)
        case 2:
            guard = Within(difference, min(low, 0), 0)
        case 3:
            guard = Within(difference, min(low, 0), 1)
        case 4:
            guard = Within(difference, 1, max(high, 0) + 1)
        case _:
            guard = Within(difference, 0, max(high, 0) + 1)
    if guard.hi <= guard.lo:
        return ()
    return ((guard,),)


def _remainder_is_zero(index: Index, ranges: Ranges) -> Residue | None:
    """`index = 0` as a residue, where index is `(e mod k) - c` in its stored form."""
    for atom, coefficient in index.terms:
        if isinstance(atom, FloorDiv) and abs(coefficient) == atom.divisor:
            sign = -1 if coefficient > 0 else 1
            rest = linear(index.const, ((a, c) for a, c in index.terms if a != atom)) * sign
            shift = rest - atom.operand
            low, high = bounds(mod(atom.operand, atom.divisor, ranges), ranges)
            if shift.is_constant and low <= -shift.const <= high:
                return residue(rest, atom.divisor)
    return None


def logic(name: str, operands: list[Truth], ranges: Ranges) -> Truth:
    """What an operation of `LOGIC` makes of two conditions."""
    a, b = operands
    match name:
        case "arith.andi":
            return both(a, b, ranges)
        case "arith.ori":
            rest = both(negated(a, ranges), b, ranges)
            return truth((*a.cases, *rest.cases))
        case _:
            one = both(a, negated(b, ranges), ranges)
            other = both(negated(a, ranges), b, ranges)
            return truth((*one.cases, *other.cases))


def both(a: Truth, b: Truth, ranges: Ranges) -> Truth:
    pairs = (conjunction((*x, *y), ranges) for x in a.cases for y in b.cases)
    return truth(c for c in pairs if c is not None)


def negated(a: Truth, ranges: Ranges) -> Truth:
    result = Truth(((),))
    for case in a.cases:
        result = both(result, Truth(negation(case, ranges)), ranges)
    return result
