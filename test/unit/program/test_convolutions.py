"""Convolutions as the model has them: found without a search, with channels last, and equal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from definitions import chain

from einnet.expr.check import check_program
from einnet.expr.program import Definition, Program, Windowed, names_of
from einnet.operators import contraction
from einnet.program.convolutions import as_written, channels_last, spatial_rank
from einnet.verify.plan import VerifiedProgram, verify_plan

TRANSPOSED = (
    "L<n:2,h:4,w:6,f:5> S<c:3,r:4,s:4> X[n,(h-r+1) div 2,(w-s+1) div 2,c] * W[c,f,r,s]"
    " * [(h-r+1) mod 2 = 0] * [(w-s+1) mod 2 = 0]"
)
NHWC = {"X": (2, 6, 5, 3), "W": (5, 3, 3, 3)}


def program_of(text: str, **shapes: tuple[int, ...]) -> Program:
    return chain(text, inputs=shapes, weights=("W",))


def planned(program: Program) -> list[Definition]:
    """The plan of the program's only definition as it is written, proved equal to it."""
    (definition,) = program.definitions
    match = as_written(definition)
    assert match is not None
    taken = names_of(program)
    plan = contraction.plan(match, definition.result, taken, definition.label)
    plan = channels_last(plan, taken)
    candidate = replace(program, statements=plan)
    check_program(candidate)
    assert isinstance(verify_plan(program, candidate), VerifiedProgram)
    return list(candidate.definitions)


def operator_of(plan: list[Definition]) -> tuple[Definition, Windowed]:
    (operator,) = (d for d in plan if d.library is not None)
    assert isinstance(operator.library, Windowed)
    return operator, operator.library


@pytest.mark.parametrize(
    ("text", "shapes", "strides", "dilations"),
    [
        ("L<n:2,h:6,w:5,f:5> S<c:3,r:3,s:3> X[n,h+r-1,w+s-1,c] * W[f,c,r,s]", NHWC, 1, 1),
        ("L<n:2,h:3,w:3,f:5> S<c:3,r:3,s:3> X[n,2*h+r-1,2*w+s-1,c] * W[f,c,r,s]", NHWC, 2, 1),
        ("L<n:2,h:6,w:5,f:5> S<c:3,r:3,s:3> X[n,h+2*r-2,w+2*s-2,c] * W[f,c,r,s]", NHWC, 1, 2),
        # The order of the factors does not matter.
        ("L<n:2,h:6,w:5,f:5> S<c:3,r:3,s:3> W[f,c,r,s] * X[n,h+r-1,w+s-1,c]", NHWC, 1, 1),
        ("L<n:2,h:4,f:5> S<c:3,r:3> X[n,2*h+r-1,c] * W[f,c,r]",
         {"X": (2, 8, 3), "W": (5, 3, 3)}, 2, 1),
        ("L<n:2,h:4,w:4,d:4,f:2> S<c:3,r:3,s:3,q:3> X[n,h+r-1,w+s-1,d+q-1,c] * W[f,c,r,s,q]",
         {"X": (2, 4, 4, 4, 3), "W": (2, 3, 3, 3, 3)}, 1, 1),
    ],
)  # fmt: skip
def test_a_convolution_with_channels_last_is_one_call(
    text: str, shapes: dict[str, tuple[int, ...]], strides: int, dilations: int
):
    kernel, operator = planned(program_of(text, **shapes))
    rank = len(shapes["X"]) - 2
    filters, channels, *taps = shapes["W"]
    assert kernel.result.shape == (filters, *taps, channels) and kernel.library is None
    library = operator.library
    assert isinstance(library, Windowed) and library.operator == f"conv{rank}d"
    assert {(w.stride, w.dilation) for w in library.windows} == {(strides, dilations)}
    assert {t.name for t in operator.operands} == {"X", kernel.result.name}
    assert operator.result.name == "t0"


def test_a_transposed_convolution_is_one_call():
    kernel, operator = planned(program_of(TRANSPOSED, X=(2, 2, 3, 3), W=(3, 5, 4, 4)))
    assert kernel.result.shape == (5, 4, 4, 3)
    _, library = operator_of([kernel, operator])
    assert library.operator == "conv_transpose2d"
    assert all(w.transposed and w.stride == 2 for w in library.windows)


def test_channels_first_are_laid_out_anew_on_both_sides():
    text = "L<n:2,f:5,h:6,w:4> S<c:3,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]"
    plan = planned(program_of(text, X=(2, 3, 6, 4), W=(5, 3, 3, 3)))
    operator, _ = operator_of(plan)
    assert [r.source for r in operator.scope.term.reads] == [plan[0].result, plan[1].result]
    assert plan[0].result.shape == (2, 6, 4, 3) and operator.result.shape == (2, 6, 4, 5)
    assert plan[-1].result.shape == (2, 5, 6, 4) and len(plan) == 4


