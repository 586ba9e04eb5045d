"""Any group of sums may become the outer sum, whatever it leaves inside."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr.nodes import Scope, Term, tensors_of
from einnet.rules.rewrite import NotApplicable, Step
from einnet.rules.summation_splitting import split_summation


@st.composite
def splits(draw: st.DrawFn) -> tuple[Scope, tuple[str, ...], bool]:
    """A scope, some of its sums, and whether factors may move out."""
    scope = draw(scopes(min_sums=1, body=2, limit=200, calls=True))
    outer = draw(st.lists(st.sampled_from([i.name for i in scope.summation]), unique=True))
    return scope, tuple(outer), draw(st.booleans())


def split(scope: Scope, outer: tuple[str, ...], hoist: bool) -> Scope:
    try:
        return split_summation(scope, outer, hoist=hoist)
    except NotApplicable:
        assert not outer
        return scope


@given(splits())
def test_meaning(case: tuple[Scope, tuple[str, ...], bool]):
    assert same_meaning(case[0], split(*case))


CHAIN = parse("L<i:4,l:5> S<j:3,k:2> A[i,j] * B[j,k] * C[k,l]", A=(4, 3), B=(3, 2), C=(2, 5))


def test_the_association_of_a_chain_of_products():
    assert str(split_summation(CHAIN, ("k",))) == (
        "L<i:4,l:5> S<k:2> {L<i:4,k:2> S<j:3> A[i,j] * B[j,k]}[i,k] * C[k,l]"
    )
    assert str(split_summation(CHAIN, ("j",))) == (
        "L<i:4,l:5> S<j:3> {L<l:5,j:3> S<k:2> B[j,k] * C[k,l]}[l,j] * A[i,j]"
    )


def test_without_hoisting_everything_stays_inside():
    assert str(split_summation(CHAIN, ("k",), hoist=False)) == (
        "L<i:4,l:5> S<k:2> {L<i:4,l:5,k:2> S<j:3> A[i,j] * B[j,k] * C[k,l]}[i,l,k]"
    )


def test_guards_move_out_when_no_inner_sum_touches_them():
    scope = parse("L<x:4> S<r:3,s:3> X[x+r+s] * [(x+r) mod 2 = 0] * [s mod 2 = 0]", X=(9,))
    assert str(split_summation(scope, ("r",))) == (
        "L<x:4> S<r:3> {L<x:4,r:3> S<s:3> X[r+s+x] * [s mod 2 = 0]}[x,r] * [(r+x) mod 2 = 0]"
    )


def test_iterators_that_the_inner_scope_does_not_need_are_left_out():
    scope = parse("L<x:4,y:3> S<r:3,s:3> X[x+r] * Y[y] * X[s]", X=(9,), Y=(3,))
    assert str(split_summation(scope, ("r",))) == (
        "L<x:4,y:3> S<r:3> {L<> S<s:3> X[s]}[] * X[r+x] * Y[y]"
    )


def test_a_factor_alone_can_move():
    scope = parse("L<x:4> S<r:3> X[x] * X[r]", X=(9,))
    assert str(split_summation(scope, ())) == "L<x:4> {L<> S<r:3> X[r]}[] * X[x]"


@pytest.mark.parametrize(
    ("text", "outer", "reason"),
    [
        ("L<x:4> S<r:3> X[x+r]", ("x",), "x is not a summation iterator; there are: r"),
        ("L<x:4> X[x]", ("r",), "r is not a summation iterator; there are: none"),
        ("L<x:4> S<r:3> X[x+r]", (), "no iterator was chosen and no factor is free"),
        ("L<x:4> S<r:3> X[x] + X[r]", (), "no iterator was chosen and no factor is free"),
    ],
)
def test_refusals(text: str, outer: tuple[str, ...], reason: str):
    with pytest.raises(NotApplicable, match=reason):
        split_summation(parse(text, X=(9,)), outer)


def test_a_step_prints_its_parameters():
    assert str(Step("split-summation", (("outer", ("r", "s")),))) == "split-summation(outer=r+s)"


def outer_term(split_scope: Scope, term: Term) -> Scope:
    return replace(split_scope, body=(term,))


def test_forgotten_guards_are_found():
    def broken(scope: Scope, outer: tuple[str, ...], hoist: bool) -> Scope:
        found = split(scope, outer, hoist)
        return outer_term(found, replace(found.body[0], guards=()))

    assert fault_is_found(splits(), broken)


def test_a_forgotten_factor_is_found():
    def broken(scope: Scope, outer: tuple[str, ...], hoist: bool) -> Scope:
        found = split(scope, outer, hoist)
        return outer_term(found, replace(found.body[0], factors=found.body[0].factors[:1]))

    assert fault_is_found(splits(), broken)


def test_a_coefficient_counted_twice_is_found():
    def broken(scope: Scope, outer: tuple[str, ...], hoist: bool) -> Scope:
        found = split(scope, outer, hoist)
        assume(len(scope.body) == 1 and tensors_of(scope))
        return outer_term(found, replace(found.body[0], coefficient=scope.term.coefficient**2))

    assert fault_is_found(splits(), broken)
