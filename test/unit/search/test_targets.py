"""Every target operator is reached, and its plan computes the start expression everywhere."""

from __future__ import annotations

import pytest
from convolutions import Axis, convolution, transposed_convolution
from tensor_algebra import parse, run_plan, value_of

from einnet.expr.check import check_program
from einnet.expr.nodes import Scope, Tensor, tensors_of
from einnet.expr.program import Definition, Program, Windowed
from einnet.operators import convolution as convolutions
from einnet.operators.banded import G2BMM, GBMM
from einnet.operators.contraction import Match, plan, shape
from einnet.operators.target import Target
from einnet.search.converge import FIRST, Limits, search

SMALL = Axis(7, 3, pad=1)


def cost(match: Match) -> float:
    return float(len(match.scope.summation))


def reach(scope: Scope, target: Target, limits: Limits | None = None) -> list[Windowed]:
    """The library operators of all matches, after checking what each plan computes."""
    expected = value_of(scope)
    found: list[Windowed] = []
    for match in (f.match for f in search(scope, cost, limits, target).found):
        inputs = tensors_of(scope)
        result = Tensor("out", scope.extents)
        statements = plan(match, result, {"out", *(t.name for t in inputs)})
        check_program(Program("f", inputs, statements, (result,)))
        assert (run_plan(statements, inputs)["out"] == expected).all(), match
        for statement in statements:
            assert isinstance(statement, Definition)
            if isinstance(statement.library, Windowed):
                found.append(statement.library)
    return found


@pytest.mark.parametrize(
    ("scope", "numbers"),
    [
        (convolution(SMALL), [(1, 1)]),
        (convolution(SMALL, Axis(8, 3, 2, 1)), [(1, 1), (2, 1)]),
        (convolution(Axis(9, 3, 2, 2, 3), Axis(9, 3, 1, 2, 2)), [(2, 3), (1, 2)]),
        (convolution(SMALL, Axis(5, 3), Axis(6, 3, 2)), [(1, 1), (1, 1), (2, 1)]),
    ],
)
def test_library_convolutions_are_matched_as_they_stand(
    scope: Scope, numbers: list[tuple[int, int]]
):
    target = convolutions.library_convolution(len(numbers))
    (library,) = reach(scope, target, FIRST)
    assert sorted((w.stride, w.dilation) for w in library.windows) == sorted(numbers)
    assert not any(w.transposed for w in library.windows)


def test_padding_is_the_library_operators_own():
    scope = parse("L<n:2,h:7,f:3> S<c:4,r:3> X[n,h+r-1,c] * W[r,c,f]", X=(2, 7, 4), W=(3, 4, 3))
    target = convolutions.library_convolution(1)
    (found,) = search(scope, cost, FIRST, target).found
    statements = plan(found.match, Tensor("out", scope.extents), {"out", "X", "W"})
    assert [s.label for s in statements if isinstance(s, Definition)][:1] == [""], "a layout copy"
    assert isinstance(statements[0], Definition)
    assert [t.name for t in statements[0].operands] == ["X", "W"]


def test_groups_are_the_batch_row():
    scope = parse(
        "L<n:2,g:3,f:4,h:5> S<c:2,r:3> X[n,g,c,h+r-1] * W[g,f,c,r]", X=(2, 3, 2, 5), W=(3, 4, 2, 3)
    )
    assert not reach(scope, convolutions.library_convolution(1), FIRST)
    (library,) = reach(scope, convolutions.library_convolution(1, groups=True), FIRST)
    assert library.batch == ("g",)


@pytest.mark.parametrize(
    "axes",
    [(Axis(4, 4, 2, 1),), (Axis(3, 4, 2, 1), Axis(4, 5, 3, 2)), (Axis(3, 3, 1, 1), Axis(3, 4, 2))],
)
def test_transposed_convolutions_are_matched_as_they_stand(axes: tuple[Axis, ...]):
    target = convolutions.transposed_convolution(len(axes))
    (library,) = reach(transposed_convolution(*axes), target, FIRST)
    assert all(w.transposed for w in library.windows)
    assert sorted(w.stride for w in library.windows) == sorted(a.stride for a in axes)


def test_a_transposed_convolution_needs_its_guard():
    scope = parse("L<n:2,h:8> S<c:3,r:4> X[n,c,(h-r+1) div 2] * W[c,r]", X=(2, 3, 4), W=(3, 4))
    assert not reach(scope, convolutions.transposed_convolution(1), FIRST)


@pytest.mark.parametrize(
    ("scope", "kernel"),
    [
        (transposed_convolution(Axis(3, 4, 2, 1), Axis(4, 4, 2, 1)), [2, 2]),
        (transposed_convolution(Axis(4, 9, 4, 3)), [3]),
        (convolution(Axis(12, 7, 2, 3), Axis(12, 7, 2, 3)), [4, 4]),
        (convolution(Axis(8, 3, 1, 2, 2), Axis(9, 3, 1, 3, 3)), [3, 3]),
    ],
)
def test_the_dense_form_has_stride_one(scope: Scope, kernel: list[int]):
    rank = len(kernel)
    found = reach(scope, convolutions.any_convolution(rank))
    dense = [library for library in found if len(library.windows) == rank]
    assert dense
    assert all((w.stride, w.dilation, w.transposed) == (1, 1, False) for w in dense[0].windows)
    result = search(scope, cost, None, convolutions.any_convolution(rank))
    full = [f.match for f in result.found if len(f.match.windows) == rank]
    assert kernel in [list(shape(m)[5::2]) for m in full]


def test_a_kernel_of_a_given_size_takes_an_offset_add():
    scope = convolution(Axis(9, 5, 1, 2), Axis(9, 5, 1, 2), filters=1)
    assert reach(scope, convolutions.convolution(3, 3))


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_banded_products_lose_their_dilation(dilation: int):
    width = 2 * dilation
    g2bmm = parse(
        f"L<b:2,m:12,w:5> S<k:3> A[b,m,k] * B[b,m+{dilation}*w-{width},k]",
        A=(2, 12, 3),
        B=(2, 12, 3),
    )
    gbmm = parse(
        f"L<b:2,m:12,n:3> S<w:5> A[b,m,w] * B[b,m+{dilation}*w-{width},n]",
        A=(2, 12, 5),
        B=(2, 12, 3),
    )
    for scope, target in ((g2bmm, G2BMM), (gbmm, GBMM)):
        (library,) = reach(scope, target, FIRST)
        assert [(w.stride, w.dilation) for w in library.windows] == [(1, 1)]


def test_no_windows_where_no_dimension_is_shared():
    scope = parse("L<m:4,n:5> S<k:3> A[m,k] * B[k,n]", A=(4, 3), B=(3, 5))
    result = search(scope, cost, None, convolutions.any_convolution(1))
    assert not result.found and result.visited == 0
