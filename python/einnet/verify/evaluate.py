"""Values of flat sums at given positions, in prime fields, all rounds at once.

A term is a product of arrays, one per read or guard, each over the summation iterators that it
depends on; the sums are eliminated one after another, the cheapest first, so that no array is
larger than what really depends on its iterators jointly. Positions go in chunks, and a sum that
is too long for a chunk goes in pieces: memory does not grow with the extents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from einnet.expr.index import evaluate, iterators_of
from einnet.expr.nodes import Guard, Tensor
from einnet.verify.cells import holds
from einnet.verify.field import Fields, Values
from einnet.verify.flatten import Element, FlatTerm

Integers = NDArray[np.int64]
Lookup = Callable[[Tensor, Integers], Values]
"""Elements of a leaf tensor by row-major index, which may be out of range where the term is not
live; the result has the rounds as an additional leading axis."""

Arrays = dict[str, Integers]
"""Values of iterators by name."""

_CHUNK = 1 << 16
"""Elements of one array, for all rounds together about a megabyte."""


def cost(terms: Sequence[FlatTerm]) -> int:
    """Array elements that one position takes, an estimate."""
    total = 0
    for term in terms:
        sizes = {i.name: i.extent for i in term.sums}
        total += sum(_steps(_dependences(term), sizes)) + 1
    return total


def evaluate_terms(
    terms: Sequence[FlatTerm],
    axes: Sequence[str],
    positions: Integers,
    lookup: Lookup,
    fields: Fields,
) -> Values:
    """The sum of the terms at `positions[n, axis]`: field elements `[round, n]`."""
    total = np.zeros((fields.rounds, len(positions)), np.uint64)
    for term in terms:
        sums = {i.name: np.arange(i.lo, i.hi, dtype=np.int64) for i in term.sums}
        sizes = {n: len(v) for n, v in sums.items()}
        peak = max(_steps(_dependences(term), sizes), default=1)
        rows = max(1, _CHUNK // max(peak, 1))
        weight = fields.constant(term.coefficient, 2)
        for start in range(0, len(positions), rows):
            part = positions[start : start + rows]
            values = {n: part[:, a] for a, n in enumerate(axes)}
            sum_ = _term(term, values, sums, len(part), lookup, fields)
            total[:, start : start + rows] += fields.reduced(sum_ * weight)
    return fields.reduced(total)


def _dependences(term: FlatTerm) -> list[frozenset[str]]:
    """The summation iterators that each read and each guard depends on."""
    sums = frozenset(i.name for i in term.sums)
    found = [
        frozenset[str]().union(*(iterators_of(i) for i in e.index)) & sums for e in term.elements
    ]
    return found + [iterators_of(g.index) & sums for g in term.guards]


def _steps(dependences: Sequence[frozenset[str]], sizes: Mapping[str, int]) -> list[int]:
    """The sizes of the arrays that eliminating all sums makes, in the order of `_contracted`."""
    current = [d for d in dependences if d]
    steps: list[int] = []
    while current:
        joined = _next(current, sizes)
        steps.append(prod(sizes[n] for n in joined))
        rest = [d for d in current if not d <= joined]
        kept = joined & frozenset[str]().union(*rest)
        current = [*rest, kept] if kept else rest
    return steps


def _next(dependences: Sequence[frozenset[str]], sizes: Mapping[str, int]) -> frozenset[str]:
    """The smallest joint dependence of all arrays that share one iterator."""
    joint: dict[str, frozenset[str]] = {}
    for d in dependences:
        for name in d:
            joint[name] = joint.get(name, frozenset()) | d
    return min(joint.values(), key=lambda d: (prod(sizes[n] for n in d), sorted(d)))


def _term(
    term: FlatTerm, position: Arrays, sums: Arrays, rows: int, lookup: Lookup, fields: Fields
) -> Values:
    """The term without its coefficient at some positions, `[round, row]`."""
    zero = np.zeros((fields.rounds, rows), np.uint64)
    sums = _live(term.guards, position, sums, rows)
    if not all(len(v) for v in sums.values()):
        return zero
    sizes = {n: len(v) for n, v in sums.items()}
    if max(_steps(_dependences(term), sizes), default=1) > 4 * _CHUNK:
        longest = max(sizes, key=lambda n: sizes[n])
        for piece in np.array_split(sums[longest], 2):
            zero += _term(term, position, {**sums, longest: piece}, rows, lookup, fields)
        return fields.reduced(zero)
    environment = _environment(position, sums, rows)
    scalar = np.zeros((1,) * (1 + len(sums)), np.int64)
    arrays: list[tuple[frozenset[str], Values]] = []
    for guard in term.guards:
        mask = holds(guard, evaluate(guard.index, environment.__getitem__, scalar))
        if not mask.all():
            arrays.append((iterators_of(guard.index) & sums.keys(), mask.astype(np.uint64)[None]))
    for element in term.elements:
        depends = frozenset[str]().union(*(iterators_of(i) for i in element.index)) & sums.keys()
        arrays.append((depends, _element(element, environment, scalar, lookup)))
    return np.broadcast_to(_contracted(arrays, sizes, fields), zero.shape)


def _live(guards: Sequence[Guard], position: Arrays, sums: Arrays, rows: int) -> Arrays:
    """The summation iterators' values without those that a guard excludes at every position."""
    result = dict(sums)
    for guard in guards:
        names = iterators_of(guard.index) & sums.keys()
        if len(names) == 1:
            (name,) = names
            environment = _environment(position, {name: result[name]}, rows)
            value = evaluate(guard.index, environment.__getitem__, np.zeros((1, 1), np.int64))
            result[name] = result[name][holds(guard, value).any(axis=0)]
    return result


