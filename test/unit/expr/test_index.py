"""Index arithmetic against Python's integers, at every point of small iteration spaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Arithmetic, arithmetic, indices, iteration_spaces, points

from einnet.expr.index import (
    FloorDiv,
    Index,
    Range,
    as_mod,
    bounds,
    constant,
    evaluate,
    floordiv,
    format_index,
    iterators_of,
    mod,
    substitute,
    var,
)
from einnet.expr.text import parse_index

Space = dict[str, Range]


def at(index: Index, point: dict[str, int]) -> int:
    return evaluate(index, point.__getitem__, 0)


@st.composite
def spaces_with(draw: st.DrawFn, count: int = 3) -> tuple[Space, Arithmetic]:
    ranges = draw(iteration_spaces(count))
    return ranges, draw(arithmetic(ranges))


@given(spaces_with())
def test_every_operation_means_what_integers_say(case: tuple[Space, Arithmetic]):
    ranges, built = case
    for point in points(ranges):
        assert at(built.index, point) == built.expected(point)


@given(spaces_with())
def test_indices_are_in_normal_form(case: tuple[Space, Arithmetic]):
    def check(index: Index) -> None:
        atoms = [atom for atom, _ in index.terms]
        assert atoms == sorted(set(atoms))
        assert all(coefficient for _, coefficient in index.terms)
        for atom in atoms:
            if isinstance(atom, FloorDiv):
                assert atom.divisor > 1
                check(atom.operand)

    check(case[1].index)


@given(spaces_with())
def test_bounds_hold_everywhere(case: tuple[Space, Arithmetic]):
    ranges, built = case
    low, high = bounds(built.index, ranges)
    assert all(low <= built.expected(point) <= high for point in points(ranges))


@st.composite
def separate_sums(draw: st.DrawFn) -> tuple[Space, Index]:
    """Each iterator once: bare, inside a division or as the digit of a remainder."""
    ranges = draw(iteration_spaces(3))
    total = constant(draw(st.integers(-3, 3)))
    for name in ranges:
        shifted = var(name) * draw(st.integers(-3, 3)) + draw(st.integers(-3, 3))
        divisor = draw(st.integers(1, 4))
        total = total + floordiv(shifted, divisor, ranges) * draw(st.integers(-3, 3))
    return ranges, total


@given(separate_sums())
def test_bounds_are_exact_where_iterators_occur_once(case: tuple[Space, Index]):
    ranges, index = case
    if len(index.terms) > len(ranges):
        return  # the division cut an iterator's multiple in two
    values = [at(index, point) for point in points(ranges)]
    assert bounds(index, ranges) == (min(values), max(values))


def test_bounds_recognise_a_scaled_remainder():
    ranges = {"x": Range(-7, 90)}
    digit = mod(var("x") + 5, 6, ranges)
    assert bounds(digit, ranges) == (0, 5)
    assert bounds(digit * 3 + 1, ranges) == (1, 16)
    assert bounds(-digit, ranges) == (-5, 0)


def test_bounds_recognise_a_digit():
    ranges = {"m": Range(0, 72)}
    digit = mod(floordiv(var("m"), 6, ranges), 6, ranges)
    assert str(digit) == "m div 6-6*(m div 36)"
    assert bounds(digit, ranges) == (0, 5)
    assert bounds(-digit * 2 + 1, ranges) == (-9, 1)


@given(spaces_with(), st.data())
def test_substitution_is_composition(case: tuple[Space, Arithmetic], data: st.DataObject):
    ranges, built = case
    inner: Space = {"p": Range(-2, 4), "q": Range(0, 5)}
    values = {n: data.draw(arithmetic(inner)) for n in ("a", "b")}
    # Simplification may use the ranges of the iterators that go: keep to points inside them.
    inside = [
        point
        for point in points({**inner, "c": ranges["c"]})
        if all(ranges[n].lo <= v.expected(point) < ranges[n].hi for n, v in values.items())
    ]
    final = {**inner, "c": ranges["c"]}
    result = substitute(built.index, {n: v.index for n, v in values.items()}, final)
    for point in inside:
        old = {**point, **{n: v.expected(point) for n, v in values.items()}}
        assert at(result, point) == built.expected(old)


@given(spaces_with())
def test_printed_indices_parse_back(case: tuple[Space, Arithmetic]):
    ranges, built = case
    assert parse_index(format_index(built.index), ranges) == built.index


@given(st.data())
def test_printed_indices_parse_back_in_the_shapes_of_reads(data: st.DataObject):
    ranges = data.draw(iteration_spaces(3))
    index = data.draw(indices(ranges))
    assert parse_index(str(index), ranges) == index


@given(spaces_with(), st.integers(2, 6))
def test_as_mod_finds_exactly_remainders(case: tuple[Space, Arithmetic], divisor: int):
    ranges, built = case
    pattern = as_mod(built.index)
    if pattern is not None:
        operand, modulus = pattern
        for point in points(ranges):
            assert built.expected(point) == at(operand, point) % modulus
    remainder = mod(built.index, divisor, ranges)
    if any(isinstance(atom, FloorDiv) for atom, _ in remainder.terms) and as_mod(remainder):
        operand, modulus = as_mod(remainder) or (remainder, 0)
        for point in points(ranges):
            assert at(operand, point) % modulus == built.expected(point) % divisor


def test_as_mod_is_not_fooled():
    ranges = {"x": Range(0, 20), "y": Range(0, 20)}
    x, y = var("x"), var("y")
    assert as_mod(mod(x, 3, ranges)) == (x, 3)
    assert as_mod(mod(x + y * 2 + 1, 4, ranges)) is not None
    assert as_mod(x) is None
    assert as_mod(floordiv(x, 3, ranges)) is None
    assert as_mod(mod(x, 3, ranges) + 1) is None
    assert as_mod(mod(x, 3, ranges) * 2) is None
    assert as_mod(x - floordiv(y, 3, ranges) * 3) is None


@pytest.mark.parametrize(
    ("text", "simplified"),
    [
        ("(4*x+y) div 4", "x"),
        ("(4*x+y) mod 4", "y"),
        ("(8*x+2*y) div 4", "2*x+y div 2"),
        ("((x+y) div 2) div 3", "(x+y) div 6"),
        ("(x - x mod 2) div 2", "x div 2"),
        ("(x mod 6) mod 3", "x mod 3"),
        ("(x+20) div 20", "1"),
        ("(6*x+y+5) div 6", "x+(y+5) div 6"),
        ("(x div 2)*2 + x mod 2", "x"),
    ],
)
def test_divisions_simplify_with_the_ranges(text: str, simplified: str):
    ranges = {"x": Range(0, 20), "y": Range(0, 4)}
    assert str(parse_index(text, ranges)) == simplified


def test_arithmetic_keeps_normal_form():
    x, y = var("x"), var("y")
    assert x - x == constant(0) and (x * 0).is_constant
    assert x + y - y == x and 3 * x == x * 3
    assert (x + 2).name is None and x.name == "x"
    assert (x * 2 + y).coefficient("x") == 2 and (x * 2).coefficient("y") == 0
    ranges = {"x": Range(0, 9), "y": Range(0, 9)}
    assert iterators_of(floordiv(x + y * 2, 3, ranges) - 1) == {"x", "y"}
