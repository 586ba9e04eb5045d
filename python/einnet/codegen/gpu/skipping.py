"""Sums over the points alone at which a residue guard holds.

    S<r:n> f(r) * [(e - r) mod m = 0]  ->  S<r:n/m> f(m*r + e mod m)

e may vary with the result: which points those are is found out by each thread, and none of them is
visited in vain. (A transposed convolution of stride 2 in two dimensions sums a quarter.)
"""

from __future__ import annotations

from dataclasses import replace

from einnet.codegen.gpu.flat import stride
from einnet.expr.index import Range, iterators_of, mod, var
from einnet.expr.nodes import Guard, Iterator, Residue, Scope, Within
from einnet.expr.transform import guard_truth, substitute_body


def thinned(scope: Scope, kept: frozenset[str] = frozenset()) -> Scope:
    """The same tensor; residue guards that all terms share no longer thin out its sum. The
    iterators that are `kept` go on in single steps."""
    while (found := _thinning(scope, kept)) is not None:
        scope = _stepping(scope, *found)
    return scope


def _thinning(scope: Scope, kept: frozenset[str]) -> tuple[Iterator, Residue] | None:
    """An iterator of the sum and a guard that holds at one in so many of its values."""
    if not scope.body:
        return None
    first, *rest = scope.body
    for guard in first.guards:
        if not isinstance(guard, Residue) or any(guard not in t.guards for t in rest):
            continue
        for iterator in scope.summation:
            step = stride(guard.index, iterator.name)
            if step is None or iterator.extent == 1 or iterator.name in kept:
                continue
            if step % guard.modulus in (1, guard.modulus - 1):
                return iterator, guard
    return None


def _stepping(scope: Scope, iterator: Iterator, guard: Residue) -> Scope:
    """The scope whose sum goes along the iterator in steps of the guard's modulus."""
    name, modulus = iterator.name, guard.modulus
    step = stride(guard.index, name)
    assert step is not None
    rest = guard.index - var(name) * step
    assert name not in iterators_of(rest)
    # step*r + rest = 0 modulo m, and step is 1 or -1 there.
    residue = rest if step % modulus == modulus - 1 else -rest
    steps = Range(0, -(-iterator.extent // modulus))
    ranges = {**scope.ranges, name: steps}
    here = var(name) * modulus + mod(residue - iterator.lo, modulus, ranges) + iterator.lo
    body = tuple(replace(t, guards=tuple(g for g in t.guards if g != guard)) for t in scope.body)
    body = substitute_body(body, {name: here}, ranges)
    inside: Guard = Within(here, iterator.lo, iterator.hi)
    if iterator.extent % modulus and guard_truth(inside, ranges) is not True:
        body = tuple(replace(t, guards=(*t.guards, inside)) for t in body)
    summation = tuple(
        Iterator(name, steps.lo, steps.hi) if i == iterator else i for i in scope.summation
    )
    return Scope(scope.traversal, summation, body)
