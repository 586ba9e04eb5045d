"""Boxes that cover a set of positions, and the rectangles that they cut a tensor into.

Coordinates that lie in the same boxes are alike: each axis falls into few classes, and every set
that the boxes make is a set of products of classes. Nothing here depends on the extents but the
classes themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, permutations, product
from math import gcd, prod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from einnet.verify.regions import Box, Slice, strided_boxes

Price = Callable[[Box], float]
"""The estimated seconds of computing a box of a result again."""


@dataclass(frozen=True)
class Band:
    """The coordinates x of `start:stop` with `(x - start) mod period < width`."""

    start: int
    stop: int
    period: int
    width: int


Rectangle = tuple[Band, ...]
"""The product of a band of each axis."""

Classes = tuple[NDArray[np.int64], ...]
"""For each axis the class of each coordinate, numbered from 0."""

_MERGED = 48
"""Boxes among which pairs to merge are looked for; of more, all are kept as they are."""

_ORDERS = 24
"""Orders of the axes in which a set is cut into boxes."""


def format_box(box: Box) -> str:
    """The box as slices, a single coordinate as a number: `[0:2:1, 7, 0:8:1]`."""
    return f"[{', '.join(_format_slice(s) for s in box)}]"


def _format_slice(slice_: Slice) -> str:
    return str(slice_.start) if len(range(*slice_)) == 1 else ":".join(map(str, slice_))


def parse_box(text: str, shape: Sequence[int]) -> Box:
    """What `format_box` wrote, of a tensor of that shape. Raises ValueError for anything else."""
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"no box: {text}")
    box: list[Slice] = []
    for part in text[1:-1].split(",") if shape else ():
        numbers = [int(number) for number in part.split(":")]
        if len(numbers) not in (1, 3):
            raise ValueError(f"neither a coordinate nor start:stop:step: {part.strip()}")
        box.append(Slice(*numbers) if len(numbers) == 3 else Slice(numbers[0], numbers[0] + 1, 1))
    inside = len(box) == len(shape) and all(
        0 <= s.start < s.stop <= extent and s.step > 0 for s, extent in zip(box, shape, strict=True)
    )
    if not inside:
        raise ValueError(f"no box of a tensor of shape {'x'.join(map(str, shape))}: {text}")
    return tuple(box)


def positions(box: Box) -> int:
    """How many positions the box holds."""
    return prod(len(range(*s)) for s in box)


def covered(boxes: Sequence[Box]) -> int:
    """How many positions the boxes hold together."""
    if not boxes:
        return 0
    owner, classes = owners(boxes, tuple(max(s.stop for s in column) for column in _axes(boxes)))
    sizes = [np.bincount(c) for c in classes]
    weight = np.ones((), np.int64)
    for size in sizes:
        weight = np.multiply.outer(weight, size)
    return int(weight[owner >= 0].sum())


def owners(boxes: Sequence[Box], shape: tuple[int, ...]) -> tuple[NDArray[np.int64], Classes]:
    """The number of the first box that holds each product of classes, -1 for none; the classes."""
    classes: list[NDArray[np.int64]] = []
    inside: list[NDArray[np.bool_]] = []
    for axis, extent in enumerate(shape):
        member = np.zeros((len(boxes), extent), bool)
        for number, box in enumerate(boxes):
            member[number, slice(*box[axis])] = True
        kinds, numbers = np.unique(member, axis=1, return_inverse=True)
        classes.append(numbers.reshape(-1).astype(np.int64))
        inside.append(kinds)
    owner = np.full([kinds.shape[1] for kinds in inside], -1, np.int64)
    for number in reversed(range(len(boxes))):
        held = np.ix_(*(kinds[number] for kinds in inside))
        owner[held] = number
    return owner, tuple(classes)


def rectangles(owner: NDArray[np.int64], classes: Classes, which: int) -> tuple[Rectangle, ...]:
    """Disjoint products of bands that hold exactly the positions of owner `which`, as few as was
    found."""
    return min((_products(owner, classes, which, o, bands) for o in _orders(owner)), key=len)


def _orders(owner: NDArray[np.int64]) -> list[list[int]]:
    """Orders of the axes in which a set may be cut."""
    varied = [d for d in range(owner.ndim) if owner.shape[d] > 1]
    fixed = [d for d in range(owner.ndim) if owner.shape[d] == 1]
    return [[*order, *fixed] for order in islice(permutations(varied), _ORDERS)]


T = TypeVar("T")


def _products(
    owner: NDArray[np.int64],
    classes: Classes,
    which: int,
    order: Sequence[int],
    cut: Callable[[Sequence[int]], list[T]],
) -> tuple[tuple[T, ...], ...]:
    """The positions of an owner as products of what `cut` makes of sets of coordinates."""
    found: list[tuple[T, ...]] = []
    for box in _cut(np.argwhere(owner == which)[:, order]):
        parts: dict[int, list[T]] = {}
        for axis, chosen in zip(order, box, strict=True):
            parts[axis] = cut(np.nonzero(np.isin(classes[axis], chosen))[0].tolist())
        found += product(*(parts[axis] for axis in range(len(classes))))
    return tuple(found)


def _cut(points: NDArray[np.int64]) -> list[tuple[tuple[int, ...], ...]]:
    """Products of sets of classes that hold exactly these points."""
    if points.shape[1] == 0:
        return [()]
    alike: dict[tuple[tuple[tuple[int, ...], ...], ...], list[int]] = {}
    for value in np.unique(points[:, 0]):
        inner = tuple(_cut(points[points[:, 0] == value, 1:]))
        alike.setdefault(inner, []).append(int(value))
    return [(tuple(values), *box) for inner, values in alike.items() for box in inner]


def _slices(coordinates: Sequence[int]) -> list[Slice]:
    return [box[0] for box in strided_boxes(np.array(coordinates, np.int64).reshape(-1, 1))]


def bands(coordinates: Sequence[int]) -> list[Band]:
    """Disjoint bands that hold exactly these ascending coordinates: the largest first, then those
    of what is left."""
    runs: list[range] = []
    for x in coordinates:
        if runs and runs[-1].stop == x:
            runs[-1] = range(runs[-1].start, x + 1)
        else:
            runs.append(range(x, x + 1))
    found = [Band(r.start, r.stop, len(r), len(r)) for r in runs]
    if len(runs) < 3:
        return found
    inside = set(coordinates)
    best = max((_band(a, b, inside) for a, b in pairwise(runs)), key=lambda band: len(_held(band)))
    held = _held(best)
    left = [x for x in coordinates if x not in held]
    apart = [best, *bands(left)]
    return apart if len(apart) < len(found) else found


def _held(band: Band) -> set[int]:
    return {x for x in range(band.start, band.stop) if (x - band.start) % band.period < band.width}


def _band(first: range, second: range, inside: set[int]) -> Band:
    """The longest band with the period and width of two runs whose coordinates are inside."""
    period, width = second.stop - first.stop, min(len(first), len(second))
    start = first.stop - width
    while all(x in inside for x in range(start - period, start - period + width)):
        start -= period
    stop = start
    while stop in inside:
        if not all(x in inside for x in range(stop, stop + width)):
            break
        stop += period
    return Band(start, stop - period + width, period, width)


def cover(boxes: Sequence[Box], shape: tuple[int, ...], price: Price) -> tuple[Box, ...]:
    """Boxes that hold at least the positions of `boxes`, as cheap together as was found: disjoint
    ones, of which two become the box around them where that costs no more."""
    owner, classes = owners(boxes, shape)
    owner = np.where(owner >= 0, 0, -1)
    best = list(min(_covers(owner, classes), key=lambda found: sum(map(price, found))))
    if len(best) > _MERGED:
        return tuple(best)
    prices = {box: price(box) for box in best}
    while True:
        step = _best_merge(best, prices, price, prod(shape))
        if step is None:
            return tuple(best)
        hull, gone = step
        best = [box for box in best if box not in gone] + [hull]


def _covers(owner: NDArray[np.int64], classes: Classes) -> list[tuple[Box, ...]]:
    return [_products(owner, classes, 0, order, _slices) for order in _orders(owner)]


def _best_merge(
    boxes: Sequence[Box], prices: dict[Box, float], price: Price, whole: int
) -> tuple[Box, set[Box]] | None:
    """The box around two that saves most, and the boxes that it takes the place of. It is not the
    `whole` tensor: then nothing would be left of the mutant."""
    best: tuple[float, Box, set[Box]] | None = None
    for number, first in enumerate(boxes):
        for second in boxes[number + 1 :]:
            hull = _around(first, second)
            if positions(hull) == whole:
                continue
            if hull not in prices:
                prices[hull] = price(hull)
            gone = {box for box in boxes if _around(box, hull) == hull}
            saved = sum(prices[box] for box in gone) - prices[hull]
            if saved >= 0 and (best is None or saved > best[0]):
                best = saved, hull, gone
    return None if best is None else best[1:]


def _around(first: Box, second: Box) -> Box:
    """The smallest strided box that holds both."""
    return tuple(_slice_around(a, b) for a, b in zip(first, second, strict=True))


def _slice_around(first: Slice, second: Slice) -> Slice:
    starts = first.start, second.start
    last = max(range(*first)[-1], range(*second)[-1])
    steps = [s.step for s in (first, second) if len(range(*s)) > 1]
    step = gcd(*steps, starts[0] - starts[1]) or 1
    return Slice(min(starts), last + 1, step)


def _axes(boxes: Sequence[Box]) -> list[tuple[Slice, ...]]:
    return list(zip(*boxes, strict=True))
