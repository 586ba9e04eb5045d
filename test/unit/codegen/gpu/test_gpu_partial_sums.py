"""Sums cut into parts mean what they did, and are cut where one block would sum alone."""

import numpy as np
import pytest

from einnet.codegen.gpu.kernel import build_kernel, schedules
from einnet.codegen.gpu.partial_sums import partial_sums
from einnet.codegen.gpu.reductions import Reduce
from einnet.expr.interpreter import Field, dense, evaluate_everywhere
from kernels import case, check, of_scope

CUT = [
    ("L<> S<k:70000> X[k]*X[k]", {"X": (70000,)}),
    ("L<i:3> S<k:20001> 1/3*X[i,k]", {"X": (3, 20001)}),  # parts that do not fill the sum
    ("L<c:8> S<n:30,h:512> X[n,h,c]*[(h+n) mod 3 = 0]", {"X": (30, 512, 8)}),
    ("L<i:2> S<k:-3:16385> X[i,k]", {"X": (2, 16380)}),  # a range that does not start at 0
]


@pytest.mark.parametrize(("text", "shapes"), CUT)
def test_meaning(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    given = case(text, **shapes)
    rng = np.random.default_rng(3)
    arrays = {n: rng.integers(0, 1000, shape) for n, shape in shapes.items()}
    correct = evaluate_everywhere(given.definition.scope, dense(arrays), Field())
    taken = {"X", "Y"}
    cut, rest = partial_sums(given.definition, "f32", taken)
    assert cut.result.name in taken
    assert rest.result == given.definition.result
    arrays[cut.result.name] = evaluate_everywhere(cut.scope, dense(arrays), Field())
    np.testing.assert_array_equal(evaluate_everywhere(rest.scope, dense(arrays), Field()), correct)


def test_both_parts_are_reductions() -> None:
    given = case("L<> S<k:300000> X[k]*X[k]", X=(300000,))
    for definition in partial_sums(given.definition, "f32", {"X", "Y"}):
        part = of_scope(definition.scope, "f32")
        (schedule, *_) = schedules(part.definition, part.buffers)
        assert isinstance(schedule, Reduce)
        assert schedule.vector == 4 or definition.result.name == "Y"
        check(part, build_kernel(part.definition, part.buffers, schedule), factor=256)


def test_parts_fill_the_gpu() -> None:
    given = case("L<i:2> S<k:16777216> X[i,k]", X=(2, 1 << 24))
    cut, _ = partial_sums(given.definition, "f32", set())
    assert cut.result.shape == (132, 2)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("L<i:300> S<k:100000> X[i,k]", {"X": (300, 100000)}),  # results enough
        ("L<> S<k:5000> X[k]", {"X": (5000,)}),  # not long enough
        ("L<i:4> X[i]", {"X": (4,)}),  # no sum
        ("L<i:64,j:64> S<k:512> X[i,k]*Z[j,k]", {"X": (64, 512), "Z": (64, 512)}),  # too little
    ],
)
def test_what_stays_whole(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    given = case(text, **shapes)
    assert partial_sums(given.definition, "f32", set()) == (given.definition,)


def test_results_that_share_what_is_read_count_less() -> None:
    """1029 results are blocks enough, unless a block computes many of them together."""
    text = "L<h:7,w:7,f:21> S<c:2048,r:7> X[h+r-3,w,c]*W[f,c,r]"
    given = case(text, X=(7, 7, 2048), W=(21, 2048, 7))
    cut, rest = partial_sums(given.definition, "f32", {"X", "W", "Y"})
    assert cut.result.shape == (32, 7, 7, 21)
    assert rest.result.shape == (7, 7, 21)
