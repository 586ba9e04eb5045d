"""Mixed-radix parts of an index: the dimensions that a re-laid-out operand can have.

An index `e = g*q + t` whose lower part t spans less than g, or takes each residue modulo g at most
once, addresses two independent dimensions, q and t: an operand read at e can be laid out again so
that each part is a dimension of its own, without storing any element twice. A part that depends on
one iterator and takes a different value at each of its points *is* that iterator.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np

from einnet.expr.index import Atom, FloorDiv, Index, Ranges, bounds, evaluate, iterators_of, linear

_ENUMERATION_LIMIT = 4096
"""Points that an injectivity test may enumerate; beyond it the answer is no, which is safe."""

Part = Index
"""The terms of one digit, divided by their common factor; the constant is 0."""


def parts_of(index: Index, ranges: Ranges) -> tuple[Part, ...]:
    """Cut the index into its mixed-radix parts, most significant first."""
    terms = sorted(index.terms, key=lambda term: -abs(term[1]))
    groups: list[list[tuple[Atom, int]]] = []
    current: list[tuple[Atom, int]] = []
    step = 0
    for position, (atom, coefficient) in enumerate(terms):
        if position and not _of_one_iterator(terms[position - 1][0], atom):
            low = linear(0, terms[position:])
            lo, hi = bounds(low, ranges)
            if hi - lo < step or (step > 1 and is_injective(low, ranges, step)):
                groups.append(current)
                current = []
        step = gcd(step, abs(coefficient))
        current.append((atom, coefficient))
    if current:
        groups.append(current)
    return tuple(_reduced(group) for group in groups)


def _of_one_iterator(a: Atom, b: Atom) -> bool:
    """Whether two terms depend on the same single iterator, as those of `x mod k` do: together
    they may be a digit, apart hardly."""
    names = iterators_of(linear(0, [(a, 1)]))
    return len(names) == 1 and names == iterators_of(linear(0, [(b, 1)]))


def _reduced(terms: list[tuple[Atom, int]]) -> Part:
    factor = gcd(*(abs(c) for _, c in terms))
    return linear(0, ((a, c // factor) for a, c in terms))


def is_digit(part: Part, ranges: Ranges) -> bool:
    """Whether the part is as good as one bare iterator: a function of one, injective on it."""
    names = iterators_of(part)
    if len(names) > 1:
        return False
    if len(part.terms) == 1 and not isinstance(part.terms[0][0], FloorDiv):
        return True
    return is_injective(part, ranges)


def is_injective(index: Index, ranges: Ranges, modulus: int | None = None) -> bool:
    """Whether different points give different values (modulo `modulus`), by enumeration."""
    names = tuple(sorted(iterators_of(index)))
    return _is_injective(index, tuple((n, *ranges[n]) for n in names), modulus)


@lru_cache(maxsize=1 << 14)
def _is_injective(
    index: Index, ranges: tuple[tuple[str, int, int], ...], modulus: int | None
) -> bool:
    count = 1
    for _, lo, hi in ranges:
        count *= hi - lo
    if count > (modulus or _ENUMERATION_LIMIT) or count > _ENUMERATION_LIMIT:
        return False
    extents = [hi - lo for _, lo, hi in ranges]
    grid = np.indices(extents, dtype=np.int64).reshape(len(ranges), count)
    point = {name: values + lo for (name, lo, _), values in zip(ranges, grid, strict=True)}
    values = evaluate(index, point.__getitem__, np.zeros(count, np.int64))
    if modulus:
        values = values % modulus
    return len(np.unique(values)) == count
