"""Iterators of one point, and iterators that nothing depends on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr.nodes import Iterator, Read, Scope
from einnet.rules import unit_iterators
from einnet.rules.unit_iterators import drop_nested_traversals, drop_sums


@st.composite
def with_idle_sums(draw: st.DrawFn) -> tuple[Scope]:
    """A sum that nothing depends on and a sum of one point, among others."""
    scope = draw(scopes(body=2, limit=80, calls=True))
    lo = draw(st.integers(-2, 2))
    idle = Iterator("u", lo, lo + draw(st.integers(1, 3)))
    summation = draw(st.permutations((*scope.summation, idle)))
    return (replace(scope, summation=tuple(summation)),)


@st.composite
def with_idle_nested_traversals(draw: st.DrawFn) -> tuple[Scope]:
    """A reader of a scope with a traversal iterator that its body does not use."""
    scope = draw(scopes(nested=True, sums=2, body=2, limit=60))
    term = scope.body[0]
    factors = list(term.factors)
    for position, factor in enumerate(factors):
        if isinstance(factor, Read) and isinstance(factor.source, Scope):
            lo = draw(st.integers(-1, 1))
            extra = Iterator("u", lo, lo + draw(st.integers(1, 3)))
            inner = replace(factor.source, traversal=(*factor.source.traversal, extra))
            index = draw(st.sampled_from(factor.index))
            factors[position] = Read(inner, (*factor.index, index))
    return (replace(scope, body=(replace(term, factors=tuple(factors)), *scope.body[1:])),)


@given(with_idle_sums())
def test_sums(case: tuple[Scope]):
    smaller = drop_sums(*case)
    assert same_meaning(case[0], smaller)
    assert all(i.extent > 1 for i in smaller.summation)
    assert drop_sums(smaller) == smaller


@given(with_idle_nested_traversals())
def test_nested_traversals(case: tuple[Scope]):
    smaller = drop_nested_traversals(*case)
    assert same_meaning(case[0], smaller)
    assert drop_nested_traversals(smaller) == smaller


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("L<x:4> S<r:1,s:3> X[x+r+s]", "L<x:4> S<s:3> X[s+x]"),
        ("L<x:4> S<r:2:3,s:3> X[x+r+s]", "L<x:4> S<s:3> X[s+x+2]"),
        ("L<x:4> S<r:5> X[x] - 2 * X[x]", "L<x:4> 5 * X[x] - 10 * X[x]"),
        ("L<x:4> S<r:3> X[x] * [r mod 2 = 0]", "L<x:4> S<r:3> X[x] * [r mod 2 = 0]"),
    ],
)
def test_sums_by_example(before: str, after: str):
    assert str(drop_sums(parse(before, X=(9,)))) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("L<x:4> {L<y:4,z:4> X[y]}[x,x]", "L<x:4> {L<y:4> X[y]}[x]"),
        ("L<x:4> {L<y:4,z:3> X[y]}[x,x]", "L<x:4> {L<y:4> X[y]}[x] * [0 <= x < 3]"),
        ("L<x:4> {L<y:2:3> X[y]}[x]", "L<x:4> {L<> X[2]}[] * [2 <= x < 3]"),
        ("L<x:4> {L<y:2,z:2> X[y+z]}[x,x]", "L<x:4> {L<y:2,z:2> X[y+z]}[x,x]"),
    ],
)
def test_nested_traversals_by_example(before: str, after: str):
    assert str(drop_nested_traversals(parse(before, X=(9,)))) == after


def test_an_idle_sum_counted_once_is_found():
    def broken(scope: Scope) -> Scope:
        smaller = drop_sums(scope)
        body = tuple(
            replace(new, coefficient=old.coefficient)
            for old, new in zip(scope.body, smaller.body, strict=True)
        )
        return replace(smaller, body=body)

    assert fault_is_found(with_idle_sums(), broken)


def test_the_wrong_value_of_a_unit_iterator_is_found(monkeypatch: pytest.MonkeyPatch):
    original = unit_iterators.constant
    monkeypatch.setattr(unit_iterators, "constant", lambda value: original(value + 1))  # pyright: ignore
    assert fault_is_found(with_idle_sums(), drop_sums)


def test_a_nested_iterator_dropped_without_its_guard_is_found(monkeypatch: pytest.MonkeyPatch):
    def unguarded(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(unit_iterators, "outside", unguarded)
    assert fault_is_found(with_idle_nested_traversals(), drop_nested_traversals)
