"""Corrections as slices: what is computed again, and how it is put into the mutant's result.

A tensor put together from parts reads another tensor in each of some boxes and the mutant's result
elsewhere. Here it becomes the mutant's result everywhere, into which one `tensor.insert_slice` a
part puts its box, strided where the box is. Boxes may overlap: what is inserted last stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd, prod

import numpy as np
from mlir import ir
from mlir.dialects import tensor
from numpy.typing import NDArray

from einnet.bridge.slices import Sliced, emit_sliced, sliced
from einnet.expr.index import bounds, evaluate, iterators_of, var
from einnet.expr.interpreter import guard_holds
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, box_of
from einnet.expr.transform import stays_inside, substitute_term

_ENUMERATED = 1 << 16
"""Values of an index that are looked at one by one."""

Axes = tuple[NDArray[np.bool_], ...]
"""A product of sets: for each axis which coordinates are in it."""


@dataclass(frozen=True)
class Part:
    """A slice of a tensor, and where it goes: the positions `start + step*z`, z from 0 to `size`,
    for each axis."""

    slice: Sliced
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]

    def axes(self, extents: Sequence[int]) -> Axes:
        found: list[NDArray[np.bool_]] = []
        for start, size, step, extent in zip(
            self.starts, self.sizes, self.steps, extents, strict=True
        ):
            inside = np.zeros(extent, bool)
            inside[start : start + size * step : step] = True
            found.append(inside)
        return tuple(found)


@dataclass(frozen=True)
class Assembly:
    """`main` everywhere, then each part in its place, in this order."""

    main: Read
    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class _Owned:
    """A read and the disjoint products of positions at which it is the result."""

    read: Read
    held: tuple[Axes, ...]


def assembly_of(scope: Scope) -> Assembly | None:
    """The scope as parts put into one tensor; None if it is nothing of the kind."""
    owned = _owned(scope)
    if owned is None or len(owned) < 2:
        return None
    everywhere = [o for o in owned if _never_leaves(o.read, scope)]
    for main in sorted(everywhere, key=_count, reverse=True):
        others = [o for o in owned if o is not main]
        for cut in (False, True):
            found = [(o, part) for o in others for part in _parts(o, scope, cut)]
            parts = [(o, part) for o, part in found if part is not None]
            ordered = _ordered(main, parts, scope) if len(parts) == len(found) else None
            if ordered is not None:
                return Assembly(main.read, ordered)
    return None


def _never_leaves(read: Read, scope: Scope) -> bool:
    """Whether the read is inside its tensor everywhere. Digits of one iterator are bounded together
    by looking at each value, where they are few."""
    for e, (lo, hi) in zip(read.index, box_of(read.source), strict=True):
        least, most = bounds(e, scope.ranges)
        if least >= lo and most < hi:
            continue
        names = sorted(iterators_of(e))
        extents = [scope.ranges[name].extent for name in names]
        count = prod(extents)
        if count > _ENUMERATED:
            return False
        grid = np.indices(extents, dtype=np.int64).reshape(len(extents), count)
        values = dict(zip(names, grid, strict=True))
        found = evaluate(e, values.__getitem__, np.zeros(count, np.int64))
        if found.min() < lo or found.max() >= hi:
            return False
    return True


def _count(owned: _Owned) -> int:
    return sum(int(np.prod([int(a.sum()) for a in held])) for held in owned.held)


def _owned(scope: Scope) -> list[_Owned] | None:
    """What reads what, if one term at a time is alive and its guards bound one iterator each."""
    if scope.summation:
        return None
    found: dict[Read, list[Axes]] = {}
    for term in scope.body:
        held = _alive(term, scope)
        if held is None:
            return None
        (read,) = term.reads
        found.setdefault(read, []).append(held)
    return [_Owned(read, tuple(held)) for read, held in found.items()]


def _alive(term: Term, scope: Scope) -> Axes | None:
    """Where the guards of a term that is a plain read of a tensor hold."""
    if term.coefficient != 1 or len(term.factors) != 1 or len(term.reads) != 1:
        return None
    if isinstance(term.reads[0].source, Scope):
        return None
    axes = {i.name: np.ones(i.extent, bool) for i in scope.traversal}
    for guard in term.guards:
        names = iterators_of(guard.index)
        if len(names) != 1:
            return None
        (name,) = names
        extent = len(axes[name])
        axes[name] &= guard_holds(guard, {name: np.arange(extent, dtype=np.int64)}, extent)
    return tuple(axes.values())


def _parts(owned: _Owned, scope: Scope, cut: bool) -> list[Part | None]:
    """The smallest strided box around all that a read owns; with `cut`, boxes of exactly that."""
    if not cut:
        union = tuple(np.logical_or.reduce(axis) for axis in zip(*owned.held, strict=True))
        return [_part(owned.read, [_hull(np.nonzero(axis)[0]) for axis in union], scope)]
    found: list[Part | None] = []
    for held in owned.held:
        boxes: list[list[tuple[int, int, int]]] = [[]]
        for axis in held:
            boxes = [[*box, run] for box in boxes for run in _runs(np.nonzero(axis)[0])]
        found += [_part(owned.read, box, scope) for box in boxes]
    return found


def _hull(coordinates: NDArray[np.intp]) -> tuple[int, int, int]:
    """Start, size and step of the shortest progression that has the coordinates."""
    first, last = int(coordinates[0]), int(coordinates[-1])
    step = gcd(*(int(b - a) for a, b in pairwise(coordinates))) or 1
    return first, (last - first) // step + 1, step


def _runs(coordinates: NDArray[np.intp]) -> list[tuple[int, int, int]]:
    """Progressions that have exactly the coordinates: all of them, or those side by side."""
    start, size, step = _hull(coordinates)
    if size == len(coordinates):
        return [(start, size, step)]
    breaks = np.nonzero(np.diff(coordinates) > 1)[0] + 1
    return [_hull(run) for run in np.split(coordinates, breaks)]


def _part(read: Read, box: Sequence[tuple[int, int, int]], scope: Scope) -> Part | None:
    """The read in a box; None if it leaves its tensor there, or is no slice of it."""
    values = {
        i.name: var(i.name) * step + start
        for i, (start, _, step) in zip(scope.traversal, box, strict=True)
    }
    starts, sizes, steps = zip(*box, strict=True)
    loops = (Iterator(i.name, 0, n) for i, n in zip(scope.traversal, sizes, strict=True))
    inside = Scope(tuple(loops), (), ())
    term = substitute_term(Term((read,)), values, inside.ranges)
    (moved,) = term.reads
    assert isinstance(moved.source, Tensor)
    found = sliced(moved.source, moved.index, inside)
    if found is None or not stays_inside(moved, inside.ranges):
        return None
    return Part(found, starts, sizes, steps)


# What is inserted after what ----------------------------------------------------------------


def _ordered(
    main: _Owned, parts: Sequence[tuple[_Owned, Part]], scope: Scope
) -> tuple[Part, ...] | None:
    """The parts in an order in which every position is left with the read that owns it; None if
    there is none, or positions have no owner, or several."""
    owners = [main, *dict.fromkeys(owned for owned, _ in parts)]
    held = [(which, axes) for which, owned in enumerate(owners) for axes in owned.held]
    products = [axes for _, axes in held] + [part.axes(scope.extents) for _, part in parts]
    classes = [np.unique(np.stack(axis), axis=1) for axis in zip(*products, strict=True)]
    inside = [_outer([c[n] for c in classes]) for n in range(len(products))]
    owner = np.full(inside[0].shape, -1)
    for (which, _), where in zip(held, inside, strict=False):
        owner[where] = which
    if (np.sum(inside[: len(held)], axis=0) != 1).any():
        return None
    covers = inside[len(held) :]
    whose = [owners.index(owned) for owned, _ in parts]
    left = list(range(len(parts)))
    chosen: list[int] = []
    done = np.zeros(owner.shape, bool)
    # From the last one back: each may cover what is its own, and what is covered again later.
    while left:
        fitting = (n for n in left if (owner[covers[n] & ~done] == whose[n]).all())
        number = next(fitting, None)
        if number is None:
            return None
        left.remove(number)
        chosen.append(number)
        done |= covers[number]
    if (owner[~done] != 0).any():
        return None
    return tuple(parts[n][1] for n in reversed(chosen))


def _outer(axes: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """The product of sets of classes as a set of products of classes."""
    found = np.ones((), bool)
    for axis in axes:
        found = np.logical_and.outer(found, axis)
    return found


# Emission -----------------------------------------------------------------------------------


def emit_parts(
    parts: Sequence[Part], main: ir.Value, values: Mapping[str, ir.Value]
) -> tuple[ir.Value, list[list[ir.OpView]]]:
    """The parts put into `main` one after another: the result, and the operations of each part,
    its `tensor.insert_slice` last."""
    result = main
    operations: list[list[ir.OpView]] = []
    for part in parts:
        value, made = emit_sliced(part.slice, values[part.slice.source.name])
        result = tensor.insert_slice(value, result, [], [], [], part.starts, part.sizes, part.steps)
        operations.append([*made, result.owner])
    return result, operations
