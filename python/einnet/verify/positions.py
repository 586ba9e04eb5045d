"""Which positions of a cell decide the whole cell.

On a cell every term that reads the tensors T_1..T_n reads them at `A_j*u + l_j(r)`, u the quotients
of the position by the periods. Let k be the number of distinct slope tuples (A_1..A_n) among the
terms of both programs that read the same tensors.
- k <= 2: dim + 1 affinely independent positions (PET's theorem 1): the two sides are
  `x^(a u) mu_a + x^(b u) mu_b`, and if this vanishes at positions that span the cell then either
  both polynomials are 0 or a = b on the cell.
- k > 2: in a rectangle all positions u0 + d, d >= 0, |d|_1 <= k - 1, an axis narrower than k whole:
  polynomials of degree k - 1 separate k points, so the mu are determined, and 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations, product
from math import comb, factorial, prod

import numpy as np

from einnet.expr.index import Index
from einnet.verify.cells import Integers, Patch, grid
from einnet.verify.flatten import UndecidedError
from einnet.verify.periods import step
from einnet.verify.problem import Problem

AFFINE = "affine positions"
SIMPLEX = "simplex"
EVERY = "every position"

_ORDERS = 720
"""Orders of one term's repeated tensors that are listed: those of six reads of one tensor."""

Slopes = tuple[tuple[int, ...], ...]


def slope_count(problem: Problem, periods: Sequence[int]) -> int:
    """k of the module's docstring: at least 1. Axes on which no cell is wide do not count."""
    wide = [(a.name, t) for a, t in zip(problem.axes, periods, strict=True) if a.extent > t]
    groups: dict[tuple[str, ...], set[tuple[Slopes, ...]]] = {}
    for term in problem.terms:
        reads = sorted((e.tensor.name, slopes_of(e.index, wide)) for e in term.elements)
        names = tuple(name for name, _ in reads)
        groups.setdefault(names, set()).update(arrangements(reads))
    return max((len(found) for found in groups.values()), default=1)


def slopes_of(index: Iterable[Index], wide: Sequence[tuple[str, int]]) -> Slopes:
    """The slopes of each index of a read along each wide axis."""
    return tuple(tuple(step(e, name, t) for name, t in wide) for e in index)


def arrangements(reads: list[tuple[str, Slopes]]) -> set[tuple[Slopes, ...]]:
    """The slope tuples of a product, for every order of the reads of a repeated tensor."""
    groups: dict[str, list[Slopes]] = {}
    for name, slopes in reads:
        groups.setdefault(name, []).append(slopes)
    if prod(factorial(len(g)) for g in groups.values()) > _ORDERS:
        raise UndecidedError("a product reads one tensor too many times")
    orders = [sorted(set(permutations(g))) for g in groups.values()]
    return {sum(choice, ()) for choice in product(*orders)}


def positions_of(
    cell: tuple[Patch, ...], axes: int, slopes: int, periods: Sequence[int], limit: int
) -> Integers:
    """Positions that decide the cell, `[n, axis]`. Raises UndecidedError for more than `limit`."""
    if slopes <= 2:
        return _affine(cell, axes)
    whole = prod(p.count for p in cell)
    boxes = [sum(choice, ()) for choice in product(*(_rectangles(p, periods) for p in cell))]
    needed = sum(_simplex_size(box, slopes) for box in boxes)
    if min(whole, needed) > limit:
        raise UndecidedError(f"a cell with {slopes} slopes needs {needed} positions")
    if whole <= needed:
        return every_position(cell, axes)
    order = [a for p in cell for a in p.axes]
    found = np.empty((needed, axes), np.int64)
    found[:, order] = np.concatenate([_simplex(box, slopes) for box in boxes])
    return found


def _affine(cell: tuple[Patch, ...], axes: int) -> Integers:
    """A base position and, for each block, more that span its patch."""
    spans = [p.spanning for p in cell]
    base = np.zeros(axes, np.int64)
    for patch, span in zip(cell, spans, strict=True):
        base[list(patch.axes)] = span[0]
    rows = [base]
    for patch, span in zip(cell, spans, strict=True):
        for point in span[1:]:
            row = base.copy()
            row[list(patch.axes)] = point
            rows.append(row)
    return np.stack(rows)


Line = tuple[int, int, int]
"""Coordinates `start, start + step, ...`, `count` of them: (start, step, count)."""


def _rectangles(patch: Patch, periods: Sequence[int]) -> list[tuple[Line, ...]]:
    """Rectangles in quotients that make up the patch: runs along its last axis."""
    whole = periods[patch.axes[-1]]
    if patch.points is None:
        return [((patch.interval.lo, whole, patch.interval.extent),)]
    points = patch.points[np.lexsort(patch.points.T[::-1])]
    following = (np.diff(points[:, -1]) == whole) & (np.diff(points[:, :-1], axis=0) == 0).all(1)
    starts = np.concatenate([[0], np.nonzero(~following)[0] + 1])
    counts = np.diff(np.concatenate([starts, [len(points)]]))
    return [
        (*((int(x), 1, 1) for x in points[s, :-1]), (int(points[s, -1]), whole, int(c)))
        for s, c in zip(starts, counts, strict=True)
    ]


def _simplex_size(box: tuple[Line, ...], slopes: int) -> int:
    """How many positions `_simplex` makes."""
    wide = sum(count >= slopes for _, _, count in box)
    return comb(slopes - 1 + wide, wide) * prod(c for _, _, c in box if c < slopes)


def _simplex(box: tuple[Line, ...], slopes: int) -> Integers:
    """The positions of a rectangle that separate `slopes` slopes, narrow axes whole."""
    degree = slopes - 1
    narrow = [count if count <= degree else 1 for _, _, count in box]
    wide = [d for d, (_, _, count) in enumerate(box) if count > degree]
    offsets = grid(narrow).T
    copies: list[Integers] = []
    for moves in _tuples(len(wide), degree):
        moved = offsets.copy()
        moved[:, wide] = moves
        copies.append(moved)
    result = np.concatenate(copies)
    start = np.array([s for s, _, _ in box], np.int64)
    return start + result * np.array([s for _, s, _ in box], np.int64)


def _tuples(length: int, degree: int) -> Iterable[tuple[int, ...]]:
    """All tuples of `length` numbers >= 0 with a sum <= `degree`."""
    if length == 0:
        yield ()
        return
    for first in range(degree + 1):
        for rest in _tuples(length - 1, degree - first):
            yield (first, *rest)


def every_position(cell: tuple[Patch, ...], axes: int) -> Integers:
    """All positions of the cell."""
    counts = [p.count for p in cell]
    choice = grid(counts)
    result = np.empty((choice.shape[1], axes), np.int64)
    for patch, rows in zip(cell, choice, strict=True):
        if patch.points is None:
            result[:, patch.axes[0]] = rows + patch.interval.lo
        else:
            result[:, list(patch.axes)] = patch.points[rows]
    return result
