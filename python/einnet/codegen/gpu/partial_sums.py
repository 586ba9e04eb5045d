"""Sums too long for one block: partial sums by many blocks, and then their sum.

    out[t] = S<s> f(t, s)  ->  part[p,t] = S<s:length> f(t, length*p + s), out[t] = S<p> part[p,t]

One block sums for a few results at a time (for more in a contraction, whose results share what is
read), and where these are few most of a GPU would look on.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from einnet.expr.index import Range, iterators_of, var
from einnet.expr.nodes import (
    Iterator,
    Read,
    Scope,
    Tensor,
    Term,
    Within,
    factors_of,
    fresh_name,
)
from einnet.expr.program import Definition
from einnet.expr.transform import guard_truth, substitute_body

_BLOCKS = 264
"""Two for each multiprocessor of an H100."""

_ALONE = (1, 4096, 2)
"""Results that a block computes together, points or products that are work enough for it, and the
fewest parts that are worth a second kernel."""

_SHARING = (128, 1 << 15, 4)
"""The same where results share what is read."""

_UNIT = 64
"""Parts start at multiples of so many points: at whole vectors, where the sum itself does."""


def partial_sums(
    definition: Definition, accumulator: str, taken: set[str]
) -> tuple[Definition, ...]:
    """The definition, preceded by partial sums of element type `accumulator` where that pays.

    The sum along its longest iterator is cut. The new tensor's name is not in `taken`, and is added
    to it.
    """
    scope = definition.scope
    results, points = prod(scope.extents), prod(i.extent for i in scope.summation)
    together, enough, least = _SHARING if _is_contraction(scope) else _ALONE
    blocks = max(1, results // together)
    wanted = min(_BLOCKS // blocks, results * points // (blocks * enough)) if results else 0
    if not scope.summation or wanted < least:
        return (definition,)
    longest = max(scope.summation, key=lambda i: i.extent)
    length = -(-longest.extent // wanted)
    length = -(-length // _UNIT) * _UNIT
    parts = -(-longest.extent // length)
    if parts < 2:
        return (definition,)
    part = Iterator(fresh_name("part", scope.names), 0, parts)
    step = replace(longest, lo=0, hi=length)
    summation = tuple(step if i == longest else i for i in scope.summation)
    here = var(part.name) * length + var(longest.name) + longest.lo
    ranges = {**scope.ranges, part.name: part.range, step.name: Range(0, length)}
    body = substitute_body(scope.body, {longest.name: here}, ranges)
    inside = Within(here, longest.lo, longest.hi)
    if guard_truth(inside, ranges) is not True:
        body = tuple(replace(t, guards=(*t.guards, inside)) for t in body)
    name = fresh_name(f"{definition.result.name}.part", taken)
    taken.add(name)
    tensor = Tensor(name, (parts, *scope.extents), accumulator)
    cut = Definition(tensor, Scope((part, *scope.traversal), summation, body), definition.label)
    index = (var(part.name), *(var(i.name) - i.lo for i in scope.traversal))
    rest = Scope(scope.traversal, (part,), (Term((Read(tensor, index),)),))
    return cut, replace(definition, scope=rest)


def _is_contraction(scope: Scope) -> bool:
    """Whether results share elements: two reads or more of a sum, one that some iterator of the
    results does not move."""
    names = {i.name for i in scope.summation}
    moved = [
        frozenset[str]().union(*(iterators_of(e) for e in factor.index))
        for factor in factors_of(scope.body)
        if isinstance(factor, Read)
    ]
    summed = [m for m in moved if m & names]
    wide = {i.name for i in scope.traversal if i.extent > 1}
    return len(summed) > 1 and any(wide - m for m in summed)
