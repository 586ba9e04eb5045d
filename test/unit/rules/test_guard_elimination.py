"""A guard that decides a sum takes its place; guards that say nothing go."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import guards, scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr.index import Index, Range, Ranges, mod, var
from einnet.expr.nodes import Guard, Iterator, Residue, Scope, Within
from einnet.expr.transform import residue
from einnet.rules import guard_elimination as rule
from einnet.rules.guard_elimination import drop_implied, eliminate_guards, split_residues


@st.composite
def decided(draw: st.DrawFn) -> tuple[Scope]:
    """A guard holds for at most one value of a sum, or almost."""
    scope = draw(scopes(reads=2, min_sums=1, sums=2, limit=100))
    chosen = draw(st.sampled_from(scope.summation))
    rest = {n: r for n, r in scope.ranges.items() if n != chosen.name}
    other = draw(guards(rest)).index
    guard: Guard
    if draw(st.booleans()):
        modulus = draw(st.sampled_from((2, 2, 3, 3, 4, 5, 7)))
        factor = draw(st.integers(1, modulus).filter(lambda c: gcd(c, modulus) == 1))
        guard = residue(var(chosen.name) * factor + other, modulus)
    else:
        lo = draw(st.integers(-2, 3))
        sign = draw(st.sampled_from((1, -1)))
        guard = Within(var(chosen.name) * sign + other, lo, lo + draw(st.sampled_from((1, 1, 2))))
    term = scope.term
    return (replace(scope, body=(replace(term, guards=(*term.guards, guard)),)),)


@st.composite
def dense(draw: st.DrawFn) -> tuple[Scope]:
    """The same over reads that are never 0, so that each point of the sum counts."""
    first, extent = draw(st.integers(-2, 2)), draw(st.integers(2, 6))
    factor, stride = draw(st.sampled_from((1, -1, 2, 3))), draw(st.sampled_from((1, -1, 2, -3)))
    index = f"{factor}*r{stride:+}*x{draw(st.integers(-2, 2)):+}"
    modulus = draw(st.integers(2, 5))
    guard = draw(st.sampled_from((f"({index}) mod {modulus} = 0", f"2 <= {index} < 3")))
    text = f"L<x:5> S<r:{first}:{first + extent}> X[x] * X[r+2] * [{guard}]"
    return (parse(text, X=(9,)),)


@given(decided() | dense())
def test_elimination(case: tuple[Scope]):
    assert same_meaning(case[0], eliminate_guards(*case))


@given(scopes(limit=150, nested=True, sums=2))
def test_elimination_where_only_reads_decide(scope: Scope):
    assert same_meaning(scope, eliminate_guards(scope))


@given(scopes(body=2, limit=150))
def test_dropping_implied_guards(scope: Scope):
    assert same_meaning(scope, drop_implied(scope))


@given(decided() | dense())
def test_splitting_by_the_modulus(case: tuple[Scope]):
    (scope,) = case
    assert same_meaning(scope, split_residues(scope))
    assert same_meaning(scope, eliminate_guards(split_residues(scope)))


SHAPES = {"X": (9,), "Y": (9, 1)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("L<x:6> S<r:2> X[r] * [(x+r) mod 2 = 0]", "L<x:6> X[x mod 2]"),
        (
            "L<x:6> S<r:2> X[r] * [(x+r) mod 3 = 0]",
            "L<x:6> X[(-x) mod 3] * [0 <= (-x) mod 3 < 2]",
        ),
        ("L<x:6> S<r:4> X[r] * [3 <= r+x < 4]", "L<x:6> X[-x+3]"),
        ("L<x:6> S<r:4> X[x] * [3 <= r+x < 4]", "L<x:6> X[x] * [0 <= -x+3 < 4]"),
        ("L<x:6> S<r:4> X[r] * [-2 <= x-r < -1]", "L<x:6> X[x+2] * [0 <= x+2 < 4]"),
        ("L<x:6> S<r:6> Y[r,x-r]", "L<x:6> Y[x,0]"),
        ("L<x:6> S<r:2> X[r] * [0 <= (x+r) mod 2 < 1]", "L<x:6> X[x mod 2]"),
        ("L<x:6> X[x] * [0 <= x < 6]", "L<x:6> X[x]"),
        ("L<x:6> X[x] * [(2*x) mod 2 = 0]", "L<x:6> X[x]"),
        ("L<x:6> X[x-1] * [1 <= x < 20]", "L<x:6> X[x-1]"),
        ("L<x:6> X[x] * [x mod 2 = 0] * [(3*x) mod 2 = 0]", "L<x:6> X[x] * [x mod 2 = 0]"),
    ],
)
def test_by_example(before: str, after: str):
    scope = parse(before, **SHAPES)
    found = eliminate_guards(scope)
    assert str(found) == after
    assert same_meaning(scope, found)


@pytest.mark.parametrize(
    "text",
    [
        "L<x:6> S<r:3> X[r] * [(x+r) mod 2 = 0]",
        "L<x:6> S<r:2> X[r] * [(x+2*r) mod 4 = 0]",
        "L<x:6> S<r:2> X[r] * [(x+r+r div 2) mod 2 = 0]".replace("r div 2", "(3*r) div 2"),
        "L<x:6> S<r:4> X[r] * [3 <= x+2*r < 4]",
        "L<x:6> S<r:4> X[r] * [3 <= x+r < 5]",
        "L<x:6> X[x] * [(x+1) mod 2 = 0]",
    ],
)
def test_guards_that_decide_nothing_stay(text: str):
    scope = parse(text, **SHAPES)
    assert eliminate_guards(scope) == scope


def test_what_is_zero_everywhere():
    assert eliminate_guards(parse("L<x:6> X[x] * [9 <= x < 12]", **SHAPES)) is None
    assert eliminate_guards(parse("L<x:6> X[x] * [(2*x+1) mod 2 = 0]", **SHAPES)) is None


def test_scopes_of_several_terms_stay():
    scope = parse("L<x:6> S<r:2> X[r] * [(x+r) mod 2 = 0] + X[x]", **SHAPES)
    assert eliminate_guards(scope) == scope and split_residues(scope) == scope


def test_a_residue_class_of_a_long_sum():
    scope = parse("L<x:2> S<r:7> X[r] * [(x+r) mod 3 = 0]", **SHAPES)
    split = split_residues(scope)
    assert [i.extent for i in split.summation] == [3, 3]
    found = eliminate_guards(split)
    assert found is not None and len(found.summation) == 1
    shared = parse("L<x:2> S<r:7> X[r] * [(2*r+x) mod 4 = 0]", **SHAPES)
    assert split_residues(shared) == shared


def test_elimination_without_the_range_guard_is_found(monkeypatch: pytest.MonkeyPatch):
    def holds(*_: object) -> bool:
        return True

    original = rule._fix

    def unguarded(scope: Scope, iterator: Iterator, value: Index, used: Guard) -> Scope:
        with monkeypatch.context() as patch:
            patch.setattr(rule, "guard_truth", holds)
            return original(scope, iterator, value, used)

    monkeypatch.setattr(rule, "_fix", unguarded)
    assert fault_is_found(dense(), eliminate_guards)


def test_a_range_longer_than_the_modulus_is_found(monkeypatch: pytest.MonkeyPatch):
    original = rule._solve_residue

    def always(guard: Residue, iterator: Iterator, ranges: dict[str, Range]) -> Index | None:
        short = replace(iterator, hi=min(iterator.hi, iterator.lo + guard.modulus))
        return original(guard, short, ranges)

    monkeypatch.setattr(rule, "_solve_residue", always)
    assert fault_is_found(dense(), eliminate_guards)


def test_the_wrong_residue_is_found(monkeypatch: pytest.MonkeyPatch):
    def off_by_one(index: Index, divisor: int, ranges: dict[str, Range]) -> Index:
        return mod(index + 1, divisor, ranges)

    monkeypatch.setattr(rule, "mod", off_by_one)
    assert fault_is_found(dense(), eliminate_guards)


def test_a_guard_dropped_for_a_read_that_reaches_further_is_found(
    monkeypatch: pytest.MonkeyPatch,
):
    original = rule._implies

    def nearly(constraint: tuple[Index, int, int], guard: Within, ranges: Ranges) -> bool:
        return original(constraint, replace(guard, lo=guard.lo - 1, hi=guard.hi + 1), ranges)

    monkeypatch.setattr(rule, "_implies", nearly)

    @st.composite
    def guarded_reads(draw: st.DrawFn) -> tuple[Scope]:
        (scope,) = draw(decided())
        read = scope.term.reads[0]
        low, high = draw(st.integers(0, 2)), draw(st.integers(1, 4))
        guard = Within(read.index[0], low, low + high)
        assume(read.index[0].terms)
        return (replace(scope, body=(replace(scope.term, guards=(guard,)),)),)

    assert fault_is_found(guarded_reads(), drop_implied)
