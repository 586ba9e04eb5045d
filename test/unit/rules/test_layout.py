"""A read through a layout of its own is the same read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr.nodes import Iterator, Read, Scope, box_of
from einnet.expr.transform import inline_reads
from einnet.rules.layout import relayout
from einnet.rules.rewrite import NotApplicable
from einnet.rules.summation_splitting import iterators_in

Case = tuple[Scope, int, tuple[str, ...]]


@st.composite
def reads(draw: st.DrawFn) -> Case:
    """A product, the position of one of its reads, and an order of that read's iterators."""
    scope = draw(scopes(nested=draw(st.booleans()), calls=True, limit=100))
    places = [p for p, f in enumerate(scope.term.factors) if isinstance(f, Read)]
    assume(places)
    position = draw(st.sampled_from(places))
    order = draw(st.permutations(sorted(iterators_in(scope.term.factors[position]))))
    return scope, position, tuple(order)


def layout_of(scope: Scope, position: int) -> Scope:
    read = scope.term.factors[position]
    assert isinstance(read, Read) and isinstance(read.source, Scope)
    return read.source


@given(reads())
def test_meaning(case: Case):
    scope, position, order = case
    result = relayout(*case)
    assert same_meaning(scope, result)
    layout = layout_of(result, position)
    assert tuple(i.name for i in layout.traversal) == order
    assert not layout.summation and layout.term.factors == (scope.term.factors[position],)


def test_by_example():
    scope = parse("L<x:4> S<r:1:3,s:2> X[2*x+r] * Y[s,r]", X=(9,), Y=(2, 3))
    assert str(relayout(scope, 0, ("r", "x"))) == (
        "L<x:4> S<r:1:3,s:2> {L<r:1:3,x:4> X[r+2*x]}[r,x] * Y[s,r]"
    )
    assert str(relayout(scope, 1, ("r", "s"))) == (
        "L<x:4> S<r:1:3,s:2> X[r+2*x] * {L<r:1:3,s:2> Y[s,r]}[r,s]"
    )


def test_a_read_of_one_element_is_laid_out_without_dimensions():
    scope = parse("L<x:4> X[3] * X[x]", X=(9,))
    assert str(relayout(scope, 0, ())) == "L<x:4> {L<> X[3]}[] * X[x]"


@given(scopes(reads=2, limit=60), st.data())
def test_merging_undoes_it(scope: Scope, data: st.DataObject):
    read = scope.term.factors[0]
    order = data.draw(st.permutations(sorted(iterators_in(read))))
    assert inline_reads(relayout(scope, 0, tuple(order))) == scope


@pytest.mark.parametrize(
    ("text", "position", "order", "reason"),
    [
        ("L<x:4> X[x] + Y[x]", 0, ("x",), "a sum of several terms has no factors"),
        ("L<x:4> X[x] * Y[x]", 2, ("x",), "there is no factor 2 among 2"),
        ("L<x:4> X[x] * Y[x]", -1, ("x",), "there is no factor -1 among 2"),
        ("L<x:4> X[x] * relu(Y[x])", 1, ("x",), "factor 1 is a call of relu, not a read"),
        ("L<x:4> S<r:3> X[x+r] * Y[r]", 0, ("x",), "x is no order .* depends on: r,x"),
        ("L<x:4> S<r:3> X[x+r] * Y[r]", 0, ("x", "r", "x"), "x,r,x is no order"),
        ("L<x:4> S<r:3> X[x+r] * Y[r]", 1, ("r", "x"), "r,x is no order .* depends on: r"),
        ("L<x:4> X[3] * Y[x]", 0, ("x",), "x is no order .* depends on: nothing"),
    ],
)
def test_refusals(text: str, position: int, order: tuple[str, ...], reason: str):
    with pytest.raises(NotApplicable, match=reason):
        relayout(parse(text, X=(9,), Y=(9,)), position, order)


def with_layout(scope: Scope, position: int, layout: Scope) -> Scope:
    read = scope.term.factors[position]
    assert isinstance(read, Read)
    factors = list(scope.term.factors)
    factors[position] = replace(read, source=layout)
    return replace(scope, body=(replace(scope.term, factors=tuple(factors)),))


def test_an_order_that_is_read_back_in_another_is_found():
    def broken(scope: Scope, position: int, order: tuple[str, ...]) -> Scope:
        result = relayout(scope, position, order)
        layout = layout_of(result, position)
        swapped = replace(layout, traversal=layout.traversal[::-1])
        return with_layout(result, position, swapped)

    assert fault_is_found(reads(), broken)


def test_a_layout_from_0_of_an_iterator_that_starts_elsewhere_is_found():
    def broken(scope: Scope, position: int, order: tuple[str, ...]) -> Scope:
        result = relayout(scope, position, order)
        layout = layout_of(result, position)
        moved = tuple(Iterator(i.name, 0, i.extent) for i in layout.traversal)
        return with_layout(result, position, replace(layout, traversal=moved))

    assert fault_is_found(reads(), broken)


def test_a_layout_with_the_extents_of_the_operand_is_found():
    def broken(scope: Scope, position: int, order: tuple[str, ...]) -> Scope:
        result = relayout(scope, position, order)
        layout = layout_of(result, position)
        read = layout.term.reads[0]
        assume(len(box_of(read.source)) == len(order))
        cut = tuple(
            replace(i, hi=min(i.hi, r.hi))
            for i, r in zip(layout.traversal, box_of(read.source), strict=True)
        )
        return with_layout(result, position, replace(layout, traversal=cut))

    assert fault_is_found(reads(), broken)
