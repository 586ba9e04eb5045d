"""What stands between an expression and a product, counted."""

from __future__ import annotations

import pytest
from convolutions import STARTS
from tensor_algebra import parse

from einnet.expr.nodes import Scope
from einnet.operators.product import PRODUCT
from einnet.search.distance import BadPart, Distance, FreeGuard, distance
from einnet.search.moves import repairs
from einnet.search.state import State, apply, start

SHAPES = {"X": (20,), "Y": (20, 20), "W": (20,)}


def of(core: Scope) -> Distance:
    first, second = core.term.reads
    return distance(core, (first, second), PRODUCT)


def obstacles(text: str) -> list[tuple[int, int, str]]:
    found = of(parse(text, **SHAPES)).obstacles
    return [(o.operand, o.dimension, str(o.part)) for o in found if isinstance(o, BadPart)]


@pytest.mark.parametrize("name", ["product", "batched product", "product of transposes", "1x1"])
def test_products_are_at_distance_0(name: str):
    state = start(STARTS[name])
    assert state is not None
    assert of(state.core).value == 0 and not of(state.core).obstacles


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("L<x:4> S<r:3> X[x+r] * W[r]", [(0, 0, "r+x")]),
        ("L<x:4> S<r:3> W[r] * X[x+r]", [(1, 0, "r+x")]),
        ("L<x:4> S<r:3> Y[x,x+2*r] * W[r]", [(0, 1, "2*r+x")]),
        ("L<x:4> S<r:3> X[3*x+r] * W[r]", []),
        ("L<x:4> S<r:3,s:2> X[6*x+r+s] * W[2*r+s]", [(0, 0, "r+s")]),
        ("L<x:8> S<r:3> X[x div 2] * W[r]", [(0, 0, "x div 2")]),
        ("L<x:8> S<r:3> X[(x+r) div 2] * W[r]", [(0, 0, "(r+x) div 2")]),
    ],
)
def test_obstacles_are_the_parts_that_are_not_one_iterator(
    text: str, parts: list[tuple[int, int, str]]
):
    assert obstacles(text) == parts


def test_a_guard_that_no_operand_can_absorb_is_an_obstacle():
    free = parse("L<x:4,y:4> S<r:3> Y[x,r] * Y[r,y] * [(x+y) mod 2 = 0]", **SHAPES)
    (obstacle,) = of(free).obstacles
    assert isinstance(obstacle, FreeGuard) and obstacle.iterators == {"x", "y"}
    absorbed = parse("L<x:4,y:4> S<r:3> Y[x,r] * Y[r,y] * [(x+r) mod 2 = 0]", **SHAPES)
    assert not of(absorbed).obstacles


def test_stray_iterators_cost_without_being_an_obstacle():
    stray = of(parse("L<x:4,y:4> S<r:3> Y[x,r] * W[r]", **SHAPES))
    assert stray.table.rows["y"] == "?" and stray.value > 0 and not stray.obstacles


def test_a_division_is_further_away_than_what_it_splits_into():
    """Otherwise the repair of a transposed convolution would have to climb."""
    state = start(STARTS["transposed 16 s8"])
    assert state is not None
    before = of(state.core)
    split: State | None = state
    for step in repairs(state.core, before.obstacles[0])[0]:
        assert split is not None
        split = apply(split, step)
    assert split is not None and of(split.core).value <= before.value
