"""Cells: sets of positions with equal residues at which every term has the same live points.

Axes that a range guard couples form a block; a block's positions fall into patches by their
residues and the live sets of its guards. A cell is a product of patches, one per block. Patches
are found from the values that a guard's index takes, so the number of cells does not grow with
the extents. Cutting finer than necessary is sound.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from einnet.expr.index import Index, Range, evaluate, iterators_of
from einnet.expr.nodes import Guard, Iterator, Residue, Within
from einnet.verify.flatten import FlatTerm, UndecidedError
from einnet.verify.periods import step
from einnet.verify.problem import Problem
from einnet.verify.spanning import Integers, spanning_points

_NOWHERE = Range(0, 0)

_LONGEST = 1 << 60


@dataclass(frozen=True, eq=False)
class Patch:
    """Positions of a block's axes: `points[n, axis]`, or a whole interval of one free axis."""

    axes: tuple[int, ...]
    points: Integers | None
    interval: Range = _NOWHERE

    @property
    def count(self) -> int:
        return self.interval.extent if self.points is None else len(self.points)

    @cached_property
    def spanning(self) -> Integers:
        """Affinely independent points of the patch, as many as there are."""
        if self.points is not None:
            return spanning_points(self.points)
        low, high = self.interval
        return np.array([[low], [low + 1]] if high - low > 1 else [[low]], np.int64)


@dataclass(frozen=True)
class Cells:
    """The cells of a problem: every choice of one patch for each block.

    `periods[axis]` is T of the axis: inside a cell positions differ by its multiples.
    """

    blocks: tuple[tuple[Patch, ...], ...]
    periods: tuple[int, ...]

    @property
    def count(self) -> int:
        return prod(len(b) for b in self.blocks)

    def __iter__(self) -> Iterable_[tuple[Patch, ...]]:
        return iter(product(*self.blocks))


def cells_of(problem: Problem, limit: int) -> Cells:
    """The cells of the problem's box. Raises UndecidedError where a block that has to be
    enumerated has more than `limit` positions."""
    periods = {a.name: problem.period(a.name) for a in problem.axes}
    if prod(periods.values()) >= _LONGEST:
        raise UndecidedError("the indices repeat after more positions than 60 bits can count")
    sliding = [(g, t) for t in problem.terms for g in t.guards if _slides(g, periods)]
    blocks: list[tuple[Patch, ...]] = []
    for axes in _blocks(problem.axes, [g for g, _ in sliding]):
        names = {problem.axes[a].name for a in axes}
        own = [(g, t) for g, t in sliding if iterators_of(g.index) & names]
        if not own and len(axes) == 1 and periods[problem.axes[axes[0]].name] == 1:
            blocks.append((Patch(axes, None, problem.axes[axes[0]].range),))
        else:
            blocks.append(_patches(problem, axes, periods, own, limit))
    return Cells(tuple(blocks), tuple(periods[a.name] for a in problem.axes))


def _slides(guard: Guard, periods: dict[str, int]) -> bool:
    """Whether the guard's truth may depend on more than the residues of the position."""
    return isinstance(guard, Within) and any(step(guard.index, n, t) for n, t in periods.items())


def _blocks(axes: tuple[Iterator, ...], guards: list[Guard]) -> list[tuple[int, ...]]:
    """The axes, those together that a guard couples."""
    block = list(range(len(axes)))
    for guard in guards:
        names = iterators_of(guard.index)
        coupled = {block[a] for a, axis in enumerate(axes) if axis.name in names}
        block = [min(coupled) if b in coupled else b for b in block]
    return [tuple(a for a, b in enumerate(block) if b == first) for first in sorted(set(block))]


