"""Derivations to target operators: found, equal to their start, few states, the same every time."""

from __future__ import annotations

from functools import cache
from math import prod
from random import Random

import convolutions
import pytest
from convolutions import STARTS, Axis, disguised
from tensor_algebra import parse, run_plan, value_of

from einnet.errors import InputError
from einnet.expr.check import check_program
from einnet.expr.nodes import Scope, Tensor, tensors_of
from einnet.expr.program import Program
from einnet.operators import contraction
from einnet.operators.banded import G2BMM
from einnet.operators.contraction import Match
from einnet.operators.convolution import any_convolution, convolution
from einnet.operators.cost import CPU
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.search.converge import Limits, Result, search
from einnet.search.state import replay, start


def seconds(match: Match) -> float:
    return contraction.estimate(match, CPU)


def derive(scope: Scope, target: Target = PRODUCT) -> Result:
    return search(scope, seconds, None, target)


derived = cache(derive)


def assert_plans_compute(scope: Scope, result: Result) -> None:
    """Every plan is a program and computes what the start does, at every position."""
    expected = value_of(scope)
    inputs = tensors_of(scope)
    for found in result.found:
        out = Tensor("out", scope.extents)
        statements = contraction.plan(found.match, out, {t.name for t in inputs} | {"out"})
        check_program(Program("f", inputs, statements, (out,)))
        assert (run_plan(statements, inputs)[out.name] == expected).all()


@pytest.mark.parametrize("name", STARTS)
def test_real_starts(name: str):
    scope = STARTS[name]
    result = derived(scope)
    assert result.found
    assert_plans_compute(scope, result)
    assert result.visited <= 200
    costs = [f.cost for f in result.found]
    assert costs == sorted(costs)


@pytest.mark.parametrize("name", STARTS)
def test_the_same_search_every_time_and_its_steps_replay(name: str):
    scope = STARTS[name]
    first, second = derived(scope), derive(scope)
    assert (first.visited, first.generated) == (second.visited, second.generated)
    assert [f.state for f in first.found] == [f.state for f in second.found]
    for found in first.found:
        assert replay(scope, found.state.steps) == found.state


@pytest.mark.parametrize(
    ("text", "shapes", "sizes"),
    [
        # EinNet's own sizes and results: product and offset-add.
        (
            "L<f:512,h:7,w:7> S<c:512,r:3,s:3> X[c,h+r-1,w+s-1] * W[f,c,r,s]",
            {"X": (512, 7, 7), "W": (512, 512, 3, 3)},
            (49, 4608, 512),
        ),
        (
            "L<n:16,f:256,h:4,w:4> S<c:448,r:4,s:4> X[n,c,(h+1-r) div 2,(w+1-s) div 2]"
            " * W[c,f,r,s] * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]",
            {"X": (16, 448, 2, 2), "W": (448, 256, 4, 4)},
            (64, 4096, 448),
        ),
        (
            "L<n:16,h:120,w:120> S<c:32,r:9,s:9> X[n,c,(h+3-r) div 4,(w+3-s) div 4]"
            " * W[c,r,s] * [(h+3-r) mod 4 = 0] * [(w+3-s) mod 4 = 0]",
            {"X": (16, 32, 30, 30), "W": (32, 9, 9)},
            (81, 14400, 32),
        ),
        (
            "L<f:128,h:7,w:7> S<c:2048,s:7> X[c,h,w+s-3] * W[f,c,s]",
            {"X": (2048, 7, 7), "W": (128, 2048, 7)},
            (49, 896, 2048),
        ),
    ],
)
def test_the_cheapest_derivation_at_real_sizes(
    text: str, shapes: dict[str, tuple[int, ...]], sizes: tuple[int, int, int]
):
    result = derive(parse(text, **shapes))
    batch, m, n, k = contraction.shape(result.found[0].match)
    assert (batch, *sorted((m, n)), k) == (1, *sizes)
    assert result.visited <= 200


def test_a_transposed_convolution_needs_no_multiplications_by_zero():
    """The zero-stuffed form multiplies prod(stride) times as often."""
    scope = STARTS["transposed 4x4 s2"]
    points = prod(i.extent for i in scope.traversal + scope.summation)
    assert prod(contraction.shape(derived(scope).found[0].match)) <= points / 4


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["3x3", "transposed 16 s8", "band", "of flat groups", "7x1"])
def test_names_and_layouts_do_not_matter(name: str, seed: int):
    scope = disguised(STARTS[name], seed)
    result = derive(scope)
    assert result.found and result.visited <= 200
    assert_plans_compute(scope, result)


