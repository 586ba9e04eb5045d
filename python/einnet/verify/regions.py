"""Sets of positions as strided boxes, the rectangles that slices can express."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from einnet.expr.index import bounds, evaluate, iterators_of
from einnet.verify.cells import Integers, Patch, grid
from einnet.verify.problem import Problem

_LISTED = 1 << 16
"""Positions of coupled coordinates that are listed one by one; more are covered by one box."""


class Slice(NamedTuple):
    """The coordinates `start, start + step, ...` below `stop`."""

    start: int
    stop: int
    step: int


Box = tuple[Slice, ...]


def boxes_of_cell(problem: Problem, cell: Sequence[Patch]) -> tuple[Box, ...]:
    """Boxes of original positions that cover the cell: exactly, unless it is too large to list."""
    groups = _coupled(problem, cell)
    parts: list[list[Box]] = []
    for coordinates, patches in groups:
        parts.append(_boxes_of_group(problem, coordinates, patches))
    order = [d for coordinates, _ in groups for d in coordinates]
    return tuple(
        tuple(s for _, s in sorted(zip(order, sum(choice, ()), strict=True)))
        for choice in product(*parts)
    )


def _coupled(
    problem: Problem, cell: Sequence[Patch]
) -> list[tuple[tuple[int, ...], tuple[Patch, ...]]]:
    """The original coordinates with the patches that they depend on, in independent groups."""
    place = {a.name: n for n, a in enumerate(problem.axes)}
    groups: list[tuple[tuple[int, ...], tuple[Patch, ...]]] = []
    for d, index in enumerate(problem.origin):
        axes = {place[n] for n in iterators_of(index)}
        patches = tuple(p for p in cell if axes & set(p.axes))
        coordinates = (d,)
        for group in [g for g in groups if any(p in patches for p in g[1])]:
            groups.remove(group)
            coordinates = (*group[0], *coordinates)
            patches = (*group[1], *(p for p in patches if p not in group[1]))
        groups.append((coordinates, patches))
    return groups


def _boxes_of_group(
    problem: Problem, coordinates: Sequence[int], patches: Sequence[Patch]
) -> list[Box]:
    indices = [problem.origin[d] for d in coordinates]
    names = frozenset[str]().union(*(iterators_of(e) for e in indices))
    free = [p.points is None for p in patches]
    if (len(indices) == 1 and len(names) <= 1 and all(free)) or (
        np.prod([float(p.count) for p in patches]) > _LISTED
    ):
        limits = [bounds(e, problem.ranges) for e in indices]
        return [tuple(Slice(lo, hi + 1, 1) for lo, hi in limits)]
    choice = grid([p.count for p in patches])
    values: dict[str, Integers] = {}
    for patch, rows in zip(patches, choice, strict=True):
        for column, axis in enumerate(patch.axes):
            name = problem.axes[axis].name
            if patch.points is None:
                values[name] = rows + patch.interval.lo
            else:
                values[name] = patch.points[rows, column]
    zero = np.zeros(choice.shape[1], np.int64)
    return strided_boxes(np.stack([evaluate(e, values.__getitem__, zero) for e in indices], 1))


def strided_boxes(points: Integers) -> list[Box]:
    """Disjoint strided boxes that hold exactly these points, `[n, coordinate]`."""
    if points.shape[1] == 0:
        return [()]
    alike: dict[tuple[Box, ...], list[int]] = {}
    for value in np.unique(points[:, 0]):
        inner = strided_boxes(points[points[:, 0] == value, 1:])
        alike.setdefault(tuple(inner), []).append(int(value))
    return [
        (run, *box) for inner, values in alike.items() for run in _runs(values) for box in inner
    ]


def _runs(values: Sequence[int]) -> list[Slice]:
    """Arithmetic progressions that make up the ascending values."""
    runs: list[Slice] = []
    start = 0
    while start < len(values):
        end = start + 1
        step = values[end] - values[start] if end < len(values) else 1
        while end < len(values) and values[end] - values[end - 1] == step:
            end += 1
        step = step if end - start > 1 else 1
        runs.append(Slice(values[start], values[end - 1] + 1, step))
        start = end
    return runs
