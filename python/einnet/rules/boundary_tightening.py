"""Boundary tightening: ranges shrink to where the body can be non-zero.

Formula: `L_{x in X} S_{y in Y} f  =  L_{x in X'} S_{y in Y'} f`.

Condition: X' and Y' leave out only points at which every term of f is 0: a read is 0 outside its
source's box, a guard where it fails. The outermost scope keeps its traversal, which is the shape of
its result.

Paper: EinNet, OSDI 2023, section 4.1.

Zero extension makes the cut of a *nested* scope's traversal invisible to its readers.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from dataclasses import replace

from einnet.expr.index import Index, Range, Ranges, Var, bounds, iterators_of
from einnet.expr.nodes import Iterator, Residue, Scope, Term, Within, box_of

RULE = "tighten"


def tighten(scope: Scope, *, traversal: bool = True) -> Scope | None:
    """Shrink ranges as far as single constraints show; None if the whole scope is 0.

    Only scopes of one term are tightened. With `traversal` false only the sums are.
    """
    if len(scope.body) != 1:
        return scope if scope.body else None
    term = scope.body[0]
    ranges = dict(scope.ranges)
    movable = {i.name for i in scope.summation}
    if traversal:
        movable |= {i.name for i in scope.traversal}
    solvable = [s for c in constraints_of(term) for s in _solved(*c, movable)]
    changed = True
    while changed:
        changed = False
        for name, coefficient, rest, lo, hi in solvable:
            low, high = bounds(rest, ranges)
            first, last = _solutions(coefficient, lo - high, hi - 1 - low)
            current = ranges[name]
            first, last = max(first, current.lo), min(last, current.hi - 1)
            if first > last:
                return None
            if (first, last + 1) != current:
                ranges[name] = Range(first, last + 1)
                changed = True
        for guard in term.guards:
            if isinstance(guard, Residue):
                changed = _apply_residue(guard, ranges, movable) or changed
        if any(r.hi <= r.lo for r in ranges.values()):
            return None
    return scope if ranges == scope.ranges else _with_ranges(scope, ranges)


def _solved(
    index: Index, lo: int, hi: int, movable: set[str]
) -> Iterable_[tuple[str, int, Index, int, int]]:
    """`(x, c, rest, lo, hi)` for each movable x with index = c*x + rest."""
    for position, (atom, coefficient) in enumerate(index.terms):
        if isinstance(atom, Var) and atom.name in movable:
            rest = Index(index.const, index.terms[:position] + index.terms[position + 1 :])
            if atom.name not in iterators_of(rest):
                yield atom.name, coefficient, rest, lo, hi


def constraints_of(term: Term) -> Iterable_[tuple[Index, int, int]]:
    """`(e, lo, hi)`: the term is 0 unless lo <= e < hi."""
    for read in term.reads:
        for index, (lo, hi) in zip(read.index, box_of(read.source), strict=True):
            yield index, lo, hi
    for guard in term.guards:
        if isinstance(guard, Within):
            yield guard.index, guard.lo, guard.hi


def _solutions(coefficient: int, lo: int, hi: int) -> tuple[int, int]:
    """The integers x with lo <= coefficient * x <= hi, as first and last."""
    if coefficient > 0:
        return -(-lo // coefficient), hi // coefficient
    return -(hi // -coefficient), (-lo) // -coefficient


def _apply_residue(guard: Residue, ranges: dict[str, Range], movable: set[str]) -> bool:
    """Cut the ends of the only iterator of a residue guard to values where it holds."""
    if len(guard.index.terms) != 1:
        return False
    atom, coefficient = guard.index.terms[0]
    if not isinstance(atom, Var) or atom.name not in movable:
        return False
    lo, hi = ranges[atom.name]
    holds = [x for x in range(lo, hi) if (guard.index.const + coefficient * x) % guard.modulus == 0]
    first, last = (holds[0], holds[-1] + 1) if holds else (lo, lo)
    if (first, last) == (lo, hi):
        return False
    ranges[atom.name] = Range(first, last)
    return True


def _with_ranges(scope: Scope, ranges: Ranges) -> Scope:
    def at(iterator: Iterator) -> Iterator:
        lo, hi = ranges[iterator.name]
        return iterator if iterator.range == (lo, hi) else replace(iterator, lo=lo, hi=hi)

    return replace(
        scope,
        traversal=tuple(at(i) for i in scope.traversal),
        summation=tuple(at(i) for i in scope.summation),
    )
