"""Sums distributed over products, taken apart and collected again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from definitions import Definitions, broken_is_found, define, same_results
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import draw_index_from, draw_scope

from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term
from einnet.expr.program import Definition, Product
from einnet.rules import linearity
from einnet.rules.linearity import collect_terms, distribute, separate_terms
from einnet.rules.rewrite import NotApplicable


def as_definition(name: str, scope: Scope) -> Definition:
    """The definition of a tensor, whose box starts at 0."""
    traversal = tuple(Iterator(i.name, 0, i.extent) for i in scope.traversal)
    scope = replace(scope, traversal=traversal)
    return Definition(Tensor(name, scope.extents), scope, name)


def _multiplies(scope: Scope) -> bool:
    return bool(scope.summation) or any(len(term.factors) > 1 for term in scope.body)


@st.composite
def sums_of_terms(draw: st.DrawFn, calls: bool = True) -> tuple[Definition]:
    scope = draw_scope(draw, body=3, sums=2, calls=calls, limit=100)
    assume(len(scope.body) > 1 and _multiplies(scope))
    return (as_definition("Y", scope),)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Definition, Definition]:
    """A product that reads a sum of terms, also beyond its box, and that sum."""
    inner = draw_scope(draw, body=3, sums=0, reads=2, limit=60)
    assume(len(inner.body) > 1)
    producer = as_definition("T", inner)
    outer = draw_scope(draw, reads=2, sums=2, calls=True, limit=80)
    consumer = as_definition("Y", outer)
    ranges = dict(consumer.scope.ranges)
    read = Read(producer.result, tuple(draw_index_from(draw, ranges, 0) for _ in inner.traversal))
    factors = list(outer.term.factors)
    factors.insert(draw(st.integers(0, len(factors))), read)
    body = (replace(outer.term, factors=tuple(factors)),)
    return replace(consumer, scope=replace(consumer.scope, body=body)), producer


@st.composite
def alike(draw: st.DrawFn) -> tuple[Definition]:
    """A sum of terms that differ in one read alone, their factors and guards in any order."""
    scope = draw_scope(draw, reads=3, sums=2, calls=True, limit=80)
    first = scope.term
    places = [p for p, f in enumerate(first.factors) if isinstance(f, Read)]
    assume(places)
    place = draw(st.sampled_from(places))
    terms = [first]
    for number in range(draw(st.integers(1, 2))):
        factors = list(first.factors)
        read = first.factors[place]
        assert isinstance(read, Read) and isinstance(read.source, Tensor)
        factors[place] = replace(read, source=replace(read.source, name=f"U{number}"))
        guards = draw(st.permutations(first.guards))
        coefficient = draw(st.sampled_from((Fraction(1), Fraction(-2), Fraction(1, 3))))
        terms.append(Term(tuple(draw(st.permutations(factors))), tuple(guards), coefficient))
    return (as_definition("Y", replace(scope, body=tuple(terms))),)


@given(pairs())
def test_distribute(case: tuple[Definition, Definition]):
    consumer, producer = case
    wide = distribute(consumer, producer)
    assert same_results((producer, consumer), (producer, wide))
    assert producer.result not in wide.operands
    assert len(wide.scope.body) == len(producer.scope.body)


@given(sums_of_terms())
def test_separate(case: tuple[Definition]):
    (definition,) = case
    taken = {"Y_term"}
    parts = separate_terms(definition, taken)
    assert same_results((definition,), parts)
    assert len(parts) == len(definition.scope.body) + 1
    assert {p.result.name for p in parts} <= taken | {"Y"}
    assert all(len(p.scope.body) == 1 for p in parts[:-1]) and not parts[-1].scope.summation


@given(alike())
def test_collect(case: tuple[Definition]):
    (definition,) = case
    taken = {"Y_sum"}
    parts = collect_terms(definition, taken)
    assert same_results((definition,), parts)
    assert len(parts) == 2 and len(parts[1].scope.body) == 1
    assert parts[0].result.name in taken - {"Y_sum"}


@given(pairs())
def test_collecting_undoes_distributing_and_separating_keeps_it(
    case: tuple[Definition, Definition],
):
    consumer, producer = case
    wide = distribute(consumer, producer)
    assert same_results((producer, consumer), (producer, *separate_terms(wide, {"T"})))
    try:
        collected = collect_terms(wide, {"T"})
    except NotApplicable:
        return
    assert same_results((producer, consumer), (producer, *collected))


SHAPES = {"X": (4, 6), "Z": (4, 6), "W": (6, 5), "b": (6,), "V": (6, 7)}
SUM = "L<i:4,k:6> X[i,k] - 2 * Z[i,k] + b[k]"
PRODUCT = "L<i:4,j:5> S<k:6> t0[i,k] * W[k,j]"


def test_by_example():
    total, product = define(SUM, PRODUCT, **SHAPES)
    wide = distribute(product, total)
    assert str(wide.scope) == (
        "L<i:4,j:5> S<k:6> X[i,k] * W[k,j] - 2 * Z[i,k] * W[k,j] + b[k] * W[k,j]"
    )
    parts = separate_terms(wide, set())
    # What does not depend on i is not computed for each i.
    assert [str(p.scope) for p in parts[2:]] == [
        "L<j:5> S<k:6> b[k] * W[k,j]",
        "L<i:4,j:5> t1_term[i,j] + t1_term0[i,j] + t1_term1[j]",
    ]
    two = replace(wide, scope=replace(wide.scope, body=wide.scope.body[:2]))
    assert [str(p.scope) for p in collect_terms(two, set())] == [
        "L<d0:4,d1:6> X[d0,d1] - 2 * Z[d0,d1]",
        "L<i:4,j:5> S<k:6> t1_sum[i,k] * W[k,j]",
    ]


def test_a_sum_that_is_read_beyond_its_box_is_guarded():
    total, product = define("L<i:4> X[i,0] + 1", "L<h:4> S<r:3> t0[h+r-1] * b[r]", X=(4, 6), b=(3,))
    wide = distribute(product, total)
    assert same_results((total, product), (total, wide))
    assert all(t.guards for t in wide.scope.body), "1 has no box of its own"


def test_a_distributed_definition_is_no_library_product():
    total, product = define(SUM, PRODUCT, **SHAPES)
    tagged = replace(product, library=Product((), ("i",), ("j",), ("k",)))
    assert distribute(tagged, total).library is None


@pytest.mark.parametrize(
    ("producer", "consumer", "reason"),
    [
        ("L<i:4,k:6> X[i,k]", PRODUCT, "t0 is not a sum of terms"),
        ("L<i:4,k:6> S<r:2> X[i,k] + Z[i,k]", PRODUCT, "t0 is not a sum of terms"),
        ("L<i:4,k:6> X[i,k] + relu(Z[i,k])", PRODUCT, "t0 is not linear: it calls a function"),
        (SUM, "L<i:4,j:5> S<k:6> t0[i,k] * W[k,j] + t0[i,j]", "t1 is a sum of terms already"),
        (SUM, "L<i:4> S<k:6> t0[i,k] * t0[i,k]", "t1 reads t0 2 times outside calls"),
        (SUM, "L<i:4> S<k:6> relu(t0[i,k]) * b[k]", "t1 reads t0 0 times outside calls"),
        (SUM, "L<i:4> S<k:6> X[i,k] * b[k]", "t1 reads t0 0 times"),
    ],
)
def test_refusals_to_distribute(producer: str, consumer: str, reason: str):
    total, product = define(producer, consumer, **SHAPES)
    with pytest.raises(NotApplicable, match=reason):
        distribute(product, total)


DIFFERENT = "the terms differ in more than one read of one index, shape and type"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("L<i:4> S<k:6> X[i,k] * b[k]", "t0 is one term"),
        ("L<i:4,j:5> S<k:6> X[i,k] * W[k,j] + Z[i,k] * W[k,j] * [(i+k) mod 2 = 0]", DIFFERENT),
        ("L<i:4,j:5> S<k:6> X[i,k] * W[k,j] + Z[i,k] * b[k]", DIFFERENT),
        ("L<i:4,j:5> S<k:6> X[i,k] * W[k,j] + Z[i,k+1] * W[k,j]", DIFFERENT),
        ("L<i:4,j:5> S<k:6> X[i,k] * W[k,j] + X[i,k] * V[k,j]", DIFFERENT),
        ("L<i:4,j:5> S<k:6> X[i,k] * W[k,j] + X[i,k] * W[k,j] * b[k]", DIFFERENT),
        ("L<i:4> S<k:6> relu(X[i,k]) + relu(Z[i,k])", DIFFERENT),
    ],
)
def test_refusals_to_collect(text: str, reason: str):
    with pytest.raises(NotApplicable, match=reason):
        collect_terms(define(text, **SHAPES)[0], set())


def test_tensors_of_two_types_are_not_added():
    (definition,) = define("L<i:4> S<k:6> X[i,k] * b[k] + Z[i,k] * b[k]", **SHAPES)
    first, second = definition.scope.body
    read = second.reads[0]
    half = Read(Tensor("Z", (4, 6), "f16"), read.index)
    body = (first, replace(second, factors=(half, *second.factors[1:])))
    with pytest.raises(NotApplicable, match="type"):
        collect_terms(replace(definition, scope=replace(definition.scope, body=body)), set())


def test_one_term_is_not_separated():
    with pytest.raises(NotApplicable, match="t0 is one term"):
        separate_terms(define("L<i:4> S<k:6> X[i,k]", **SHAPES)[0], set())


def test_an_addition_is_neither_separated_nor_collected():
    for text in ("L<i:4,k:6> X[i,k] + X[i,k+1]", "L<i:4,k:6> 2*X[i,k] + 3*X[i,k]"):
        for rule in (separate_terms, collect_terms):
            with pytest.raises(NotApplicable, match="it only adds elements"):
                rule(define(text, **SHAPES)[0], set())
    # A sum over a loop is something to compute.
    assert separate_terms(define("L<i:4> S<k:6> X[i,k] + X[i,k]", **SHAPES)[0], set())


def test_a_term_left_out_is_found():
    def broken(case: tuple[Definition]) -> tuple[Definitions, Definitions]:
        *parts, total = separate_terms(case[0], set())
        less = replace(total, scope=replace(total.scope, body=total.scope.body[:-1]))
        return case, (*parts, less)

    assert broken_is_found(sums_of_terms(), broken)


def test_an_idle_sum_left_out_is_found():
    """A term that does not depend on a sum counts once for each of its points all the same."""

    def broken(case: tuple[Definition]) -> tuple[Definitions, Definitions]:
        *parts, total = separate_terms(case[0], set())
        for n, part in enumerate(parts):
            used = linearity.iterators_in_body(part.scope.body)
            sums = tuple(i for i in part.scope.summation if i.name in used)
            parts[n] = replace(part, scope=replace(part.scope, summation=sums))
        return case, (*parts, total)

    assert broken_is_found(sums_of_terms(), broken)


def test_a_distribution_without_the_guard_of_the_box_is_found(monkeypatch: pytest.MonkeyPatch):
    from einnet.expr import transform

    def unguarded(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(transform, "outside", unguarded)

    def broken(case: tuple[Definition, Definition]) -> tuple[Definitions, Definitions]:
        consumer, producer = case
        return (producer, consumer), (producer, distribute(consumer, producer))

    assert broken_is_found(pairs(), broken)


def test_a_distribution_over_a_sum_with_an_idle_iterator_is_found():
    """Were producers with sums distributed, each of their terms would be summed by itself."""

    def broken(case: tuple[Definition, Definition]) -> tuple[Definitions, Definitions]:
        consumer, producer = case
        summed = replace(producer.scope, summation=(Iterator("u", 0, 2),))
        before = replace(producer, scope=summed)
        return (before, consumer), (before, distribute(consumer, producer))

    assert broken_is_found(pairs(), broken)


def test_collecting_terms_of_different_guards_is_found():
    def broken(case: tuple[Definition]) -> tuple[Definitions, Definitions]:
        first, *others = case[0].scope.body
        assume(first.guards)
        others = [replace(t, guards=()) for t in others]
        scope = replace(case[0].scope, body=(first, *others))
        return (replace(case[0], scope=scope),), collect_terms(case[0], set())

    assert broken_is_found(alike(), broken)


def test_collecting_without_the_coefficients_is_found():
    def broken(case: tuple[Definition]) -> tuple[Definitions, Definitions]:
        total, product = collect_terms(case[0], set())
        body = tuple(replace(t, coefficient=Fraction(1)) for t in total.scope.body)
        return case, (replace(total, scope=replace(total.scope, body=body)), product)

    assert broken_is_found(alike(), broken)


def test_collecting_tensors_of_different_shapes_is_found(monkeypatch: pytest.MonkeyPatch):
    def alone(_: Tensor) -> None:
        """Every tensor is of one kind."""

    monkeypatch.setattr(linearity, "_kind", alone)

    def broken(case: tuple[Definition]) -> tuple[Definitions, Definitions]:
        first, *others = case[0].scope.body
        tensors = {t for term in others for r in term.reads for t in [r.source]}
        longer = {
            t: replace(t, shape=(t.shape[0] + 1, *t.shape[1:]))
            for t in tensors
            if isinstance(t, Tensor) and t.name.startswith("U")
        }

        def grown(term: Term) -> Term:
            return replace(
                term,
                factors=tuple(
                    replace(f, source=longer.get(f.source, f.source))  # pyright: ignore
                    if isinstance(f, Read)
                    else f
                    for f in term.factors
                ),
            )

        scope = replace(case[0].scope, body=(first, *map(grown, others)))
        before = replace(case[0], scope=scope)
        return (before,), collect_terms(before, set())

    assert broken_is_found(alike(), broken)