def _patches(
    problem: Problem,
    axes: tuple[int, ...],
    periods: dict[str, int],
    guards: list[tuple[Guard, FlatTerm]],
    limit: int,
) -> tuple[Patch, ...]:
    chosen = [problem.axes[a] for a in axes]
    total = prod(a.extent for a in chosen)
    if total > limit:
        raise UndecidedError(
            f"guards couple {total} positions of axes {', '.join(a.name for a in chosen)}"
        )
    points = grid([a.extent for a in chosen])
    place = {a.name: n for n, a in enumerate(chosen)}
    signature = np.zeros(total, np.int64)
    for axis, n in place.items():
        signature = _refined(signature, points[n] % periods[axis])
    for guard, term in dict.fromkeys((g, _filtered(g, t, periods)) for g, t in guards):
        signature = _refined(signature, _live_sets(guard, term, points, place, periods, limit))
    order = np.argsort(signature, kind="stable")
    cuts = np.nonzero(np.diff(signature[order]))[0] + 1
    return tuple(Patch(axes, points[:, part].T) for part in np.split(order, cuts))


def grid(extents: Sequence[int]) -> Integers:
    """All points of a box as columns, in row-major order."""
    return np.indices(extents, dtype=np.int64).reshape(len(extents), prod(extents))


def _refined(signature: Integers, other: Integers) -> Integers:
    """Numbers from 0 for the distinct pairs of two signatures."""
    pair = signature * (int(other.max()) + 1) + other
    return np.unique(pair, return_inverse=True)[1].reshape(-1)


def _filtered(guard: Guard, term: FlatTerm, periods: dict[str, int]) -> FlatTerm:
    """The guard's summation iterators, and the term's other guards on them that depend on
    residues alone: where those fail, the guard does not matter."""
    names = iterators_of(guard.index)
    sums = tuple(i for i in term.sums if i.name in names)
    steady = tuple(
        g for g in term.guards if not _slides(g, periods) and iterators_of(g.index) <= names
    )
    return FlatTerm(term.coefficient, sums, (), steady)


def _live_sets(
    guard: Guard,
    term: FlatTerm,
    points: Integers,
    place: dict[str, int],
    periods: dict[str, int],
    limit: int,
) -> Integers:
    """A number for each point: equal numbers and equal residues mean equal live sets.

    With the residues fixed the guard's index is `slope*u + l(r)`: what is live is told by which
    of the sorted values of l lie in the window `[lo - slope*u, hi - slope*u)`.
    """
    assert isinstance(guard, Within)
    names = [n for n in place if n in iterators_of(guard.index)]
    shift = np.zeros(points.shape[1], np.int64)
    residue = np.zeros(points.shape[1], np.int64)
    sizes: list[int] = []
    for name in names:
        whole = periods[name]
        quotients = points[place[name]] // whole
        if quotients.any():  # Otherwise the step leaves the box and may be any integer.
            shift += step(guard.index, name, whole) * quotients
        residue = residue * whole + points[place[name]] % whole
        sizes.append(whole)
    extents = [i.extent for i in term.sums]
    present, which = np.unique(residue, return_inverse=True)
    if len(present) * prod(extents) > limit:
        raise UndecidedError(f"the guard on {guard.index} has too many summation points")
    environment = {
        i.name: (values + i.lo)[None, :] for i, values in zip(term.sums, grid(extents), strict=True)
    }
    rest = present
    for name, whole in zip(reversed(names), reversed(sizes), strict=True):
        environment[name] = (rest % whole)[:, None]
        rest = rest // whole
    shape = (len(present), prod(extents))
    values = np.broadcast_to(_value(guard.index, environment), shape)
    live = np.ones(shape, bool)
    for other in term.guards:
        live &= holds(other, _value(other.index, environment))
    result = np.zeros(points.shape[1], np.int64)
    for row in range(len(present)):
        found = np.unique(values[row][live[row]])
        at = np.nonzero(which.reshape(-1) == row)[0]
        first = np.searchsorted(found, guard.lo - shift[at])
        last = np.searchsorted(found, guard.hi - shift[at])
        empty = first >= last
        result[at] = np.where(empty, 0, first * (len(found) + 1) + last)
    return result


def _value(index: Index, environment: dict[str, Integers]) -> Integers:
    return evaluate(index, environment.__getitem__, np.zeros((1, 1), np.int64))


def holds(guard: Guard, value: Integers) -> NDArray[np.bool_]:
    """Where the guard holds, given its index's values."""
    if isinstance(guard, Residue):
        return value % guard.modulus == 0
    return (value >= guard.lo) & (value < guard.hi)
