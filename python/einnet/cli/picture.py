"""Pictures of outputs: slices over the last two dimensions, cells outlined, failing ones coloured.

`planes_of` and `categories` are arithmetic on boxes; only `draw` needs matplotlib.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, product
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.errors import ToolchainError
from einnet.verify.regions import Box, Slice

EQUAL, BORDER, FAILING, FAILING_BORDER = range(4)
"""What a pixel shows: a position of a cell that was shown equal, that cell's border, a position
that was not, the border of its cell."""

PLANES = 16
_FINEST = 1024
"""Pixels along an axis; where there are more positions a pixel stands for several."""
_COARSEST = 16
"""Pixels of a position along an axis, where there are few positions."""

_COLOURS = ((0.93, 0.95, 0.97), (0.62, 0.68, 0.75), (0.86, 0.24, 0.18), (0.52, 0.08, 0.06))

Categories = NDArray[np.int8]


@dataclass(frozen=True)
class Plane:
    """A slice of a tensor over its last two dimensions, at the position `leading` of the others."""

    leading: tuple[int, ...]
    extents: tuple[int, int]


def planes_of(shape: Sequence[int], failing: Sequence[Box], limit: int = PLANES) -> list[Plane]:
    """Slices of a tensor, up to `limit`: those in which something fails first, then in order."""
    padded = (1, 1, *shape)
    extents = (padded[-2], padded[-1])
    outer = list(shape[:-2])
    meeting = (product(*(range(*s) for s in box[: len(outer)])) for box in failing)
    found: dict[tuple[int, ...], None] = {}
    for leading in chain(chain.from_iterable(meeting), product(*map(range, outer))):
        found[leading] = None
        if len(found) == limit:
            break
    return [Plane(leading, extents) for leading in found]


def categories(plane: Plane, cells: Iterable[Sequence[Box]], failing: Sequence[Box]) -> Categories:
    """The pixels of a plane, a square of them for each position.

    The last row and column of a position's square are border where the next position is of another
    cell or there is none. A pixel that stands for several positions fails if one of them does.
    """
    counts = tuple(min(e, _FINEST) for e in plane.extents)
    owner = np.full(counts, -1, np.int64)
    for number, cell in enumerate(cells):
        _mark(owner, number, plane, cell)
    marked = np.zeros(counts, np.int64)
    _mark(marked, 1, plane, failing)
    # Where cells are out of reach, the boxes that fail are all there is to outline.
    alike = owner * 2 + marked
    ends = [np.ones(counts, bool), np.ones(counts, bool)]
    ends[0][:-1] = alike[:-1] != alike[1:]
    ends[1][:, :-1] = alike[:, :-1] != alike[:, 1:]
    size = max(1, min(_COARSEST, _FINEST // (2 * max(counts))))
    border = np.zeros((counts[0] * size, counts[1] * size), bool)
    border[size - 1 :: size] |= ends[0].repeat(size, 1)
    border[:, size - 1 :: size] |= ends[1].repeat(size, 0)
    fails = marked.repeat(size, 0).repeat(size, 1) == 1
    return np.where(
        fails, np.where(border, FAILING_BORDER, FAILING), np.where(border, BORDER, EQUAL)
    ).astype(np.int8)


def _mark(pixels: NDArray[np.int64], value: int, plane: Plane, boxes: Sequence[Box]) -> None:
    """Set the pixels of the boxes' positions that are in the plane."""
    for box in boxes:
        if all(p in range(*s) for p, s in zip(plane.leading, box, strict=False)):
            sides = (Slice(0, 1, 1), Slice(0, 1, 1), *box)[-2:]
            rows, columns = (
                np.unique(np.arange(*s) * count // extent)
                for s, count, extent in zip(sides, pixels.shape, plane.extents, strict=True)
            )
            pixels[np.ix_(rows, columns)] = value


def require_matplotlib() -> None:
    """Raise ToolchainError if matplotlib is missing: before the work, not after."""
    if find_spec("matplotlib") is None:
        raise ToolchainError(
            "--picture needs the package matplotlib", hint="pip install 'einnet[bench]'"
        )


def draw(
    title: str,
    shape: Sequence[int],
    cells: Sequence[Sequence[Box]],
    failing: Sequence[Box],
) -> bytes:
    """A PNG picture of a tensor's slices in a grid. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    planes = planes_of(shape, failing)
    columns = ceil(sqrt(len(planes)))
    rows = ceil(len(planes) / columns)
    figure: Any = Figure(figsize=(1 + 4 * columns, 1 + 4 * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    colours = ListedColormap(_COLOURS)
    for number, plane in enumerate(planes, 1):
        axes = figure.add_subplot(rows, columns, number)
        height, width = plane.extents
        axes.imshow(
            categories(plane, cells, failing),
            cmap=colours,
            vmin=EQUAL,
            vmax=FAILING_BORDER,
            interpolation="nearest",
            extent=(0, width, height, 0),
            aspect="equal" if max(height, width) <= 8 * min(height, width) else "auto",
        )
        axes.set_title(f"[{', '.join([*map(str, plane.leading), ':', ':'][-len(shape) :])}]")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
