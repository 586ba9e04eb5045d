"""Composition of nested scopes with their readers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr import transform
from einnet.expr.index import Range, var
from einnet.expr.nodes import Read, Scope, Term, factors_of
from einnet.rules.rewrite import NotApplicable
from einnet.rules.traversal_merging import merge_outer, merge_traversals
from einnet.rules.variable_substitution import permute, reflect, shift

SHAPES = {"X": (9,), "Y": (4, 4)}


@st.composite
def nests(draw: st.DrawFn) -> tuple[Scope]:
    return (draw(scopes(nested=True, calls=True, body=2, sums=2, limit=60)),)


@st.composite
def windows(draw: st.DrawFn) -> tuple[Scope]:
    """A reader that looks beyond the box of the scope that it reads."""
    inner = draw(scopes(reads=2, body=2, limit=60))
    start = draw(st.integers(-2, 2))
    outer = tuple(replace(i, lo=i.lo + start, hi=i.hi + start + 1) for i in inner.traversal)
    read = Read(inner, tuple(var(i.name) for i in outer))
    return (Scope(outer, (), (Term((read,)),)),)


def merged(scope: Scope) -> Scope:
    try:
        return merge_traversals(scope)
    except NotApplicable:
        return scope


def nested(scope: Scope) -> list[Scope]:
    sources = (getattr(f, "source", None) for f in factors_of(scope.body))
    return [s for s in sources if isinstance(s, Scope)]


@given(nests() | windows())
def test_meaning(case: tuple[Scope]):
    assert same_meaning(case[0], merged(*case))


@given(nests())
def test_meaning_of_the_two_level_form(case: tuple[Scope]):
    assert same_meaning(case[0], merge_outer(*case))


@given(scopes(limit=100))
def test_merging_undoes_the_wrapping_of_other_rules(scope: Scope):
    first = scope.traversal[0].name
    wrapped = permute(shift(scope, first, 2), tuple(i.name for i in scope.traversal))
    wrapped = reflect(wrapped, first)
    assert same_meaning(scope, wrapped)
    flat = merge_traversals(wrapped)
    assert not nested(flat) and same_meaning(scope, flat)
    # The two-level form keeps the innermost scope.
    (inner,) = nested(merge_outer(wrapped))
    assert not nested(inner)


def test_names_of_sums_are_kept_apart():
    scope = parse("L<x:4> S<r:2> {L<x:4> S<r:3> X[x+r]}[x+r] * X[r]", **SHAPES)
    flat = merge_traversals(scope)
    assert same_meaning(scope, flat) and len(flat.summation) == 2


def test_a_guard_appears_only_where_the_index_may_leave_the_box():
    scope = parse("L<x:4> {L<z:4> X[z+5]}[x] * {L<z:1:4> X[z]}[x]", **SHAPES)
    assert str(merge_traversals(scope)) == "L<x:4> X[x+5] * X[x] * [1 <= x < 4]"


def test_a_sum_with_several_terms_joins_a_reader_with_one():
    scope = parse("L<x:4> S<s:2> {L<z:4> S<r:3> X[z+r] + Y[z,r]}[x] * X[s]", **SHAPES)
    flat = merge_traversals(scope)
    assert not nested(flat) and len(flat.body) == 2 and same_meaning(scope, flat)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("L<x:4> X[x]", "reads no nested scope"),
        ("L<x:4> {L<z:4> S<r:3> X[z+r]}[x] + X[x]", "its reader has several terms"),
        ("L<x:4> relu({L<z:4> S<r:3> X[z+r]}[x])", "reads it in a call"),
    ],
)
def test_refusals(text: str, reason: str):
    with pytest.raises(NotApplicable, match=reason):
        merge_traversals(parse(text, **SHAPES))


def test_a_merge_without_the_guard_of_the_box_is_found(monkeypatch: pytest.MonkeyPatch):
    def unguarded(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(transform, "outside", unguarded)
    assert fault_is_found(windows(), merged)


def test_a_sum_that_joins_a_reader_of_several_terms_is_found(monkeypatch: pytest.MonkeyPatch):
    inline = transform._inline_in_term

    def always(term: Term, ranges: dict[str, Range], _: bool, *others: Any) -> list[Term] | None:
        return inline(term, ranges, True, *others)

    monkeypatch.setattr(transform, "_inline_in_term", always)

    def broken(scope: Scope) -> Scope:
        assume(len(scope.body) > 1)
        return merged(scope)

    assert fault_is_found(nests(), broken)
