"""Skewed sums made straight: `S_t X[t]*[0 <= t-h < 3]` is `S_t X[t+h]*[0 <= t < 3]`.

A guard that moves with the position makes every position a cell of its own; after a substitution
the sum moves along with it, and the live set is the same everywhere.
"""

from __future__ import annotations

from einnet.expr.index import Index, Ranges, Var, bounds, iterators_of, linear, var
from einnet.expr.nodes import Guard, Iterator, Within
from einnet.verify.flatten import FlatTerm, simplify, substitute_flat


def straighten(term: FlatTerm, ranges: Ranges) -> FlatTerm:
    """Substitute `r -> r + C*v` where a guard then no longer depends on the position.

    Each substitution must lower the number of sets of live summation points that the term's
    guards may have, as estimated by `_variety`; guards that stand still become ranges.
    """
    best = _variety(term, ranges)
    while best > len(term.guards):
        options = [_skewed(term, g, r, ranges) for g in term.guards for r in term.sums]
        scored = [(_variety(o, ranges), o) for o in options if o is not None]
        lowest = min(scored, key=lambda s: s[0], default=None)
        if lowest is None or lowest[0] >= best:
            break
        best, term = lowest
    return term


def _variety(term: FlatTerm, ranges: Ranges) -> int:
    """An upper estimate of the number of live sets that the range guards make, added up.

    As the position moves, a window slides over the values that the guard's index takes for the
    summation points; it changes at most once per value and side, and once per position.
    """
    total = 0
    for guard in term.guards:
        moving, fixed = _parts(guard.index, ranges)
        if isinstance(guard, Within) and moving.terms:
            low, high = bounds(moving, ranges)
            inner = {**ranges, **{i.name: i.range for i in term.sums}}
            first, last = bounds(fixed, inner)
            total += min(high - low + 1, 2 * (last - first + 1) + 1)
    return total


def _parts(index: Index, ranges: Ranges) -> tuple[Index, Index]:
    """What of an index the position alone decides, quotients of it included, and the rest."""
    moving = tuple(t for t in index.terms if iterators_of(linear(0, [t])) <= ranges.keys())
    fixed = tuple(t for t in index.terms if t not in moving)
    return Index(0, moving), Index(index.const, fixed)


def _skewed(term: FlatTerm, guard: Guard, iterator: Iterator, ranges: Ranges) -> FlatTerm | None:
    """The term with the sum moved along with the position, so that the guard stands still."""
    if not isinstance(guard, Within):
        return None
    moving = tuple((a, c) for a, c in guard.index.terms if isinstance(a, Var) and a.name in ranges)
    factor = guard.index.coefficient(iterator.name)
    if not moving or factor == 0 or any(c % factor for _, c in moving):
        return None
    shift = Index(0, tuple((a, c // factor) for a, c in moving))
    low, high = bounds(shift, ranges)
    moved = Iterator(iterator.name, iterator.lo + low, iterator.hi + high)
    sums = tuple(moved if i == iterator else i for i in term.sums)
    inner = {**ranges, **{i.name: i.range for i in sums}}
    old = var(iterator.name) - shift
    # The sum's own range is now a guard that moves with the position.
    stays = Within(old, iterator.lo, iterator.hi)
    return simplify(substitute_flat(term, {iterator.name: old}, sums, inner, (stays,)), ranges)