def _environment(position: Arrays, sums: Arrays, rows: int) -> Arrays:
    """Every iterator's values on an axis of their own: the positions first, then the sums."""
    rank = 1 + len(sums)
    environment = {n: v.reshape((rows,) + (1,) * (rank - 1)) for n, v in position.items()}
    for axis, (name, values) in enumerate(sums.items(), start=1):
        environment[name] = values.reshape((1,) * axis + (-1,) + (1,) * (rank - axis - 1))
    return environment


def _element(element: Element, environment: Arrays, scalar: Integers, lookup: Lookup) -> Values:
    key = scalar
    for extent, index in zip(element.tensor.shape, element.index, strict=True):
        key = key * extent + evaluate(index, environment.__getitem__, scalar)
    return lookup(element.tensor, key)


def _contracted(
    arrays: list[tuple[frozenset[str], Values]], sizes: Mapping[str, int], fields: Fields
) -> Values:
    """The sum of the product, `[round or 1, row or 1]`; the arrays say what they depend on."""
    axis = {n: 2 + place for place, n in enumerate(sizes)}
    used = frozenset[str]().union(*(d for d, _ in arrays))
    current = [(d, a) for d, a in arrays if d]
    scalars = [a for d, a in arrays if not d]
    idle = prod(n for name, n in sizes.items() if name not in used)
    scalars.append(fields.integer(idle, 2 + len(sizes)))
    while current:
        joined = _next([d for d, _ in current], sizes)
        inside = sorted((a for d, a in current if d <= joined), key=lambda a: a.size)
        rest = [(d, a) for d, a in current if not d <= joined]
        kept = joined & frozenset[str]().union(*(d for d, _ in rest))
        gone = tuple(axis[n] for n in joined - kept)
        added = fields.reduced(_product(inside, fields).sum(axis=gone, keepdims=True))
        if kept:
            current = [*rest, (kept, added)]
        else:
            current = rest
            scalars.append(added)
    result = _product(sorted(scalars, key=lambda a: a.size), fields)
    return result.reshape(result.shape[:2])


def _product(arrays: Sequence[Values], fields: Fields) -> Values:
    result = arrays[0]
    for array in arrays[1:]:
        result = fields.reduced(result * array)
    return result
