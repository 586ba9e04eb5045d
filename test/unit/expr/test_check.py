"""Each rule of the language, broken once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tensor_algebra import parse, tensors

from einnet.expr.check import MalformedError, check_program, check_scope
from einnet.expr.index import FloorDiv, Index, Var, constant, var
from einnet.expr.nodes import Call, Guard, Iterator, Read, Residue, Scope, Tensor, Term, Within
from einnet.expr.program import Definition, Opaque, Product, Program, Window, Windowed
from einnet.expr.text import parse_scope

X, Y = Tensor("X", (4,)), Tensor("Y", (4, 3))
I = Iterator("i", 0, 4)  # noqa: E741 - the iterator i


def scope_of(*factors: Read | Call, guards: tuple[Guard, ...] = ()) -> Scope:
    return Scope((I,), (), (Term(factors, guards),))


def divided(operand: Index, divisor: int) -> Index:
    return Index(0, ((FloorDiv(1, operand, divisor), 1),))


def test_what_is_well_formed_passes():
    check_scope(
        parse("L<i:4> S<r:-1:2> X[i+r] * relu(Y[i div 2,r] + 1) * [i mod 2 = 0]", X=(4,), Y=(4, 3))
    )


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (Scope((I, I), (), ()), "i is declared twice"),
        (Scope((I,), (I,), ()), "i is declared twice"),
        (Scope((Iterator("i", 3, 3),), (), ()), "empty range"),
        (Scope((), (Iterator("i", 3, 1),), ()), "empty range"),
        (scope_of(Read(Y, (var("i"),))), "1 indices of the wrong rank"),
        (scope_of(Read(X, ())), "0 indices of the wrong rank"),
        (scope_of(Read(scope_of(Read(X, (var("i"),))), ())), "0 indices of the wrong rank"),
        (scope_of(Read(X, (var("k"),))), "undeclared iterator"),
        (scope_of(Read(X, (divided(var("k"), 2),))), "undeclared iterator"),
        (scope_of(Read(scope_of(Read(X, (var("k"),))), (var("i"),))), "undeclared iterator"),
        (scope_of(Call("relu", ((Term((Read(X, (var("k"),)),)),),))), "undeclared iterator"),
        (scope_of(guards=(Within(var("k"), 0, 1),)), "undeclared iterator"),
        (scope_of(Read(X, (divided(var("i"), 1),))), "division by 1"),
        (scope_of(Read(X, (Index(0, ((Var(0, "i"), 0),)),))), "not in normal form"),
        (scope_of(Read(X, (Index(0, ((Var(0, "i"), 1), (Var(0, "i"), 1))),))), "not in normal"),
        (scope_of(guards=(Residue(var("i"), 1),)), "residue modulo 1"),
        (scope_of(Call("nosuch", ((),))), "unknown function nosuch"),
        (scope_of(Call("relu", ((), ()))), "relu takes 1 arguments"),
    ],
)  # fmt: skip
def test_scopes_that_break_a_rule(scope: Scope, reason: str):
    with pytest.raises(MalformedError, match=reason):
        check_scope(scope)


def test_terms_must_be_sorted():
    a, b = Iterator("a", 0, 2), Iterator("b", 0, 2)
    unsorted = Index(0, ((Var(0, "b"), 1), (Var(0, "a"), 1)))
    with pytest.raises(MalformedError, match="normal form"):
        check_scope(Scope((a, b), (), (Term((Read(X, (unsorted,)),)),)))


T = tensors(A=(3, 4), B=(4, 5), C=(3, 5), D=(3, 5))
PRODUCT = Definition(
    T["C"],
    parse_scope("L<m:3,n:5> S<k:4> A[m,k] * B[k,n]", T),
    library=Product((), ("m",), ("n",), ("k",)),
)
DOUBLED = Definition(T["D"], parse_scope("L<m:3,n:5> 2 * C[m,n]", T))
PROGRAM = Program("f", (T["A"], T["B"]), (PRODUCT, DOUBLED), (T["D"],), frozenset({"B"}))


def test_a_well_formed_program_passes():
    check_program(PROGRAM)
    opaque = Opaque((T["D"],), (T["C"],), "sort", 0)
    check_program(replace(PROGRAM, statements=(PRODUCT, opaque)))


OTHER = Tensor("A", (3, 4), "f16")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (replace(PROGRAM, inputs=(T["A"], T["A"], T["B"])), "A is defined twice"),
        (replace(PROGRAM, statements=(PRODUCT, PRODUCT, DOUBLED)), "C is defined twice"),
        (replace(PROGRAM, statements=(DOUBLED, PRODUCT)), "is used but None is defined"),
        (replace(PROGRAM, inputs=(OTHER, T["B"])), "is used but .*f16.* is defined"),
        (replace(PROGRAM, inputs=(T["A"],), weights=frozenset()), "B.* is used but None"),
        (replace(PROGRAM, outputs=(Tensor("E", (1,)),)), "E.* is used but None"),
        (replace(PROGRAM, weights=frozenset({"C"})), "weights of f that are no inputs"),
        (
            replace(PROGRAM, statements=(Opaque((T["C"],), (T["D"],), "sort", 0),)),
            "D.* is used but None",
        ),
        (
            replace(PROGRAM, statements=(replace(PRODUCT, result=Tensor("C", (5, 3))), DOUBLED)),
            "defined over another box",
        ),
    ],
)
def test_programs_that_break_a_rule(program: Program, reason: str):
    with pytest.raises(MalformedError, match=reason):
        check_program(program)


def test_the_box_of_a_definition_starts_at_zero():
    shifted = replace(PRODUCT, scope=parse_scope("L<m:1:4,n:5> S<k:4> A[m,k] * B[k,n]", T))
    with pytest.raises(MalformedError, match="another box"):
        check_program(replace(PROGRAM, statements=(shifted, DOUBLED)))


@pytest.mark.parametrize(
    ("text", "groups", "reason"),
    [
        ("A[m,k] * B[k,n] * [m mod 2 = 0]", ("m", "n", "k"), "no product of two reads"),
        ("A[m,k]", ("m", "n", "k"), "no product of two reads"),
        ("A[m,k] * B[k,n] + A[m,k] * B[k,n]", ("m", "n", "k"), "no product of two reads"),
        ("B[k,n] * A[m,k]", ("m", "n", "k"), "operands are not those"),
        ("A[m,k+1] * B[k,n]", ("m", "n", "k"), "operands are not those"),
        ("A[m,k] * B[k,n]", ("n", "m", "k"), "operands are not those"),
    ],
)
def test_a_library_product_is_what_it_says(text: str, groups: tuple[str, ...], reason: str):
    m, n, k = ((g,) for g in groups)
    scope = parse_scope(f"L<m:3,n:5> S<k:4> {text}", T)
    bad = Definition(T["C"], scope, library=Product((), m, n, k))
    with pytest.raises(MalformedError, match=reason):
        check_program(replace(PROGRAM, statements=(bad, DOUBLED)))


def test_a_library_product_sums_over_k_and_has_its_result_in_order():
    swapped = parse_scope("L<n:5,m:3> S<k:4> A[m,k] * B[k,n]", T)
    bad = Definition(Tensor("C", (5, 3)), swapped, library=PRODUCT.library)
    with pytest.raises(MalformedError, match="the result is not that"):
        check_program(replace(PROGRAM, statements=(bad,), outputs=(bad.result,)))
    more = replace(PRODUCT.scope, summation=(*PRODUCT.scope.summation, Iterator("q", 0, 2)))
    with pytest.raises(MalformedError, match="the sum is not that"):
        check_program(replace(PROGRAM, statements=(replace(PRODUCT, scope=more), DOUBLED)))


V = tensors(X=(4, 7), W=(4, 3, 2), Z=(4, 5))
WINDOWED = Windowed("conv", (), (), ("f",), ("c",), (Window(0, "h", "r"),))


def windowed(body: str, library: Windowed = WINDOWED) -> Program:
    """A convolution with another body, or said to be another operator."""
    scope = parse_scope(f"L<h:5,f:2> S<c:4,r:3> {body}", V)
    statement = Definition(Tensor("Y", (5, 2)), scope, library=library)
    return Program("f", tuple(V.values()), (statement,), (statement.result,))


@pytest.mark.parametrize(
    ("body", "window"),
    [
        ("X[c,h+r] * W[c,r,f]", Window(0, "h", "r")),
        ("X[c,h+r-1] * W[c,r,f]", Window(0, "h", "r")),
        ("X[c,2*h+3*r-1] * W[c,r,f]", Window(0, "h", "r", 2, 3)),
        ("X[c,h-r+1] * W[c,r,f]", Window(0, "h", "r", transposed=True)),
        (
            "X[c,(h-r+1) div 2] * W[c,r,f] * [(h-r+1) mod 2 = 0]",
            Window(0, "h", "r", 2, transposed=True),
        ),
    ],
)
def test_a_library_operator_with_a_window_passes(body: str, window: Window):
    check_program(windowed(body, replace(WINDOWED, windows=(window,))))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (windowed("X[c,h+r] * W[c,r,f] * [h mod 2 = 0]"), "guards that are not those"),
        (windowed("X[c,h+r]"), "no operator of two reads"),
        (windowed("X[c,h+2*r] * W[c,r,f]"), "neither an iterator nor a window"),
        (windowed("X[c,h+f] * W[c,r,f]"), "neither an iterator nor a window"),
        (windowed("X[c,(h-r) div 2] * W[c,r,f]"), "neither an iterator nor a window"),
        (windowed("Z[c,h] * W[c,r,f]"), "the windows are not those"),
        (
            windowed("X[c,h+r] * W[c,r,f]", replace(WINDOWED, windows=(Window(1, "h", "r"),))),
            "neither an iterator nor a window",
        ),
        (windowed("X[c,h+r] * W[c,r,f]", replace(WINDOWED, k=())), "the iterators are not those"),
        (
            windowed("X[c,h+r] * W[c,r,f]", replace(WINDOWED, m=("h",))),
            "the iterators are not those",
        ),
    ],
)
def test_a_library_operator_with_a_window_is_what_it_says(program: Program, reason: str):
    with pytest.raises(MalformedError, match=reason):
        check_program(program)


def test_constants_may_not_stand_for_iterators_in_a_product():
    scope = parse_scope("L<m:3,n:5> S<k:4> A[m,k] * B[k,n]", T)
    first, second = scope.term.reads
    fixed = replace(first, index=(constant(0), first.index[1]))
    bad = replace(PRODUCT, scope=replace(scope, body=(Term((fixed, second)),)))
    with pytest.raises(MalformedError, match="operands are not those"):
        check_program(replace(PROGRAM, statements=(bad, DOUBLED)))
