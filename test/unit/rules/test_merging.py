"""Several definitions as one, one as two, and each result as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from definitions import Definitions, broken_is_found, define, same_results
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import draw_guard, draw_index_from, draw_iterators, draw_scope, draw_tensor_read

from einnet.expr.index import Range, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term
from einnet.expr.program import Definition
from einnet.expr.transform import is_movement, rename
from einnet.rules import merging
from einnet.rules.merging import batch_parallel, merge_parallel, split_expression
from einnet.rules.rewrite import NotApplicable


def from_zero(iterators: tuple[Iterator, ...]) -> tuple[Iterator, ...]:
    return tuple(Iterator(i.name, 0, i.extent) for i in iterators)


def renamed(draw: st.DrawFn, scope: Scope, number: int) -> Scope:
    """The scope with iterators of other names, guards in any order."""
    names = {n: f"{n}{number}" for n in scope.names} if draw(st.booleans()) else {}
    term = replace(scope.term, guards=tuple(draw(st.permutations(scope.term.guards))))
    return rename(replace(scope, body=(term,)), names)


def draw_ranges(draw: st.DrawFn) -> tuple[tuple[Iterator, ...], tuple[Iterator, ...]]:
    return (
        from_zero(draw_iterators(draw, "xy", 1, 2, 12)),
        draw_iterators(draw, "rs", 1, 2, 6),
    )


@st.composite
def parallel(draw: st.DrawFn) -> tuple[Definitions]:
    """Products that read `X` in one way and differ in `W` and the extent of `f`."""
    traversal, summation = draw_ranges(draw)
    ranges = {i.name: i.range for i in traversal + summation}
    shared = draw_tensor_read(draw, ranges)
    assert isinstance(shared.source, Tensor)
    shared = replace(shared, source=replace(shared.source, name="X"))
    index = [draw_index_from(draw, ranges, 0) for _ in range(draw(st.integers(1, 2)))]
    extents = [draw(st.integers(1, 4)) for _ in index]
    position = draw(st.integers(0, len(index)))
    index.insert(position, var("f"))
    place = draw(st.integers(0, len(traversal)))
    guards = tuple(draw_guard(draw, ranges) for _ in range(draw(st.integers(0, 2))))
    first = draw(st.booleans())
    definitions: list[Definition] = []
    for number in range(draw(st.integers(2, 3))):
        extent = draw(st.integers(1, 3))
        shape = (*extents[:position], extent, *extents[position:])
        weight = Read(Tensor(f"W{number}", shape), tuple(index))
        factors = (shared, weight) if first else (weight, shared)
        box = (*traversal[:place], Iterator("f", 0, extent), *traversal[place:])
        scope = Scope(box, summation, (Term(factors, guards),))
        scope = renamed(draw, scope, number)
        definitions.append(Definition(Tensor(f"Y{number}", scope.extents), scope, f"op{number}"))
    return (tuple(definitions),)


@st.composite
def alike(draw: st.DrawFn) -> tuple[Definitions]:
    """Products of one form over different operands."""
    traversal, summation = draw_ranges(draw)
    ranges = {i.name: i.range for i in traversal + summation}
    a, b = draw_tensor_read(draw, ranges), draw_tensor_read(draw, ranges)
    guards = tuple(draw_guard(draw, ranges) for _ in range(draw(st.integers(0, 2))))
    definitions: list[Definition] = []
    for number in range(draw(st.integers(2, 3))):
        factors = tuple(
            replace(read, source=replace(read.source, name=f"{name}{number}"))
            for read, name in ((a, "A"), (b, "B"))
        )
        scope = renamed(draw, Scope(traversal, summation, (Term(factors, guards),)), number)
        definitions.append(Definition(Tensor(f"Y{number}", scope.extents), scope, f"op{number}"))
    return (tuple(definitions),)


@st.composite
def splits(draw: st.DrawFn) -> tuple[Definition, str, int]:
    """Any definition, one of its traversal iterators and a point inside its range."""
    nested = draw(st.booleans())
    scope = draw_scope(draw, body=2, sums=2, nested=nested, calls=True, limit=100)
    scope = replace(scope, traversal=from_zero(scope.traversal))
    wide = [i for i in scope.traversal if i.extent > 1]
    assume(wide)
    chosen = draw(st.sampled_from(wide))
    definition = Definition(Tensor("Y", scope.extents), scope, "op")
    return definition, chosen.name, draw(st.integers(1, chosen.hi - 1))


@given(parallel())
def test_merge(case: tuple[Definitions]):
    (definitions,) = case
    taken = {"W0_merged"}
    parts = merge_parallel(definitions, "X", taken)
    assert same_results(definitions, parts)
    concat, whole, *slices = parts
    assert not concat.scope.summation and len(concat.scope.body) == len(definitions)
    assert len(whole.scope.body) == 1 and "X" in {t.name for t in whole.operands}
    assert all(is_movement(s.scope) for s in slices)
    assert concat.result.name in taken - {"W0_merged"} and whole.result.name in taken


@given(alike())
def test_batch(case: tuple[Definitions]):
    (definitions,) = case
    parts = batch_parallel(definitions, set())
    assert same_results(definitions, parts)
    assert len(parts) == 3 + len(definitions)
    assert parts[2].result.shape == (len(definitions), *definitions[0].result.shape)
    assert all(is_movement(s.scope) for s in parts[3:])


@given(splits())
def test_split(case: tuple[Definition, str, int]):
    definition, name, point = case
    parts = split_expression(definition, name, point, set())
    assert same_results((definition,), parts)
    position = [i.name for i in definition.scope.traversal].index(name)
    low, high = (p.result.shape[position] for p in parts[:2])
    assert low == point and low + high == definition.result.shape[position]


def test_merging_what_was_split_gives_it_back():
    (product,) = define("L<i:4,j:5> S<k:3> X[i,k] * W[k,j]", X=(4, 3), W=(3, 5))
    low, high, joined = split_expression(product, "j", 2, set())
    # The columns of W that each part reads, as tensors of their own.
    parts: list[Definition] = []
    columns: list[Definition] = []
    for number, part in enumerate((low, high)):
        shared, weight = part.scope.term.reads
        extent = part.result.shape[1]
        column = Tensor(f"V{number}", (3, extent))
        box = (Iterator("k", 0, 3), Iterator("j", 0, extent))
        columns.append(Definition(column, Scope(box, (), (Term((weight,)),))))
        factors = (shared, Read(column, (var("k"), var("j"))))
        scope = replace(part.scope, body=(Term(factors),))
        parts.append(replace(part, scope=scope))
    whole = merge_parallel(parts, "X", {"V0", "V1"})
    assert whole[1].scope.extents == product.scope.extents
    assert same_results((product,), (*columns, *whole, joined))


def test_by_example():
    first, second = define(
        "L<n:2,f:3,h:4> S<c:5> X[n,c,h] * U[f,c]",
        "L<m:2,g:2,w:4> S<d:5> X[m,d,w] * V[g,d]",
        X=(2, 5, 4), U=(3, 5), V=(2, 5),
    )  # fmt: skip
    assert [str(p.scope) for p in merge_parallel((first, second), "X", set())] == [
        "L<d0:5,d1:5> U[d0,d1] + V[d0-3,d1]",
        "L<n:2,f:5,h:4> S<c:5> X[n,c,h] * U_merged[f,c]",
        "L<n:2,f:3,h:4> t0_merged[n,f,h]",
        "L<n:2,f:2,h:4> t0_merged[n,f+3,h]",
    ]
    assert merge_parallel((first, second), "X", set())[1].label == "op0+op1"


def test_equal_extents_join_along_an_iterator_of_the_other_operand():
    text = "L<t:6,f:4> S<c:5> X[t,c] * W{}[c,f]"
    weights = {f"W{n}": (5, 4) for n in range(3)}
    queries = define(*(text.format(n) for n in range(3)), X=(6, 5), **weights)
    assert merge_parallel(queries, "X", set())[1].result.shape == (6, 12)


def test_one_weight_may_be_used_twice():
    text = "L<t:6,f:4> S<c:5> X[t,c] * W[c,f]"
    twice = define(text, text, X=(6, 5), W=(5, 4))
    assert same_results(twice, merge_parallel(twice, "X", set()))
    assert same_results(twice, merge_parallel(twice, "W", set()))


def test_a_batch_by_example():
    two = define(
        "L<i:4> S<k:3> X[i,k] * U[k] * [(i+k) mod 2 = 0]",
        "L<b:4> S<j:3> Z[b,j] * V[j] * [(b+j) mod 2 = 0]",
        X=(4, 3), U=(3,), Z=(4, 3), V=(3,),
    )  # fmt: skip
    assert [str(p.scope) for p in batch_parallel(two, set())] == [
        "L<d0:2,d1:4,d2:3> X[d1,d2] * [0 <= d0 < 1] + Z[d1,d2] * [1 <= d0 < 2]",
        "L<d0:2,d1:3> U[d1] * [0 <= d0 < 1] + V[d1] * [1 <= d0 < 2]",
        "L<b:2,i:4> S<k:3> X_stacked[b,i,k] * U_stacked[b,k] * [(i+k) mod 2 = 0]",
        "L<i:4> t0_batch[0,i]",
        "L<i:4> t0_batch[1,i]",
    ]


SHAPES = {
    "X": (4, 3), "Z": (4, 3), "W": (3, 5), "V": (3, 6), "U": (2, 5), "A": (4, 3, 5), "T": (3, 3),
}  # fmt: skip
PRODUCT = "L<i:4,j:5> S<k:3> X[i,k] * W[k,j]"

NOT_SHARED = [
    ("", "there is nothing to merge with"),
    ("L<i:4,j:5> S<k:3> X[i,k]", "t1 is not a product of two tensors"),
    ("L<i:4,j:5> S<k:3> X[i,k] * relu(W[k,j])", "t1 is not a product of two tensors"),
    ("L<i:4,j:5> S<k:3> X[i,k] * W[k,j] + X[i,k] * W[k,j]", "t1 is not a product of two"),
    ("L<i:4,j:5> S<k:3> X[i,k] * {L<k:3,j:5> W[k,j]}[k,j]", "t1 is not a product of two"),
    ("L<i:4> S<k:3> X[i,k] * W[k,0]", "their ranks differ"),
    ("L<i:4,j:5> S<k:2> X[i,k] * W[k,j]", "their sums differ"),
    ("L<i:4,j:5> S<k:3> 2 * X[i,k] * W[k,j]", "their guards or coefficients differ"),
    ("L<i:4,j:5> S<k:3> X[i,k] * W[k,j] * [(i+k) mod 2 = 0]", "their guards or coeff"),
]

REFUSED_MERGES = [
    *NOT_SHARED,
    ("L<i:4,j:5> S<k:3> X[i,k+1] * W[k,j]", "X is read in several ways"),
    ("L<i:4,j:5> S<k:3> W[k,j] * X[i,k]", "X is read in several ways"),
    ("L<i:4,j:5> S<k:3> Z[i,k] * W[k,j]", "X is read in several ways"),
    ("L<i:4,j:5> S<k:3> X[i,k] * W[k,j-1]", "the other operands are read in several ways"),
    ("L<i:3,j:6> S<k:3> X[i,k] * V[k,j]", "their ranges differ in several iterators"),
    ("L<i:3,j:5> S<k:3> X[i,k] * W[k,j]", "no such iterator indexes the whole of one dimension"),
    ("L<i:4,j:5> S<k:3> X[i,k] * V[k,j]", "no such iterator indexes the whole of one dimension"),
    ("L<i:4,j:6> S<k:3> X[i,k] * W[k,j]", "no such iterator indexes the whole of one dimension"),
    ("L<i:4,j:5> S<k:3> X[i,k] * U[k,j]", "U and W differ in other dimensions"),
]


def two(text: str, first: str = PRODUCT) -> Definitions:
    return define(*filter(None, (first, text)), **SHAPES)


@pytest.mark.parametrize(("text", "reason"), REFUSED_MERGES)
def test_refusals_to_merge(text: str, reason: str):
    with pytest.raises(NotApplicable, match=reason):
        merge_parallel(two(text), "X", set())


@pytest.mark.parametrize(
    "text",
    [
        "L<i:4,j:5> S<k:3> X[i,k] * W[k,i+j]",
        "L<i:4,j:5> S<k:3> X[i,k] * A[j,k,j]",
        "L<i:4,j:5> S<k:3> X[i,k] * W[k,j] * [(j+k) mod 2 = 0]",
        "L<j:4,i:5> S<k:3> X[j,k] * T[j,k]",
    ],
)
def test_no_iterator_to_join_along(text: str):
    with pytest.raises(NotApplicable, match="no such iterator indexes the whole of one dimension"):
        merge_parallel(two(text, text), "X", set())


def test_the_shared_tensor_must_be_read():
    with pytest.raises(NotApplicable, match="Z is not read"):
        merge_parallel(two(PRODUCT), "Z", set())


DIFFERENT = "the definitions differ in more than their operands"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *NOT_SHARED,
        ("L<i:4,j:6> S<k:3> X[i,k] * W[k,j]", DIFFERENT),
        ("L<i:4,j:5> S<k:3> X[i,k+1] * W[k,j]", DIFFERENT),
        ("L<i:4,j:5> S<k:3> X[i,k] * V[k,j]", DIFFERENT),
    ],
)
def test_refusals_to_batch(text: str, reason: str):
    with pytest.raises(NotApplicable, match=reason):
        batch_parallel(two(text), set())


def test_element_types_must_agree():
    first, second = two(PRODUCT)
    mixed = (first, replace(second, result=replace(second.result, dtype="f16")))
    with pytest.raises(NotApplicable, match="their element types differ"):
        merge_parallel(mixed, "X", set())
    with pytest.raises(NotApplicable, match="their element types differ"):
        batch_parallel(mixed, set())


@pytest.mark.parametrize(
    ("name", "point", "reason"),
    [
        ("u", 1, "u is not an iterator of this scope"),
        ("k", 1, "k is not a traversal iterator"),
        ("j", 0, "0 is not inside"),
        ("j", 5, "5 is not inside"),
    ],
)
def test_refusals_to_split(name: str, point: int, reason: str):
    with pytest.raises(NotApplicable, match=reason):
        split_expression(two("")[0], name, point, set())


def unchecked(_: bool, __: str) -> None:
    """Takes the place of a check."""


@pytest.mark.parametrize(
    "text",
    [
        "L<i:4,j:5> S<k:2> X[i,k] * W[k,j]",
        "L<i:4,j:5> S<k:3> 2 * X[i,k] * W[k,j]",
        "L<i:4,j:5> S<k:3> X[i,k] * W[k,j] * [(i+k) mod 2 = 0]",
        "L<i:4,j:5> S<k:3> X[i,k+1] * W[k,j]",
        "L<i:4,j:5> S<k:3> Z[i,k] * W[k,j]",
        "L<i:4,j:5> S<k:3> X[i,k] * W[k+1,j]",
        "L<i:4,j:5> S<k:3> X[i,k] * U[k,j]",
    ],
)
def test_each_check_of_a_merge_is_needed(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(merging, "_require", unchecked)
    # The larger operand first, too: what is lost depends on the order.
    found = [
        not same_results(d, merge_parallel(d, "X", set()))
        for d in (two(text), two(text)[::-1])
        if d[0].operands[0].name == "X"
    ]
    assert any(found)


@pytest.mark.parametrize(
    "text",
    [
        "L<i:4,j:5> S<k:2> X[i,k] * W[k,j]",
        "L<i:4,j:5> S<k:3> 2 * X[i,k] * W[k,j]",
        "L<i:4,j:5> S<k:3> X[i,k] * W[k,j] * [(i+k) mod 2 = 0]",
        "L<i:4,j:5> S<k:3> X[i,k+1] * W[k,j]",
    ],
)
def test_each_check_of_a_batch_is_needed(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(merging, "_require", unchecked)
    assert not same_results(two(text), batch_parallel(two(text), set()))


def merged(case: tuple[Definitions]) -> tuple[Definitions, Definitions]:
    return case[0], merge_parallel(case[0], "X", set())


def batched(case: tuple[Definitions]) -> tuple[Definitions, Definitions]:
    return case[0], batch_parallel(case[0], set())


def halved(case: tuple[Definition, str, int]) -> tuple[Definitions, Definitions]:
    return case[:1], split_expression(*case, set())


def test_a_slice_without_its_offset_is_found(monkeypatch: pytest.MonkeyPatch):
    cut = merging._slice

    def at_the_start(whole: Tensor, scope: Scope, axis: str, _: int) -> Scope:
        return cut(whole, scope, axis, 0)

    monkeypatch.setattr(merging, "_slice", at_the_start)
    assert broken_is_found(parallel(), merged)


def test_a_concatenation_without_offsets_is_found(monkeypatch: pytest.MonkeyPatch):
    def overlaid(tensors: tuple[Tensor, ...], _: int, shape: tuple[int, ...]) -> Scope:
        box = tuple(Iterator(f"d{n}", 0, extent) for n, extent in enumerate(shape))
        index = tuple(var(i.name) for i in box)
        return Scope(box, (), tuple(Term((Read(t, index),)) for t in tensors))

    monkeypatch.setattr(merging, "_concatenation", overlaid)
    assert broken_is_found(parallel(), merged)
    assert broken_is_found(splits(), halved)


def test_an_axis_that_the_shared_operand_holds_too_is_found(monkeypatch: pytest.MonkeyPatch):
    """A merge along an iterator of both operands reads the wrong rows of the shared one."""

    def bare(scope: Scope, which: int, name: str) -> int | None:
        index = merging._read(scope, which).index
        return next((d for d, e in enumerate(index) if e.name == name), None)

    text = "L<i:4> S<k:3> X[i,k] * Z[i,k]"
    products = two(text, text)
    monkeypatch.setattr(merging, "_own_dimension", bare)
    assert not same_results(products, merge_parallel(products, "X", set()))


@pytest.mark.parametrize(
    "text", ["L<i:4,j:5> S<k:3> X[i,k] * V[k,j]", "L<i:4,j:6> S<k:3> X[i,k] * W[k,j]"]
)
def test_an_axis_of_another_extent_than_the_operand_is_found(
    text: str, monkeypatch: pytest.MonkeyPatch
):
    def second(scopes: list[Scope], _: int) -> tuple[str, int]:
        return scopes[0].traversal[1].name, 1

    monkeypatch.setattr(merging, "_own_axis", second)
    assert not all(
        same_results(d, merge_parallel(d, "X", set())) for d in (two(text), two(text)[::-1])
    )


def test_an_iterator_that_runs_over_a_part_is_passed_over():
    """i and j index W alone; only j runs over the whole of its dimension."""
    text = "L<i:2,j:5> S<k:3> X[0,k] * W{}[i,k,j]"
    products = define(text.format(0), text.format(1), X=(4, 3), W0=(4, 3, 5), W1=(4, 3, 5))
    parts = merge_parallel(products, "X", set())
    assert parts[0].result.shape == (4, 3, 10)
    assert same_results(products, parts)


def test_a_batch_without_guards_is_found(monkeypatch: pytest.MonkeyPatch):
    stack = merging._stack

    def unguarded(tensors: tuple[Tensor, ...]) -> Scope:
        scope = stack(tensors)
        return replace(scope, body=tuple(replace(t, guards=()) for t in scope.body))

    monkeypatch.setattr(merging, "_stack", unguarded)
    assert broken_is_found(alike(), batched)


def test_a_split_off_by_one_is_found(monkeypatch: pytest.MonkeyPatch):
    substitute = merging.substitute_body

    def shifted(body: tuple[Term, ...], values: dict[str, object], ranges: dict[str, Range]):
        return substitute(body, {n: e + 1 for n, e in values.items()}, ranges)  # pyright: ignore

    monkeypatch.setattr(merging, "substitute_body", shifted)
    assert broken_is_found(splits(), halved)
