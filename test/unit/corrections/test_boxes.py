"""Boxes: what they hold, merged when cheaper, and the bands that guards can express."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einnet.corrections.boxes import (
    bands,
    cover,
    covered,
    format_box,
    owners,
    parse_box,
    positions,
    rectangles,
)
from einnet.corrections.recompute import guards_of
from einnet.expr.interpreter import guard_holds
from einnet.expr.nodes import Iterator
from einnet.verify.regions import Box, Slice

SHAPE = (9, 7)


def free(box: Box) -> float:
    """Every position costs the same, and a box nothing."""
    return float(positions(box))


def dear(box: Box) -> float:
    """A box costs as much as twenty positions."""
    return 20.0 + positions(box)


def mask(boxes: tuple[Box, ...]) -> np.ndarray:
    held = np.zeros(SHAPE, bool)
    for box in boxes:
        held[tuple(slice(*s) for s in box)] = True
    return held


@st.composite
def slices(draw: st.DrawFn, extent: int) -> Slice:
    start, count, step = (
        draw(st.integers(0, extent - 1)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 3)),
    )
    return Slice(start, min(extent, start + step * (count - 1) + 1), step)


some_boxes = st.lists(st.tuples(*map(slices, SHAPE)), min_size=1, max_size=5).map(tuple)


@given(some_boxes)
def test_a_cover_that_merges_for_nothing_is_exact(boxes: tuple[Box, ...]) -> None:
    found = cover(boxes, SHAPE, free)
    assert (mask(found) == mask(boxes)).all()
    assert sum(map(positions, found)) == mask(boxes).sum() == covered(boxes)


@given(some_boxes)
def test_a_cover_holds_everything_and_costs_no_more(boxes: tuple[Box, ...]) -> None:
    apart, together = cover(boxes, SHAPE, free), cover(boxes, SHAPE, dear)
    assert (mask(together) | ~mask(boxes)).all()
    assert sum(map(dear, together)) <= sum(map(dear, apart))


def test_neighbours_become_one_box_where_a_box_is_dear() -> None:
    boxes = ((Slice(1, 2, 1), Slice(0, 7, 1)), (Slice(4, 5, 1), Slice(0, 7, 1)))
    assert cover(boxes, SHAPE, dear) == ((Slice(1, 5, 3), Slice(0, 7, 1)),)


def test_the_whole_result_is_never_one_box() -> None:
    boxes = tuple((Slice(h, h + 1, 1), Slice(w, w + 1, 1)) for h in (0, 8) for w in (0, 6))
    assert all(positions(b) < 63 for b in cover(boxes, SHAPE, lambda _: 1.0))


@given(some_boxes)
def test_rectangles_are_disjoint_and_hold_what_an_owner_has(boxes: tuple[Box, ...]) -> None:
    owner, classes = owners(boxes, SHAPE)
    traversal = tuple(Iterator(n, 0, extent) for n, extent in zip("hw", SHAPE, strict=True))
    grid = np.indices(SHAPE).reshape(2, -1)
    environment = dict(zip("hw", grid, strict=True))
    count = np.zeros(SHAPE, int)
    for which in range(-1, len(boxes)):
        for rectangle in rectangles(owner, classes, which):
            held = np.ones(grid.shape[1], bool)
            for guard in guards_of(rectangle, traversal):
                held &= guard_holds(guard, environment, grid.shape[1])
            held = held.reshape(SHAPE)
            count += held
            first = [n for n, b in enumerate(boxes) for _ in [0] if (mask((b,)) & held).any()]
            assert not held.any() or (min(first, default=-1) == which)
    assert (count == 1).all()


@given(st.sets(st.integers(0, 30), min_size=1))
def test_bands_hold_exactly_the_coordinates(chosen: set[int]) -> None:
    found = [
        x
        for b in bands(sorted(chosen))
        for x in range(b.start, b.stop)
        if (x - b.start) % b.period < b.width
    ]
    assert sorted(found) == sorted(chosen)


def test_the_inside_of_tiles_is_two_bands() -> None:
    inside = [x for x in range(38) if x < 8 or x >= 32 or 2 <= x % 10 < 8]
    assert len(bands(inside)) == 2


@given(some_boxes)
def test_boxes_are_read_as_they_are_written(boxes: tuple[Box, ...]) -> None:
    for box in boxes:
        text = format_box(box)
        assert (mask((parse_box(text, SHAPE),)) == mask((box,))).all()
        assert format_box(parse_box(text, SHAPE)) == text


@pytest.mark.parametrize(
    "text", ["0:2:1", "[0:2:1]", "[0:2, 1]", "[0:10:1, 1]", "[2:2:1, 1]", "[0:2:0, 1]", "[a, 1]"]
)
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_box(text, SHAPE)