@pytest.mark.parametrize(
    ("text", "kernel", "shape"),
    [
        ("L<n:1,h:7,w:7,f:4> S<c:8,r:7,s:1> X[n,h+r-3,w+s,c] * W[f,c,r,s]", (7, 1), (4, 8, 7, 1)),
        ("L<n:1,h:7,w:7,f:4> S<c:8,r:1,s:7> X[n,h+r,w+s-3,c] * W[f,c,r,s]", (1, 7), (4, 8, 1, 7)),
        # Importers may have simplified what is always 0.
        ("L<n:1,h:7,w:7,f:4> S<c:8,r:7> X[0,h+r-3,w,c] * W[f,c,r,0]", (7, 1), (4, 8, 7, 1)),
        ("L<n:1,h:7,w:7,f:4> S<c:8,s:7> X[n,h,w+s-3,c] * W[f,c,s]", (1, 7), (4, 8, 7)),
    ],
)
def test_a_kernel_of_one_tap_is_a_window_too(
    text: str, kernel: tuple[int, int], shape: tuple[int, ...]
):
    weights, operator = planned(program_of(text, X=(1, 7, 7, 8), W=shape))
    _, library = operator_of([weights, operator])
    extents = {i.name: i.extent for i in operator.scope.summation}
    assert tuple(extents[w.y] for w in library.windows) == kernel
    assert weights.result.shape == (4, *kernel, 8) and len(library.m) == 1


def test_groups_stand_before_the_channels_that_they_divide():
    text = "L<n:2,h:4,w:4,g:2,f:2> S<c:3,r:3,s:3> X[n,h+r-1,w+s-1,g,c] * W[g,f,c,r,s]"
    weights, operator = planned(program_of(text, X=(2, 4, 4, 2, 3), W=(2, 2, 3, 3, 3)))
    _, library = operator_of([weights, operator])
    assert library.batch == ("g",) and operator.operands[0].name == "X"
    assert weights.result.shape == (2, 2, 3, 3, 3)


def test_groups_within_one_dimension_of_channels():
    text = "L<n:2,h:4,w:4,g:2,f:2> S<c:3,r:3,s:3> X[n,h+r-1,w+s-1,3*g+c] * W[g,f,c,r,s]"
    _, library = operator_of(planned(program_of(text, X=(2, 4, 4, 6), W=(2, 2, 3, 3, 3))))
    assert (library.batch, library.k, len(library.windows)) == (("g",), ("c",), 2)


def test_a_depthwise_convolution():
    text = "L<n:2,h:4,w:4,c:5> S<r:3,s:3> X[n,h+r-1,w+s-1,c] * W[c,r,s]"
    (operator,) = planned(program_of(text, X=(2, 4, 4, 5), W=(5, 3, 3)))
    _, library = operator_of([operator])
    assert (library.batch, library.n, library.k) == (("c",), (), ())


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        # A product has no window.
        ("L<m:3,n:5> S<k:4> X[m,k] * W[k,n]", {"X": (3, 4), "W": (4, 5)}),
        # A flipped kernel is a convolution only after a reflection, unless it is transposed.
        ("L<n:2,h:3,f:2> S<c:3,r:3> X[n,2*h-r+2,c] * W[f,c,r]", {"X": (2, 8, 3), "W": (2, 3, 3)}),
        # The sums of two windows overlap, or share a tap.
        ("L<n:2,h:3,f:2> S<c:3,r:3> X[n,h+r,h,c] * W[f,c,r]", {"X": (2, 8, 3, 3), "W": (2, 3, 3)}),
        # A guard that belongs to no window.
        (
            "L<n:2,h:3,f:2> S<c:3,r:3> X[n,h+r,c] * W[f,c,r] * [(h+c) mod 2 = 0]",
            {"X": (2, 8, 3), "W": (2, 3, 3)},
        ),
        # Both a convolution and a transposed one.
        (
            "L<n:2,h:3,w:3,f:2> S<c:3,r:3,s:3> X[n,h+r,w-s,c] * W[f,c,r,s]",
            {"X": (2, 8, 3, 3), "W": (2, 3, 3, 3)},
        ),
        # Four spatial dimensions.
        (
            "L<h:2,w:2,d:2,e:2> S<r:2,s:2,q:2,t:2> X[h+r,w+s,d+q,e+t] * W[r,s,q,t]",
            {"X": (3, 3, 3, 3), "W": (2, 2, 2, 2)},
        ),
    ],
)
def test_what_no_library_has_as_it_is(text: str, shapes: dict[str, tuple[int, ...]]):
    (definition,) = program_of(text, **shapes).definitions
    assert as_written(definition) is None


def test_the_spatial_rank_is_that_of_one_operand():
    text = "L<n:2,h:6,w:5,f:5> S<c:3,r:3,s:3> X[n,h+r-1,w+s-1,c] * W[f,c,r,s]"
    assert spatial_rank(program_of(text, **NHWC).definitions[0].scope) == 2
    product = program_of("L<m:3,n:5> S<k:4> X[m,k] * W[k,n]", X=(3, 4), W=(4, 5))
    assert spatial_rank(product.definitions[0].scope) == 0


def test_a_plan_without_windows_stays():
    program = program_of("L<m:3,n:5> S<k:4> X[m,k] * W[k,n]", X=(3, 4), W=(4, 5))
    assert channels_last(program.statements, names_of(program)) == program.statements
