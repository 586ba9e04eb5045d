"""Mixed-radix parts against enumeration."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import indices, iteration_spaces, points

from einnet.expr.index import Index, Range, evaluate, linear
from einnet.expr.radix import Part, is_digit, is_injective, parts_of
from einnet.expr.text import parse_index

Space = dict[str, Range]


def at(index: Index, point: dict[str, int]) -> int:
    return evaluate(index, point.__getitem__, 0)


@st.composite
def spaces_with_indices(draw: st.DrawFn) -> tuple[Space, Index]:
    ranges = draw(iteration_spaces(3))
    return ranges, draw(indices(ranges))


def scales(index: Index, parts: tuple[Part, ...]) -> list[int]:
    """By what each part is multiplied in the index; the parts share out its terms."""
    coefficients = dict(index.terms)
    found: list[int] = []
    for part in parts:
        atom, coefficient = part.terms[0]
        scale = coefficients[atom] // coefficient
        assert all(coefficients.pop(a) == c * scale for a, c in part.terms)
        found.append(scale)
    assert not coefficients
    return found


@given(spaces_with_indices())
def test_parts_address_independent_dimensions(case: tuple[Space, Index]):
    ranges, index = case
    parts = parts_of(index, ranges)
    scale = scales(index, parts)
    values = [sorted({at(part, p) for p in points(ranges)}) for part in parts]
    addresses = [
        sum(s * v for s, v in zip(scale, where, strict=True)) for where in product(*values)
    ]
    # Every element of the re-laid-out operand is another element of the operand.
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4*x+y", ["x", "y"]),
        ("3*x+y", ["y+3*x"]),
        ("x+y", ["x+y"]),
        ("2*x+4*z", ["x+2*z"]),
        ("12*x+4*z+y", ["x", "z", "y"]),
        ("x-4*y", ["x-4*y"]),
        ("20*z+x mod 4", ["z", "x mod 4"]),
        # What a remainder is stored as stays together, whatever its range.
        ("8*z+(x+4) mod 8", ["z", "(x+4) mod 8"]),
        ("4*((x+y) div 4)+x mod 4", ["4*((x+y) div 4)+x mod 4"]),
        ("7", []),
        # y covers 0..3, so 2*y leaves a block of 3, but hits each residue at most once.
        ("9*x+2*z", ["x", "z"]),
        ("3*x+2*z", ["x", "z"]),
    ],
)
def test_parts_by_example(text: str, expected: list[str]):
    ranges = {"x": Range(0, 8), "y": Range(0, 4), "z": Range(0, 3)}
    parts = parts_of(parse_index(text, ranges), ranges)
    assert sorted(parts) == sorted(linear(0, parse_index(part, ranges).terms) for part in expected)


@given(spaces_with_indices(), st.none() | st.integers(2, 9))
def test_injectivity_against_enumeration(case: tuple[Space, Index], modulus: int | None):
    ranges, index = case
    used = {n: r for n, r in ranges.items() if n in str(index)}
    values = [at(index, p) for p in points(used)]
    distinct = {v % modulus if modulus else v for v in values}
    assert is_injective(index, ranges, modulus) == (len(distinct) == len(values))


def test_a_digit_is_as_good_as_one_iterator():
    ranges = {"x": Range(-3, 9), "y": Range(0, 4)}

    def digit(text: str) -> bool:
        return is_digit(linear(0, parse_index(text, ranges).terms), ranges)

    assert digit("x") and digit("y") and digit("5*(x div 2) + x mod 2")
    assert digit("(y+3) mod 4")
    assert not digit("x + y") and not digit("x div 2") and not digit("x mod 2")


def test_large_spaces_are_not_enumerated():
    ranges = {"x": Range(0, 100), "y": Range(0, 100)}
    assert not is_injective(parse_index("100*x+y", ranges), ranges)