def held_out(seed: int) -> Scope:
    """A convolution or transposed convolution that nobody chose."""
    random = Random(seed)
    while True:
        transposed = random.random() < 0.5
        axes: list[Axis] = []
        for _ in range(random.choice((1, 2))):
            stride = random.randint(1, 3)
            kernel = (
                random.randint(1, 5) if not transposed else random.randint(stride, 2 * stride + 1)
            )
            pad = random.randint(0, kernel // 2)
            dilation = 1 if transposed else random.choice((1, 1, 2, 3))
            axes.append(Axis(random.randint(3, 7), kernel, stride, pad, dilation))
        build = convolutions.transposed_convolution if transposed else convolutions.convolution
        try:
            scope = build(*axes, channels=2, filters=random.randint(1, 3))
        except InputError:  # the kernel is larger than the input
            continue
        return disguised(scope, seed)


@pytest.mark.parametrize(
    ("name", "target", "sizes"),
    [
        ("3x3", convolution(3, 3), (1, 2, 2, 3, 5, 3, 4, 3)),
        ("3x3 dilated by 2", convolution(3, 3), None),
        ("3x3 stride 2", any_convolution(2), None),
        ("7x7 stride 2", any_convolution(2), None),
        # The phase form: one dense convolution with a filter for each phase.
        ("transposed 4x4 s2", any_convolution(2), None),
        ("transposed 9x9 s4", convolution(3, 3), None),
        ("transposed 16 s8", any_convolution(1), None),
        ("5x5 of one filter", convolution(3, 3), None),
        ("of groups", any_convolution(1, groups=True), None),
        ("band", G2BMM, None),
    ],
)
def test_operators_with_windows(name: str, target: Target, sizes: tuple[int, ...] | None):
    scope = STARTS[name]
    result = derive(scope, target)
    assert result.found and result.visited <= 400
    assert_plans_compute(scope, result)
    assert all(f.match.windows for f in result.found)
    if sizes is not None:
        assert contraction.shape(result.found[0].match) == sizes


@pytest.mark.parametrize("seed", range(8))
def test_held_out_convolutions(seed: int):
    scope = held_out(seed)
    result = derive(scope)
    assert result.found and result.visited <= 200
    assert_plans_compute(scope, result)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_more_held_out_convolutions(seed: int):
    test_held_out_convolutions(seed)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        # Depthwise: no iterator belongs to W and the output alone.
        ("L<n:2,c:3,h:6> S<r:3> X[n,c,h+r-1] * W[c,r]", {"X": (2, 3, 6), "W": (3, 3)}),
        (
            "L<n:2,c:3,h:5,w:5> S<r:3,s:3> X[n,c,h+r-1,w+s-1] * W[c,r,s]",
            {"X": (2, 3, 5, 5), "W": (3, 3, 3)},
        ),
        ("L<i:4,j:5> X[i] * Y[j]", {"X": (4,), "Y": (5,)}),
        ("L<i:4> S<j:5> X[i,j] * Y[i]", {"X": (4, 5), "Y": (4,)}),
    ],
)
def test_what_is_no_product_ends_quickly(text: str, shapes: dict[str, tuple[int, ...]]):
    result = derive(parse(text, **shapes))
    assert result.found == () and result.visited <= 60


@pytest.mark.parametrize(
    "text",
    [
        "L<i:4> X[i]",
        "L<i:4> X[i+4] * X[i]",
        "L<i:4> S<j:2> X[i] * X[j] * X[i]",
        "L<i:4> S<j:2> X[i] * X[j] + X[i]",
        "L<i:4> S<j:2> X[i] * relu(X[j])",
    ],
)
def test_other_forms_give_an_empty_result(text: str):
    result = derive(parse(text, X=(4,)))
    assert result == Result((), 0, 0, 0)


def test_limits_bound_the_search():
    scope = STARTS["transposed 4x4 s2"]
    components = 5
    for visits in (1, 5, 20):
        result = search(scope, seconds, Limits(visits=visits), PRODUCT)
        assert result.visited <= visits * components
    assert search(scope, seconds, Limits(visits=1), PRODUCT).found == ()
    short = search(scope, seconds, Limits(steps=2), PRODUCT)
    assert all(len(f.state.steps) <= 2 * components for f in short.found)
    narrow = search(scope, seconds, Limits(beam=1), PRODUCT)
    assert narrow.found and len(narrow.found) <= len(derived(scope).found)


def test_cost_decides_the_order():
    scope = STARTS["transposed 4x4 s2"]
    cheap, dear = derived(scope), search(scope, lambda match: -seconds(match), None, PRODUCT)
    assert [f.cost for f in cheap.found] == [-f.cost for f in reversed(dear.found)]


def test_the_start_itself_can_match():
    scope = STARTS["product"]
    result = derive(scope)
    origin = start(scope)
    assert origin is not None
    assert result.found[0].state.steps == () and result.found[0].state == origin
