"""Which kinds of kernels a definition is offered, all of them right."""

from math import prod

import pytest

from einnet.codegen.gpu.gather import Gather
from einnet.codegen.gpu.kernel import build_kernel, schedules
from einnet.codegen.gpu.reductions import Reduce
from einnet.codegen.gpu.transpose import Transpose
from kernels import case, check


@pytest.mark.parametrize(
    ("text", "shapes", "kinds"),
    [
        ("L<a:32,b:64> tanh(X[a,b])", {"X": (32, 64)}, {Gather}),
        ("L<n:2,c:32,x:48> X[n,x,c] + B[c]", {"X": (2, 48, 32), "B": (32,)}, {Gather, Transpose}),
        ("L<a:5> S<k:4096> X[a,k] * Z[k]", {"X": (5, 4096), "Z": (4096,)}, {Gather, Reduce}),
    ],
)
def test_every_schedule_of_every_kind(
    text: str, shapes: dict[str, tuple[int, ...]], kinds: set[type]
) -> None:
    some = case(text, "f32", "f32", **shapes)
    offered = schedules(some.definition, some.buffers)
    assert {type(s) for s in offered} == kinds
    assert len(offered) <= 5
    for schedule in offered:
        check(some, build_kernel(some.definition, some.buffers, schedule), factor=256)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("L<i:9> relu({L<i:9> S<k:256> X[i,k]}[i]*A[i])", {"X": (9, 256), "A": (9,)}),
        # Nothing is side by side; and results that fill a GPU.
        ("L<i:9> relu({L<i:9> S<k:99> X[i,2*k]}[i]*A[i])", {"X": (9, 198), "A": (9,)}),
        ("L<i:200000> relu({L<i:200000> S<k:65> X[k]*Z[i]}[i])", {"X": (65,), "Z": (200000,)}),
    ],
)
def test_a_nested_sum_is_never_unrolled(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    some = case(text, **shapes)
    offered = schedules(some.definition, some.buffers)
    assert {type(s) for s in offered} == {Reduce}
    small = prod(some.definition.result.shape) < 1000
    for schedule in offered:
        kernel = build_kernel(some.definition, some.buffers, schedule)
        if small:
            check(some, kernel, factor=256)


@pytest.mark.parametrize(
    ("text", "shape", "kind"),
    [
        ("L<x:64,c:64> X[c,x]", (64, 64), Gather),
        ("L<x:1024,c:1024> X[c,x]", (1024, 1024), Transpose),
        ("L<a:16> S<k:4096> X[a,k]", (16, 4096), Reduce),
    ],
)
def test_what_is_taken_unasked(text: str, shape: tuple[int, ...], kind: type) -> None:
    some = case(text, X=shape)
    first = schedules(some.definition, some.buffers)[0]
    assert isinstance(first, kind)
    kernel = build_kernel(some.definition, some.buffers)
    assert kernel == build_kernel(some.definition, some.buffers, first)
