"""Any factors of a product may be nested, with the sums that only they depend on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr.nodes import Factor, Read, Scope
from einnet.rules import summation_splitting
from einnet.rules.rewrite import NotApplicable
from einnet.rules.summation_splitting import iterators_in, split_product

Case = tuple[Scope, tuple[int, ...]]


@st.composite
def products(draw: st.DrawFn) -> Case:
    """A sum over a product of two to four factors, calls among them, and some of the factors."""
    scope = draw(scopes(reads=4, sums=3, min_sums=1, nested=draw(st.booleans()), calls=True))
    count = len(scope.term.factors)
    assume(count > 1)
    chosen = draw(st.lists(st.integers(0, count - 1), unique=True, min_size=1, max_size=count - 1))
    return scope, tuple(chosen)


def nested_of(scope: Scope) -> Scope:
    read = scope.term.factors[0]
    assert isinstance(read, Read) and isinstance(read.source, Scope)
    return read.source


@given(products())
def test_meaning(case: Case):
    scope, inner = case
    result = split_product(*case)
    assert same_meaning(scope, result)
    nested = nested_of(result)
    assert nested.term.factors == tuple(scope.term.factors[p] for p in inner)
    assert set(nested.summation) | set(result.summation) == set(scope.summation)


@given(products())
def test_a_sum_moves_in_where_nothing_else_depends_on_it(case: Case):
    scope, inner = case
    kept = frozenset[str]().union(*(iterators_in(scope.term.factors[p]) for p in inner))
    result = split_product(*case)
    outside = frozenset[str]().union(*(iterators_in(f) for f in result.term.factors[1:]))
    for guard in result.term.guards:
        outside |= iterators_in(Read(scope, (guard.index,)))
    for iterator in result.summation:
        assert iterator.name in outside or iterator.name not in kept


CHAIN = {"A": (4, 3), "B": (3, 2), "C": (2, 5)}


def test_the_orders_of_a_chain():
    chain = parse("L<i:4,l:5> S<j:3,k:2> 1/2 * A[i,j] * B[j,k] * C[k,l]", **CHAIN)
    assert str(split_product(chain, (0, 1))) == (
        "L<i:4,l:5> S<k:2> 1/2 * {L<i:4,k:2> S<j:3> A[i,j] * B[j,k]}[i,k] * C[k,l]"
    )
    assert str(split_product(chain, (1, 2))) == (
        "L<i:4,l:5> S<j:3> 1/2 * {L<l:5,j:3> S<k:2> B[j,k] * C[k,l]}[l,j] * A[i,j]"
    )
    assert str(split_product(chain, (2, 0))) == (
        "L<i:4,l:5> S<j:3,k:2> 1/2 * {L<i:4,l:5,j:3,k:2> C[k,l] * A[i,j]}[i,l,j,k] * B[j,k]"
    )


def test_guards_go_where_their_iterators_are():
    text = "L<i:4> S<j:3,k:2> A[i,j] * B[j,k] * [j+k mod 2 = 0] * [i+k mod 2 = 0] * [i mod 2 = 0]"
    scope = parse(text.replace("j+k", "(j+k)").replace("i+k", "(i+k)"), **CHAIN)
    # A's guards hold iterators that stay outside, so that its sum does, too.
    assert str(split_product(scope, (0,))) == (
        "L<i:4> S<j:3,k:2> {L<i:4,j:3> A[i,j]}[i,j] * B[j,k]"
        " * [(j+k) mod 2 = 0] * [(i+k) mod 2 = 0] * [i mod 2 = 0]"
    )
    # B holds both iterators of the first guard, but the second one keeps k outside.
    assert str(split_product(scope, (1,))) == (
        "L<i:4> S<j:3,k:2> {L<j:3,k:2> B[j,k]}[j,k] * A[i,j]"
        " * [(j+k) mod 2 = 0] * [(i+k) mod 2 = 0] * [i mod 2 = 0]"
    )


def test_a_guard_on_an_inner_sum_goes_in():
    scope = parse("L<i:4> S<j:3,k:2> A[i,j] * B[j,k] * [(j+k) mod 2 = 0]", **CHAIN)
    assert str(split_product(scope, (1,))) == (
        "L<i:4> S<j:3> {L<j:3> S<k:2> B[j,k] * [(j+k) mod 2 = 0]}[j] * A[i,j]"
    )


@pytest.mark.parametrize(
    ("text", "inner", "reason"),
    [
        ("L<i:4> S<j:3> A[i,j] + A[i,j]", (0,), "several terms has no order of association"),
        ("L<i:4> S<j:3> A[i,j] * B[j,0]", (), "some but not all of the factors"),
        ("L<i:4> S<j:3> A[i,j] * B[j,0]", (1, 0), "some but not all of the factors"),
        ("L<i:4> S<j:3> A[i,j] * B[j,0]", (2,), "are not positions of 2 factors"),
        ("L<i:4> S<j:3> A[i,j] * B[j,0]", (-1,), "are not positions of 2 factors"),
        ("L<i:4> S<j:3,k:2> A[i,j] * B[j,k] * C[k,0]", (1, 1), "3 factors, each once"),
    ],
)
def test_refusals(text: str, inner: tuple[int, ...], reason: str):
    with pytest.raises(NotApplicable, match=reason):
        split_product(parse(text, **CHAIN), inner)


def test_a_factor_that_moves_out_of_the_sum_that_it_depends_on_is_found(
    monkeypatch: pytest.MonkeyPatch,
):
    def broken(scope: Scope, inner: tuple[int, ...]) -> Scope:
        moved = [f for p, f in enumerate(scope.term.factors) if p not in inner]

        def blind(factor: Factor) -> frozenset[str]:
            return frozenset() if factor in moved else iterators_in(factor)

        monkeypatch.setattr(summation_splitting, "iterators_in", blind)
        return split_product(scope, inner)

    assert fault_is_found(products(), broken)


def test_a_sum_that_both_groups_do_is_found():
    """Each group summed by itself: the product of sums for the sum of products."""

    def broken(scope: Scope, inner: tuple[int, ...]) -> Scope:
        result = split_product(scope, inner)
        nested = nested_of(result)
        read = result.term.factors[0]
        assert isinstance(read, Read)
        shared = {i.name for i in nested.traversal} & {i.name for i in scope.summation}
        assume(shared)
        sums = tuple(i for i in nested.traversal if i.name in shared)
        kept = tuple(i for i in nested.traversal if i.name not in shared)
        index = tuple(
            e
            for i, e in zip(nested.traversal, read.index, strict=True)
            if i.name not in shared
        )  # fmt: skip
        alone = Read(Scope(kept, (*nested.summation, *sums), nested.body), index)
        factors = (alone, *result.term.factors[1:])
        return replace(result, body=(replace(result.term, factors=factors),))

    assert fault_is_found(products(), broken)


def test_a_guard_left_out_is_found():
    def broken(scope: Scope, inner: tuple[int, ...]) -> Scope:
        result = split_product(scope, inner)
        return replace(result, body=(replace(result.term, guards=()),))

    assert fault_is_found(products(), broken)


def test_a_coefficient_counted_twice_is_found():
    def broken(scope: Scope, inner: tuple[int, ...]) -> Scope:
        result = split_product(scope, inner)
        nested = nested_of(result)
        term = replace(nested.term, coefficient=scope.term.coefficient)
        read = replace(result.term.factors[0], source=replace(nested, body=(term,)))
        factors = (read, *result.term.factors[1:])
        return replace(result, body=(replace(result.term, factors=factors),))

    assert fault_is_found(products(), broken)
