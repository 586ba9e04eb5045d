"""Values of flat sums at given positions, in prime fields or double precision, all rounds at once.

A term is evaluated only where it is live: positions at which a guard fails are left out, and of
each sum only the points that its guards leave at a position, which move along with it. What remains
is a product of arrays, one per read or guard, each over the summation iterators that it depends on;
the sums are eliminated one after another, the cheapest first, so that no array is larger than what
really depends on its iterators jointly. Positions go in chunks, and a sum that is too long for a
chunk goes in pieces: memory does not grow with the extents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from einnet.expr.index import Index, evaluate, iterators_of, var
from einnet.expr.nodes import Guard, Iterator, Residue, Tensor, Within
from einnet.verify.cells import holds
from einnet.verify.flatten import Element, FlatTerm, UndecidedError

Values = NDArray[Any]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Lookup = Callable[[Tensor, Integers], Values]
"""Elements of a leaf tensor by row-major index, which may be out of range where the term is not
live; the result has the rounds as an additional leading axis."""

Arrays = dict[str, Integers]
"""Values of iterators by name."""


class Arithmetic(Protocol):
    """What `field.Fields` do: numbers of some type, `[round or 1, ...]`."""

    @property
    def rounds(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def reduced(self, values: Values) -> Values: ...
    def integer(self, value: int, rank: int) -> Values: ...
    def constant(self, value: Fraction, rank: int) -> Values: ...


_CHUNK = 1 << 16
"""Elements of one array, for all rounds together about a megabyte."""


class Work:
    """Array elements that may still be evaluated."""

    def __init__(self, elements: int) -> None:
        self._all = self._left = elements

    def take(self, elements: int) -> None:
        """Raises UndecidedError when no more are left."""
        self._left -= elements
        if self._left < 0:
            raise UndecidedError(f"evaluating takes more than {self._all} array elements")


def cost(terms: Sequence[FlatTerm]) -> int:
    """Array elements that one position takes at most, where all terms are live."""
    return sum(_peak_and_total(term)[1] for term in terms)


def evaluate_terms(
    terms: Sequence[FlatTerm],
    axes: Sequence[str],
    positions: Integers,
    lookup: Lookup,
    fields: Arithmetic,
    work: Work,
) -> Values:
    """The sum of the terms at `positions[n, axis]`: numbers `[round, n]`.

    Raises UndecidedError when that takes more than the work.
    """
    total = np.zeros((fields.rounds, len(positions)), fields.dtype)
    for term in terms:
        work.take(len(positions))
        live = _live_positions(term, axes, positions)
        weight = fields.constant(term.coefficient, 2)
        rows = max(1, _CHUNK // _peak_and_total(term)[0])
        for start in range(0, len(live), rows):
            part = live[start : start + rows]
            values = {n: positions[part, a] for a, n in enumerate(axes)}
            sum_ = _term(term, values, len(part), lookup, fields, work)
            total[:, part] += fields.reduced(sum_ * weight)
    return fields.reduced(total)


def _live_positions(term: FlatTerm, axes: Sequence[str], positions: Integers) -> Integers:
    """The numbers of the positions at which the guards on them alone hold."""
    live = np.arange(len(positions))
    sums = {i.name for i in term.sums}
    for guard in term.guards:
        if not iterators_of(guard.index) & sums:
            values = {n: positions[live, a] for a, n in enumerate(axes)}
            zero = np.zeros(len(live), np.int64)
            live = live[holds(guard, evaluate(guard.index, values.__getitem__, zero))]
    return live


def _peak_and_total(term: FlatTerm) -> tuple[int, int]:
    """Elements of the largest array that one position takes, and of all arrays, at most."""
    alone = _guards_of_sums(term)
    windows = {i.name: _window_size(i, alone[i.name]) for i in term.sums}
    sizes = {n: _live_size(n, windows[n], alone[n]) for n in windows}
    # Guards other than windows are evaluated at every point.
    scanned = [windows[n] for n in windows if any(_as_window(g, n) is None for g in alone[n])]
    steps = _steps(_dependences(term), sizes)
    return max([1, *steps, *scanned]), 1 + sum(steps) + sum(scanned)


# Points of sums -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Points:
    """Points of a sum: `values[row or 1, n]`, of which those count that are `live`, if not all."""

    values: Integers
    live: Flags | None

    @property
    def count(self) -> int:
        return self.values.shape[1]

    def halves(self) -> tuple[_Points, _Points]:
        middle = self.count // 2
        first, second = (
            _Points(self.values[:, part], None if self.live is None else self.live[:, part])
            for part in (slice(middle), slice(middle, None))
        )
        return first, second


def _guards_of_sums(term: FlatTerm) -> dict[str, list[Guard]]:
    """For each sum the guards on it and no other one."""
    alone: dict[str, list[Guard]] = {i.name: [] for i in term.sums}
    for guard in term.guards:
        names = iterators_of(guard.index) & alone.keys()
        if len(names) == 1:
            alone[next(iter(names))].append(guard)
    return alone


def _as_window(guard: Guard, name: str) -> tuple[int, Index] | None:
    """(c, e) for a range guard on `c * sum + e` where e does not depend on the sum."""
    return _linear(guard.index, name) if isinstance(guard, Within) else None


def _linear(index: Index, name: str) -> tuple[int, Index] | None:
    factor = index.coefficient(name)
    rest = index - var(name) * factor
    return None if not factor or name in iterators_of(rest) else (factor, rest)


def _window_size(iterator: Iterator, guards: Sequence[Guard]) -> int:
    """How many points of the sum range guards leave at one position, at most."""
    size = iterator.extent
    for guard in guards:
        window = _as_window(guard, iterator.name)
        if window is not None and isinstance(guard, Within):
            size = min(size, -(-(guard.hi - guard.lo) // abs(window[0])))
    return max(size, 1)


def _live_size(name: str, size: int, guards: Sequence[Guard]) -> int:
    """How many of `size` consecutive points residue guards leave at one position, at most."""
    periods = [1]
    for guard in guards:
        linear = _linear(guard.index, name)
        if isinstance(guard, Residue) and linear is not None:
            periods.append(guard.modulus // gcd(linear[0], guard.modulus))
    return -(-size // max(periods))


def _points(
    iterator: Iterator, guards: Sequence[Guard], position: Arrays, rows: int, work: Work
) -> _Points:
    """The points of a sum at which guards on it alone hold, at least at one of the positions."""
    name, zero = iterator.name, np.zeros((rows, 1), np.int64)
    column = {n: v[:, None] for n, v in position.items()}
    first, last = zero + iterator.lo, zero + (iterator.hi - 1)
    others: list[Guard] = []
    for guard in guards:
        window = _as_window(guard, name)
        if window is None or not isinstance(guard, Within):
            others.append(guard)
            continue
        factor, rest = window
        moved = evaluate(rest, column.__getitem__, zero)
        low, high = guard.lo - moved, guard.hi - 1 - moved
        if factor < 0:
            factor, low, high = -factor, -high, -low
        first, last = np.maximum(first, -(-low // factor)), np.minimum(last, high // factor)
    longest = int(np.max(last - first, initial=-1)) + 1
    work.take(max(longest, 0))
    if longest < iterator.extent:
        found = first + np.arange(longest)
    else:
        found = np.arange(iterator.lo, iterator.hi)[None]
    # Windows that are shorter than the longest are filled up with points that do not count.
    live = (found >= first) & (found <= last)
    found = np.clip(found, iterator.lo, iterator.hi - 1)
    for guard in others:
        work.take(live.size)
        index = evaluate(guard.index, {**column, name: found}.__getitem__, zero[:1])
        live = live & holds(guard, index)
    most = int(live.sum(axis=1).max(initial=0))
    if most < live.shape[1]:
        kept = np.argsort(~live, axis=1, kind="stable")[:, :most]
        found = np.take_along_axis(np.broadcast_to(found, live.shape), kept, axis=1)
        live = np.take_along_axis(live, kept, axis=1)
    return _Points(found, None if live.all() else live)


# Terms --------------------------------------------------------------------------------------


def _term(
    term: FlatTerm, position: Arrays, rows: int, lookup: Lookup, fields: Arithmetic, work: Work
) -> Values:
    """The term without its coefficient at some positions, `[round, row]`; guards on positions alone
    hold there."""
    alone = _guards_of_sums(term)
    sums: dict[str, _Points] = {}
    for iterator in term.sums:
        sums[iterator.name] = _points(iterator, alone[iterator.name], position, rows, work)
        if not sums[iterator.name].count:
            return np.zeros((fields.rounds, rows), fields.dtype)
    return _summed(term, position, sums, rows, lookup, fields, work)


def _summed(
    term: FlatTerm,
    position: Arrays,
    sums: dict[str, _Points],
    rows: int,
    lookup: Lookup,
    fields: Arithmetic,
    work: Work,
) -> Values:
    """The sum over the points, in pieces if it is too long."""
    sizes = {n: p.count for n, p in sums.items()}
    steps = _steps(_dependences(term), sizes)
    if max(steps, default=1) > 4 * _CHUNK:
        longest = max(sizes, key=lambda n: sizes[n])
        pieces = (
            _summed(term, position, {**sums, longest: half}, rows, lookup, fields, work)
            for half in sums[longest].halves()
        )
        return fields.reduced(np.add(*pieces))
    work.take(rows * (1 + sum(steps)))
    environment = _environment(position, sums, rows)
    scalar = np.zeros((1,) * (1 + len(sums)), np.int64)
    arrays: list[tuple[frozenset[str], Values]] = []
    for axis, (name, points) in enumerate(sums.items(), start=1):
        if points.live is not None:
            live = _along(points.live.astype(fields.dtype), axis, scalar.ndim)
            arrays.append((frozenset({name}), live[None]))
    for guard in term.guards:
        names = iterators_of(guard.index) & sums.keys()
        if len(names) > 1:
            mask = holds(guard, evaluate(guard.index, environment.__getitem__, scalar))
            if not mask.all():
                arrays.append((names, mask.astype(fields.dtype)[None]))
    for element in term.elements:
        depends = frozenset[str]().union(*(iterators_of(i) for i in element.index)) & sums.keys()
        arrays.append((depends, _element(element, environment, scalar, lookup)))
    result = _contracted(arrays, sizes, fields)
    return np.broadcast_to(result, (fields.rounds, rows))


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


def _environment(position: Arrays, sums: Mapping[str, _Points], rows: int) -> Arrays:
    """Every iterator's values on an axis of their own: the positions first, then the sums."""
    rank = 1 + len(sums)
    environment = {n: v.reshape((rows,) + (1,) * (rank - 1)) for n, v in position.items()}
    for axis, (name, points) in enumerate(sums.items(), start=1):
        environment[name] = _along(points.values, axis, rank)
    return environment


def _along(values: NDArray[Any], axis: int, rank: int) -> NDArray[Any]:
    """`values[row or 1, n]` with n as another axis."""
    rows, points = values.shape
    return values.reshape((rows,) + (1,) * (axis - 1) + (points,) + (1,) * (rank - axis - 1))


def _element(element: Element, environment: Arrays, scalar: Integers, lookup: Lookup) -> Values:
    key = scalar
    for extent, index in zip(element.tensor.shape, element.index, strict=True):
        key = key * extent + evaluate(index, environment.__getitem__, scalar)
    return lookup(element.tensor, key)


def _contracted(
    arrays: list[tuple[frozenset[str], Values]], sizes: Mapping[str, int], fields: Arithmetic
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


def _product(arrays: Sequence[Values], fields: Arithmetic) -> Values:
    result = arrays[0]
    for array in arrays[1:]:
        result = fields.reduced(result * array)
    return result
