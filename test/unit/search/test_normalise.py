"""Eager normalisation keeps the meaning, ends, and leaves the two-level form."""

from __future__ import annotations

from dataclasses import replace

import pytest
from convolutions import STARTS
from hypothesis import given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr.nodes import Residue, Scope, Term, factors_of
from einnet.search import normalise as normal
from einnet.search.normalise import core_of, normalise, two_level, with_core


@st.composite
def cases(draw: st.DrawFn) -> tuple[Scope]:
    return (draw(scopes(limit=150, sums=2)),)


def normal_form(scope: Scope) -> Scope | None:
    return normalise(two_level(scope))


def assert_normal(scope: Scope | None) -> None:
    if scope is None:
        return
    core = core_of(scope)
    assert not any(isinstance(getattr(f, "source", None), Scope) for f in factors_of(core.body))
    assert all(i.extent > 1 for i in core.traversal + core.summation + scope.summation)
    assert normalise(scope) == scope


@given(cases())
def test_meaning(case: tuple[Scope]):
    form = normal_form(*case)
    assert same_meaning(case[0], form)
    assert_normal(form)
    assert same_meaning(case[0], two_level(*case))


@pytest.mark.parametrize("name", STARTS)
def test_starts(name: str):
    form = normal_form(STARTS[name])
    assert same_meaning(STARTS[name], form)
    assert_normal(form)


def test_the_parts_of_the_two_level_form():
    scope = two_level(parse("L<x:4> S<r:3> X[x+r]", X=(9,)))
    assert str(core_of(scope)) == "L<x:4> S<r:3> X[r+x]"
    other = parse("L<x:4> X[x]", X=(9,))
    assert with_core(scope, other) == two_level(other)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Tightened; the result keeps its box.
        ("L<x:9> X[x]", "L<x:9> {L<x:4> X[x]}[x]"),
        # Iterators of one point and without effect.
        ("L<x:4,y:1> S<r:1,s:3> X[x+r+y]", "L<x:4,y:1> {L<x:4> 3 * X[x]}[x]"),
        # A residue decides the sum.
        ("L<x:4> S<r:2> X[r] * [(x+r) mod 2 = 0]", "L<x:4> {L<x:4> X[x mod 2]}[x]"),
        # For a core it is a choice to split a sum by the modulus.
        (
            "L<x:4> S<r:9> X[r] * [(x+r) mod 2 = 0]",
            "L<x:4> {L<x:4> S<r:4> X[r] * [(r+x) mod 2 = 0]}[x]",
        ),
        # A guard cuts the ranges of traversal and sum.
        (
            "L<x:4> S<s:5> X[x] * [0 <= x+s < 2]",
            "L<x:4> {L<x:2> S<s:2> X[x] * [0 <= s+x < 2]}[x]",
        ),
    ],
)
def test_by_example(before: str, after: str):
    scope = parse(before, X=(4,))
    form = normal_form(scope)
    assert str(form) == after and same_meaning(scope, form)


def test_an_outer_sum_is_split_by_the_modulus_of_its_guard():
    nested = parse("L<x:4> S<r:9> {L<x:4> X[x]}[x+r-2] * [(x+r) mod 3 = 0]", X=(4,))
    form = normalise(nested)
    assert form is not None and same_meaning(nested, form)
    # 6 of the 9 values reach the inner scope, a third of them have the residue.
    assert [i.extent for i in form.summation] == [2] and not residues(form)


def residues(scope: Scope) -> list[Residue]:
    return [g for g in scope.term.guards if isinstance(g, Residue)]


@pytest.mark.parametrize("text", ["L<x:4> X[x+4]", "L<x:4> X[x] * [(2*x+1) mod 2 = 0]"])
def test_what_is_zero_everywhere(text: str):
    assert normal_form(parse(text, X=(4,))) is None


def test_a_tightened_result_is_found(monkeypatch: pytest.MonkeyPatch):
    tighten = normal.tighten

    def everything(scope: Scope, **_: object) -> Scope | None:
        return tighten(scope, traversal=True)

    monkeypatch.setattr(normal, "tighten", everything)
    assert fault_is_found(cases(), normal_form)


def test_a_core_whose_coefficient_is_lost_is_found():
    def broken(scope: Scope) -> Scope | None:
        form = normal_form(scope)
        if form is None:
            return None
        core = core_of(form)
        return with_core(form, replace(core, body=(Term(core.term.factors, core.term.guards),)))

    assert fault_is_found(cases(), broken)
