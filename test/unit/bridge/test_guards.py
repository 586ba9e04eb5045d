"""Guard algebra agrees with the truth of the guards at every point of their ranges."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import guards, indices, iteration_spaces, points

from einnet.bridge.guards import (
    Fact,
    conjunction,
    guard_fact,
    implied,
    negation,
    read_facts,
    union,
)
from einnet.expr.index import Index, Range, evaluate, var
from einnet.expr.nodes import Guard, Read, Residue, Tensor, Within

Ranges = dict[str, Range]
Several = tuple[Ranges, tuple[Guard, ...]]


@st.composite
def several(draw: st.DrawFn) -> Several:
    ranges = draw(iteration_spaces(2))
    return ranges, tuple(draw(st.lists(guards(ranges), min_size=0, max_size=3)))


def at(index: Index, point: dict[str, int]) -> int:
    return evaluate(index, point.__getitem__, 0)


def holds(all_of: tuple[Guard, ...], point: dict[str, int]) -> bool:
    for guard in all_of:
        value = at(guard.index, point)
        if isinstance(guard, Residue):
            if value % guard.modulus:
                return False
        elif not guard.lo <= value < guard.hi:
            return False
    return True


@settings(max_examples=200, deadline=None)
@given(several())
def test_a_conjunction_keeps_its_truth(several: Several) -> None:
    ranges, given_guards = several
    simple = conjunction(given_guards, ranges)
    for point in points(ranges):
        assert holds(given_guards, point) == (simple is not None and holds(simple, point))


@settings(max_examples=200, deadline=None)
@given(several())
def test_a_negation_holds_exactly_elsewhere_and_never_twice(several: Several) -> None:
    ranges, given_guards = several
    pieces = negation(given_guards, ranges)
    for point in points(ranges):
        count = sum(holds(piece, point) for piece in pieces)
        assert count == (0 if holds(given_guards, point) else 1)


@settings(max_examples=100, deadline=None)
@given(several())
def test_a_union_of_disjoint_pieces_keeps_its_truth(several: Several) -> None:
    ranges, given_guards = several
    pieces = negation(given_guards, ranges)
    merged = union(pieces)
    for point in points(ranges):
        assert any(holds(p, point) for p in pieces) == any(holds(p, point) for p in merged)


@st.composite
def claims(draw: st.DrawFn) -> tuple[Ranges, tuple[Guard, ...], Read]:
    ranges = draw(iteration_spaces(2))
    extents = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=2)))
    index = tuple(draw(indices(ranges)) for _ in extents)
    several = tuple(draw(st.lists(guards(ranges), min_size=1, max_size=3)))
    return ranges, several, Read(Tensor("T", extents), index)


@settings(max_examples=300, deadline=None)
@given(claims())
def test_what_is_implied_holds(claim: tuple[Ranges, tuple[Guard, ...], Read]) -> None:
    ranges, given_guards, read = claim
    for guard in given_guards:
        if not isinstance(guard, Within):
            continue
        others = tuple(g for g in given_guards if g is not guard)
        facts = read_facts([read], others)
        facts += [guard_fact(g) for g in others if isinstance(g, Within)]
        if not implied(guard, facts, ranges):
            continue
        for point in points(ranges):
            inside = all(
                0 <= at(e, point) < extent
                for e, extent in zip(read.index, read.source.shape, strict=True)  # pyright: ignore[reportAttributeAccessIssue]
            )
            if inside and holds(others, point):
                assert holds((guard,), point)


def test_a_fact_on_a_multiple_bounds_the_iterator() -> None:
    h = var("h")
    ranges = {"h": Range(0, 10)}
    assert implied(Within(h, 0, 4), [Fact(h * 2 - 1, 0, 6)], ranges)
    assert not implied(Within(h, 0, 3), [Fact(h * 2 - 1, 0, 6)], ranges)
    assert implied(Within(h * 2, 2, 8), [Fact(h, 1, 3)], ranges)
