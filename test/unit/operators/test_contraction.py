"""What matches a target, and the plans of matches: their sizes, their layouts, their meaning."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tensor_algebra import parse, run_plan, value_of

from einnet.expr.check import check_program
from einnet.expr.nodes import Read, Scope, Tensor, tensors_of
from einnet.expr.program import Definition, Product, Program, Window, Windowed
from einnet.expr.text import parse_scope
from einnet.operators.banded import G2BMM, GBMM
from einnet.operators.contraction import Match, describe, estimate, match, plan, shape
from einnet.operators.convolution import any_convolution, convolution
from einnet.operators.cost import CPU, h100
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.program.subprograms import LIBRARIES, LIMITS, derive
from einnet.search.normalise import core_of, two_level
from einnet.verify.plan import VerifiedProgram, verify_plan

SHAPES = {"A": (3, 4), "B": (4, 5), "C": (2, 3, 4), "D": (2, 4, 5), "E": (5, 4), "F": (12,)}


def matched(
    scope: Scope,
    target: Target = PRODUCT,
    windows: tuple[Window, ...] = (),
    *,
    swapped: bool = False,
) -> Match | None:
    """The match of a two-level expression, or of a core alone."""
    nested = isinstance(getattr(scope.body[0].factors[0], "source", None), Scope)
    two = scope if nested else two_level(scope)
    first, second = core_of(two).term.reads
    return match(two, target, (second, first) if swapped else (first, second), windows)


def planned(scope: Scope, *, swapped: bool = False) -> list[Definition]:
    found = matched(scope, swapped=swapped)
    assert found is not None
    return checked_plan(scope, found)


def checked_plan(scope: Scope, found: Match) -> list[Definition]:
    """The plan of the match, checked against the meaning of the expression."""
    inputs = tensors_of(scope)
    out = Tensor("out", scope.extents)
    taken = {t.name for t in inputs} | {"out"}
    statements = plan(found, out, taken, "label")
    check_program(Program("f", inputs, statements, (out,)))
    assert (run_plan(statements, inputs)["out"] == value_of(scope)).all()
    definitions = [s for s in statements if isinstance(s, Definition)]
    assert [d.library for d in definitions].count(None) == len(definitions) - 1
    assert taken >= {d.result.name for d in definitions}
    return definitions


def texts(definitions: list[Definition]) -> list[str]:
    return [f"{d.result.name} = {d.scope}" for d in definitions]


@pytest.mark.parametrize(
    ("text", "steps", "sizes"),
    [
        # The operands and the result are as the library wants them: one call.
        ("L<m:3,n:5> S<k:4> A[m,k] * B[k,n]", 1, (1, 3, 5, 4)),
        ("L<b:2,m:3,n:5> S<k:4> C[b,m,k] * D[b,k,n]", 1, (2, 3, 5, 4)),
        # The second operand is transposed first.
        ("L<m:3,n:5> S<k:4> A[m,k] * E[n,k]", 2, (1, 3, 5, 4)),
        # A result in another order, or scaled, is written by an eOperator.
        ("L<n:5,m:3> S<k:4> A[m,k] * B[k,n]", 2, (1, 3, 5, 4)),
        ("L<m:3,n:5> S<k:4> 2 * A[m,k] * B[k,n]", 2, (1, 3, 5, 4)),
        # Several iterators of one row are one dimension of the product.
        ("L<m:3,n:5> S<b:2,k:4> C[b,m,k] * D[b,k,n]", 2, (1, 3, 5, 8)),
        ("L<b:2,m:3,n:5> S<k:4> C[b,m,k] * B[k,n]", 1, (1, 6, 5, 4)),
        ("L<m:3,n:5> S<b:2,k:4> C[b,m,k] * D[b,k,n] * [(m+k) mod 2 = 0]", 2, (1, 3, 5, 8)),
        # Overlapping and padded operands are laid out again.
        ("L<m:9,f:3> S<k:4> F[3*m+k-2] * A[f,k]", 3, (1, 9, 3, 4)),
        ("L<m:3,n:5> S<k:4> A[m,k] * B[k,n] * [n mod 2 = 0]", 2, (1, 3, 5, 4)),
        # Ranges that do not start at 0.
        ("L<m:1:3,n:5> S<k:-1:3> A[m,k+1] * B[k+1,n]", 3, (1, 2, 5, 4)),
    ],
)
def test_plans(text: str, steps: int, sizes: tuple[int, int, int, int]):
    scope = parse(text, **SHAPES)
    if any(i.lo for i in scope.traversal):
        scope = two_level_from_zero(scope)
    definitions = planned(scope)
    found = matched(scope)
    assert found is not None and shape(found) == sizes
    assert len(definitions) == steps, texts(definitions)
    batch, m, n, k = sizes
    planned(scope, swapped=True)
    other = matched(scope, swapped=True)
    assert other is not None and shape(other) == (batch, n, m, k)


def two_level_from_zero(core: Scope) -> Scope:
    """The core read by a scope whose box starts at 0, as that of a definition does."""
    box = ",".join(f"{i.name}:{i.hi}" for i in core.traversal)
    index = ",".join(i.name for i in core.traversal)
    return parse_scope(f"L<{box}> {{{core}}}[{index}]", {t.name: t for t in tensors_of(core)})


def test_a_product_inside_an_outer_sum_and_guards():
    scope = parse(
        "L<h:3,f:3> S<r:2> 3 * {L<x:4,f:3,r:2> S<c:4> X[c,x] * W[f,c,r]}[h+r,f,r]"
        " * [(h+r) mod 2 = 0] * [0 <= h+r < 3]",
        X=(4, 4),
        W=(3, 4, 2),
    )
    *_, call, outer = planned(scope)
    assert call.library is not None and outer.library is None
    assert [i.name for i in outer.scope.summation] == ["r"]
    assert len(outer.scope.term.guards) == 2


def test_new_tensors_have_new_names():
    tensors = {n: Tensor(n, s) for n, s in (("out_a", (4, 3)), ("out_product", (4, 5)))}
    scope = parse_scope("L<n:5,m:3> S<k:4> out_a[k,m] * out_product[k,n]", tensors)
    names = [d.result.name for d in planned(scope)]
    assert len(set(names) | set(tensors)) == len(names) + 2 and names[-1] == "out"


def test_labels_and_types_are_handed_on():
    half = {n: Tensor(n, SHAPES[n], "f16") for n in "AE"}
    scope = parse_scope("L<m:3,n:5> S<k:4> A[m,k] * E[n,k]", half)
    found = matched(scope)
    assert found is not None
    layout, call = plan(found, Tensor("out", (3, 5), "f16"), set("AE"), "conv1")
    assert isinstance(layout, Definition) and isinstance(call, Definition)
    assert (layout.label, layout.result.dtype) == ("layout of E", "f16")
    assert (call.label, call.result) == ("conv1", Tensor("out", (3, 5), "f16"))


@pytest.mark.parametrize(
    "text",
    [
        "L<m:3,n:5> A[m,0] * B[0,n]",
        "L<m:3,n:5,z:2> S<k:4> A[m,k] * B[k,n]",
        "L<m:3,n:5> S<k:4,l:2> A[m,k+l] * B[k,n]",
        "L<m:3,n:5> S<k:4> A[m,k] * B[k,n] * [(m+n) mod 2 = 0]",
    ],
)
def test_what_does_not_match(text: str):
    scope = parse(text, **SHAPES)
    assert matched(scope) is None and matched(scope, swapped=True) is None


def test_constant_operands_cost_no_layout():
    found = matched(parse("L<m:3,n:5> S<k:4> A[m,k] * E[n,k]", **SHAPES))
    assert found is not None
    assert estimate(found, CPU, frozenset("E")) < estimate(found, CPU)


def test_reads_of_a_match_are_the_operands_of_the_call_in_order():
    definitions = planned(parse("L<m:3,n:5> S<k:4> B[k,n] * A[m,k]", **SHAPES), swapped=True)
    assert len(definitions) == 1
    assert definitions[0].library == Product((), ("m",), ("n",), ("k",))
    assert [r.source for r in definitions[0].scope.term.reads if isinstance(r, Read)] == [
        Tensor("A", (3, 4)),
        Tensor("B", (4, 5)),
    ]


CONV = "L<n:2,f:3,h:5> S<c:4,r:3> X[n,c,h+r-1] * W[f,c,r]"
CONV_SHAPES = {"X": (2, 4, 5), "W": (3, 4, 3), "D": (2, 3, 4), "E": (2, 4, 5), "Y": (2, 9, 3)}


@pytest.mark.parametrize(
    ("text", "target", "windows", "sizes"),
    [
        (CONV, any_convolution(1), (Window(0, "h", "r"),), (1, 2, 3, 4, 5, 3)),
        (CONV, convolution(3), (Window(0, "h", "r"),), (1, 2, 3, 4, 5, 3)),
        # The padding and what a guard says of the output channels go into the layouts.
        (f"{CONV} * [f mod 2 = 0]", convolution(3), (Window(0, "h", "r"),), (1, 2, 3, 4, 5, 3)),
        # Input and kernel on a coarser grid, ranges that do not start at 0.
        (
            "L<n:2,f:3,h:5> S<c:4,r:-1:2> X[n,c,2*h+2*r-4] * W[f,c,r+1]",
            any_convolution(2),
            (Window(0, "h", "r"),),
            (1, 2, 3, 4, 5, 3),
        ),
        (
            "L<n:2,f:3,h:5> S<c:4,r:3> X[n,c,h+r+1] * W[f,c,r]",
            any_convolution(1),
            (Window(0, "h", "r"),),
            (1, 2, 3, 4, 5, 3),
        ),
        (
            "L<n:2,f:3,h:3,w:3> S<r:2,s:3> Y[n,h+r,w+s-1] * W[f,r,s]",
            convolution(2, 3),
            (Window(0, "h", "r"), Window(0, "w", "s")),
            (1, 2, 3, 1, 3, 2, 3, 3),
        ),
        (
            "L<b:2,m:9,w:-1:2> S<k:3> Y[b,m,k] * Y[b,m+w,k]",
            G2BMM,
            (Window(1, "m", "w"),),
            (2, 1, 1, 3, 9, 3),
        ),
        (
            "L<b:2,m:3,n:5> S<w:4> D[b,m,w] * Y[b,m+w-1,n]",
            GBMM,
            (Window(1, "m", "w"),),
            (2, 1, 5, 1, 3, 4),
        ),
    ],
)
def test_plans_of_operators_with_windows(
    text: str, target: Target, windows: tuple[Window, ...], sizes: tuple[int, ...]
):
    scope = parse(text, **CONV_SHAPES)
    start = two_level_from_zero(scope) if any(i.lo for i in scope.traversal) else scope
    found = matched(start, target, windows)
    assert found is not None and shape(found) == sizes
    (call,) = [d for d in checked_plan(start, found) if d.library is not None]
    assert isinstance(call.library, Windowed) and call.library.windows == windows


def test_a_convolution_in_the_layout_of_the_library_is_one_call():
    scope = parse("L<n:2,h:5,f:3> S<c:4,r:3> X[n,h+r,c] * W[r,c,f]", X=(2, 7, 4), W=(3, 4, 3))
    found = matched(scope, convolution(3), (Window(0, "h", "r"),))
    assert found is not None
    assert len(checked_plan(scope, found)) == 1


@pytest.mark.parametrize(
    ("text", "target", "windows"),
    [
        # No window, too few, a kernel for each image, guards inside the window or on both operands.
        (CONV, any_convolution(1), ()),
        (CONV, convolution(3, 3), (Window(0, "h", "r"),)),
        ("L<n:2,h:5> S<c:4,r:3> X[n,c,h+r-1] * D[n,r,c]", convolution(3), (Window(0, "h", "r"),)),
        (f"{CONV} * [h mod 2 = 0]", any_convolution(1), (Window(0, "h", "r"),)),
        (f"{CONV} * [(h+r) mod 2 = 0]", any_convolution(1), (Window(0, "h", "r"),)),
        (f"{CONV} * [(n+f) mod 2 = 0]", any_convolution(1), (Window(0, "h", "r"),)),
        ("L<b:2,m:9,w:3> Y[b,m,0] * Y[b,m+w,0]", G2BMM, (Window(1, "m", "w"),)),
    ],
)  # fmt: skip
def test_what_a_target_with_windows_refuses(text: str, target: Target, windows: tuple[Window, ...]):
    assert matched(parse(text, **CONV_SHAPES), target, windows) is None


def test_a_part_of_several_iterators_can_be_materialised():
    """The product of a convolution with r and c summed at once: the layout is im2col."""
    scope = parse(CONV, **CONV_SHAPES)
    found = matched(scope)
    assert found is not None and shape(found) == (1, 10, 3, 12)
    layout = checked_plan(scope, found)[0]
    assert len(layout.scope.traversal) == 4


def test_descriptions():
    product = matched(parse("L<m:3,n:5> S<k:4> A[m,k] * B[k,n]", **SHAPES))
    batched = matched(parse("L<b:2,m:3,n:5> S<k:4> C[b,m,k] * D[b,k,n]", **SHAPES))
    window = matched(parse(CONV, **CONV_SHAPES), any_convolution(1), (Window(0, "h", "r"),))
    assert product is not None and describe(product) == "matmul 3x5x4"
    assert batched is not None and describe(batched) == "matmul 2x3x5x4"
    assert window is not None and describe(window) == "conv1d 2x3x4 over 5, window 3"


def test_a_core_that_was_tightened_is_read_beyond_its_box():
    text = "L<n:2,h:6,w:6,f:3> S<c:3,r:1,s:1> X[n,h,w,c] * W[c,f,r,s]"
    tensors = {"X": Tensor("X", (2, 5, 5, 3)), "W": Tensor("W", (3, 3, 1, 1))}
    scope = parse_scope(text, tensors)
    result = Tensor("Y", scope.extents)
    program = Program(
        "f", tuple(tensors.values()), (Definition(result, scope),), (result,), frozenset("W")
    )
    found = derive(
        program.definitions[0], program, frozenset("W"), h100("fp32"), LIMITS, 3,
        libraries=LIBRARIES["cuda"],
    )  # fmt: skip
    assert any(c.operator for c in found.candidates)
    for candidate in found.candidates:
        plan = replace(program, statements=candidate.statements)
        check_program(plan)
        assert isinstance(verify_plan(program, plan), VerifiedProgram)
